"""What was submitted: one receipt for each slot and round, and the journal that makes it certain.

submissions/
    .lock                      held while `submit` works
    .live/                     the live files of the current round
    <slot>/<round>.json        receipt: the server has this submission, asked twice
    <slot>/<round>.csv         what was submitted
    <slot>/<round>.pending     journal: written before the server is asked to take it

A journal without a receipt means that a process was killed, or that no answer came. The file name
in it was chosen by the server for this one upload, so the server can be asked whether it has it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from numerai_lab.errors import RunError
from numerai_lab.files import exclusive_lock, write_aside, write_errors, write_json

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


Record = TypeVar("Record", Journal, Receipt)


@dataclass(frozen=True)
class State:
    """The folder of receipts."""

    path: Path = STATE

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder; RunError when another process has it."""
        with exclusive_lock(self.path / ".lock", "another submit is at work here"):
            yield

    def receipt(self, slot: str, round_number: int) -> Receipt | None:
        """Return the receipt of a round, or None. Raises RunError for a damaged one."""
        return _read(self._file(slot, round_number, "json"), Receipt)

    def receipts(self, slot: str) -> list[Receipt]:
        """Return a slot's receipts, oldest round first."""
        found = [self.receipt(slot, number) for number in self._rounds(slot, "json")]
        return [receipt for receipt in found if receipt is not None]

    def last_round(self, slot: str, before: int) -> int | None:
        """Return the last round before another that has a receipt."""
        earlier = [number for number in self._rounds(slot, "json") if number < before]
        return earlier[-1] if earlier else None

    def journals(self, slot: str) -> list[Journal]:
        """Return what a killed process left unfinished, oldest round first."""
        found = [
            _read(self._file(slot, number, "pending"), Journal)
            for number in self._rounds(slot, "pending")
        ]
        return [journal for journal in found if journal is not None]

    def write_journal(self, journal: Journal) -> None:
        """Record what is about to be submitted. Raises MachineError; then nothing may be."""
        write_json(self._file(journal.slot, journal.round, "pending"), asdict(journal))

    def write_receipt(self, receipt: Receipt) -> None:
        """Record a submission, then forget its journal and files that are old."""
        write_json(self._file(receipt.slot, receipt.round, "json"), asdict(receipt))
        self.forget(receipt.slot, receipt.round)
        for number in self._rounds(receipt.slot, "csv")[:-KEPT_FILES]:
            self.predictions(receipt.slot, number).unlink(missing_ok=True)

    def forget(self, slot: str, round_number: int) -> None:
        """Remove a journal."""
        path = self._file(slot, round_number, "pending")
        with write_errors(path):
            path.unlink(missing_ok=True)

    def predictions(self, slot: str, round_number: int) -> Path:
        """Return where the file of a round is kept."""
        return self._file(slot, round_number, "csv")

    def write_predictions(self, slot: str, round_number: int, csv: bytes) -> None:
        """Keep the file that is submitted."""
        with write_aside(self.predictions(slot, round_number)) as part:
            part.write_bytes(csv)

    def remove_leftovers(self) -> None:
        """Remove what a killed process wrote aside; call it with the lock held.

        A download that was cut off (`.live.parquet.part`) stays: it is gone on with.
        """
        for part in self.path.rglob(".*.part"):
            if not part.name.endswith(".parquet.part"):
                with write_errors(part):
                    part.unlink(missing_ok=True)
        for pending in self.path.glob("*/*.pending"):
            if pending.with_suffix(".json").exists():
                self.forget(pending.parent.name, int(pending.stem))

    def _file(self, slot: str, round_number: int, suffix: str) -> Path:
        return self.path / slot / f"{round_number}.{suffix}"

    def _rounds(self, slot: str, suffix: str) -> list[int]:
        names = (self.path / slot).glob(f"*.{suffix}")
        return sorted(int(path.stem) for path in names if path.stem.isdecimal())


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
