"""Processes of their own that need not import anything: forks of one that has.

Importing XGBoost, LightGBM, pandas and the lab takes a second and a half, longer than most tests
run. `Forks` starts one process that imports them once; `start` then is `python -c CODE ARGUMENTS`
in a fork of it: a real process with its own signals, limits, environment and files, which ends as
an interpreter does. Tests of how the command starts (cron, the console script) start it cold.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import warnings
from pathlib import Path

COMMAND = "from numerai_lab.cli import main; main()"
_MESSAGE = 1 << 20
pauses = {"longest": float("inf"), "instead": None}
"""In a fork: how long `time.sleep` sleeps at most, and what is called in place of it."""


class Forked:
    """A started process, used like a `subprocess.Popen` with text pipes."""

    def __init__(self, forks: Forks, pid: int, stdin: int, stdout: int, stderr: int) -> None:
        self._forks, self.pid = forks, pid
        self.returncode: int | None = None
        self.stdin = os.fdopen(stdin, "w")
        self.stdout, self.stderr = os.fdopen(stdout), os.fdopen(stderr)

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._forks.ask({"poll": self.pid})
        return self.returncode

    def wait(self, timeout: float = 120.0) -> int:
        end = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(0.005)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """Close what leads to it and from it."""
        for pipe in (self.stdin, self.stdout, self.stderr):
            pipe.close()

    def communicate(self, timeout: float = 120.0) -> tuple[str, str]:
        """Read all it writes, and wait for its end."""
        with contextlib.suppress(BrokenPipeError):
            self.stdin.close()
        read = ["", ""]

        def drain(number: int, pipe: io.TextIOBase) -> None:
            with pipe:
                read[number] = pipe.read()

        pipes = [(i, p) for i, p in enumerate((self.stdout, self.stderr)) if not p.closed]
        threads = [threading.Thread(target=drain, args=one, daemon=True) for one in pipes]
        end = time.monotonic() + timeout
        for thread in threads:
            thread.start()
        for thread in threads:  # pipes close when it ends: no need to ask for that all the time
            thread.join(timeout)
        self.wait(end - time.monotonic())
        for thread in threads:
            thread.join(timeout)
        return read[0], read[1]


class Forks:
    """The process that has imported everything, and the way to ask it for forks."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())], pass_fds=[theirs.fileno()]
            )

    def ask(self, order: dict, files: tuple[int, ...] = ()) -> int | None:
        with self._lock:
            socket.send_fds(self._socket, [json.dumps(order).encode()], list(files))
            return json.loads(self._socket.recv(_MESSAGE))

    def start(
        self,
        *arguments: object,
        code: str = COMMAND,
        cwd: Path | str | None = None,
        env: dict[str, str] | None = None,
        file_bytes: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        unbuffered: bool = True,
        whole_end: bool = False,
    ) -> Forked:
        """Start `python -c code arguments`.

        Parameters
        ----------
        file_bytes : the longest file it may write, so that a disk is full for it.
        stdout, stderr : file descriptors in place of pipes; they are closed here.
        unbuffered : write what is printed at the end of each line (PYTHONUNBUFFERED).
        whole_end : let the interpreter take itself down at the end, which takes a tenth of a
            second, not only write what is in its buffers.
        """
        stdin, ours_in = os.pipe()
        ours_out, theirs_out = os.pipe()
        ours_err, theirs_err = os.pipe()
        if stdout is not None:
            os.close(theirs_out)
            theirs_out = stdout
        if stderr is not None:
            os.close(theirs_err)
            theirs_err = stderr
        order = {
            "code": code,
            "arguments": [str(argument) for argument in arguments],
            "folder": str(cwd or Path.cwd()),
            "environment": dict(os.environ) if env is None else env,
            "file_bytes": file_bytes,
            "unbuffered": bool(unbuffered),
            "whole_end": whole_end,
        }
        pid = self.ask(order, (stdin, theirs_out, theirs_err))
        for file in (stdin, theirs_out, theirs_err):
            os.close(file)
        return Forked(self, pid, ours_in, ours_out, ours_err)

    def run(self, *arguments: object, timeout: float = 120.0, **options):
        """Start one, and wait for (exit code, negative for a signal; stdout; stderr)."""
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout)
        return process.returncode, out, err

    def stop(self) -> None:
        """End it, and what it started."""
        self._socket.close()
        self._process.wait(timeout=30)


def _pause(seconds: float, sleep=time.sleep) -> None:
    if pauses["instead"] is not None:
        pauses["instead"](seconds)
    sleep(min(seconds, pauses["longest"]))


def _import_everything() -> None:
    sys.modules["forked"] = sys.modules["__main__"]
    time.sleep = _pause  # before anything takes hold of the other one
    import lightgbm  # noqa: F401
    import numerai_tools.scoring
    import numerai_tools.submissions  # noqa: F401
    import plotly.offline  # noqa: F401
    import pyarrow.dataset
    import pyarrow.pandas_compat  # noqa: F401
    import xgboost  # noqa: F401

    import numerai_lab.report
    import numerai_lab.stand_in
    import numerai_lab.tournament  # noqa: F401
    from numerai_lab.cli.application import commands
    from numerai_lab.models import list_models

    list_models()
    commands()
    warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside Arrow's idle threads
    gc.collect()
    gc.freeze()  # or the first collection of every child would copy all pages


def _serve(asked: socket.socket) -> dict | None:
    """Fork for each order. Returns the order in the child, None when there are no more."""
    running: set[int] = set()
    while True:
        message, files, _, _ = socket.recv_fds(asked, _MESSAGE, 3)
        if not message:
            break
        order = json.loads(message)
        if "poll" in order:
            pid, status = os.waitpid(order["poll"], os.WNOHANG)
            running.discard(pid)
            told = os.waitstatus_to_exitcode(status) if pid else None
        else:
            told = os.fork()
            if told == 0:
                asked.close()
                for number, file in enumerate(files):
                    os.dup2(file, number)
                    os.close(file)
                return order
            running.add(told)
            for file in files:
                os.close(file)
        asked.send(json.dumps(told).encode())
    for pid in running:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return None


def _become(order: dict) -> None:
    """Make this fork what a new interpreter would be, and run the code."""
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if order["file_bytes"] is not None:
        limit = order["file_bytes"]
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    sys.stdout.reconfigure(write_through=order["unbuffered"])
    sys.stderr.reconfigure(line_buffering=True)
    sys.argv = ["-c", *order["arguments"]]
    code = compile(order["code"], "<string>", "exec")
    if order["whole_end"]:
        exec(code, {"__name__": "__main__"})
        return
    try:
        exec(code, {"__name__": "__main__"})
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as an interpreter does
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for those who wait for the forks
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        _import_everything()
        order = _serve(asked)
    if order is not None:
        _become(order)
