"""Which models were uploaded to which slots: `<state>/<model>/upload.json`, for `status`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

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


def read_uploads(state: State) -> list[UploadRecord]:
    """Return what is remembered, by model.

    Raises
    ------
    RunError : a damaged file.
    """
    found = []
    for path in sorted(state.path.glob(f"*/{_NAME}")):
        try:
            found.append(UploadRecord(**json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError, TypeError) as error:
            raise RunError(
                f"cannot be read ({type(error).__name__}: {error})",
                where=str(path),
                fix="remove it; the model stays where it is",
            ) from None
    return found
