"""What a test sees of an HTML page."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

from numerai_lab.report import write_report

VOID = {"meta", "br", "wbr"}


class Page(HTMLParser):
    """Collects the elements, words and scripts, and insists that every element is closed.

    `tables` is caption -> rows of cells, the first row the heads.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text, self.style, self.scripts = "", "", []
        self.tables: dict[str, list[list[str]]] = {}
        self.rows: list[list[str]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag == "script":
            self.scripts.append("")
        if tag == "table":
            self.rows, self.caption = [], ""
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append("")
        if tag == "wbr":
            self.text = self.text.removesuffix(" ")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag == "table":
            self.tables[self.caption] = self.rows

    def handle_data(self, data):
        inside = self.open[-1] if self.open else ""
        if inside == "script":
            self.scripts[-1] += data
        elif inside == "style":
            self.style += data
        else:
            self.text += data + " "
        if inside == "caption":
            self.caption += data
        elif {"th", "td"} & set(self.open):
            self.rows[-1][-1] += data

    def all(self, tag: str, having: str | None = None) -> list[dict[str, str]]:
        return [a for t, a in self.elements if t == tag and (having is None or having in a)]

    @property
    def words(self) -> str:
        return re.sub(r"\s+", " ", self.text)

    @property
    def figures(self) -> dict:
        return json.loads(self.scripts[0])


def report(run: Path) -> Page:
    """Write the report of a run and read it."""
    return Page(write_report(run).read_text(encoding="utf-8"))


def clean(page: Page) -> None:
    """Assert that no missing value shows as a word of a programming language."""
    assert not re.search(r"\b(nan|none|null|inf|undefined)\b", page.words, re.IGNORECASE)
