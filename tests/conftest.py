"""What many tests need: a small tournament on disk, a small config, the command line."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import forkserver
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

# Two test workers on two cores: one thread each, or the libraries' threads wait for one another.
# Set before the libraries are imported; processes started by tests inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

from container_fork import ContainerForks
from forked import Forks
from numerai_lab.cli import run

if TYPE_CHECKING:  # heavy libraries: imported by who runs tests, not by who hands them out
    from stand_in import StandIn
    from submit_lab import Submit

IN_MEMORY = Path("/dev/shm")


def pytest_configure(config):
    """Keep the tests' files in memory where there is room.

    A run writes every file with fsync, forty times; on a disk that takes longer than to train it.
    Of what is imported and collected nothing is garbage: it is not looked for until then.
    """
    gc.disable()
    if os.access(IN_MEMORY, os.W_OK) and shutil.disk_usage(IN_MEMORY).free > 6 << 30:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))


def pytest_collection_finish() -> None:
    """Look for garbage from here on, among what the tests themselves make."""
    gc.freeze()
    gc.enable()


settings.register_profile("lab", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("lab")


def pytest_terminal_summary(terminalreporter) -> None:
    """Say what was skipped, and why: a test that did not run is not a test that passed."""
    skipped = {  # a set: workers that share the tests out each report a file
        (report.nodeid, report.longrepr[2].removeprefix("Skipped: "))
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    }
    for reason, n in Counter(reason for _, reason in skipped).most_common():
        terminalreporter.write_line(
            f"SKIPPED, {n} files or tests: {reason}", yellow=True, bold=True
        )


def pytest_sessionfinish() -> None:
    """Wait for the process that workers of a cluster are forked from: none is left behind."""
    forkserver._forkserver._stop()


@pytest.fixture(scope="session")
def tournament(tmp_path_factory) -> Path:
    """A small synthetic tournament; read it, never write to it."""
    from numerai_lab.data import generate_tournament
    from tiny import SMALL

    folder = tmp_path_factory.mktemp("tournament") / "data"
    generate_tournament(folder, SMALL)
    return folder


@pytest.fixture(scope="session")
def final_runs(tmp_path_factory, tournament) -> Path:
    """A runs folder with one finished run `tiny` that has a final model; read it only."""
    from submit_lab import train_final

    return train_final(tmp_path_factory.mktemp("final"), tournament)


@pytest.fixture(scope="session")
def stand_in_process(tournament, forks) -> Iterator[StandIn]:
    """One stand-in tournament server for the whole session; use `stand_in`."""
    from stand_in import StandIn

    server = StandIn.start(tournament, forks)
    yield server
    server.stop()


@pytest.fixture
def stand_in(stand_in_process) -> StandIn:
    """The stand-in as if just started: no submissions, no faults, five minutes into a round."""
    stand_in_process.reset()
    return stand_in_process


@pytest.fixture
def pointed(stand_in, monkeypatch, tmp_path):
    """The command line in an empty folder, pointed at the stand-in."""
    monkeypatch.setenv("NUMERAI_API_URL", stand_in.url)
    monkeypatch.chdir(tmp_path)
    return stand_in


@pytest.fixture
def tiny_config(tmp_path, tournament) -> Path:
    """An experiment that trains in well under a second."""
    from tiny import TINY_CONFIG

    path = tmp_path / "tiny.yaml"
    path.write_text(TINY_CONFIG.format(folder=tournament))
    return path


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory, tournament) -> tuple[Path, str]:
    """A folder with `tiny.yaml` trained once into `runs`, and what --json said; see `trained`."""
    from tiny import TINY_CONFIG

    folder = tmp_path_factory.mktemp("trained")
    config = folder / "tiny.yaml"
    config.write_text(TINY_CONFIG.format(folder=tournament))
    with contextlib.redirect_stdout(io.StringIO()) as told:
        assert run(["train", str(config), "--runs-dir", str(folder / "runs"), "--json"]) == 0
    return folder, told.getvalue()


@pytest.fixture
def trained(tiny_run, tiny_config, tmp_path) -> dict:
    """What `train --json` says of a run of `tiny_config` in `tmp_path / "runs"`, here a copy."""
    folder, told = tiny_run
    shutil.copytree(folder / "runs", tmp_path / "runs")
    return json.loads(told.replace(str(folder), str(tmp_path)))


@pytest.fixture
def odd_server():
    """A server whose answers a test writes itself, by a function of the handler."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        answer = None

        def do_GET(self):
            self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            Handler.answer(self)

        do_POST = do_GET

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()

    def serve(answer):
        Handler.answer = staticmethod(answer)
        return f"http://127.0.0.1:{server.server_address[1]}/"

    yield serve
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def lab(capsys):
    """Run one command in this process and return exit code, stdout and stderr."""

    def call(*arguments: object) -> Result:
        capsys.readouterr()
        code = run([str(a) for a in arguments])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """Processes of their own for commands, without importing anew."""
    forks = Forks()
    yield forks
    forks.stop()


@pytest.fixture(scope="session")
def container(tmp_path_factory) -> Iterator[Path]:
    """An interpreter like the container's for `export --check`, without importing anew."""
    forks = ContainerForks(tmp_path_factory.mktemp("container"))
    yield forks.python
    forks.stop()


@pytest.fixture
def zygote(forks):
    """Such processes that can be killed at any step of a submission."""
    from submit_zygote import Zygote

    return Zygote(forks)


@pytest.fixture
def submit(tmp_path, final_runs):
    """A project folder with two slots, and a stand-in to submit to."""
    from submit_lab import Submit, ThreadStandIn

    server = ThreadStandIn.start(final_runs.parent / "data")
    lab = Submit(tmp_path, final_runs, server)
    lab.slots()
    yield lab
    server.stop()


@pytest.fixture
def start_at(lab, monkeypatch):
    """Run submit of a project in this process, with nothing but its server in the environment.

    A run predicts here, too, and pauses are cut to 2 ms; `zygote` starts a process.
    """
    from submit_lab import start_here

    start_here(monkeypatch)

    def call(project: Submit, *arguments: object, **environment: str) -> Result:
        with mock.patch.dict(os.environ, {**project.environment, **environment}, clear=True):
            return lab("submit", *project.places, *arguments)

    return call


@pytest.fixture
def start(submit, start_at):
    """Run submit of the project `submit`, with other variables of the environment if need be."""
    return partial(start_at, submit)


@pytest.fixture
def ctrl_c():
    """Ctrl-C as on a terminal, also where the tests run with it ignored, as under nohup."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
