"""Files of a data version, each downloaded, checked, moved into place and recorded."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from numerai_lab.data import LockedFile, read_lock, write_lock
from numerai_lab.errors import RunError
from numerai_lab.files import exclusive_lock, sha256_of, write_errors
from numerai_lab.tournament.datasets.check import BadFile, Contents, check_file
from numerai_lab.tournament.datasets.fetch import NoProgress, Part, Progress, Remote, fetch, probe
from numerai_lab.tournament.datasets.names import path_in
from numerai_lab.tournament.server import Tournament, host_of, is_stand_in

_LOCK_WAIT = 30.0


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What became of a file: downloaded now, there already, or there and now recorded."""

    path: Path
    action: Literal["downloaded", "unchanged", "recorded"]
    entry: LockedFile


def download_files(
    tournament: Tournament,
    folder: Path,
    names: Sequence[str],
    *,
    progress: Progress | None = None,
    say: Callable[[str], None],
    round_number: int | None = None,
) -> list[Downloaded]:
    """Bring files to `folder/NAME` (`data/v5.3/train.parquet`) as the server has them now.

    A file is replaced only by one whose size is the server's, whose footer opens, and which has
    the rows and columns of its kind. Two processes may do this at once for different files.

    Parameters
    ----------
    names : the server's names, `v5.3/train.parquet`.
    say : called with every sentence the user must see.
    round_number : the current round, recorded for live files.

    Raises
    ------
    Unavailable, Rejected, TournamentError : what the server or network did; files that are done
        are kept, and of the others what came.
    BadFile : the server's file itself is damaged; the one that was there is kept.
    RunError : another process is downloading the same file.
    MachineError : the disk is full or cannot be written.
    """
    return [
        _one(tournament, folder, name, progress or NoProgress(), say, round_number)
        for name in names
    ]


def _one(
    tournament: Tournament,
    folder: Path,
    name: str,
    progress: Progress,
    say: Callable[[str], None],
    round_number: int | None,
) -> Downloaded:
    path = path_in(folder, name)
    number = round_number if path.name.startswith("live") else None
    with exclusive_lock(
        path.with_name(f".{path.name}.lock"), f"another process is downloading {name}"
    ):
        remote = probe(tournament, name)
        entry = read_lock(folder).get(name)
        if path.is_file() and path.stat().st_size == remote.bytes:
            if entry is not None and same(entry, remote) and sha256_of(path) == entry.sha256:
                if entry.round is None and number is not None:
                    entry = replace(entry, round=number)
                    _change(folder, entry)
                return Downloaded(path, "unchanged", entry)
            if entry is None:
                # Brought by another tool; the same size is what numerapi goes by, too.
                try:
                    contents = check_file(path, name)
                except BadFile as error:
                    say(f"{error.what}: {path} is replaced")
                else:
                    say(f"{path} was there already, with the server's size: recorded as it is")
                    made = _record(tournament, folder, name, path, remote, contents, number)
                    return Downloaded(path, "recorded", made)
        part = Part.of(path)
        remote, contents = _fetch_checked(tournament, name, part, progress)
        with write_errors(path):
            with part.data.open("rb+") as file:
                os.fsync(file.fileno())
            part.data.replace(path)
        made = _record(tournament, folder, name, path, remote, contents, number)
        part.discard()
        return Downloaded(path, "downloaded", made)


def _fetch_checked(
    tournament: Tournament, name: str, part: Part, progress: Progress
) -> tuple[Remote, Contents]:
    """Fetch and check; a file that fails its check is fetched once more from its first byte."""
    for last in (False, True):
        remote = fetch(tournament, name, part, progress)
        try:
            return remote, check_file(part.data, name)
        except BadFile as error:
            part.discard()
            if last:
                raise BadFile(
                    f"{error.what}, twice in a row; the file that was there is kept",
                    where=name,
                    fix="try again later",
                ) from None
    raise AssertionError("unreachable")


def same(entry: LockedFile, remote: Remote) -> bool:
    """Return whether the server still has the content that was recorded."""
    if entry.bytes != remote.bytes:
        return False
    if entry.etag is not None and remote.etag is not None:
        return entry.etag == remote.etag
    return entry.modified == remote.modified


def _record(
    tournament: Tournament,
    folder: Path,
    name: str,
    path: Path,
    remote: Remote,
    contents: Contents,
    round_number: int | None,
) -> LockedFile:
    """Write a file's entry into the folder's lock file and return it."""
    digest = sha256_of(path)
    before = read_lock(folder).get(name)
    if before is not None and before.round is not None and before.sha256 == digest:
        round_number = before.round  # the same bytes again are not those of a new round
    entry = LockedFile(
        name=name,
        bytes=remote.bytes,
        rows=contents.rows,
        columns=contents.columns,
        sha256=digest,
        etag=remote.etag,
        modified=remote.modified,
        downloaded=tournament.server_now().isoformat(timespec="seconds"),
        server=host_of(tournament.url),
        stand_in=is_stand_in(tournament.url),
        round=round_number,
    )
    _change(folder, entry)
    return entry


def _change(folder: Path, entry: LockedFile) -> None:
    change_lock(folder, lambda entries: {**entries, entry.name: entry})


def change_lock(
    folder: Path, change: Callable[[dict[str, LockedFile]], dict[str, LockedFile]]
) -> None:
    """Read, change and write the lock file while no other process does; waits for it a little."""
    until = time.monotonic() + _LOCK_WAIT
    while True:
        try:
            with exclusive_lock(folder / ".numerai_data.lock", "another process holds the lock"):
                write_lock(folder, change(read_lock(folder)))
                return
        except RunError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
