"""One file from the server to a part file beside its place: resumed, measured, never trusted.

numerapi resumes with TLS verification off, appends whatever comes although the server may have
ignored the Range, and believes a size (read in its utils.download_file, 3.1.1). Here a piece is
appended only if the server answers 206, with the byte asked for, of the same content (ETag) and
total size; otherwise the file starts over.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from numerai_lab.errors import MachineError
from numerai_lab.files import write_errors, write_json
from numerai_lab.tournament.server import (
    Tournament,
    TournamentError,
    Unavailable,
    length_in,
    range_in,
    retry_after,
    time_in,
)

_PROGRESS = 64 * 2**10
"""A try that got this many new bytes was not in vain, and does not count as a failed one."""
_SLOWEST = 1024.0
WINDOW = 30.0
"""A connection below `_SLOWEST` bytes a second for `WINDOW` seconds is given up and resumed."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A file as the server describes it."""

    bytes: int
    etag: str | None
    modified: str | None

    @property
    def mark(self) -> str | None:
        """What If-Range may name: a strong ETag (RFC 9110, 13.1.5)."""
        return self.etag if self.etag and not self.etag.startswith("W/") else None


class Progress(Protocol):
    """Who is told how far a download is."""

    def begin(self, name: str, total: int, done: int) -> None:
        """A file begins, or begins again, with `done` of `total` bytes there already."""

    def advance(self, n_bytes: int) -> None:
        """More bytes of the file have come."""

    def end(self) -> None:
        """The file is there or has failed."""


class NoProgress:
    """Tells nobody."""

    def begin(self, name: str, total: int, done: int) -> None:
        """Nothing."""

    def advance(self, n_bytes: int) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class Part:
    """The part file of a path, and a note of what it is a part of."""

    data: Path
    note: Path

    @classmethod
    def of(cls, path: Path) -> Part:
        """Return the part of the file at `path`."""
        return cls(path.with_name(f".{path.name}.part"), path.with_name(f".{path.name}.part.json"))

    def discard(self) -> None:
        """Remove both files."""
        self.data.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def size(self) -> int:
        """Return the bytes that are there."""
        return self.data.stat().st_size if self.data.exists() else 0

    def remote(self) -> Remote | None:
        """Return what it is a part of, if that is known."""
        try:
            found = json.loads(self.note.read_text("utf-8"))
            size, etag, modified = found["bytes"], found["etag"], found["modified"]
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None
        fine = type(size) is int and size > 0
        fine = fine and isinstance(etag, str | None) and isinstance(modified, str | None)
        return Remote(size, etag, modified) if fine else None


def probe(tournament: Tournament, name: str) -> Remote:
    """Ask for a file's size and marks without downloading it.

    By a GET of its first byte: a signed URL is for GET only.

    Raises
    ------
    Unavailable, Rejected, TournamentError
    """
    transport = tournament.transport
    for attempt in range(transport.attempts):
        try:
            url = tournament.dataset_url(name)
            with transport.get(url, {"Range": "bytes=0-0"}) as response:
                return _described(name, response)
        except Unavailable as error:
            too_long = (error.retry_after or 0) > transport.backoff.longest_retry_after
            if attempt == transport.attempts - 1 or too_long:
                raise
            transport.sleep(transport.backoff.seconds(attempt, error.retry_after))
    raise AssertionError("attempts must be at least 1")


def fetch(tournament: Tournament, name: str, part: Part, progress: Progress) -> Remote:
    """Download a file into its part, going on from what is there, and return what it is.

    The part then has the size that the server told; its content is for the caller to check.

    Raises
    ------
    Unavailable : the server or the network failed `attempts` times without progress; what came is
        kept for the next time.
    MachineError : the disk is full (nothing is kept) or cannot be written.
    """
    transport = tournament.transport
    failures, best = 0, part.size()
    try:
        while True:
            try:
                return _attempt(tournament, name, part, progress)
            except Unavailable as error:
                failures = 0 if part.size() >= best + _PROGRESS else failures + 1
                best = max(best, part.size())
                too_long = (error.retry_after or 0) > transport.backoff.longest_retry_after
                if failures >= transport.attempts or too_long:
                    raise Unavailable(
                        error.what + (f"; {part.size():,} bytes are kept" if part.size() else ""),
                        where=name,
                        status=error.status,
                        retry_after=error.retry_after,
                        fix="run again: it goes on from there",
                    ) from None
                transport.sleep(transport.backoff.seconds(failures, error.retry_after))
    except MachineError:
        part.discard()
        raise
    finally:
        progress.end()


def _attempt(tournament: Tournament, name: str, part: Part, progress: Progress) -> Remote:
    for mine in (part.data, part.note):
        if mine.is_symlink():  # what it points to is none of ours
            mine.unlink()
    before, there = part.remote(), part.size()
    headers: dict[str, str] = {}
    start = 0
    if before is not None and before.mark is not None and there:
        # The last byte is asked for again when all are there, so that the content is confirmed.
        start = min(there, before.bytes - 1)
        headers = {"Range": f"bytes={start}-", "If-Range": before.mark}
    with tournament.transport.get(tournament.dataset_url(name), headers) as response:
        if response.status_code == 416:  # the server's file has become shorter than the part
            part.discard()
        remote = _described(name, response)
        if response.status_code == 206:
            told = range_in(response.headers)
            if not headers or remote != before or told is None or told[0] != start:
                part.discard()
                raise Unavailable("the server sent other bytes than were asked for", where=name)
        else:
            start = 0
        _write(tournament, response, name, part, start, remote, progress)
    if part.size() != remote.bytes:
        raise Unavailable(
            f"only {part.size():,} of {remote.bytes:,} bytes came", where=name, fix="run again"
        )
    return remote


def _write(
    tournament: Tournament,
    response: Any,
    name: str,
    part: Part,
    start: int,
    remote: Remote,
    progress: Progress,
) -> None:
    clock = tournament.transport.clock
    with write_errors(part.data):
        part.data.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(part.data.parent).free
        if free < remote.bytes - start:
            raise MachineError(
                f"the disk has {free / 2**30:.1f} GB free, the file needs "
                f"{(remote.bytes - start) / 2**30:.1f} GB more",
                where=str(part.data.parent),
                fix="free some space and run again",
            )
        write_json(part.note, asdict(remote))
        progress.begin(name, remote.bytes, start)
        with part.data.open("r+b" if start else "wb") as file:
            file.truncate(start)
            file.seek(start)
            since, got = clock(), 0
            left = remote.bytes - start
            for piece in tournament.transport.pieces(response):
                if len(piece) > left:
                    file.truncate(0)
                    raise Unavailable(
                        f"the server sends more than the {remote.bytes:,} bytes that it told",
                        where=name,
                        fix="check any proxy, then try again later",
                    )
                left -= len(piece)
                file.write(piece)
                progress.advance(len(piece))
                got += len(piece)
                if clock() - since > WINDOW:
                    if got < _SLOWEST * WINDOW:
                        raise Unavailable("the server sends less than 1 KB a second", where=name)
                    since, got = clock(), 0


def _described(name: str, response: Any) -> Remote:
    """Read size and marks from the headers of a 200 or 206."""
    status, headers = response.status_code, response.headers
    if status >= 400:
        raise Unavailable(
            f"the server does not give the file (HTTP {status})",
            where=name,
            status=status,
            retry_after=retry_after(headers),
            fix="try again later",
        )
    told = range_in(headers)
    size = told[1] if status == 206 and told is not None else None
    if status == 200:
        size = length_in(headers)
    if size is None:
        raise TournamentError(
            f"the server does not tell the file's size (HTTP {status}), so it cannot be checked",
            where=name,
            fix="try again later",
        )
    when = time_in(headers, "Last-Modified")
    return Remote(size, headers.get("ETag"), when.isoformat() if when else None)
