"""Hashes of source files, remembered: hashing 10 GB takes longer than opening a store."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from numerai_lab.checksums import NotAsWritten, read_sealed, write_sealed
from numerai_lab.config import RemoteFile
from numerai_lab.data.reading import hash_of, reading
from numerai_lab.data.store.checks import Stamp, stamp_of
from numerai_lab.errors import LabError

Say = Callable[[str], None]

_JUST_CHANGED_NS = 2_000_000_000


def known_hashes(
    paths: Sequence[Path], folder: Path, *, say: Say, anew: bool = False
) -> tuple[str, ...]:
    """Return the hashes of source files, hashing only those that are new or have changed.

    A file of the same path, size, inode and times (in nanoseconds, also that of the last change
    of any kind, which nobody can set back) as when it was hashed is taken to be the same. A file
    that changed within two seconds of being hashed is hashed again: its time could not tell.

    Parameters
    ----------
    folder : of all stores; `hashes.json` there holds what is known, and is renewed.
    say : told when what is known there is damaged.
    anew : hash all files, whatever is known.
    """
    index = folder / "hashes.json"
    known = _read_index(index, say)
    found, renewed = [], False
    for path in paths:
        with reading(path):
            if isinstance(path, RemoteFile):
                found.append(hash_of(path))
                continue
            stamp, key = stamp_of(path), os.fspath(path.resolve())
            sha256 = None if anew else _known_hash(known, key, stamp)
            if sha256 is None:
                sha256 = hash_of(path)
                renewed |= known.pop(key, None) is not None
                if time.time_ns() - path.stat().st_mtime_ns > _JUST_CHANGED_NS:
                    known[key] = [*stamp, sha256]
                    renewed = True
        found.append(sha256)
    if renewed:
        # It only saves time: what is wrong with the disk, the store itself will say.
        with contextlib.suppress(LabError):
            write_sealed(index, {"files": known})
    return tuple(found)


def all_hashed(paths: Sequence[Path], folder: Path) -> bool:
    """Tell whether `known_hashes` would hash nothing."""
    known = _read_index(folder / "hashes.json", lambda _: None)
    local = [path for path in paths if not isinstance(path, RemoteFile)]
    stamps = {path: stamp_of(path) for path in local if path.is_file()}
    return len(stamps) == len(local) and all(
        _known_hash(known, os.fspath(path.resolve()), stamp) for path, stamp in stamps.items()
    )


def _read_index(path: Path, say: Say) -> dict[str, object]:
    """Read what is known; nothing where there is no such file, or not one that was written here."""
    try:
        return dict(read_sealed(path).get("files", {}))
    except FileNotFoundError:
        return {}
    except NotAsWritten as error:
        say(f"{path} {error}: the source files are hashed again")
        return {}


def _known_hash(known: dict[str, object], key: str, stamp: Stamp) -> str | None:
    entry = known.get(key)
    if isinstance(entry, list) and len(entry) == 5 and entry[:4] == list(stamp):
        return str(entry[4])
    return None
