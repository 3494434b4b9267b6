"""What the process may use, asked in processes that are limited in each way."""

import os
import re
import resource
import subprocess
import sys

import pytest

from forked import COMMAND
from numerai_lab import machine
from numerai_lab.errors import DataError
from numerai_lab.models import registry

ASK = "from numerai_lab.machine import {0}; print({0}())"


def ask(what, preexec=None, **environment):
    env = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"} | environment
    done = subprocess.run(
        [sys.executable, "-c", ASK.format(what)],
        capture_output=True,
        text=True,
        check=True,
        env=env,
        preexec_fn=preexec,
    )
    return int(done.stdout)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process")
def test_cores_follow_affinity_and_omp_num_threads():
    core = next(iter(os.sched_getaffinity(0)))
    assert ask("usable_cores", lambda: os.sched_setaffinity(0, {core})) == 1
    assert ask("usable_cores", OMP_NUM_THREADS="1") == 1
    assert 1 <= ask("usable_cores") <= os.cpu_count()


def test_memory_follows_the_address_space_limit():
    limit = 1 << 30
    free = ask("available_bytes", lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
    assert 0 < free < limit


def test_control_groups_limit_memory_and_cores(tmp_path, monkeypatch):
    """A tree as Linux shows it: the limit of a group above holds for those below."""
    inner = tmp_path / machine.own_group().relative_to(machine.CGROUP) / "x"
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    monkeypatch.setattr(machine, "own_group", lambda: inner)
    inner.mkdir(parents=True)
    (inner / "memory.max").write_text("max\n")
    (inner.parent / "memory.max").write_text("1000000\n")
    (inner.parent / "memory.current").write_text("600000\n")
    (inner.parent / "memory.stat").write_text("anon 1\ninactive_file 100000\n")
    assert machine.available_bytes() == 500_000
    (inner / "cpu.max").write_text("150000 100000\n")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert machine.usable_cores() == 1


def limited(*arguments, megabytes, options=()):
    """Run a command in a process that may have so many addresses; options are the interpreter's."""
    limit = megabytes * 1_000_000
    return subprocess.run(
        [sys.executable, *options, "-c", COMMAND, *arguments],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )


@pytest.mark.parametrize("megabytes", [200, 700])
def test_a_limit_below_what_the_libraries_take_is_told(megabytes):
    """Without the check they fail to load, abort, or wait for ever, as it happens."""
    done = limited("models", megabytes=megabytes)
    assert done.returncode == 1
    assert done.stderr == (
        f"error: memory is short: a process may have {megabytes} MB of addresses here (ulimit -v), "
        "and the libraries alone take 800 MB of addresses; raise it (`ulimit -v unlimited`) or ask "
        "the batch system for more\n"
    )


def test_help_needs_no_library():
    done = limited("train", "--help", megabytes=200, options=["-X", "importtime"])
    assert done.returncode == 0
    lines = [line.split("|") for line in done.stderr.splitlines()]
    imported = {line[2].strip().partition(".")[0] for line in lines if len(line) == 3}
    assert {"numerai_lab", "typer"} <= imported
    slow = {"numpy", "pandas", "pyarrow", "scipy", "sklearn", "xgboost", "lightgbm", "plotly"}
    slow |= {"yaml", "requests", "numerapi", "rich", "distributed", "optuna", "torch"}
    assert imported & slow == set()


SHORT = [
    MemoryError(),
    ImportError("libarrow_compute.so.2600: failed to map segment from shared object"),
    OSError(12, "Cannot allocate memory"),
    RuntimeError("can't start new thread"),
    RuntimeError("std::bad_alloc"),
]


@pytest.mark.parametrize("cause", SHORT, ids=repr)
def test_what_comes_from_a_lack_of_memory_says_so(cause):
    try:
        try:
            raise cause
        except type(cause):
            raise DataError("the file is damaged", where="x.parquet") from None
    except DataError as error:
        told = machine.short_of_memory(error)
    assert "not enough memory" in str(told)
    assert "damaged" not in str(told)


@pytest.mark.parametrize(
    "other", [OSError(28, "No space"), DataError("std::bad_alloc"), KeyError(1)]
)
def test_other_errors_are_told_as_they_are(other):
    assert machine.short_of_memory(other) is None


def test_a_model_that_finds_no_memory_is_not_to_be_reinstalled(lab, tmp_path, monkeypatch):
    message = "libxgboost.so: failed to map segment from shared object"
    (tmp_path / "no_room.py").write_text(f"raise ImportError({message!r})")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(registry.BUILT_IN, "xgb", registry.BuiltIn("no_room:Model"))
    for arguments in (["models"], ["models", "xgb"]):
        result = lab(*arguments)
        assert result.code == 1
        assert result.err.startswith("error: not enough memory")
        assert "reinstall" not in result.err


LIMIT = """
import resource
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + (200 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
"""


def test_a_limit_of_addresses_that_binds_is_among_the_ways_out(forks, tiny_config, tmp_path):
    command = ("train", tiny_config, "--runs-dir", tmp_path, "--set", "model.params.memory=in_core")
    code, _, err = forks.run(*map(str, command), code=LIMIT + COMMAND)
    assert code == 2, err
    assert re.search(r"; \d+ MiB are available \(a process may have ", err), err
    assert "or more addresses (ulimit -v unlimited)" in err


def test_another_limit_that_binds_is_not_told_as_one_of_addresses(
    lab, tiny_config, tmp_path, monkeypatch
):
    monkeypatch.setattr("numerai_lab.experiment.executor.available_bytes", lambda: 100 << 20)
    extra = ("--set", "model.params.memory=in_core")
    result = lab("train", tiny_config, "--runs-dir", tmp_path, *extra)
    assert result.code == 2
    assert "100 MiB are available" in result.err
    assert "ulimit" not in result.err
