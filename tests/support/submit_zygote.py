"""Runs commands in processes of their own (see `forked`) that can be killed at any step.

In such a process every HTTP request and every file that is moved into place or removed counts as
two steps, before and after; at step `kill_at` it sends itself SIGKILL. Pauses are cut to 2 ms.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import threading
import urllib.request
from pathlib import Path

from forked import Forks, pauses
from numerai_lab.cli import main
from numerai_lab.models import get_model
from numerai_lab.tournament.submitting import child_process

CODE = "import submit_zygote; submit_zygote.command({order!r})"


class Zygote:
    """Runs commands in forks that can be killed at any step."""

    def __init__(self, forks: Forks) -> None:
        self._forks = forks

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
            "kill_at": kill_at,
            "kill_in_flight": kill_in_flight,
            "moves_clock": moves_clock,
            "crash": crash,
        }
        return self._forks.run(*arguments, code=CODE.format(order=order), env=environment)


def command(order: dict) -> None:
    """What the fork does."""
    pauses["longest"] = 0.002
    child_process.START_METHOD = "fork"  # nothing is imported anew
    _instrument(order["kill_at"])
    if order["kill_in_flight"]:
        _die_in_flight()
    if order["crash"]:
        _crash(get_model("xgb"), CRASHES[order["crash"]])
    if order["moves_clock"]:
        _move_clock(os.environ["NUMERAI_API_URL"])
    main()


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
    kind.load = lambda folder: crash() if "bad" in folder.parts else load(folder)


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

    def advance(seconds: float) -> None:
        body = json.dumps({"advance": seconds}).encode()
        asked = urllib.request.Request(f"{server}/_control", data=body, method="POST")
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked).close()

    pauses["instead"] = advance
