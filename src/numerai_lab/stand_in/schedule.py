"""The stand-in's time and rounds: a clock that can be set, and when rounds open and close."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

_FIRST_TUESDAY = datetime(2022, 1, 4, 12, tzinfo=UTC)
_FIRST_NUMBER = 300


class Clock:
    """The server's time; frozen until it is set or moved, or running from where it was set."""

    def __init__(self, now: datetime | None, *, running: bool) -> None:
        self._base = now or datetime.now(UTC)
        self._since = time.monotonic()
        self.running = running

    def now(self) -> datetime:
        """Return the server's time, UTC."""
        if not self.running:
            return self._base
        return self._base + timedelta(seconds=time.monotonic() - self._since)

    def set(self, now: datetime, *, running: bool | None = None) -> None:
        """Set the time, and whether it runs from here."""
        self._base, self._since = now, time.monotonic()
        self.running = self.running if running is None else running


@dataclass(frozen=True, slots=True)
class RoundTimes:
    """A round of the stand-in; its live data appear ten minutes before it opens."""

    number: int
    open_time: datetime
    close_staking_time: datetime
    close_time: datetime

    @property
    def data_time(self) -> datetime:
        """When its live file was written."""
        return self.open_time - timedelta(minutes=10)

    @property
    def resolve_time(self) -> datetime:
        """When it resolves: 20 trading days and 4 days of lag after it opened, as calendar days."""
        return self.open_time + timedelta(days=34)


class Rounds:
    """Which round is when: Numerai's week, one every so many minutes, or rounds that were given.

    Numerai's week (documentation, 2026): a round opens at 12:00 UTC from Tuesday to Saturday; on
    weekdays one hour counts, Saturday's round counts to Monday 14:00. Late submissions are taken
    until 22 hours after opening (Saturday: until Tuesday 10:00), and then there is no current
    round for two hours: numerapi's check_round_open knows such a gap, its length is invented.
    """

    def __init__(self, every_minutes: float | None = None) -> None:
        self.every_minutes = every_minutes
        self.given: list[RoundTimes] | None = None

    def give(self, rounds: list[dict[str, Any]]) -> None:
        """Use these rounds only: number, open_time, close_staking_time, close_time (ISO)."""
        self.given = sorted(
            (
                RoundTimes(
                    int(item["number"]),
                    parse_time(item["open_time"]),
                    parse_time(item["close_staking_time"]),
                    parse_time(item.get("close_time", item["close_staking_time"])),
                )
                for item in rounds
            ),
            key=lambda item: item.open_time,
        )

    def close(self, now: datetime) -> None:
        """Let the round of now be the last one, closed an hour ago."""
        (last,) = self.until(now, 1)
        hour = timedelta(hours=1)
        self.given = [RoundTimes(last.number, now - 2 * hour, now - hour, now - hour)]

    def latest(self, now: datetime) -> RoundTimes | None:
        """Return the last round that has opened by `now`, even if it is over."""
        listed = self.until(now, 1)
        return listed[0] if listed else None

    def current(self, now: datetime) -> RoundTimes | None:
        """Return the round that takes submissions now, in time or late."""
        latest = self.latest(now)
        return latest if latest is not None and now < latest.close_time else None

    def until(self, now: datetime, limit: int) -> list[RoundTimes]:
        """Return the last `limit` rounds that have opened by `now`, newest first."""
        if self.given is not None:
            return [item for item in reversed(self.given) if item.open_time <= now][:limit]
        if self.every_minutes is not None:
            return self._every(now, self.every_minutes, limit)
        return self._numerais_week(now, limit)

    def _every(self, now: datetime, minutes: float, limit: int) -> list[RoundTimes]:
        length = timedelta(minutes=minutes)
        last = int((now - _FIRST_TUESDAY) / length)
        found = []
        for number in range(last, max(last - limit, -1), -1):
            opens = _FIRST_TUESDAY + number * length
            found.append(RoundTimes(number + 1, opens, opens + length, opens + length))
        return found

    def _numerais_week(self, now: datetime, limit: int) -> list[RoundTimes]:
        week, rest = divmod(now - _FIRST_TUESDAY, timedelta(days=7))
        last = week * 5 + min(4, rest // timedelta(days=1))
        found = []
        for position in range(last, max(last - limit, -1), -1):
            weeks, day = divmod(position, 5)
            opens = _FIRST_TUESDAY + timedelta(days=7 * weeks + day)
            saturday = day == 4
            found.append(
                RoundTimes(
                    _FIRST_NUMBER + position,
                    opens,
                    opens + timedelta(hours=50 if saturday else 1),
                    opens + timedelta(hours=70 if saturday else 22),
                )
            )
        return found


def parse_time(text: str) -> datetime:
    """Read an ISO time; without a zone it is UTC."""
    when = datetime.fromisoformat(text)
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def iso(when: datetime) -> str:
    """Write a time as the API does."""
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")
