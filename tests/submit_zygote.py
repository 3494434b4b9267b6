"""Runs commands in processes of their own that can be killed at any step, without importing anew.

A process that has imported everything forks for each command. In the child every HTTP request and
every file that is moved into place or removed counts as two steps, before and after; at step
`kill_at` the child sends itself SIGKILL. Pauses are cut to 2 ms.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
import warnings
from pathlib import Path


class Zygote:
    """The parent's side: start one, then `run` commands."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(
        self,
        *arguments: object,
        folder: Path,
        environment: dict,
        kill_at: int | None = None,
        kill_in_flight: bool = False,
        moves_clock: bool = False,
        crash: str = "",
    ):
        """Return (exit code, negative for a signal; stdout; stderr).

        `kill_in_flight` kills while a mutation waits for its answer; with `moves_clock` the
        stand-in's clock goes on by what the process sleeps. Loading a model from a folder named
        `bad` ends as `crash` says (see `CRASHES`).
        """
        order = {
            "arguments": [str(a) for a in arguments],
            "folder": str(folder),
            "environment": environment,
            "kill_at": kill_at,
            "kill_in_flight": kill_in_flight,
            "moves_clock": moves_clock,
            "crash": crash,
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

    steps, this = 0, os.getpid()

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps == kill_at and os.getpid() == this:  # not the process that predicts
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


CRASHES = {
    "a segmentation fault": lambda: ctypes.string_at(0),
    "an abort": os.abort,
    "an exit": lambda: os._exit(0),
    "no end": lambda: threading.Event().wait(600),
}


def _crash(kind, crash) -> None:
    load = kind.load
    kind.load = lambda folder: crash() if "bad" in str(folder) else load(folder)


def _die_in_flight() -> None:
    import requests

    request = requests.Session.request

    def call(*arguments, **options):
        if str((options.get("json") or {}).get("query", "")).startswith("mutation"):
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGKILL)).start()
        return request(*arguments, **options)

    requests.Session.request = call


def _move_clock(server: str) -> None:
    """Let a sleep move the server's clock; 2 ms pass here."""
    pause = time.sleep

    def sleep(seconds: float) -> None:
        pause(seconds)
        body = json.dumps({"advance": seconds}).encode()
        asked = urllib.request.Request(f"{server}/_control", data=body, method="POST")
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked).close()

    time.sleep = sleep
    for module in list(sys.modules.values()):  # a default argument keeps the sleep of before
        if getattr(module, "__name__", "").endswith("tournament.desk"):
            module.Desk.__dataclass_fields__["sleep"].default = sleep
            module.Desk.__init__.__defaults__ = tuple(
                sleep if one is pause else one for one in module.Desk.__init__.__defaults__
            )


def _serve() -> None:
    pause = time.sleep
    time.sleep = lambda seconds: pause(min(seconds, 0.002))
    import xgboost  # noqa: F401

    import numerai_lab.tournament  # noqa: F401
    from numerai_lab.cli import run
    from numerai_lab.models import get_model
    from numerai_lab.tournament import apart

    apart.START_METHOD = "fork"  # nothing is imported anew
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
            if order["kill_in_flight"]:
                _die_in_flight()
            if order["crash"]:
                _crash(get_model("xgb"), CRASHES[order["crash"]])
            if order["moves_clock"]:
                _move_clock(order["environment"]["NUMERAI_API_URL"])
            code = run(order["arguments"])
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(json.dumps(os.waitstatus_to_exitcode(status)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
