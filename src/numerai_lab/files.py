"""Files that are whole or not there: write aside, flush, then rename; and one lock per folder."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from numerai_lab.errors import MachineError, RunError

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_LOCK_POLL_SECONDS = 0.2


@contextlib.contextmanager
def write_errors(path: Path, *, only_full_disk: bool = False) -> Iterator[None]:
    """Turn an OSError while writing `path` into a MachineError of one sentence.

    With `only_full_disk` other errors pass: the work inside does more than write.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FULL or "No space left" in str(error):
            raise MachineError(
                "the disk is full or a size limit is reached; nothing half-written was kept",
                where=str(path),
                fix="free some space and run again",
            ) from error
        if only_full_disk:
            raise
        raise MachineError(
            f"cannot be written: {error.strerror or error}",
            where=str(path),
            fix="check that the folder exists and may be written to",
        ) from error


@contextlib.contextmanager
def write_aside(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it replaces `path`, else it is removed.

    Raises MachineError when the disk is full or the folder cannot be written.
    """
    with write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
        part = Path(name)
        try:
            yield part
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            # mkstemp makes files private; a run's files follow the user's umask as usual
            part.chmod(0o666 & ~_umask())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def folder_aside(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; on success it becomes `path`, else it is removed.

    `path` must not exist yet. Left-overs of killed processes are named `.NAME.*.part`.
    """
    with write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    try:
        with write_errors(path, only_full_disk=True):
            yield part
        with write_errors(path):
            part.chmod(0o777 & ~_umask())
            part.rename(path)
            _sync(path.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Wait until all that is in a folder is on the disk; libraries do not when they save a model.

    Raises MachineError.
    """
    with write_errors(folder):
        for path in [*folder.rglob("*"), folder]:
            _sync(path)


def _sync(path: Path) -> None:
    if path.is_dir() and sys.platform == "win32":  # which has no handle of a folder
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def write_text(path: Path, *texts: str) -> None:
    """Write texts, one after another, as a whole file, UTF-8.

    A byte of a file's name that is not UTF-8 is spelt out.
    """
    with (
        write_aside(path) as part,
        part.open("w", encoding="utf-8", errors="backslashreplace") as file,
    ):
        file.writelines(texts)


def write_json(path: Path, value: Any) -> None:
    """Write a whole JSON file; NaN is refused, so that any reader can read it."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def sha256_of(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def exclusive_lock(path: Path, busy: str) -> Iterator[None]:
    """Hold an advisory lock that the system releases when the process ends, however it ends.

    Raises RunError with the sentence `busy` when another process holds it.
    """
    with write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b")
    with file:
        if not _try_lock(file):
            raise RunError(
                busy, where=str(path.parent), fix="wait for it, or choose another folder"
            )
        yield


@contextlib.contextmanager
def waiting_lock(path: Path, busy: Callable[[], None]) -> Iterator[None]:
    """Hold the same kind of lock, waiting for whoever holds it; `busy` is called once, first."""
    with write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b")
    with file:
        if not _try_lock(file):
            busy()
            while not _try_lock(file):
                time.sleep(_LOCK_POLL_SECONDS)
        yield


def _try_lock(file: IO[bytes]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
