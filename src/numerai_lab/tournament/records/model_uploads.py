"""Which models were uploaded to which slots: `upload.json` beside the receipts of a server."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from numerai_lab.checksums import write_sealed
from numerai_lab.tournament.records.receipts import State
from numerai_lab.tournament.records.record_files import DamagedRecord, read_json

_NAME = "upload.json"


@dataclass(frozen=True)
class UploadRecord:
    """The last model that was uploaded to a slot.

    Attributes
    ----------
    uploaded_at : the server's time, ISO. server : as in `receipts.Receipt`.
    """

    model: str
    account: str
    run: str
    id: str
    python: str
    uploaded_at: str
    server: str | None = None


def write_upload(state: State, record: UploadRecord) -> None:
    """Remember an upload in place of an earlier one."""
    write_sealed(state.folder(record.model) / _NAME, asdict(record) | {"server": state.server})


def last_upload(state: State, model: str, account: str) -> UploadRecord | None:
    """Return the last upload from here to a model, or None. Raises DamagedRecord."""
    for path in (state.folder(model) / _NAME, state.path / model / _NAME):
        record = _read(path) if path.is_file() else None
        if record is not None and record.account == account and state.counts(record.server):
            return record
    return None


def read_uploads(state: State) -> list[UploadRecord]:
    """Return what is remembered, by model. Raises DamagedRecord."""
    named = sorted({*state.path.glob(f"*/{_NAME}"), *state.path.glob(f"*/*/{_NAME}")})
    found = [_read(path) for path in named]
    found.sort(key=lambda one: (one.model, one.server is not None))
    # one with an address takes the place of an older one without
    counted = {(one.account, one.model): one for one in found if state.counts(one.server)}
    return list(counted.values())


def _read(path: Path) -> UploadRecord:
    try:
        return UploadRecord(**read_json(path))
    except (OSError, TypeError) as error:
        raise DamagedRecord(path, f"{type(error).__name__}: {error}") from None
