"""What a person (or a log collector) sees while a run works: bars on a terminal, lines elsewhere.

Everything goes to stderr, so that stdout stays free for one result or one JSON object. Every
sentence is also appended to the run's log.jsonl once the run directory is known.
"""

from __future__ import annotations

import _thread
import json
import signal
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from numerai_lab.disclosure import presentable
from numerai_lab.files import write_errors

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class _Interrupt:
    """Ctrl-C that cannot get lost.

    A KeyboardInterrupt raised while a library calls back into Python, or inside a destructor, is
    printed and forgotten by Python, and training would go on. So once the first fold has begun
    the first Ctrl-C only leaves a mark, which the next report of progress acts on; a second one
    stops at once.
    """

    def __init__(self) -> None:
        self.pressed = False
        self.at_work = False
        self._signal: Any = None
        self._hook: Any = None
        self._again: threading.Timer | None = None

    def __call__(self, _signum: int, _frame: FrameType | None) -> None:
        first, self.pressed = not self.pressed, True
        if first and self.at_work:
            sys.stderr.write("stopping at the next step; Ctrl-C again stops at once\n")
            return
        raise KeyboardInterrupt

    def check(self) -> None:
        if self.pressed:
            raise KeyboardInterrupt

    def begin(self) -> None:
        """Take Ctrl-C, and what Python would print of one that comes inside a destructor."""
        self._signal, self._hook = signal.signal(signal.SIGINT, self), sys.unraisablehook
        sys.unraisablehook = self._once_more

    def end(self) -> None:
        """Leave both as they were."""
        if self._again is not None:
            self._again.cancel()
        signal.signal(signal.SIGINT, self._signal)
        sys.unraisablehook = self._hook

    def _once_more(self, lost: sys.UnraisableHookArgs) -> None:
        """Interrupt again, a moment after the destructor that swallowed the first one."""
        if not isinstance(lost.exc_value, KeyboardInterrupt):
            self._hook(lost)
            return
        self._again = threading.Timer(0.05, _thread.interrupt_main)
        self._again.daemon = True
        self._again.start()


_CONVERTING = "era store"


class Reporter:
    """Tell what happens: `say` for sentences, `work`, `progress` and `done` for pieces of work.

    Parameters
    ----------
    quiet : only warnings and errors reach stderr (the log file still gets everything).

    Attributes
    ----------
    run : directory of the run that is at work, once there is one.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.run: Path | None = None
        self._log: Path | None = None
        self._early: list[dict[str, Any]] = []
        self._bars: Progress | None = None
        self._task: TaskID | None = None
        self._label = ""
        self._watch = Stopwatch()
        self._interrupt = _Interrupt()
        self._began = False

    def __enter__(self) -> Self:
        # Under nohup, or in the background of a script, Ctrl-C is ignored and is not meant for us.
        ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        if threading.current_thread() is threading.main_thread() and not ignored:
            self._interrupt.begin()
            self._began = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop_bars()
        if self._began:
            self._interrupt.end()
            self._began = False

    def child(self) -> Reporter:
        """Return a reporter for a run within this one: the same screen, its own log."""
        child = Reporter(quiet=self.quiet)
        child._interrupt = self._interrupt
        return child

    def log_to(self, path: Path | None) -> None:
        """Append events to this log.jsonl from now on; those told earlier are written first."""
        self._log = path
        if path is not None:
            early, self._early = self._early, []
            for event in early:
                self._write(event)

    def say(self, sentence: str) -> None:
        """Tell one sentence that the user should read."""
        sentence = presentable(sentence)
        self._event("say", text=sentence)
        if not self.quiet:
            self._print(sentence)

    def warn(self, sentence: str) -> None:
        """Tell one sentence that the user must read, even when quiet."""
        sentence = presentable(sentence)
        self._event("warning", text=sentence)
        self._print(f"warning: {sentence}")

    def event(self, kind: str, **facts: Any) -> None:
        """Record facts in the log only."""
        self._event(kind, **facts)

    def work(self, label: str, unit: str = "") -> None:
        """Begin a piece of work ("fold 2/4"); `progress` then counts its steps in `unit`."""
        self._interrupt.check()
        self._interrupt.at_work = True
        self._label = label
        self._event("work", label=label)
        if self.quiet:
            return
        if not sys.stderr.isatty():
            self._print(label)
            return
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        if self._bars is None:
            self._bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[unit]}"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[pace]}"),
                console=Console(stderr=True),
                transient=True,
            )
            self._bars.start()
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(label, total=None, unit=unit, pace="")

    def check(self) -> None:
        """Stop here if the user wants to."""
        self._interrupt.check()

    def progress(self, done: int, total: int) -> None:
        """Report steps done of all steps of the current piece of work."""
        self._interrupt.check()
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, completed=done, total=total)

    def pace(self, words: str) -> None:
        """Show how fast the current piece of work goes; also where the user may stop it."""
        self._interrupt.check()
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, pace=words)

    def converted(self, done: int, total: int) -> None:
        """Report bytes of features converted to the era store of all that are to be."""
        if self._label != _CONVERTING:
            self._watch = Stopwatch()
            self.work(_CONVERTING, unit="MiB")
        self.progress(done >> 20, total >> 20)
        if done >= total:
            self.done(f"{total >> 20:,} MiB of features", self._watch.seconds)
            self._label = ""

    def done(self, summary: str, seconds: float) -> None:
        """End the current piece of work."""
        self._interrupt.at_work = False
        self._event("done", label=self._label, text=summary, seconds=round(seconds, 3))
        if not self.quiet:
            self._print(f"{self._label}: {summary} ({seconds:.1f} s)")
        self._stop_bars()

    def _stop_bars(self) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars, self._task = None, None

    def _print(self, text: str) -> None:
        if self._bars is not None:
            self._bars.console.print(text, markup=False, highlight=False)
        else:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    def _event(self, kind: str, **facts: Any) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._write({"time": now, "event": kind, **facts})

    def _write(self, event: dict[str, Any]) -> None:
        if self._log is None:
            self._early.append(event)
            return
        with write_errors(self._log), self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")


class Unheard(Reporter):
    """A reporter of trials, of which nothing is shown or logged; Ctrl-C ends them all the same.

    Parameters
    ----------
    of : who is told what the user must see. check : called at each step, and may raise.

    Attributes
    ----------
    steps : (done, total) of the current piece of work. began : when it did, as a stopwatch.
    """

    def __init__(self, of: Reporter, check: Callable[[], None]) -> None:
        super().__init__(quiet=True)
        self._interrupt = of._interrupt
        self._check = check
        self.steps = (0, 0)
        self.began = Stopwatch()

    def work(self, label: str, unit: str = "") -> None:
        """Begin a piece of work."""
        super().work(label, unit)
        self.steps, self.began = (0, 0), Stopwatch()

    def warn(self, sentence: str) -> None:
        """Say nothing."""

    def progress(self, done: int, total: int) -> None:
        """Stop here if the user wants to, or `check` does."""
        super().progress(done, total)
        self.steps = done, total
        self._check()

    def pace(self, words: str) -> None:
        """Stop here if the user wants to, or `check` does."""
        super().pace(words)
        self._check()


class Stopwatch:
    """Seconds since it was made: wall time, and CPU time of all threads."""

    def __init__(self) -> None:
        self._start, self._cpu = time.perf_counter(), time.process_time()

    @property
    def seconds(self) -> float:
        """Seconds passed so far."""
        return time.perf_counter() - self._start

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds used so far by this process."""
        return time.process_time() - self._cpu
