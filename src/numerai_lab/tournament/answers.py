"""What the tournament answers, as values with types: rounds, submissions, upload names, scores."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple


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


def read_time(value: Any) -> datetime:
    """Read a time, text or datetime; without a zone it is UTC."""
    when = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def read_round(item: dict[str, Any]) -> Round:
    """Read a round; a missing closing time is the other one."""
    close_staking = read_time(item["closeStakingTime"] or item["closeTime"])
    return Round(
        number=int(item["number"]),
        open_time=read_time(item["openTime"]),
        close_staking_time=close_staking,
        close_time=read_time(item["closeTime"]) if item.get("closeTime") else close_staking,
    )


def read_submission(item: dict[str, Any], details: dict[str, Any]) -> Submission:
    """Read a submission of `submissions`, with what `model` says of the same filename."""
    detail = details.get(item["filename"])
    return Submission(
        id=str(item["id"]),
        filename=str(item["filename"]),
        inserted_at=read_time(item["insertedAt"]) if item["insertedAt"] else None,
        round=int(detail["round"]["number"]) if detail else None,
        selected=bool(detail["selected"]) if detail else None,
    )


def read_score(item: dict[str, Any]) -> Score:
    """Read one entry of submissionScores."""
    return Score(
        round=int(item["roundNumber"]),
        name=str(item["displayName"]),
        value=None if item["value"] is None else float(item["value"]),
        percentile=None if item["percentile"] is None else float(item["percentile"]),
        resolved=bool(item["resolved"]),
        day=None if item["day"] is None else int(item["day"]),
        date=read_time(item["date"]) if item["date"] else None,
    )
