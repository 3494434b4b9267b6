"""What the process may use, asked in processes that are limited in each way."""

import os
import resource
import subprocess
import sys

import pytest

from numerai_lab import machine

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
    inner = tmp_path / machine._own_group().relative_to(machine._CGROUP) / "x"
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    monkeypatch.setattr(machine, "_own_group", lambda: inner)
    inner.mkdir(parents=True)
    (inner / "memory.max").write_text("max\n")
    (inner.parent / "memory.max").write_text("1000000\n")
    (inner.parent / "memory.current").write_text("600000\n")
    (inner.parent / "memory.stat").write_text("anon 1\ninactive_file 100000\n")
    assert machine.available_bytes() == 500_000
    (inner / "cpu.max").write_text("150000 100000\n")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert machine.usable_cores() == 1
