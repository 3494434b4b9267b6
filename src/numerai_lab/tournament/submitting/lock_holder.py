"""Who holds the lock of `submissions/`, since when, for how long; and an end for every start.

A process that is stopped, or stuck where nothing ends it, would hold the lock for ever, and every
later start would go away without a word. So each start writes down how long it may take, ends
itself when that is over, and a later start that finds it still there says so.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from numerai_lab.checksums import NotAsWritten, read_sealed, write_sealed
from numerai_lab.errors import MachineError
from numerai_lab.tournament.server import Tick, tick

NAME = ".lock.json"
SPARE_SECONDS = 180.0
"""What a start may take beyond its limit to tell somebody that it has ended itself."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A start at work.

    Attributes
    ----------
    since : when it began, by the monotonic clock. started_at : the same by this machine's clock.
    limit_seconds : when it ends itself.
    """

    pid: int
    host: str
    started_at: str
    limit_seconds: float
    since: Tick

    def age_seconds(self) -> float:
        """Return how long it has been at work; by the clock of this machine if it must be."""
        age = self.since.age()
        if age is not None:
            return age
        passed = datetime.now(UTC) - datetime.fromisoformat(self.started_at)
        return max(0.0, passed.total_seconds())

    @property
    def overdue(self) -> bool:
        """Whether it should have ended itself."""
        return self.age_seconds() > self.limit_seconds + SPARE_SECONDS

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, at work since {self.started_at}"


def read_holder(folder: Path) -> Holder | None:
    """Return who holds the lock of a folder, None where that is not written down or damaged."""
    try:
        told = read_sealed(folder / NAME)
        holder = Holder(**{**told, "since": Tick(**told["since"])})
        datetime.fromisoformat(holder.started_at)
        float(holder.limit_seconds + holder.since.seconds)
        return holder
    except (FileNotFoundError, NotAsWritten, KeyError, TypeError, ValueError):
        return None


@contextlib.contextmanager
def holding(folder: Path, limit_seconds: float, warn: Callable[[str], None]) -> Iterator[None]:
    """Write down who holds the lock of a folder, which is held; forget it afterwards."""
    path = folder / NAME
    now = datetime.now(UTC).isoformat(timespec="seconds")
    holder = Holder(os.getpid(), socket.gethostname(), now, limit_seconds, tick())
    try:
        write_sealed(path, asdict(holder))
    except MachineError as error:  # no reason not to submit
        warn(str(error))
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def ending_after(seconds: float, expired: Callable[[], int]) -> Iterator[None]:
    """End this process when what is inside takes longer, whatever it is waiting for.

    Parameters
    ----------
    expired : called before, in a thread of its own; returns the exit code.
    """
    done = threading.Event()

    def watch() -> None:
        if done.wait(seconds):
            return
        code = 1
        try:
            code = expired()
        finally:
            os._exit(code)

    watcher = threading.Thread(target=watch, name="deadline", daemon=True)
    with Path(os.devnull).open("w") as nowhere:
        # the same where a library does not give up the interpreter, so that no thread can run
        faulthandler.dump_traceback_later(seconds + SPARE_SECONDS - 10, exit=True, file=nowhere)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()  # if time was up already, this is where the process ends
            faulthandler.cancel_dump_traceback_later()


def overdue_sentence(holder: Holder | None) -> str:
    """Say of a start that holds the lock for longer than it may."""
    if holder is None:
        return (
            "another submit is at work here, and its .lock.json cannot be read, so that nothing "
            "tells since when; look for a process that hangs"
        )
    minutes = holder.age_seconds() / 60
    return (
        f"another submit holds the lock for {minutes:.0f} minutes, and should have ended after "
        f"{holder.limit_seconds / 60:.0f} ({holder}): it is stopped or hangs, and NOTHING IS "
        f"SUBMITTED until it ends; look at it, then `kill -9 {holder.pid}`"
    )
