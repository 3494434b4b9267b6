"""Weeks as whole numbers: what eras are counted in, and how a date becomes one of them.

Weeks are counted from a fixed Monday, so the number of a date depends on nothing but the date:
not on the other rows of a file, and not on how many are read.
"""

from __future__ import annotations

import re
from datetime import date, timedelta

FIRST_MONDAY = date(1900, 1, 1)
"""Week 0 begins here; 10,000 weeks later it is 2091."""
END_OF_WEEKS = 10_000
"""Era numbers stay below this: Numerai's are near 1,200, and no date of this time is so small."""


def week_of(day: date) -> int:
    """Return the number of the week, Monday to Sunday, that a date lies in.

    Raises
    ------
    ValueError : a date before 1900 or after August 2091.

    Examples
    --------
    >>> week_of(date(2013, 1, 4)), week_of(date(2013, 1, 6)), week_of(date(2013, 1, 7))
    (5896, 5896, 5897)
    """
    week = (day - FIRST_MONDAY).days // 7
    if not 0 <= week < END_OF_WEEKS:
        raise ValueError(f"{day} is not a date from {FIRST_MONDAY} to {_last_day()}")
    return week


def _last_day() -> date:
    return FIRST_MONDAY + timedelta(days=7 * END_OF_WEEKS - 1)


def week_written(value: object) -> object:
    """Turn a date (or text such as 2013-01-04) into its week's number; leave all else as it is.

    Raises
    ------
    ValueError : a date that does not exist, or that no week number stands for.
    """
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value.strip()):
        value = date.fromisoformat(value.strip())
    return week_of(value) if isinstance(value, date) else value
