"""What the tournament answers, as values with types: rounds, submissions, upload names, scores."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from numerai_lab.disclosure import without_controls
from numerai_lab.tournament.server.headers import sensible

_MOST = 2**53
_LONGEST_URL = 20_000


@dataclass(frozen=True, slots=True)
class Round:
    """A round and its times, aware, UTC.

    Submissions count for staking from `open_time` to `close_staking_time`; until `close_time` they
    are taken but late (Numerai's documentation, "Submissions").
    """

    number: int
    open_time: datetime
    close_staking_time: datetime
    close_time: datetime

    def is_open(self, now: datetime) -> bool:
        """Return whether a submission at `now` (use `Tournament.server_now()`) is in time."""
        return self.open_time <= now < self.close_staking_time


@dataclass(frozen=True, slots=True)
class Submission:
    """A submission as the server lists it; `round` and `selected` may lag behind for a moment.

    `filename` is the name that the server gave in `upload_auth`, so it identifies one upload.
    """

    id: str
    filename: str
    inserted_at: datetime | None
    round: int | None
    selected: bool | None


class UploadAuth(NamedTuple):
    """The name to submit a file under, and where to PUT it (signed: secret while it lasts)."""

    filename: str
    url: str

    def __repr__(self) -> str:
        return f"UploadAuth(filename={self.filename!r}, url=...)"


@dataclass(frozen=True, slots=True)
class Score:
    """One live score of one submission: `name` as in `v2_corr20`, `day` of its scoring period."""

    round: int
    name: str
    value: float | None
    percentile: float | None
    resolved: bool
    day: int | None
    date: datetime | None


def read_text(value: Any, longest: int = 1_000) -> str:
    """Read a name, an id or an address: text without control characters. Raises ValueError."""
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise ValueError("expected a text")
    if value != without_controls(value):
        raise ValueError("a text with control characters")
    return value


def read_id(value: Any) -> str:
    """Read an id, text or a whole number. Raises ValueError."""
    return str(value) if type(value) is int and 0 <= value < _MOST else read_text(value)


def read_whole(value: Any) -> int:
    """Read a whole number from 0 on, also one written as text. Raises ValueError."""
    found = value
    if isinstance(value, str) and re.fullmatch("[0-9]{1,18}", value):
        found = int(value)
    if isinstance(value, float) and value.is_integer():
        found = int(value)
    if type(found) is not int or not 0 <= found < _MOST:
        raise ValueError("expected a whole number")
    return found


def read_number(value: Any) -> float | None:
    """Read a finite number, also one written as text, or None. Raises ValueError."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("expected a number")
    found = float(value)
    if not math.isfinite(found):
        raise ValueError("expected a finite number")
    return found


def read_flag(value: Any) -> bool | None:
    """Read true, false or None. Raises ValueError."""
    if value is not None and not isinstance(value, bool):
        raise ValueError("expected true or false")
    return value


def read_list(value: Any) -> list[Any]:
    """Read a list. Raises ValueError."""
    if not isinstance(value, list):
        raise ValueError("expected a list")
    return value


def read_time(value: Any) -> datetime:
    """Read a time, text or datetime, of this century or the next; without a zone it is UTC.

    Raises
    ------
    ValueError : anything else.
    """
    if not isinstance(value, datetime | str):
        raise ValueError("expected a time")
    return sensible(value if isinstance(value, datetime) else datetime.fromisoformat(value))


def read_round(item: dict[str, Any]) -> Round:
    """Read a round; a missing closing time is the other one. Raises ValueError and the like."""
    close_staking = read_time(item["closeStakingTime"] or item["closeTime"])
    return Round(
        number=read_whole(item["number"]),
        open_time=read_time(item["openTime"]),
        close_staking_time=close_staking,
        close_time=read_time(item["closeTime"]) if item.get("closeTime") else close_staking,
    )


def read_models(listed: Any, tournament: int) -> tuple[dict[str, str], int]:
    """Return {name: id} of a tournament's models, and how many have no name or id to read."""
    found: dict[str, str] = {}
    unreadable = 0
    for item in read_list(listed):
        try:
            if read_whole(item["tournament"]) == tournament:
                found[read_text(item["name"])] = read_id(item["id"])
        except (LookupError, TypeError, ValueError):
            unreadable += 1
    return found, unreadable


def read_submissions(listed: Any, of_model: Any) -> list[Submission]:
    """Join `submissions` and what `model` says of the same filenames; newest first.

    A submission that is counted for no round yet has `round: null`; one of which neither the round
    nor the time is known could be of this round or another.

    Raises
    ------
    ValueError and the like : something of them cannot be read.
    """
    details = {read_text(item["filename"]): item for item in read_list(of_model)}
    found = [_read_submission(item, details) for item in read_list(listed)]
    oldest = datetime.min.replace(tzinfo=UTC)
    return sorted(found, key=lambda item: item.inserted_at or oldest, reverse=True)


def _read_submission(item: dict[str, Any], details: dict[str, Any]) -> Submission:
    filename = read_text(item["filename"])
    detail = details.get(filename)
    its_round = None if detail is None else detail["round"]
    number = None if its_round is None else read_whole(its_round["number"])
    inserted_at: datetime | None = None
    if item["insertedAt"] is not None or number is None:
        try:
            inserted_at = read_time(item["insertedAt"])
        except (ValueError, OverflowError):
            if number is None:
                raise ValueError("a submission without round and time") from None
    return Submission(
        id=read_id(item["id"]),
        filename=filename,
        inserted_at=inserted_at,
        round=number,
        selected=None if detail is None else read_flag(detail["selected"]),
    )


def read_auth(item: dict[str, Any]) -> UploadAuth:
    """Read where to upload a file, and the name it gets. Raises ValueError and the like."""
    return UploadAuth(read_text(item["filename"]), read_text(item["url"], _LONGEST_URL))


def read_url(value: Any) -> str:
    """Read a signed address. Raises ValueError."""
    return read_text(value, _LONGEST_URL)


def read_score(item: dict[str, Any]) -> Score:
    """Read one entry of submissionScores. Raises ValueError and the like."""
    return Score(
        round=read_whole(item["roundNumber"]),
        name=read_text(item["displayName"]),
        value=read_number(item["value"]),
        percentile=read_number(item["percentile"]),
        resolved=bool(read_flag(item["resolved"])),
        day=None if item["day"] is None else read_whole(item["day"]),
        date=read_time(item["date"]) if item["date"] else None,
    )
