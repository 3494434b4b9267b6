"""The lock file of downloads: what was downloaded, when, and the bytes that were checked.

`numerai_data.lock.json` lies in the folder that holds the vX.Y folders. Downloads write it; a run
copies the entries of the files it read, as long as the bytes are still the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from numerai_lab.errors import DataError
from numerai_lab.files import write_json

LOCK_NAME = "numerai_data.lock.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class LockedFile:
    """A file that was downloaded and checked.

    Attributes
    ----------
    name : as the server calls it, `v5.3/train.parquet`; also its path below the folder.
    bytes, rows, columns : its size, and for parquet what its footer says (else None).
    sha256 : of its bytes. etag : the server's mark of this content, or None.
    modified, downloaded : ISO times, UTC, by the server's clock: when the server's file was
        written (None where it does not tell), and when it was checked here.
    server : host of the API that it came from. stand_in : whether that is a stand-in on this
        machine, so that the file is not Numerai's.
    round : the round that was current then, for live files; else None.
    """

    name: str
    bytes: int
    rows: int | None
    columns: int | None
    sha256: str
    etag: str | None
    modified: str | None
    downloaded: str
    server: str
    stand_in: bool
    round: int | None = None


def read_lock(folder: Path) -> dict[str, LockedFile]:
    """Return {name: entry} of a folder; empty when it has no lock file.

    Raises
    ------
    DataError : the lock file is damaged or of a later format.
    """
    path = folder / LOCK_NAME
    try:
        content: Any = json.loads(path.read_text("utf-8"))
        if content["format"] != _FORMAT:
            raise ValueError(f"format {content['format']}, this program writes {_FORMAT}")
        return {name: LockedFile(name=name, **entry) for name, entry in content["files"].items()}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"the lock file cannot be read ({error})",
            where=str(path),
            fix="remove it and run `numerai-lab data download` again: files are kept if they match",
        ) from None


def write_lock(folder: Path, entries: Mapping[str, LockedFile]) -> None:
    """Write a whole lock file. Raises MachineError when it cannot be written."""
    files = {}
    for name in sorted(entries):
        entry = asdict(entries[name])
        del entry["name"]
        files[name] = entry
    write_json(folder / LOCK_NAME, {"format": _FORMAT, "files": files})


def locked_file(path: Path) -> LockedFile | None:
    """Return the entry of `FOLDER/vX.Y/name`, or None when nothing was recorded for it."""
    place = path.resolve()
    return read_lock(place.parent.parent).get(f"{place.parent.name}/{place.name}")
