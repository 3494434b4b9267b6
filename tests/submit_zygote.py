"""Runs commands in processes of their own that can be killed at any step, without importing anew.

A process that has imported everything forks for each command. In the child every HTTP request and
every file that is moved into place or removed counts as two steps, before and after; at step
`kill_at` the child sends itself SIGKILL. Pauses are cut to 2 ms.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path


class Zygote:
    """The parent's side: start one, then `run` commands."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, *arguments: object, folder: Path, environment: dict, kill_at: int | None = None):
        """Return (exit code, negative for a signal; stdout; stderr)."""
        order = {
            "arguments": [str(a) for a in arguments],
            "folder": str(folder),
            "environment": environment,
            "kill_at": kill_at,
        }
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        code = json.loads(self._process.stdout.readline())
        return code, (folder / "stdout").read_text(), (folder / "stderr").read_text()

    def stop(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()


def _instrument(kill_at: int | None) -> None:
    import requests

    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(function):
        def call(*arguments, **options):
            step()
            result = function(*arguments, **options)
            step()
            return result

        return call

    requests.Session.request = counted(requests.Session.request)
    Path.replace = counted(Path.replace)
    Path.unlink = counted(Path.unlink)


def _serve() -> None:
    pause = time.sleep
    time.sleep = lambda seconds: pause(min(seconds, 0.002))
    import xgboost  # noqa: F401

    import numerai_lab.tournament  # noqa: F401
    from numerai_lab.cli import run
    from numerai_lab.models import get_model

    get_model("xgb")
    warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside Arrow's idle threads
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            os.environ.clear()
            os.environ.update(order["environment"])
            for number, name in ((1, "stdout"), (2, "stderr")):
                file = os.open(f"{order['folder']}/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(file, number)
            _instrument(order["kill_at"])
            code = run(order["arguments"])
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(json.dumps(os.waitstatus_to_exitcode(status)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
