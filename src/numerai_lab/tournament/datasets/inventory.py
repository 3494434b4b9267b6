"""What is in a data folder: beside the server (list), against its lock file (verify), too much."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from numerai_lab.data import LOCK_NAME, LockedFile, read_lock
from numerai_lab.errors import LabError, RunError
from numerai_lab.files import exclusive_lock, sha256_of, write_errors
from numerai_lab.tournament.datasets.check import BadFile, check_file
from numerai_lab.tournament.datasets.download import change_lock, same
from numerai_lab.tournament.datasets.fetch import Part, probe
from numerai_lab.tournament.datasets.names import GROUPS, is_version, path_in, version_key
from numerai_lab.tournament.server import Tournament

Status = Literal["current", "outdated", "absent", "partial", "not recorded", "damaged"]
_KNOWN = {file for files in GROUPS.values() for file in files}


class Damaged(LabError):
    """Files are not what was downloaded; exit code 1."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One of the server's files beside what is here.

    `status`: current; outdated, the server has another content; absent; partial, a download was
    cut off; not recorded, there without an entry in the lock file; damaged, its size is not the
    recorded one.
    """

    name: str
    status: Status
    bytes: int
    local_bytes: int | None
    entry: LockedFile | None


def list_files(tournament: Tournament, folder: Path, names: Sequence[str]) -> list[Listed]:
    """Compare files of the server with those of the folder, by size and ETag; reads no data."""
    entries = read_lock(folder)
    found = []
    for name in names:
        path, entry, remote = path_in(folder, name), entries.get(name), probe(tournament, name)
        local = path.stat().st_size if path.is_file() else None
        status: Status
        if local is None:
            local = Part.of(path).size() or None
            status = "absent" if local is None else "partial"
        elif entry is None:
            status = "not recorded"
        elif local != entry.bytes:
            status = "damaged"
        else:
            status = "current" if same(entry, remote) else "outdated"
        found.append(Listed(name, status, remote.bytes, local, entry))
    return found


@dataclass(frozen=True, slots=True)
class Verified:
    """A file that was looked at again; `problem` is None when it is as it was downloaded."""

    name: str
    bytes: int | None
    rows: int | None
    problem: str | None


def verify_files(folder: Path, say: Callable[[str], None]) -> list[Verified]:
    """Check every recorded file: there, size, footer, rows, SHA-256. Needs no network.

    Files of Numerai's names that are not recorded are said, and only opened.
    """
    entries = read_lock(folder)
    found = [_verified(path_in(folder, name), entry) for name, entry in sorted(entries.items())]
    for path in sorted(_tournament_files(folder)):
        name = f"{path.parent.name}/{path.name}"
        if name in entries:
            continue
        say(f"{name} is not in {LOCK_NAME}: `numerai-lab data download` records it if it matches")
        try:
            rows, problem = check_file(path, name).rows, None
        except BadFile as error:
            rows, problem = None, error.what
        found.append(Verified(name, path.stat().st_size, rows, problem))
    return found


def _verified(path: Path, entry: LockedFile) -> Verified:
    if not path.is_file():
        return Verified(entry.name, None, None, "the file is gone")
    size = path.stat().st_size
    if size != entry.bytes:
        problem = f"the file has {size:,} bytes, {entry.bytes:,} were downloaded"
        return Verified(entry.name, size, None, problem)
    try:
        rows = check_file(path, entry.name).rows
    except BadFile as error:
        return Verified(entry.name, size, None, error.what)
    if rows != entry.rows:
        problem = f"the file has {rows:,} rows, {entry.rows:,} were downloaded"
        return Verified(entry.name, size, rows, problem)
    changed = sha256_of(path) != entry.sha256
    return Verified(entry.name, size, rows, "its bytes have changed (sha256)" if changed else None)


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file that nothing needs: what is left of a download, or of an old version."""

    path: Path
    bytes: int
    why: str


def find_leftovers(folder: Path, keep: str | None = None) -> list[Leftover]:
    """Find parts of downloads and files of versions older than `keep`; changes nothing.

    Only names that downloads use are ever found; other files in these folders stay.

    Parameters
    ----------
    keep : the version in use; None: the newest one there.
    """
    versions = sorted((p.name for p in _version_folders(folder)), key=version_key)
    newest = keep or (versions[-1] if versions else None)
    found = []
    for where in _version_folders(folder):
        parts = [*where.glob(".*.part"), *where.glob(".*.part.json")]
        found += [Leftover(p, p.stat().st_size, "cut-off download") for p in sorted(parts)]
        if newest is not None and version_key(where.name) < version_key(newest):
            files = sorted(p for p in where.iterdir() if p.is_file() and p.name in _KNOWN)
            found += [Leftover(p, p.stat().st_size, f"older than {newest}") for p in files]
    return found


def prune_files(
    folder: Path, found: Sequence[Leftover], say: Callable[[str], None]
) -> list[Leftover]:
    """Remove what `find_leftovers` found, with its entries in the lock file; return the removed.

    A file that another process is downloading is left, and said.
    """
    removed = []
    for item in found:
        path = item.path
        name = path.name.removeprefix(".").removesuffix(".json").removesuffix(".part")
        target = path.name if path.name in _KNOWN else name
        try:
            with (
                exclusive_lock(path.with_name(f".{target}.lock"), "it is being downloaded"),
                write_errors(path),
            ):
                path.unlink(missing_ok=True)
        except RunError:
            say(f"{path} is left: another process is downloading it")
            continue
        removed.append(item)
    gone = {f"{item.path.parent.name}/{item.path.name}" for item in removed}
    if gone & set(read_lock(folder)):
        change_lock(folder, lambda entries: {n: e for n, e in entries.items() if n not in gone})
    for where in {item.path.parent for item in removed}:
        rest = [p for p in where.iterdir() if not (p.name[0] == "." and p.suffix == ".lock")]
        if not rest:
            for path in where.iterdir():
                path.unlink(missing_ok=True)
            where.rmdir()
    return removed


def _version_folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.is_dir() and is_version(p.name))


def _tournament_files(folder: Path) -> list[Path]:
    return [
        path
        for where in _version_folders(folder)
        for path in where.iterdir()
        if path.is_file() and path.name in _KNOWN
    ]
