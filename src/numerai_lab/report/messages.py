"""What the page says above the scores: the data's banner, warnings by severity, the notes.

The numbers and a chart belong on the first screen, so that each warning takes one line, which
opens; a suspected leak stands in full, and of many warnings only the most severe are in sight.
"""

from __future__ import annotations

from collections.abc import Sequence

from numerai_lab.report.facts_section import fold_notes
from numerai_lab.report.markup import Html, h, join
from numerai_lab.report.record import Record

_SEVERE = (
    ("leak", "suspicious"),
    ("prediction 'prediction'",),
    ("prediction '",),
    ("covers less than",),
)
"""What a warning says, the most severe first: scores that cannot be, predictions of the run that
were not scored, those of others, references that were not there; the rest comes after these."""


def severity(warning: str) -> int:
    """Rank a warning; 0 is a suspected leak, the most severe."""
    said = warning.lower()
    ranks = (i for i, marks in enumerate(_SEVERE) if any(mark in said for mark in marks))
    return next(ranks, len(_SEVERE))


MOST_IN_SIGHT = 3
"""Warnings with a line of their own; what is beyond opens together. Leaks always have one."""


def fold_warnings(warnings: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the warnings that are in sight, and those that are folded, each by severity."""
    ranked = sorted(warnings, key=severity)
    leaks = sum(severity(warning) == 0 for warning in warnings)
    in_sight = max(leaks, MOST_IN_SIGHT)
    return ranked[:in_sight], ranked[in_sight:]


LINE = 110
"""Characters that stand in one line at 1280 px; what is longer opens."""


def banner(title: str, text: str) -> Html:
    """Build the banner of data that are not Numerai's: one line, which opens where it is longer."""
    said = _capitalized(text, title)
    return h("div", _line(said, h("strong", title), " "), class_="banner", role="note")


def _capitalized(text: str, title: str) -> str:
    """Leave out a title that a text begins with already."""
    said = text.removeprefix(f"{title.upper()}: ")
    return said[:1].upper() + said[1:]


def _line(text: str, *before: object) -> Html:
    """Build a line that is cut where it is too long for the page, and opens to the whole."""
    if len(text) <= LINE // 2:
        return h("span", *before, text)
    return h("details", h("summary", *before, text), class_="line")


def messages(record: Record) -> Html:
    """Build what must be known before the first number is read."""
    data, warnings = record.manifest.data, record.scores.warnings
    parts = []
    synthetic = data.source == "synthetic"
    if synthetic or data.notice:
        text = data.notice or "These rows were made by the lab itself."
        if synthetic:
            said = "Its scores say nothing about Numerai."
            text = f"{said} {_capitalized(text, 'Synthetic data').replace(f' {said}', '')}"
        parts.append(banner("Synthetic data" if synthetic else "About the data", text))
    if record.scores.trained_on:
        parts.append(banner("A part of the rows", f"The model was {record.scores.trained_on}."))
    if record.scores.origin:
        parts.append(banner("Not from a config alone", f"{record.scores.origin}."))
    if warnings:
        shown, folded = fold_warnings(warnings)
        count = f"{len(warnings)} warnings" if len(warnings) > 1 else "Warning"
        parts.append(
            h(
                "div",
                h("strong", count),
                h(
                    "ul",
                    *(
                        h("li", warning if severity(warning) == 0 else _line(warning))
                        for warning in shown
                    ),
                ),
                _folded(f"{len(folded)} more", folded),
                class_="warnings",
                role="note",
            )
        )
    return join(parts)


def notes(record: Record) -> Html:
    """Build the folded notes of the run and of its fits."""
    said = [*record.manifest.notes, *fold_notes(record)]
    if not said:
        return Html("")
    title = f"{len(said)} note{'' if len(said) == 1 else 's'} on how it ran"
    return h("div", _folded(title, said), class_="notes", role="note")


def _folded(title: str, lines: Sequence[str]) -> Html:
    if not lines:
        return Html("")
    return h("details", h("summary", title), h("ul", *(h("li", line) for line in lines)))
