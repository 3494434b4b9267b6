"""Headers of HTTP as values: sizes, times, waits. What makes no sense counts as not there."""

from __future__ import annotations

import email.utils
import re
from collections.abc import Mapping
from datetime import UTC, datetime

_YEARS = range(2000, 2200)
"""A time outside is a mistake, and arithmetic with it may leave what datetime can hold."""
_DIGITS = re.compile(r"[0-9]{1,18}")
_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18})")


def sensible(when: datetime) -> datetime:
    """Return a time in UTC; without a zone it is UTC.

    Raises
    ------
    ValueError : a year that no round, file or answer can have.
    """
    if when.year not in _YEARS:
        raise ValueError(f"a time in the year {when.year}")
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def time_in(headers: Mapping[str, str], name: str) -> datetime | None:
    """Return the time of `Date` or `Last-Modified`, UTC. A zone of -0000 is UTC (RFC 5322, 3.3)."""
    text = headers.get(name)
    if text is None:
        return None
    try:
        return sensible(email.utils.parsedate_to_datetime(text))
    except (ValueError, OverflowError, TypeError):
        return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asks to wait: digits, or an HTTP date (RFC 9110, 10.2.3)."""
    text = headers.get("Retry-After", "").strip()
    if _DIGITS.fullmatch(text):
        return float(min(int(text), 10**9))
    when = time_in(headers, "Retry-After")
    return None if when is None else max(0.0, (when - datetime.now(UTC)).total_seconds())


def length_in(headers: Mapping[str, str]) -> int | None:
    """Return Content-Length."""
    text = headers.get("Content-Length", "").strip()
    return int(text) if _DIGITS.fullmatch(text) else None


def range_in(headers: Mapping[str, str]) -> tuple[int, int] | None:
    """Return (first byte, size of the whole file) of Content-Range, RFC 9110, 14.4."""
    told = _RANGE.fullmatch(headers.get("Content-Range", "").strip())
    return (int(told[1]), int(told[2])) if told else None


def is_packed(headers: Mapping[str, str]) -> bool:
    """Return whether a body is in another form than the file itself (Content-Encoding)."""
    return headers.get("Content-Encoding", "").strip().lower() not in ("", "identity")
