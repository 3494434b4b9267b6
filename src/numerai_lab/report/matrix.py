"""Every pair of several runs as a table: row minus column, with a star where it is sure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numerai_lab.experiment import SideBySide, in_words
from numerai_lab.report import figures
from numerai_lab.report.figures import ABSENT, number

if TYPE_CHECKING:
    from rich.console import RenderableType

ABREAST = 7
"""Columns of a block on the terminal; more go into further blocks."""
SURE = (
    "Row minus column. A star: its interval is clear of 0, also among all pairs, and so are all "
    "thirds of the eras."
)


def cells(held: SideBySide) -> list[list[str]]:
    """Write the difference of every two, row minus column."""
    n = len(held.labels)
    written = [[ABSENT if a == b else "" for b in range(n)] for a in range(n)]
    for pair in held.pairs:
        star = "*" if pair.verdict in ("better", "worse") else ""
        a, b, difference = pair.first, pair.second, pair.difference
        written[a][b] = number(difference, signed=True) + star
        written[b][a] = number(None if difference is None else -difference, signed=True) + star
    return written


def common_eras(held: SideBySide) -> str:
    """Say which eras all runs are on."""
    eras = held.scores.index
    return figures.in_eras(len(eras), int(eras[0]), int(eras[-1]))


def render_matrix(held: SideBySide) -> RenderableType:
    """Render the differences of all pairs, in blocks of columns that fit 80 characters."""
    from rich.console import Group
    from rich.text import Text

    from numerai_lab.report.terminal import add_row, new_table

    written = cells(held)
    n = len(held.labels)
    parts: list[RenderableType] = [Text("")]
    parts.append(Text(f"every pair: {in_words(held.metric)}, over the same {common_eras(held)}"))
    for label, value, i in zip(held.labels, held.values, range(1, n + 1), strict=True):
        parts.append(Text(f"  {i}  {number(value)}  {label}"))
    for start in range(0, n, ABREAST):
        columns = range(start, min(start + ABREAST, n))
        table = new_table([("", True), *((str(i + 1), True) for i in columns)])
        for a in range(n):
            add_row(table, [str(a + 1), *(written[a][b] for b in columns)])
        parts.append(table)
    return Group(*parts, Text(SURE))
