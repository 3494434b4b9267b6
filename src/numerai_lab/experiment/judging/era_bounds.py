"""The eras that `evaluate --from` and `--to` ask for: numbers, or dates where eras have dates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from numerai_lab.data import Dataset
from numerai_lab.errors import UserError
from numerai_lab.weeks import week_of

EraBound = int | date
"""An era's number, or a day of its week."""


def era_bound(text: str, option: str) -> EraBound:
    """Read what a person wrote after an option: an era's number or a date (YYYY-MM-DD).

    Raises
    ------
    UserError : neither, or a date that does not exist.
    """
    written = text.strip()
    if written.isdecimal():
        return int(written)
    try:
        return date.fromisoformat(written if len(written) == len("YYYY-MM-DD") else "")
    except ValueError:
        raise UserError(
            f"'{text}' is neither the number of an era nor a date",
            where=option,
            fix=f"write {option} 575, or {option} 2013-01-04 where eras are dates",
        ) from None


def era_number(
    bound: EraBound | None, option: str, dataset: Dataset, say: Callable[[str], None]
) -> int | None:
    """Return the era number that a bound stands for, and say which era a date became.

    A date stands for its week, Monday to Sunday, as in `data.eras` of a config.

    Raises
    ------
    UserError : a date, and the eras of the data have none; a date that no week number stands for.
    """
    if bound is None or isinstance(bound, int):
        return bound
    eras = dataset.frame.eras
    if not dataset.era_dates:
        raise UserError(
            f"{bound} is a date, and the eras of these rows are numbers ({eras[0]} to {eras[-1]}) "
            "whose dates are not known",
            where=option,
            fix="write the number of an era; eras have dates where data.columns.era is a column of "
            "dates",
        )
    try:
        number = week_of(bound)
    except ValueError as error:
        raise UserError(str(error), where=option, fix="write another date") from None
    own = dataset.era_dates.get(number)
    said = "no row is of that week" if own is None else f"dated {own}"
    say(f"{option} {bound} is era {number} ({said})")
    return number
