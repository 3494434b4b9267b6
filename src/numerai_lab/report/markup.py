"""HTML from Python values: whatever is not `Html` already is escaped, so nothing slips through."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

VOID = frozenset({"br", "meta", "wbr"})
_SEPARATORS = re.compile(r"(?<=[/\\_:=-])(?=[^/\\_:=-])|(?<=[.])(?=[^\W\d_])")
"""Between a separator and what follows it; a point before a digit is no separator."""


class Html(str):
    """Text that is HTML already and goes into the page as it stands."""

    __slots__ = ()


def escape(value: object) -> Html:
    """Return a value as HTML: unchanged if it is `Html`, else escaped text."""
    return value if isinstance(value, Html) else Html(html.escape(str(value)))


def join(parts: Iterable[object], between: str = "") -> Html:
    """Put parts one after another, each escaped unless it is `Html`."""
    return Html(between.join(escape(part) for part in parts))


def h(tag: str, *children: object, **attributes: object) -> Html:
    """Build an element; `class_` and `aria_label` become `class` and `aria-label`.

    Attributes that are None or False are left out, True stands without a value.
    """
    written = ""
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        key = name.rstrip("_").replace("_", "-")
        written += f" {key}" if value is True else f' {key}="{html.escape(str(value))}"'
    begin = f"<{tag}{written}>"
    # in one join: what is put together here may hold a library of 5 MB
    return Html(begin) if tag in VOID else join([Html(begin), *children, Html(f"</{tag}>")])


def document(title: str, style: str, policy: str, *body: object) -> Html:
    """Build a whole page that is one file; see `document_parts`."""
    return join(document_parts(title, style, policy, *body))


def document_parts(title: str, style: str, policy: str, *body: object) -> list[Html]:
    """Build a whole page that is one file, as texts that follow one another.

    A page with charts holds their library of 5 MB: put together it would be copied twice before
    it is written.

    Parameters
    ----------
    style : CSS. policy : its Content-Security-Policy. body : what is in it.
    """
    head = h(
        "head",
        h("meta", charset="utf-8"),
        h("meta", name="viewport", content="width=device-width, initial-scale=1"),
        h("meta", name="color-scheme", content="light dark"),
        h("meta", http_equiv="Content-Security-Policy", content=policy),
        h("title", title),
        h("style", Html(style)),
    )
    start = Html('<!doctype html>\n<html lang="en">')
    return [start, head, Html("<body>"), *map(escape, body), Html("</body></html>")]


def breakable(text: str) -> Html:
    """Let a path, a name or a command break into lines after its separators, and nowhere else."""
    return join(_SEPARATORS.split(text), h("wbr"))


def code(text: str, **attributes: object) -> Html:
    """Build an element of code that breaks after separators."""
    return h("code", breakable(text), **attributes)


def _breakable_label(head: object) -> str:
    """Return a column's head for an attribute, where a zero-width space stands for `wbr`."""
    return "\u200b".join(_SEPARATORS.split(str(head)))


def table(
    caption: object,
    head: Sequence[object],
    rows: Iterable[Sequence[object]],
    *,
    text_columns: int = 1,
    class_: str = "",
) -> Html:
    """Build a table with headers for its columns and for the first cell of each row.

    Parameters
    ----------
    text_columns : how many columns from the left hold text; the others are aligned as numbers.

    Notes
    -----
    On a phone each row becomes a block of cells under their heads (`data-label`, in page.css), so
    that no number lies beyond the edge.
    """

    def side(column: int) -> str | None:
        return None if column < text_columns else "number"

    body = [
        h(
            "tr",
            h("th", row[0], scope="row"),
            *(
                h("td", cell, class_=side(i), data_label=_breakable_label(head[i]))
                for i, cell in enumerate(row[1:], start=1)
            ),
        )
        for row in rows
    ]
    heads = (h("th", cell, scope="col", class_=side(i)) for i, cell in enumerate(head))
    inner = h(
        "table",
        h("caption", caption),
        h("thead", h("tr", *heads)),
        h("tbody", *body),
        class_=class_ or None,
    )
    # A wide table scrolls inside its own box; tabindex lets the keyboard scroll it too.
    return h("div", inner, class_="scroll stacks", tabindex="0", role="region", aria_label=caption)


def facts(pairs: Iterable[tuple[object, object]]) -> Html:
    """Build a list of names and values."""
    return h("dl", *(h("div", h("dt", name), h("dd", value)) for name, value in pairs))
