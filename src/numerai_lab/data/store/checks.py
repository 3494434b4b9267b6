"""Whether a store's files are what was written: hashed when a process first reads them.

What is small (eras, ids, targets) always is. Features are as `data.store.verify` says:

- `auto`: up to 8 GiB that are about to be read are hashed by every process. Of more, a file is
  hashed once on this machine and remembered in `checked.json` by size, inode and times, so that
  any write to it is found, but not bytes that the disk itself has lost since.
- `always`: hashed by every process, whatever the size. `never`: only sizes are compared.

Nothing is hashed twice by one process; what a disk loses in between is not found.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from numerai_lab.checksums import FileMark, NotAsWritten, damage_of, read_sealed, write_sealed
from numerai_lab.errors import LabError
from numerai_lab.machine import usable_cores

Verify = Literal["auto", "always", "never"]
Stamp = tuple[int, int, int, int]
"""Size, time of change, time of any change (ns) and inode of a file."""

ALWAYS_BYTES = 8 << 30
"""`auto` hashes so much in every process: some seconds on two cores."""
CHECKED_FILE = "checked.json"

_READ_BYTES = 1 << 20
_MOST_THREADS = 4

_seen: dict[tuple[str, Stamp], set[int]] = {}
"""Chunks that this process has hashed, or has written itself."""


@dataclass(frozen=True)
class Hashed:
    """A file with one checksum for every `chunk` bytes; `wanted` are the chunks to be read."""

    path: Path
    size: int
    chunk: int
    sha256: Sequence[str]
    wanted: Sequence[int]

    @property
    def n_bytes(self) -> int:
        """Bytes of the chunks to be read."""
        return sum(min(self.chunk, self.size - number * self.chunk) for number in self.wanted)


@dataclass(frozen=True)
class Damage:
    """What is wrong with a file: a reason, and the chunks that differ, or None for all of it."""

    reason: str
    chunks: tuple[int, ...] | None = None


def stamp_of(path: Path) -> Stamp:
    """Return what changes whenever a file is written to. Raises OSError."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino


def note_written(path: Path, n_chunks: int = 1) -> None:
    """Remember that this process has just written a file, and need not hash it."""
    _seen[os.fspath(path.resolve()), stamp_of(path)] = set(range(n_chunks))


def small_damage(folder: Path, marks: Mapping[str, FileMark]) -> dict[str, str]:
    """Return {file: what is wrong with it} of files that are always checked."""
    found = {}
    for name in marks:
        with contextlib.suppress(OSError):
            if _seen.get((os.fspath((folder / name).resolve()), stamp_of(folder / name))):
                continue
        reason = damage_of(folder, marks, [name])
        if reason is None:
            note_written(folder / name)
        else:
            found[name] = reason
    return found


def size_damage(path: Path, size: int) -> Damage | None:
    """Tell whether a file is there in its full size."""
    try:
        there = path.stat().st_size
    except FileNotFoundError:
        return Damage(f"{path.name} is gone")
    except OSError as error:
        return Damage(f"{path.name} cannot be read ({error.strerror or error})")
    return None if there == size else Damage(f"{path.name} has {there:,} bytes, not {size:,}")


def remembers(files: Sequence[Hashed], verify: Verify) -> bool:
    """Tell whether what was hashed once on this machine is taken to be the same."""
    return verify == "auto" and sum(file.n_bytes for file in files) > ALWAYS_BYTES


def unhashed(folder: Path, files: Sequence[Hashed], verify: Verify) -> list[Hashed]:
    """Return the files that are to be hashed now, all of which are there in full size.

    Their wanted chunks are those that neither this process nor, where that counts, this machine
    has hashed.
    """
    if verify == "never":
        return []
    known = _read_checked(folder) if remembers(files, verify) else {}
    left = []
    for file in files:
        stamp = stamp_of(file.path)
        done = set(_seen.get((os.fspath(file.path.resolve()), stamp), ()))
        entry = known.get(_key(folder, file.path))
        if isinstance(entry, dict) and entry.get("stamp") == list(stamp):
            done |= set(entry["chunks"])
        wanted = [number for number in file.wanted if number not in done]
        if wanted:
            left.append(Hashed(file.path, file.size, file.chunk, file.sha256, wanted))
    return left


def hashed_damage(folder: Path, files: Sequence[Hashed], *, remember: bool) -> dict[Path, Damage]:
    """Hash chunks of files; return what is wrong, by file.

    Parameters
    ----------
    files : as `unhashed` returns them. remember : note in the folder what was as it should be.
    """
    found: dict[Path, Damage] = {}
    tasks = [(file, number) for file in files for number in file.wanted]
    stamps = {file.path: stamp_of(file.path) for file in files}
    good: dict[Path, list[int]] = {file.path: [] for file in files}
    with ThreadPoolExecutor(min(usable_cores(), _MOST_THREADS)) as pool:
        for (file, number), reason in zip(tasks, pool.map(_chunk_damage, tasks), strict=True):
            if reason is None:
                good[file.path].append(number)
                continue
            before = found[file.path].chunks or () if file.path in found else ()
            found[file.path] = Damage(f"{file.path.name} {reason}", (*before, number))
    for path, numbers in good.items():
        _seen.setdefault((os.fspath(path.resolve()), stamps[path]), set()).update(numbers)
    if remember:
        _write_checked(folder, stamps, good)
    return found


def _chunk_damage(task: tuple[Hashed, int]) -> str | None:
    """Hash a chunk of a file; say what is wrong with it."""
    file, number = task
    content = hashlib.sha256()
    buffer = memoryview(bytearray(_READ_BYTES))
    left = min(file.chunk, file.size - number * file.chunk)
    try:
        with file.path.open("rb", buffering=0) as opened:
            opened.seek(number * file.chunk)
            while left > 0:
                n = opened.readinto(buffer[: min(left, _READ_BYTES)])
                if not n:
                    return "is cut short"
                content.update(buffer[:n])
                left -= n
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    same = content.hexdigest() == file.sha256[number]
    return None if same else "is not what was written (its SHA-256 differs)"


def touched_chunks(runs: npt.NDArray[np.int64], chunk_rows: int, n_chunks: int) -> list[int]:
    """Return the chunks of rows in which runs [first, stop) lie."""
    edges = np.zeros(n_chunks + 1, dtype=np.int64)
    np.add.at(edges, runs[:, 0] // chunk_rows, 1)
    np.add.at(edges, (runs[:, 1] - 1) // chunk_rows + 1, -1)
    touched: list[int] = np.flatnonzero(np.cumsum(edges[:-1])).tolist()
    return touched


def _key(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def _read_checked(folder: Path) -> dict[str, object]:
    """Read what was hashed before; nothing if that is not known: then it is hashed again."""
    try:
        return dict(read_sealed(folder / CHECKED_FILE).get("files", {}))
    except (FileNotFoundError, NotAsWritten):
        return {}


def _write_checked(
    folder: Path, stamps: Mapping[Path, Stamp], good: Mapping[Path, Sequence[int]]
) -> None:
    known = _read_checked(folder)
    for path, stamp in stamps.items():
        before = known.get(_key(folder, path))
        chunks = set(good[path])
        if isinstance(before, dict) and before.get("stamp") == list(stamp):
            chunks |= set(before["chunks"])
        known[_key(folder, path)] = {"stamp": list(stamp), "chunks": sorted(chunks)}
    # It only saves time: a folder that cannot be written is hashed again.
    with contextlib.suppress(LabError):
        write_sealed(folder / CHECKED_FILE, {"files": known})
