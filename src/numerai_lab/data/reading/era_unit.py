"""What the era numbers of a source count: weeks, or they are refused."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Int32
from numerai_lab.config import EraColumn, EraFormat
from numerai_lab.data.reading.era_values import NoEra, read_era
from numerai_lab.errors import DataError
from numerai_lab.weeks import END_OF_WEEKS

Dates = npt.NDArray[np.datetime64]

FARTHEST_WEEKS = 13
"""Typical distance of eras, in weeks, that is still taken for a thinned-out weekly series."""


def by_number(eras: Int32, dates: Dates | None) -> dict[int, date]:
    """Return the date of each era by its number; nothing where eras are not dates."""
    if dates is None:
        return {}
    days: list[date] = dates.astype("datetime64[D]").tolist()
    return dict(zip(eras.tolist(), days, strict=True))


def unit_of(eras: Int32, dates: Dates | None, column: EraColumn, where: str) -> tuple[str, ...]:
    """Check that the eras of a source count weeks; return what a person must be told of it.

    Parameters
    ----------
    eras : int32, every era number of the source, sorted. dates : theirs, where they are dates.

    Raises
    ------
    DataError : numbers that cannot be weeks, or are further apart than `FARTHEST_WEEKS`.
    """
    if not len(eras):
        return ()
    # The lower of two middle gaps: two eras and a hole are no series of holes.
    gap = int(np.quantile(np.diff(eras), 0.5, method="lower")) if len(eras) > 1 else 1
    if dates is not None:
        apart = "" if gap == 1 else f", typically {gap} weeks apart"
        return (
            f"eras are dates: {dates[0]} to {dates[-1]} became weeks {eras[0]} to {eras[-1]}, "
            f"counted from 1900{apart}",
        )
    last = int(eras[-1])
    if column.format == "week_number" or (last < END_OF_WEEKS and gap == 1):
        return ()
    if last >= END_OF_WEEKS:
        raise DataError(
            f"era {last} is not the number of a week (all are below {END_OF_WEEKS:,}), and the "
            f"purge is counted in weeks",
            where=where,
            fix=_declaration(eras, column.column),
        )
    if gap > FARTHEST_WEEKS:
        weeks = _form(column.column, "week_number")
        raise DataError(
            f"eras are typically {gap} apart ({eras[0]}, {eras[1]}, ...), so they do not count "
            f"weeks (1 apart, or up to {FARTHEST_WEEKS} where eras were left out), and the purge "
            "is counted in weeks",
            where=where,
            fix=f"name a column of dates, or, if these are weeks all the same, write {weeks}",
        )
    days = "; if they count days, name a column of dates instead (data.columns.era)"
    return (
        f"eras are typically {gap} apart: taken as every {_nth(gap)} week"
        + (days if gap in (5, 7) else ""),
    )


def _declaration(eras: Int32, name: str) -> str:
    """Name the format that all of these numbers could have, by what they would mean in it."""
    forms: tuple[EraFormat, ...] = ("date", "days_since_1970")
    for form in forms:
        days = _days_of(eras, EraColumn(column=name, format=form))
        if days and all(1980 <= day.year <= 2050 for day in days):
            return f"if {eras[-1]} is {days[-1]}, write {_form(name, form)}"
    return (
        f"name a column of week numbers or of dates, as in {_form(name, 'date')} (format: "
        "week_number takes these numbers for weeks all the same)"
    )


def _days_of(eras: Int32, column: EraColumn) -> list[date]:
    try:
        found = [read_era(era, column) for era in eras.tolist()]
    except NoEra:
        return []
    return [moment.date() for moment in found if isinstance(moment, datetime)]


def _form(name: str, form: EraFormat) -> str:
    return f"data.columns.era: {{column: {name}, format: {form}}}"


def _nth(n: int) -> str:
    return f"{n}{ {2: 'nd', 3: 'rd'}.get(n, 'th') }"
