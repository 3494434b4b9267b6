"""What was wrong in files of prices, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_TOLD = {
    "rows_without_ticker": "{n} rows without a ticker are dropped",
    "rows_out_of_order": "{n} rows were not in the order of dates, and are put there",
    "rows_without_positive_prices": "{n} rows with a price that is missing or not above 0 are "
    "dropped",
    "rows_with_high_below_low": "{n} rows with high below low are dropped",
    "rows_with_close_outside": "{n} rows whose close is not between low and high are dropped",
    "rows_repeated": "{n} rows repeat another one, and are dropped",
    "rows_contradicting": "{n} rows have other prices than a second row of their ticker and day: "
    "both are dropped",
    "days_too_thin": "{n} days have prices of less than a fifth of the tickers, and are no "
    "trading days",
    "jumps": "{n} daily returns are too large to be any (a split or currency that was not "
    "adjusted): they are missing",
    "returns_like_a_split": "{n} daily returns are kept that halve or double a price, as a split "
    "of two to one does that was not adjusted",
    "gaps_too_long": "{n} gaps are too long to carry a price over: histories begin anew after them",
    "days_carried": "{n} ticker days in short gaps carry the last close, as returns of 0",
    "rows_without_volume": "{n} rows have no volume",
}


def told_counts(
    counts: Mapping[str, int], examples: Mapping[str, Sequence[str]] | None = None
) -> list[str]:
    """Say in sentences what was wrong in the files.

    Parameters
    ----------
    counts : rows, days or returns by what happened to them. examples : some of them, by the same.
    """
    sentences = []
    for name, form in _TOLD.items():
        n = counts.get(name, 0)
        if n:
            some = (examples or {}).get(name, ())
            such = f", such as {', '.join(some[:2])}" if some else ""
            sentences.append(form.format(n=f"{n:,}") + such)
    return sentences
