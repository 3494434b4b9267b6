"""What was submitted: one receipt for each slot and round, and the journal that makes it certain.

submissions/
    .lock                      held while `submit` works
    .live/                     the live files of the current round
    <slot>/<round>.json        receipt: the server has this submission, asked twice
    <slot>/<round>.csv         what was submitted
    <slot>/<round>.pending     journal: written before the server is asked to take it
    <slot>/<host-port>/...     the same of another server than Numerai's, as of a dev-server

A record names the API address it speaks of, and only records of the server in use count. Those
without one were written before addresses were recorded, and count for every server.

A journal without a receipt means that a process was killed, or that no answer came. The file name
in it was chosen by the server for this one upload, so the server can be asked whether it has it.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from numerai_lab.errors import RunError
from numerai_lab.files import exclusive_lock, write_aside, write_errors, write_json
from numerai_lab.tournament.access import NUMERAI_API

STATE = Path("submissions")
KEPT_FILES = 30
"""Submitted files kept per slot; receipts are kept for ever (half a kilobyte each)."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a submission was made from.

    `post` is what was taken out of the predictions, `live_sha256` the file predicted.
    """

    run: str
    config_hash: str
    post: str
    live_sha256: str
    predictions_sha256: str
    n_rows: int


@dataclass(frozen=True, slots=True)
class Journal:
    """An upload that is about to be submitted, or has been.

    Attributes
    ----------
    filename : the name the server gave the upload.
    written_at : the server's time, ISO.
    submission_id : the id it was accepted under, once the server has said so.
    server : address of the API, as `State` writes it; None in records of older versions.
    """

    slot: str
    round: int
    account: str
    model: str
    model_id: str
    filename: str
    written_at: str
    origin: Origin
    submission_id: str | None = None
    server: str | None = None

    def age_seconds(self, now: datetime) -> float:
        """Return how long ago it was written, by the server's time."""
        return (now - datetime.fromisoformat(self.written_at)).total_seconds()


@dataclass(frozen=True, slots=True)
class Receipt:
    """A submission that the server has.

    Attributes
    ----------
    how : `submitted` by this process; `recovered`, submitted by one that was killed or got no
        answer; `found` on the server, made by something else (origin is None).
    inserted_at : the server's time of the submission, ISO. late : it was after the deadline.
    server : address of the API, as `State` writes it; None in records of older versions.
    """

    slot: str
    round: int
    account: str
    model: str
    model_id: str
    submission_id: str
    filename: str
    how: Literal["submitted", "recovered", "found"]
    inserted_at: str | None
    late: bool
    confirmed_at: str
    origin: Origin | None
    server: str | None = None


Record = TypeVar("Record", Journal, Receipt)


@dataclass(frozen=True)
class State:
    """The folder of receipts, as one server sees it.

    Attributes
    ----------
    server : address of the API, without secrets (`access.address_of`). None: all records count,
        and none is written with an address.
    """

    path: Path = STATE
    server: str | None = None

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder; RunError when another process has it."""
        with exclusive_lock(self.path / ".lock", "another submit is at work here"):
            yield

    def folder(self, slot: str) -> Path:
        """Return where records of a slot are written: a folder of its own for a practice server."""
        if self.server in (None, NUMERAI_API):
            return self.path / slot
        host = str(self.server).partition("://")[2]
        return self.path / slot / re.sub(r"[^\w.]+", "-", host).strip("-.")

    def counts(self, server: str | None) -> bool:
        """Return whether a record of a server, or of none, speaks of the server in use."""
        return self.server is None or server in (None, self.server)

    def receipt(self, slot: str, round_number: int) -> Receipt | None:
        """Return the receipt of a round, or None. Raises RunError for a damaged one."""
        return self._read(slot, round_number, "json", Receipt)

    def receipts(self, slot: str) -> list[Receipt]:
        """Return a slot's receipts, oldest round first."""
        found = [self.receipt(slot, number) for number in self._rounds(slot, "json")]
        return [receipt for receipt in found if receipt is not None]

    def has_receipts(self, slot: str) -> bool:
        """Return whether a slot was ever submitted."""
        return self.last_round(slot, sys.maxsize) is not None

    def last_round(self, slot: str, before: int) -> int | None:
        """Return the last round before another that has a receipt; reads none of its own."""
        for number in reversed(self._rounds(slot, "json")):
            own = self._file(slot, number, "json").exists()
            if number < before and (own or self.receipt(slot, number) is not None):
                return number
        return None

    def last_made(self, slot: str, before: int) -> Receipt | None:
        """Return the last receipt before a round of what was made here, not only found."""
        for number in reversed(self._rounds(slot, "json")):
            receipt = self.receipt(slot, number) if number < before else None
            if receipt is not None and receipt.origin is not None:
                return receipt
        return None

    def maker(self, found: Receipt) -> Receipt | None:
        """Return the receipt that another slot here has of the same submission, or None."""
        for path in sorted(self.path.glob("*")):
            with contextlib.suppress(RunError):  # said where it counts
                other = self.receipt(path.name, found.round)
                same = other is not None and other.submission_id == found.submission_id
                if other is not None and same and other.origin is not None:
                    return other
        return None

    def elsewhere(self) -> dict[str, int]:
        """Return how many receipts there are of other servers, by their addresses."""
        numbers: Counter[str] = Counter()
        for path in sorted([*self.path.glob("*/*.json"), *self.path.glob("*/*/*.json")]):
            if path.stem.isdecimal():
                with contextlib.suppress(RunError):  # said where it counts
                    receipt = _read(path, Receipt)
                    if receipt is not None and not self.counts(receipt.server):
                        numbers[str(receipt.server)] += 1
        return dict(numbers)

    def journals(self, slot: str) -> list[Journal]:
        """Return what a killed process left unfinished, oldest round first."""
        found = [
            self._read(slot, number, "pending", Journal) for number in self._rounds(slot, "pending")
        ]
        return [journal for journal in found if journal is not None]

    def write_journal(self, journal: Journal) -> None:
        """Record what is about to be submitted. Raises MachineError; then nothing may be."""
        record = asdict(journal) | {"server": self.server}
        write_json(self._file(journal.slot, journal.round, "pending"), record)

    def write_receipt(self, receipt: Receipt) -> None:
        """Record a submission, then forget its journal and files that are old."""
        record = asdict(receipt) | {"server": self.server}
        write_json(self._file(receipt.slot, receipt.round, "json"), record)
        self.forget(receipt.slot, receipt.round)
        files = [path for path in self.folder(receipt.slot).glob("*.csv") if _number(path) >= 0]
        for path in sorted(files, key=_number)[:-KEPT_FILES]:
            path.unlink(missing_ok=True)

    def forget(self, slot: str, round_number: int) -> None:
        """Remove a journal."""
        path = self._file(slot, round_number, "pending")
        with write_errors(path):
            path.unlink(missing_ok=True)
        if self._read(slot, round_number, "pending", Journal) is not None:
            old = self._there(slot, round_number, "pending")
            with write_errors(old):
                old.unlink(missing_ok=True)

    def predictions(self, slot: str, round_number: int) -> Path:
        """Return where the file of a round is kept."""
        return self._there(slot, round_number, "csv")

    def write_predictions(self, slot: str, round_number: int, csv: bytes) -> None:
        """Keep the file that is submitted."""
        with write_aside(self._file(slot, round_number, "csv")) as part:
            part.write_bytes(csv)

    def remove_leftovers(self) -> None:
        """Remove what a killed process wrote aside; call it with the lock held.

        A download that was cut off (`.live.parquet.part`) stays: it is gone on with.
        """
        for part in self.path.rglob(".*.part"):
            if not part.name.endswith(".parquet.part"):
                with write_errors(part):
                    part.unlink(missing_ok=True)
        for pending in self.path.rglob("*.pending"):
            if pending.with_suffix(".json").exists():
                with write_errors(pending):
                    pending.unlink(missing_ok=True)

    def _file(self, slot: str, round_number: int, suffix: str) -> Path:
        return self.folder(slot) / f"{round_number}.{suffix}"

    def _there(self, slot: str, round_number: int, suffix: str) -> Path:
        """Return the file of this server, else the one that older versions would have written."""
        own = self._file(slot, round_number, suffix)
        return own if own.exists() else self.path / slot / own.name

    def _read(self, slot: str, round_number: int, suffix: str, kind: type[Record]) -> Record | None:
        record = _read(self._there(slot, round_number, suffix), kind)
        return record if record is not None and self.counts(record.server) else None

    def _rounds(self, slot: str, suffix: str) -> list[int]:
        """Return the rounds of which there are files; those of another server among them."""
        folders = {self.folder(slot), self.path / slot}
        found = [path for folder in folders for path in folder.glob(f"*.{suffix}")]
        return sorted({_number(path) for path in found} - {-1})


def _number(path: Path) -> int:
    """Return the round that a file is named after, -1 for none."""
    return int(path.stem) if path.stem.isdecimal() else -1


def utc_text(when: datetime) -> str:
    """Write a time as receipts do: ISO, UTC, whole seconds."""
    return when.astimezone(UTC).isoformat(timespec="seconds")


def _read(path: Path, kind: type[Record]) -> Record | None:
    try:
        value: Any = json.loads(path.read_text(encoding="utf-8"))
        origin = value["origin"]
        value["origin"] = None if origin is None else Origin(**origin)
        return kind(**value)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"cannot be read ({type(error).__name__}: {error})",
            where=str(path),
            fix="remove it: the server is asked what it has before anything is submitted",
        ) from None
