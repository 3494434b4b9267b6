"""When it went well and when badly: the deepest falls, and corr by year and quarter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np

from numerai_lab.report import curves, figures
from numerai_lab.report.curves import Curve
from numerai_lab.report.figures import ABSENT, count, number
from numerai_lab.report.markup import Html, h, join, table
from numerai_lab.report.record import Record
from numerai_lab.report.score_shapes import MODEL

MOST_FALLS = 5
_STRONGEST = 55
"""Per cent of colour in the cell that lies furthest from 0: its number stays readable."""


@dataclass(frozen=True)
class Fall:
    """One time that the sum lay below its highest point: from there to its lowest, and back."""

    top: int
    bottom: int
    back: int | None
    depth: float
    n_eras: int


def falls(own: Curve) -> list[Fall]:
    """Return the times below the highest point so far, the deepest first.

    As in `max_drawdown`, the first era is the first highest point.
    """
    depth = curves.drawdown(own).values
    found = []
    begin: int | None = None
    for i in range(len(depth) + 1):
        under = i < len(depth) and depth[i] < 0
        if under and begin is None:
            begin = i
        elif not under and begin is not None:
            low = begin + int(np.argmin(depth[begin:i]))
            back = int(own.eras[i]) if i < len(depth) else None
            top = int(own.eras[begin - 1])
            found.append(Fall(top, int(own.eras[low]), back, float(-depth[low]), i - begin))
            begin = None
    return sorted(found, key=lambda fall: -fall.depth)


def periods_section(record: Record) -> Html:
    """Build the section; nothing where no era has a corr."""
    own = curves.per_era(record, MODEL)
    if not len(own):
        return Html("")
    parts = [_falls(record, own), _quarters(record, own)]
    return h("section", h("h2", "Periods"), *parts, id="periods")


def _falls(record: Record, own: Curve) -> Html:
    found = falls(own)
    if not found:
        return h("p", "Cumulative corr never fell below an earlier point.", class_="note")

    def era(number_: int | None) -> Html:
        if number_ is None:
            return join(["not yet"])
        day = record.manifest.data.era_dates.get(number_)
        return join([str(number_), h("small", day)] if day else [str(number_)], " ")

    rows = [
        [
            f"{place}.",
            number(fall.depth, 3),
            era(fall.top),
            era(fall.bottom),
            era(fall.back),
            count(fall.n_eras),
        ]
        for place, fall in enumerate(found[:MOST_FALLS], start=1)
    ]
    head = ["", "depth", "highest in era", "lowest in era", "made good in era", "eras below"]
    shown = min(MOST_FALLS, len(found))
    return table(f"The {shown} deepest of {len(found)} drawdowns of cumulative corr", head, rows)


def _by_quarter(record: Record, own: Curve) -> dict[tuple[int, int], list[float]]:
    found: dict[tuple[int, int], list[float]] = {}
    for era, value in zip(own.eras.tolist(), own.values.tolist(), strict=True):
        day = record.manifest.data.era_dates.get(era)
        if day is None:
            return {}
        parsed = date.fromisoformat(day)
        found.setdefault((parsed.year, (parsed.month + 2) // 3), []).append(value)
    return found


def _quarters(record: Record, own: Curve) -> Html:
    """Build the map of mean corr by year and quarter; nothing where eras have no dates."""
    cells = _by_quarter(record, own)
    if not cells:
        return Html("")
    largest = max(abs(float(np.mean(values))) for values in cells.values()) or 1.0

    def row(year: int) -> Iterator[object]:
        yield str(year)
        for quarter in range(1, 5):
            yield _heat(cells.get((year, quarter), []), largest)
        whole = [v for quarter in range(1, 5) for v in cells.get((year, quarter), [])]
        yield _heat(whole, largest)

    years = sorted({year for year, _ in cells})
    head = ["year", "January to March", "April to June", "July to September"]
    head += ["October to December", "year as a whole"]
    rows = [[*row(year)] for year in years]
    return table("Mean corr by year and quarter, with the number of eras", head, rows)


def _heat(values: list[float], largest: float) -> Html:
    if not values:
        return join([ABSENT])
    mean = float(np.mean(values))
    colour = "var(--accent)" if mean >= 0 else "var(--loss)"
    share = round(_STRONGEST * min(1.0, abs(mean) / largest))
    style = f"background:color-mix(in srgb, {colour} {share}%, transparent)"
    eras = figures.count(len(values))
    return h("span", number(mean), h("small", f"{eras} eras"), class_="heat", style=style)
