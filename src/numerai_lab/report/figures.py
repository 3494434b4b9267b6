"""How a number is written for a person: enough digits to decide, none that are noise."""

from __future__ import annotations

import math

ABSENT = "–"
"""Stands wherever a value is null, NaN or infinite."""


def number(value: float | None, decimals: int = 4, *, signed: bool = False) -> str:
    """Write a score with fixed decimals; a rounded zero has no sign."""
    if value is None or not math.isfinite(value):
        return ABSENT
    text = f"{value:+.{decimals}f}" if signed else f"{value:.{decimals}f}"
    return text.lstrip("+-") if float(text) == 0 else text


def interval(low: float | None, high: float | None, decimals: int = 4) -> str:
    """Write a confidence interval as `[low, high]`."""
    if number(low) == ABSENT or number(high) == ABSENT:
        return ABSENT
    return f"[{number(low, decimals)}, {number(high, decimals)}]"


def percent(value: float | None, decimals: int = 0) -> str:
    """Write a share as a percentage; never "100 %" or "0 %" for what is only near it."""
    if value is None or not math.isfinite(value):
        return ABSENT
    half = 0.5 * 10.0**-decimals / 100
    if 1 - half <= value < 1:
        return f">{100 - 10.0**-decimals:.{decimals}f} %"
    if 0 < value < half:
        return f"<{10.0**-decimals:.{decimals}f} %"
    return f"{number(100 * value, decimals)} %"


def count(value: float | None) -> str:
    """Write a whole number with thousands separated by commas."""
    return ABSENT if value is None or not math.isfinite(value) else f"{value:,.0f}"


def seconds(value: float | None) -> str:
    """Write a duration: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 05 min`."""
    if value is None or not math.isfinite(value):
        return ABSENT
    if value < 9.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def size(n_bytes: float | None) -> str:
    """Write a file's size in decimal units."""
    if n_bytes is None or not math.isfinite(n_bytes):
        return ABSENT
    if n_bytes < 1000:
        return f"{n_bytes:.0f} B"
    value = n_bytes
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 999.5 or unit == "GB":
            break
    return f"{value:.{0 if value >= 99.5 else 1}f} {unit}"


def eras(first: int | None, last: int | None) -> str:
    """Write a run of eras, both ends included: `157-312`."""
    if first is None or last is None:
        return ABSENT
    return f"{first}" if first == last else f"{first}-{last}"


def span(n: int | None, first: int | None, last: int | None) -> str:
    """Write how many eras and which, `206 (575-780)`; the number alone where ends are not known."""
    return count(n) + ("" if first is None or last is None else f" ({eras(first, last)})")


def in_eras(n: int | None, first: int | None, last: int | None) -> str:
    """Write the same in a sentence, `206 eras (575-780)`."""
    ends = "" if first is None or last is None else f" ({eras(first, last)})"
    return f"{count(n)} era{'' if n == 1 else 's'}{ends}"


def dates(first: str | None, last: str | None) -> str:
    """Write the dates of a run of eras, ` (2019-01-04 to 2020-02-28)`; nothing without dates."""
    if first is None or last is None:
        return ""
    return f" ({first})" if first == last else f" ({first} to {last})"
