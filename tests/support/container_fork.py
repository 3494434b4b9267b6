"""An interpreter for `export --check` that need not import anything: forks of one that has.

A check starts `python -I container_run.py ...`, and most of the time it takes goes into importing
pandas. `ContainerForks.python` is a program to be given in place of that interpreter: it has the
script run in a fork of a process that has imported numpy, pandas and scipy (never numerai_lab, nor
XGBoost or LightGBM), and ends as the fork ends. If it is killed while it waits, so is the fork.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import select
import shlex
import signal
import socket
import subprocess
import sys
import traceback
import warnings
from pathlib import Path

_MESSAGE = 1 << 20
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class ContainerForks:
    """The process that has imported everything, and the program that asks it for forks."""

    def __init__(self, folder: Path) -> None:
        place = folder / "asked"
        self.python = folder / "python"
        command = [sys.executable, "-SEs", __file__, "ask", str(place)]
        self.python.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        self.python.chmod(0o755)
        self._process = subprocess.Popen(
            [sys.executable, "-I", __file__, "serve", str(place)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **dict.fromkeys(_ONE_THREAD, "1")},
        )
        assert self._process.stdout.readline() == b"ready\n"

    def stop(self) -> None:
        """End it."""
        self._process.communicate(timeout=30)


def ask(place: str, arguments: list[str]) -> int:
    """Have a fork do it with the files that this process has; return its exit code."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.connect(place)
        order = {"arguments": arguments, "folder": str(Path.cwd()), "environment": {**os.environ}}
        socket.send_fds(server, [json.dumps(order).encode()], [0, 1, 2])
        return int(server.recv(_MESSAGE) or b"1")


def serve(place: str) -> tuple[dict, list[int]] | None:
    """Fork for each who asks, until stdin ends. Returns the order and its files in the fork."""
    import numpy  # noqa: F401
    import pandas  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import scipy.special  # noqa: F401

    warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside Arrow's idle threads
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait for forks
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(place)
        listener.listen(8)
        print("ready", flush=True)  # noqa: T201
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in ready:
                return None
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                return _fork(connection)
            connection.close()


def _fork(asked: socket.socket) -> tuple[dict, list[int]]:
    """Return in a fork; wait for its end, or for that of whoever asked, in this process."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, files, _, _ = socket.recv_fds(asked, _MESSAGE, 3)
    pid = os.fork()
    if pid == 0:
        asked.close()
        return json.loads(message), files
    for file in (0, 1, 2, *files):
        os.close(file)
    ended = os.pidfd_open(pid)
    if ended not in select.select([ended, asked], [], [])[0]:
        os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    asked.send(str(code if code >= 0 else 128 - code).encode())
    os._exit(0)


def become(order: dict, files: list[int]) -> None:
    """Run the script as a new interpreter would."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    isolated, script, *rest = order["arguments"]
    assert isolated == "-I"
    sys.argv = [script, *rest]
    status = 0
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as an interpreter does
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    if sys.argv[1] == "ask":
        sys.exit(ask(sys.argv[2], sys.argv[3:]))
    order = serve(sys.argv[2])
    if order is not None:
        become(*order)
