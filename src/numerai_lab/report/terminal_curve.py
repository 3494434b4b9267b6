"""The cumulative curve on a terminal: a few lines of dots, or of stars where dots do not exist."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from numerai_lab.report.figures import number

WIDTH, HEIGHT = 60, 7
"""Characters that the curve itself takes."""
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of a braille character by row and column of its dots."""
_BLANK = 0x2800
FEWEST = 5
"""Eras that make a curve."""


def can_write_dots(encoding: str | None) -> bool:
    """Tell whether a stream of this encoding can show braille."""
    try:
        chr(_BLANK + 1).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def curve_lines(
    eras: npt.NDArray[np.int64], scores: npt.NDArray[np.float64], *, dots: bool
) -> list[str]:
    """Draw the running sum of per-era scores, in lines of at most 80 characters.

    Parameters
    ----------
    eras : int64 [n], rising. scores : float64 [n], no NaN.
    dots : draw with braille, 2 x 4 dots a character; else with stars.

    Returns
    -------
    The lines; none for fewer than `FEWEST` eras.
    """
    if len(scores) < FEWEST:
        return []
    total = np.cumsum(scores)
    across, down = (2, 4) if dots else (1, 1)
    columns, rows = WIDTH * across, HEIGHT * down
    low, high = min(0.0, float(total.min())), max(0.0, float(total.max()))
    span = (high - low) or 1.0
    at = np.linspace(0, len(total) - 1, columns)
    heights = np.interp(at, np.arange(len(total)), total)
    row_of = np.round((high - heights) / span * (rows - 1)).astype(int)
    zero = round(high / span * (rows - 1)) // down
    cells = np.zeros((HEIGHT, WIDTH), dtype=int)
    for x in range(columns):
        # up to the next point, so that a steep line has no holes
        ends = row_of[x], row_of[min(x + 1, columns - 1)]
        for y in range(min(ends), max(ends) + 1):
            cells[y // down, x // across] |= _DOTS[y % down][x % across] if dots else 1
    labels = {0: number(high, 2), HEIGHT - 1: number(low, 2), zero: "0"}
    lines = []
    for y in range(HEIGHT):
        line = "".join(_character(int(cell), dots=dots, on_zero=y == zero) for cell in cells[y])
        lines.append(f"{labels.get(y, ''):>8} {line.rstrip()}".rstrip())
    first, last = str(eras[0]), str(eras[-1])
    lines.append(f"{'':>8} {first}{last:>{WIDTH - len(first)}}")
    return lines


def _character(cell: int, *, dots: bool, on_zero: bool) -> str:
    if cell:
        return chr(_BLANK + cell) if dots else "*"
    return "-" if on_zero else " "
