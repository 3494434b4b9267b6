"""Binned rows that are kept beside a store, each file with a record of what was written.

LightGBM trusts a file that it loads: one changed byte gives other trees, ends the process or
never ends. So a file is loaded only if it is what its record says.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from numerai_lab.checksums import NotAsWritten, marks_of, read_sealed, write_sealed
from numerai_lab.eraframe import StoredFeatures
from numerai_lab.files import write_aside
from numerai_lab.models.lgbm_ensemble.packed import is_whole


def damage_of_kept(path: Path, features: StoredFeatures) -> str | None:
    """Say why kept rows cannot be loaded; None if they can.

    Raises FileNotFoundError where none are kept.

    Parameters
    ----------
    path : of the rows. features : that they were made of.
    """
    record = _record_of(path)
    if not record.exists() and not path.exists():
        raise FileNotFoundError(path)
    try:
        mark = read_sealed(record).get("files", {}).get(path.name)
    except FileNotFoundError:
        return "they have no checksum"
    except NotAsWritten as error:
        return f"{record.name} {error}"
    if mark is None:
        return f"{record.name} is that of other rows"
    damage = features.damage_of(path, mark)
    if damage is None and not is_whole(path):  # where its content is not to be checked
        damage = f"{path.name} is not whole"
    return damage


@contextmanager
def keep(path: Path) -> Iterator[Path]:
    """Yield a path to write binned rows to; on success they become `path`, with their record.

    Raises MachineError when the disk is full or the folder cannot be written.
    """
    with write_aside(path) as part:
        yield part
        # The record first: beside rows that another process has just written, equal to these, it
        # is right, too.
        mark = marks_of(part.parent, [part.name])[part.name]
        write_sealed(_record_of(path), {"files": {path.name: mark}})


def forget(path: Path) -> None:
    """Remove kept rows and their record, which another process may have done already."""
    path.unlink(missing_ok=True)
    _record_of(path).unlink(missing_ok=True)


def _record_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")
