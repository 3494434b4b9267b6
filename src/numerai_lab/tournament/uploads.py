"""Which models were uploaded to which slots: `<state>/<model>/upload.json`, for `status`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from numerai_lab.errors import RunError
from numerai_lab.files import write_json
from numerai_lab.tournament.receipts import State

_NAME = "upload.json"


@dataclass(frozen=True)
class UploadRecord:
    """The last model that was uploaded to a slot; `uploaded_at` is the server's time, ISO."""

    model: str
    account: str
    run: str
    id: str
    python: str
    uploaded_at: str


def write_upload(state: State, record: UploadRecord) -> None:
    """Remember an upload in place of an earlier one."""
    write_json(state.path / record.model / _NAME, asdict(record))


def last_upload(state: State, model: str, account: str) -> UploadRecord | None:
    """Return the last upload from here to a model, or None. Raises RunError for a damaged file."""
    path = state.path / model / _NAME
    record = _read(path) if path.is_file() else None
    return record if record is not None and record.account == account else None


def read_uploads(state: State) -> list[UploadRecord]:
    """Return what is remembered, by model. Raises RunError for a damaged file."""
    return [_read(path) for path in sorted(state.path.glob(f"*/{_NAME}"))]


def _read(path: Path) -> UploadRecord:
    try:
        return UploadRecord(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RunError(
            f"cannot be read ({type(error).__name__}: {error})",
            where=str(path),
            fix="remove it; the model stays where it is",
        ) from None
