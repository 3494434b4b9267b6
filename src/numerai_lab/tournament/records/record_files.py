"""Records of submissions: receipts, and journals of what is about to be one, as JSON files.

Each carries the SHA-256 of its content, so that a flipped bit is noticed. Records of older versions
carry none and are taken as they are.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from numerai_lab.checksums import NotAsWritten, read_sealed, write_sealed
from numerai_lab.errors import RunError
from numerai_lab.files import write_errors
from numerai_lab.tournament.server import Clock, Tick


class DamagedRecord(RunError):
    """A file of the records that cannot be believed.

    Attributes
    ----------
    path : the file.
    """

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"cannot be read or believed ({why})",
            where=str(path),
            fix="the next `numerai-lab submit` moves it aside, and asks the server what it has",
        )
        self.path, self.why = path, why


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
    written_at : the server's time, ISO. written : the same moment by this machine's monotonic
        clock; None in records of older versions.
    submission_id : the id it was accepted under, once the server has said so.
    server : address of the API, as `State` writes it; None in records of older versions.
    refused : the server has answered with an error, so that nothing is on its way any more.
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
    written: Tick | None = None
    refused: bool = False

    def age_seconds(self, server_now: datetime, clock: Clock = time.monotonic) -> float:
        """Return how long ago it was written, at least.

        The shorter of what the server's clock and the monotonic one tell: each may be wrong alone,
        after a jump of the server's clock or a sleep of this machine, and what is taken as older
        than it is could be submitted twice.
        """
        ages = [(server_now - datetime.fromisoformat(self.written_at)).total_seconds()]
        ticked = None if self.written is None else self.written.age(clock)
        return max(0.0, min([*ages, *([] if ticked is None else [ticked])]))


@dataclass(frozen=True, slots=True)
class Receipt:
    """A submission that the server has.

    Attributes
    ----------
    how : `submitted` by this process; `recovered`, submitted by one that was killed or got no
        answer; `found` on the server, made by something else (origin is None).
    inserted_at : the server's time of the submission, ISO. late : it was after the deadline.
    server : address of the API, as `State` writes it; None in records of older versions.
    counted_for : the round that the server counts it for; 0 where it did not tell yet, None in
        records of older versions.
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
    counted_for: int | None = None

    @property
    def astray(self) -> bool:
        """Whether the server counts it for another round than the one it was made for."""
        return self.counted_for not in (None, 0, self.round)


Record = TypeVar("Record", Journal, Receipt)


def read_json(path: Path) -> Any:
    """Read a JSON file that may carry its own checksum, which is left out of what is returned.

    Raises
    ------
    FileNotFoundError : there is none. DamagedRecord : it is not what was written.
    """
    try:
        return read_sealed(path, or_unsealed=True)
    except NotAsWritten as error:
        raise DamagedRecord(path, f"it {error}") from None


def read_record(path: Path, kind: type[Record]) -> Record | None:
    """Read a receipt or journal, None where there is none. Raises DamagedRecord."""
    try:
        value = read_json(path)
        origin, written = value["origin"], value.get("written")
        value["origin"] = None if origin is None else Origin(**origin)
        if written is not None:
            value["written"] = Tick(**written)
        record = kind(**value)
        if isinstance(record, Journal):
            datetime.fromisoformat(record.written_at)
        if record.round != int(path.name.partition(".")[0]):
            raise ValueError(f"it is of round {record.round}")
        texts = (record.slot, record.account, record.model, record.model_id, record.filename)
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("a name in it is not a text")
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedRecord(path, f"{type(error).__name__}: {error}") from None
    return record


def write_record(path: Path, record: Journal | Receipt, server: str | None) -> None:
    """Write a receipt or journal of a server. Raises MachineError."""
    write_sealed(path, asdict(record) | {"server": server})


def set_aside(path: Path) -> Path:
    """Rename a file that cannot be believed, so that nothing reads it; return its new name.

    Raises
    ------
    MachineError : it cannot be renamed.
    """
    aside = path.with_name(f"{path.name}.damaged")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{number}")
    with write_errors(path):
        path.rename(aside)
    return aside
