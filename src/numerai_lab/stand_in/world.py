"""What the stand-in knows: accounts, models, uploads, submissions, scores, requests."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from numerai_lab.files import write_json
from numerai_lab.stand_in.datasets import Datasets
from numerai_lab.stand_in.faults import Faults
from numerai_lab.stand_in.graphql import QueryError
from numerai_lab.stand_in.schedule import Clock, Rounds, RoundTimes, iso

UPLOAD_LASTS = timedelta(minutes=15)
"""Lifetime of a signed upload address; invented."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account with its key and its models {name: id}."""

    public_id: str
    secret_key: str = field(repr=False)
    username: str
    models: dict[str, str]


@dataclass(slots=True)
class Entry:
    """A submission; `problem` is what its file does wrong, None for a good one."""

    id: str
    model: str
    model_id: str
    filename: str
    round: int
    inserted_at: str
    late: bool
    selected: bool
    rows: int
    sha256: str
    problem: str | None


class World:
    """All state of the server; the server's lock guards it."""

    def __init__(
        self,
        clock: Clock,
        rounds: Rounds,
        accounts: list[Account],
        datasets: Datasets,
        state_file: Path | None = None,
    ) -> None:
        self.clock, self.rounds, self.accounts, self.datasets = clock, rounds, accounts, datasets
        self.faults = Faults()
        self.uploads: dict[str, bytes] = {}
        self.addresses: dict[str, datetime] = {}
        self.submissions: list[Entry] = []
        self.scores: dict[str, list[dict[str, Any]]] = {}
        self.extra: dict[str, Any] = {}
        self.requests: Counter[str] = Counter()
        self.file_bytes: Counter[str] = Counter()
        self.later: list[tuple[datetime, Callable[[], Any]]] = []
        self._state_file = state_file
        if state_file is not None and state_file.exists():
            saved = json.loads(state_file.read_text("utf-8"))
            self.submissions = [Entry(**item) for item in saved["submissions"]]

    def reset(self) -> None:
        """Forget everything but accounts, files and the time."""
        self.faults = Faults()
        self.uploads.clear()
        self.addresses.clear()
        self.submissions.clear()
        self.scores.clear()
        self.extra.clear()
        self.requests.clear()
        self.file_bytes.clear()
        self.later.clear()
        self.rounds.given = None
        self.datasets.hidden.clear()
        self.datasets.modified.clear()

    def do_what_is_due(self) -> None:
        """Carry out what a fault has put off until now; what cannot be done is nobody's to hear."""
        due = [do for when, do in self.later if when <= self.now]
        self.later = [(when, do) for when, do in self.later if when > self.now]
        for do in due:
            with contextlib.suppress(QueryError):
                do()

    @property
    def now(self) -> datetime:
        """The server's time."""
        return self.clock.now()

    def account_of(self, authorization: str) -> Account | None:
        """Return the account of a header `Token PUBLIC$SECRET`."""
        for account in self.accounts:
            if authorization == f"Token {account.public_id}${account.secret_key}":
                return account
        return None

    def model_name(self, account: Account, model_id: str | None) -> str | None:
        """Return the name of one of the account's models."""
        return next((name for name, id_ in account.models.items() if id_ == model_id), None)

    def new_address(self, filename: str) -> str:
        """Choose the server's name for an upload, as in `model57-dMpHpYMPIUAF.csv`, and open it."""
        stem, dot, suffix = filename.rpartition(".")
        count = len(self.addresses)
        token = hashlib.sha256(f"{stem}/{count}/{self.now.isoformat()}".encode()).hexdigest()[:12]
        name = f"{stem if dot else filename}-{token}{dot}{suffix if dot else ''}"
        self.addresses[name] = self.now + UPLOAD_LASTS
        return name

    def submit(self, filename: str, model: str, model_id: str, current: RoundTimes) -> Entry:
        """Take a submission: always a new one, even for the same file; the newest is selected."""
        content = self.uploads[filename]
        live_ids = self.datasets.live_ids(current)
        lines = content.decode("utf-8", "replace").splitlines()
        for other in self.submissions:
            if other.model_id == model_id and other.round == current.number:
                other.selected = False
        entry = Entry(
            id=hashlib.sha256(f"{filename}/{len(self.submissions)}".encode()).hexdigest()[:32],
            model=model,
            model_id=model_id,
            filename=filename,
            round=current.number,
            inserted_at=iso(self.now),
            late=self.now >= current.close_staking_time,
            selected=True,
            rows=max(0, len(lines) - 1),
            sha256=hashlib.sha256(content).hexdigest(),
            problem=_problem(lines, live_ids),
        )
        self.submissions.append(entry)
        if self._state_file is not None:
            write_json(
                self._state_file, {"submissions": [asdict(item) for item in self.submissions]}
            )
        return entry

    def to_json(self) -> dict[str, Any]:
        """Return everything a test wants to know; no keys."""
        self.do_what_is_due()
        latest = self.rounds.latest(self.now)
        current = self.rounds.current(self.now)
        return {
            "time": iso(self.now),
            "running": self.clock.running,
            "latest_round": latest.number if latest else None,
            "current_round": current.number if current else None,
            "round": {
                "number": latest.number,
                "open_time": iso(latest.open_time),
                "close_staking_time": iso(latest.close_staking_time),
                "close_time": iso(latest.close_time),
            }
            if latest
            else None,
            "models": {a.username: a.models for a in self.accounts},
            "submissions": [asdict(item) for item in self.submissions],
            "uploads": len(self.uploads),
            "requests": dict(self.requests),
            "file_bytes": dict(self.file_bytes),
            "faults": self.faults.to_json(),
            **self.extra,
        }


def _problem(lines: list[str], live_ids: list[str]) -> str | None:
    """Return what is wrong with a submission's CSV; None for one that Numerai would take."""
    if not lines or lines[0].replace('"', "") != "id,prediction":
        return "the header is not id,prediction"
    rows = [line.split(",") for line in lines[1:]]
    if any(len(row) != 2 for row in rows):
        return "a row has not two columns"
    if sorted(row[0].strip('"') for row in rows) != sorted(live_ids):
        return "the ids are not those of the round's live file"
    try:
        values = [float(row[1]) for row in rows]
    except ValueError:
        return "a prediction is not a number"
    if not all(0 < value < 1 for value in values):
        return "a prediction is not between 0 and 1"
    return "all predictions are the same" if len(set(values)) == 1 else None
