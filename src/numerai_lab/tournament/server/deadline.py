"""A bound on work that has none of its own: what is not done in time is given up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, work: Callable[[], T]) -> T:
    """Do `work` in a thread of its own and return what it returns, or raise what it raises.

    A socket's timeout bounds each read, not their sum: a server that sends one byte of its header
    every two seconds keeps a client for hours, and looking up a name has no timeout at all. Work
    that is given up goes on in its thread, which ends with the process; it must change nothing
    that is used afterwards.

    Raises
    ------
    TimeoutError : it took longer than `seconds`, by a clock that nobody sets.
    """
    done = threading.Event()
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            failures.append(error)
        done.set()

    threading.Thread(target=run, daemon=True, name="within").start()
    if not done.wait(seconds):
        raise TimeoutError(f"not done within {seconds:g} s")
    if failures:
        raise failures[0]
    return results[0]
