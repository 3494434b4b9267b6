"""Which round it is, whether it takes submissions, and waiting for one that does."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from numerai_lab.errors import UserError
from numerai_lab.tournament.server.api import Round, Tournament
from numerai_lab.tournament.server.problems import RoundNotOpen

POLL_SECONDS = 30.0
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str, where: str = "--wait") -> float:
    """Read a duration such as `45m`, `90s`, `1.5h` or `0` in seconds.

    Raises
    ------
    UserError : anything else, or more than a day.
    """
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    try:
        seconds = float(number) * _UNITS[unit]
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:
        raise UserError(
            f"{text!r} is not a duration of up to a day", where=where, fix="write 45m, 90s or 1h"
        )
    return seconds


@dataclass
class Patience:
    """How long to go on trying, and pauses with jitter so that machines do not march in step.

    Parameters
    ----------
    seconds : from now on. clock, sleep, random : tests pass their own.
    """

    seconds: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random
    _until: float = field(init=False)

    def __post_init__(self) -> None:
        self._until = self.clock() + self.seconds

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self._until - self.clock()

    def pause(self) -> bool:
        """Wait half to one and a half of `POLL_SECONDS`; False, at once, when time is up."""
        left = self.left
        if left <= 0:
            return False
        self.sleep(min(left, POLL_SECONDS * (0.5 + self.random())))
        return True


@dataclass(frozen=True)
class Now:
    """The round that opened last, or is about to open, at a time of the server's clock."""

    round: Round | None
    at: datetime

    @property
    def is_open(self) -> bool:
        """Whether the round takes submissions in time."""
        return self.round is not None and self.round.is_open(self.at)

    @property
    def is_over(self) -> bool:
        """Whether the round's deadline has passed."""
        return self.round is not None and self.at >= self.round.close_staking_time

    def of(self, number: int) -> bool:
        """Return whether it is the round of that number."""
        return self.round is not None and self.round.number == number

    def __str__(self) -> str:
        if self.round is None:
            return "no round is open"
        deadline = f"{self.round.close_staking_time:%Y-%m-%d %H:%M} UTC"
        if self.is_open:
            return f"round {self.round.number} is open until {deadline}"
        if self.is_over:
            return f"round {self.round.number} is not open, it closed at {deadline}"
        opens = f"{self.round.open_time:%Y-%m-%d %H:%M} UTC"
        return f"round {self.round.number} is not open, it opens at {opens}"


def look(tournament: Tournament) -> Now:
    """Ask which round it is, by the server's clock.

    Between rounds there is no current one; then it is the last that opened.

    Raises
    ------
    Unavailable, TournamentError : as `Tournament`.
    """
    try:
        found: Round | None = tournament.current_round()
    except RoundNotOpen:
        now = tournament.server_now()
        opened = [one for one in tournament.recent_rounds(10) if one.open_time <= now]
        found = max(opened, key=lambda one: one.number, default=None)
    return Now(found, tournament.server_now())
