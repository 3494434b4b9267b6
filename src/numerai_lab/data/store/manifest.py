"""What a store says about itself, and where stores are."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from numerai_lab.config import RemoteFile
from numerai_lab.data.dataset import SourceFile
from numerai_lab.data.files import hash_of, reading
from numerai_lab.errors import LabError
from numerai_lab.files import write_json

FORMAT: Literal[2] = 2
"""Part of every store's name: a store of another format is never opened."""
BLOCK_COLUMNS = 64
"""Features side by side in a block; see benchmarks/RESULTS.md for what was measured."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StoredFile(_Section):
    """A source file as it was when it was converted."""

    path: str
    bytes: int
    rows: int
    sha256: str


class StoredBlock(_Section):
    """A file with some features of all rows; the lowest, the highest and the missing values."""

    file: str
    features: tuple[str, ...]
    lowest: int
    highest: int
    n_missing: int


class Manifest(_Section):
    """What is in a store. Written last, so whatever it names is complete.

    Attributes
    ----------
    n_rows : of the store. id_bytes : of the text of all ids.
    counts : rows by what happened to them in the conversion.
    era, id, data_type, keep_data_types : columns that decided about rows.
    blocks : features, in the order they were asked for. targets : columns kept as float32.
    """

    format: Literal[2]
    sources: tuple[StoredFile, ...]
    era: str
    id: str
    data_type: str | None
    keep_data_types: tuple[str, ...] | None
    n_rows: int
    id_bytes: int
    counts: dict[str, int]
    blocks: tuple[StoredBlock, ...] = ()
    targets: tuple[str, ...] = ()

    def place_of(self) -> dict[str, tuple[int, int]]:
        """Return (block, column) by feature."""
        return {
            name: (number, column)
            for number, block in enumerate(self.blocks)
            for column, name in enumerate(block.features)
        }


def read_manifest(folder: Path) -> Manifest | None:
    """Read a store's manifest; None when there is none that can be read."""
    try:
        return Manifest.model_validate_json((folder / "manifest.json").read_bytes())
    except (OSError, ValidationError):
        return None


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a store's manifest, whole."""
    write_json(folder / "manifest.json", manifest.model_dump(mode="json"))


def store_name(files: Sequence[SourceFile], rule: Sequence[object], version: int = FORMAT) -> str:
    """Name a store after what is in it: the bytes of its sources and the rule about its rows."""
    content = [version, [file.identity for file in files], *rule]
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    return f"{files[0].path.resolve().parent.name}-{digest[:16]}"


def known_hashes(paths: Sequence[Path], folder: Path) -> tuple[str, ...]:
    """Return the hashes of source files, hashing only those that are new or have changed.

    Hashing 10 GB takes longer than opening a store. A file of the same path, size and time of
    change (in nanoseconds) as when it was hashed is taken to be the same. A file that changed
    within two seconds of being hashed is hashed again: its time could not tell.

    Parameters
    ----------
    folder : of all stores; `hashes.json` there holds what is known, and is renewed.
    """
    index = folder / "hashes.json"
    known = _read_index(index)
    found, renewed = [], False
    for path in paths:
        with reading(path):
            if isinstance(path, RemoteFile):
                found.append(hash_of(path))
                continue
            stat = path.stat()
            key, stamp = os.fspath(path.resolve()), [stat.st_size, stat.st_mtime_ns]
            sha256 = _known_hash(known, key, stamp)
            if sha256 is None:
                sha256 = hash_of(path)
                if time.time_ns() - stat.st_mtime_ns > 2_000_000_000:
                    known[key] = [*stamp, sha256]
                    renewed = True
        found.append(sha256)
    if renewed:
        # It only saves time: what is wrong with the disk, the store itself will say.
        with contextlib.suppress(LabError):
            write_json(index, known)
    return tuple(found)


def all_hashed(paths: Sequence[Path], folder: Path) -> bool:
    """Tell whether `known_hashes` would hash nothing."""
    known = _read_index(folder / "hashes.json")
    local = [path for path in paths if not isinstance(path, RemoteFile)]
    stats = {path: path.stat() for path in local if path.is_file()}
    return len(stats) == len(local) and all(
        _known_hash(known, os.fspath(path.resolve()), [stat.st_size, stat.st_mtime_ns])
        for path, stat in stats.items()
    )


def _read_index(path: Path) -> dict[str, object]:
    try:
        known = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):  # not there yet, or not ours: then all files are hashed
        return {}
    return known if isinstance(known, dict) else {}


def _known_hash(known: dict[str, object], key: str, stamp: list[int]) -> str | None:
    entry = known.get(key)
    if isinstance(entry, list) and len(entry) == 3 and entry[:2] == stamp:
        return str(entry[2])
    return None
