"""Progress bars of downloads: on a terminal only, on stderr."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import rich.progress

    from numerai_lab.tournament import Progress


@contextlib.contextmanager
def download_progress(quiet: bool) -> Iterator[Progress | None]:
    """Yield bars to pass to `download`, or None where nobody is looking."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        yield _Bars(bars)


class _Bars:
    """One bar for each file; a file that starts over goes back on its own bar."""

    def __init__(self, bars: rich.progress.Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, rich.progress.TaskID] = {}
        self._current: rich.progress.TaskID | None = None

    def begin(self, name: str, total: int, done: int) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total)
        self._current = self._tasks[name]
        self._bars.update(self._current, total=total, completed=done)

    def advance(self, n_bytes: int) -> None:
        if self._current is not None:
            self._bars.advance(self._current, n_bytes)

    def end(self) -> None:
        self._current = None
