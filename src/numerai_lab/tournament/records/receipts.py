"""What was submitted: one receipt for each slot and round, and the journal that makes it certain.

submissions/
    .lock                      held while `submit` works
    .live/                     the live files of the current round
    <slot>/<round>.json        receipt: the server has this submission, asked twice
    <slot>/<round>.csv         what was submitted
    <slot>/<round>.pending     journal: written before the server is asked to take it
    <slot>/<round>.astray.json a submission of the round that the server counts for another one
    <slot>/<round>.json.of-<model>   receipt of the model that the slot had before
    <slot>/*.damaged           what could not be believed, moved aside
    <slot>/<host-port>/...     the same of another server than Numerai's, as of a dev-server

A record names the API address it speaks of, and only records of the server in use count. Those
without one were written before addresses were recorded, and count for every server.

A journal without a receipt means that a process was killed, or that no answer came. The file name
in it was chosen by the server for this one upload, so the server can be asked whether it has it.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from numerai_lab.errors import UserError
from numerai_lab.files import exclusive_lock, write_aside, write_errors
from numerai_lab.tournament.records.record_files import (
    DamagedRecord,
    Journal,
    Receipt,
    Record,
    read_record,
    write_record,
)
from numerai_lab.tournament.records.slots import MODEL
from numerai_lab.tournament.server import NUMERAI_API

STATE = Path("submissions")
KEPT_FILES = 30
"""Submitted files kept per slot; receipts are kept for ever (half a kilobyte each)."""


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
        """Return where records of a slot are written: a folder of its own for a practice server.

        Raises
        ------
        UserError : the slot's name would lead to another folder.
        """
        if re.fullmatch(MODEL, slot) is None:
            raise UserError(
                f"'{slot}' cannot be the name of a model",
                fix="write Numerai's name of it: no slash or colon, no dot or ~ at its beginning",
            )
        if self.server in (None, NUMERAI_API):
            return self.path / slot
        host = str(self.server).partition("://")[2]
        return self.path / slot / re.sub(r"[^\w.]+", "-", host).strip("-.")

    def counts(self, server: str | None) -> bool:
        """Return whether a record of a server, or of none, speaks of the server in use."""
        return self.server is None or server in (None, self.server)

    def receipt(self, slot: str, round_number: int) -> Receipt | None:
        """Return the receipt of a round, or None. Raises DamagedRecord."""
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
            with contextlib.suppress(DamagedRecord):  # said where it counts
                if number < before and (own or self.receipt(slot, number) is not None):
                    return number
        return None

    def last_made(self, slot: str, before: int) -> Receipt | None:
        """Return the last receipt before a round of what was made here, not only found.

        Raises
        ------
        DamagedRecord : one that is newer.
        """
        for number in reversed(self._rounds(slot, "json")):
            receipt = self.receipt(slot, number) if number < before else None
            if receipt is not None and receipt.origin is not None:
                return receipt
        return None

    def usual_rows(self, before: int) -> tuple[int, int] | None:
        """Return (round, rows) of the last submission before a round that any slot made here."""
        numbered = [(_number(path), path) for path in self._everywhere("*.json")]
        for number, path in sorted(numbered, reverse=True):
            if 0 <= number < before:
                with contextlib.suppress(DamagedRecord):  # said where it counts
                    receipt = read_record(path, Receipt)
                    counts = receipt is not None and self.counts(receipt.server)
                    if receipt is not None and counts and receipt.origin is not None:
                        return number, receipt.origin.n_rows
        return None

    def maker(self, found: Receipt) -> Receipt | None:
        """Return the receipt that another slot here has of the same submission, or None."""
        for path in self._everywhere(f"{found.round}.json*"):
            with contextlib.suppress(DamagedRecord):  # said where it counts
                other = read_record(path, Receipt)
                same = other is not None and other.submission_id == found.submission_id
                counts = other is not None and self.counts(other.server)
                if other is not None and same and counts and other.origin is not None:
                    return other
        return None

    def astray(self) -> list[Receipt | DamagedRecord]:
        """Return the records, of all slots, of submissions that were counted for another round."""
        found: list[Receipt | DamagedRecord] = []
        for path in self._everywhere("*.astray.json"):
            try:
                receipt = read_record(path, Receipt)
            except DamagedRecord as error:
                found.append(error)
            else:
                found += [] if receipt is None else [receipt]
        return found

    def damaged_astray(self, slot: str) -> list[DamagedRecord]:
        """Return those of a slot, of the server in use, that cannot be believed."""
        damaged = [one for one in self.astray() if isinstance(one, DamagedRecord)]
        return [one for one in damaged if one.path.parent == self.folder(slot)]

    def known_files(self) -> set[str]:
        """Return the server's names of all files that a record here can be read of."""
        names = set()
        for path in self._everywhere("*.json"):
            with contextlib.suppress(DamagedRecord):  # said where it counts
                receipt = read_record(path, Receipt)
                names |= {receipt.filename} if receipt is not None else set()
        for path in self._everywhere("*.pending"):
            with contextlib.suppress(DamagedRecord):  # said where it counts
                journal = read_record(path, Journal)
                names |= {journal.filename} if journal is not None else set()
        return names

    def _everywhere(self, name: str) -> list[Path]:
        """Return the files of all slots and servers by that name."""
        return sorted([*self.path.glob(f"*/{name}"), *self.path.glob(f"*/*/{name}")])

    def elsewhere(self) -> dict[str, int]:
        """Return how many receipts there are of other servers, by their addresses."""
        numbers: Counter[str] = Counter()
        for path in self._everywhere("*.json"):
            if path.stem.isdecimal():
                with contextlib.suppress(DamagedRecord):  # said where it counts
                    receipt = read_record(path, Receipt)
                    if receipt is not None and not self.counts(receipt.server):
                        numbers[str(receipt.server)] += 1
        return dict(numbers)

    def has_open(self, slot: str) -> bool:
        """Return whether a killed process left something unfinished, damaged or not."""
        return bool(self._rounds(slot, "pending"))

    def journals(self, slot: str) -> list[Journal | DamagedRecord]:
        """Return what a killed process left unfinished, oldest round first."""
        found: list[Journal | DamagedRecord] = []
        for number in self._rounds(slot, "pending"):
            try:
                journal = self._read(slot, number, "pending", Journal)
            except DamagedRecord as error:
                found.append(error)
            else:
                found += [] if journal is None else [journal]
        return found

    def write_journal(self, journal: Journal) -> None:
        """Record what is about to be submitted. Raises MachineError; then nothing may be."""
        path = self._file(journal.slot, journal.round, "pending")
        write_record(path, journal, self.server)

    def write_receipt(self, receipt: Receipt) -> None:
        """Record a submission, then forget its journal and files that are old.

        One that the server counts for another round is kept as such, and is no receipt.
        """
        suffix = "astray.json" if receipt.astray else "json"
        write_record(self._file(receipt.slot, receipt.round, suffix), receipt, self.server)
        self.forget(receipt.slot, receipt.round)
        if receipt.astray:
            with contextlib.suppress(DamagedRecord), write_errors(self.path):
                before = self.receipt(receipt.slot, receipt.round)
                if before is not None and before.submission_id == receipt.submission_id:
                    self._there(receipt.slot, receipt.round, "json").unlink(missing_ok=True)
        files = [path for path in self.folder(receipt.slot).glob("*.csv") if _number(path) >= 0]
        for path in sorted(files, key=_number)[:-KEPT_FILES]:
            path.unlink(missing_ok=True)

    def forget(self, slot: str, round_number: int) -> None:
        """Remove a journal."""
        path = self._file(slot, round_number, "pending")
        with write_errors(path):
            path.unlink(missing_ok=True)
        with contextlib.suppress(DamagedRecord):  # `settle` has a way for it
            if self._read(slot, round_number, "pending", Journal) is not None:
                old = self._there(slot, round_number, "pending")
                with write_errors(old):
                    old.unlink(missing_ok=True)

    def give_up(self, journal: Journal) -> None:
        """Rename a journal that nothing will come of, so that it is not read again."""
        path = self._there(journal.slot, journal.round, "pending")
        with write_errors(path):
            path.replace(path.with_name(f"{path.name}.unlisted"))

    def went_astray(self, slot: str, round_number: int) -> bool:
        """Return whether a submission of a round was counted for another one."""
        return self._there(slot, round_number, "astray.json").exists()

    def put_away(self, receipt: Receipt) -> None:
        """Rename a receipt of another model, so that the slot has none of the round."""
        path = self._there(receipt.slot, receipt.round, "json")
        model = re.sub(r"[^\w-]+", "-", f"{receipt.model}-{receipt.account}")
        with write_errors(path):
            path.replace(path.with_name(f"{path.name}.of-{model}"))

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
            with contextlib.suppress(DamagedRecord), write_errors(pending):
                if read_record(pending.with_suffix(".json"), Receipt) is not None:
                    pending.unlink(missing_ok=True)

    def _file(self, slot: str, round_number: int, suffix: str) -> Path:
        return self.folder(slot) / f"{round_number}.{suffix}"

    def _there(self, slot: str, round_number: int, suffix: str) -> Path:
        """Return the file of this server, else the one that older versions would have written."""
        own = self._file(slot, round_number, suffix)
        return own if own.exists() else self.path / slot / own.name

    def _read(self, slot: str, round_number: int, suffix: str, kind: type[Record]) -> Record | None:
        record = read_record(self._there(slot, round_number, suffix), kind)
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
