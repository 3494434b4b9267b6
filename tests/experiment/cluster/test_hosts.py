"""A cluster of two hosts: one of them a network namespace of its own, so it needs root and `ip`."""

import contextlib
import os
import shutil
import subprocess
import sys
from functools import partial

import pytest

from cluster_lab import FOREST, ONE_FOLD, ONE_MEMBER, lowest_corr, said, train_tiny
from numerai_lab.experiment import Reporter, open_cluster

pytest.importorskip("distributed", reason="needs the extra [dask]")

HERE, THERE = "10.213.77.1", "10.213.77.2"


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


@pytest.fixture(scope="module")
def other_host():
    """The name of a network namespace that reaches this one by a cable."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("two hosts are made with `ip netns`, which needs root and iproute2")
    name = f"lab{os.getpid()}"
    with contextlib.ExitStack() as held:
        try:
            ip("netns", "add", name)
            held.callback(ip, "netns", "delete", name)
            ip("link", "add", f"a{name}", "type", "veth", "peer", "name", f"b{name}")
            held.callback(ip, "link", "delete", f"a{name}")
            ip("link", "set", f"b{name}", "netns", name)
            ip("address", "add", f"{HERE}/30", "dev", f"a{name}")
            ip("link", "set", f"a{name}", "up")
            ip("-n", name, "address", "add", f"{THERE}/30", "dev", f"b{name}")
            ip("-n", name, "link", "set", f"b{name}", "up")
            ip("-n", name, "link", "set", "lo", "up")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespace can be made here: {error.stderr.strip()}")
        yield name


@contextlib.contextmanager
def dask(*arguments, prefix=()):
    """A Dask process on one of the hosts, and what it writes."""
    command = [*prefix, sys.executable, "-m", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def cluster(other_host, tmp_path_factory):
    worker = [
        "distributed.cli.dask_worker",
        "--nthreads",
        "1",
        "--no-dashboard",
        "--memory-limit",
        "0",
    ]
    worker += ["--local-directory", str(tmp_path_factory.mktemp("dask"))]
    with contextlib.ExitStack() as held:
        scheduler = held.enter_context(
            dask("distributed.cli.dask_scheduler", "--host", HERE, "--port", "0", "--no-dashboard")
        )
        address = next(line.split()[-1] for line in scheduler.stderr if "Scheduler at:" in line)
        for host, prefix in ((HERE, ()), (THERE, ("ip", "netns", "exec", other_host))):
            process = held.enter_context(dask(*worker, "--host", host, address, prefix=prefix))
            next(line for line in process.stderr if "Registered to:" in line)
        with Reporter(quiet=True) as reporter, open_cluster(address, reporter) as opened:
            yield opened


@pytest.mark.slow
@pytest.mark.parametrize("settings", [FOREST, ONE_MEMBER], ids=["xgb", "lgbm"])
def test_two_hosts_learn_what_one_does(tiny_config, tmp_path, cluster, settings):
    train = partial(train_tiny, tiny_config, tmp_path)
    assert {worker.split(":")[1] for worker in cluster.workers} == {f"//{HERE}", f"//{THERE}"}
    here = train("here", *ONE_FOLD, *settings)
    there = train("there", *ONE_FOLD, *settings, cluster=cluster)
    assert "the rows are spread over 2 of 2 workers" in said(there)
    assert lowest_corr(here, there) > 0.999
