"""Training on workers: a real Dask cluster of two processes, and what can go wrong with it."""

import os
import shutil
import signal
import socket
import sys
import time
from collections import deque
from dataclasses import replace

import pytest

from cluster_lab import (
    FOREST,
    ONE_FOLD,
    ONE_MEMBER,
    WholeFiles,
    files,
    local_workers,
    lowest_corr,
    predictions,
    said,
    served,
)
from numerai_lab.config import RemoteFile
from numerai_lab.errors import DataError, MachineError, UserError
from numerai_lab.experiment import (
    ClusterExecutor,
    Reporter,
    TrainOptions,
    prepare,
    read_experiment,
)
from numerai_lab.experiment import train as run_training
from numerai_lab.models import Shape, get_model

pytest.importorskip("distributed", reason="needs the extra [dask]")


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(
            (
                *(*FOREST, "early_stopping={eras: 8, rounds: 5}", "weights={type: era_equal}"),
                "data.rows={share: 0.8}",
            ),
            id="early_stopping",
        ),
        pytest.param(
            (*FOREST, "model.params.era_boosting={rounds: 10, every: 5}"),
            id="era_boosting",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            (*FOREST, "model.params.memory=external"), id="external", marks=pytest.mark.slow
        ),
    ],
)
def test_xgb_learns_the_same_from_rows_over_two_workers(train, here, cluster, settings):
    alone = here(*ONE_FOLD, *settings)
    there = train("there", *ONE_FOLD, *settings, cluster=cluster)
    assert "the rows are spread over 2 of 2 workers" in said(there)
    assert files(there) == files(alone)
    assert lowest_corr(alone, there) > 0.999


@pytest.mark.slow
def test_lgbm_learns_the_same_from_rows_over_two_workers(train, here, cluster):
    alone = here(*ONE_FOLD, *ONE_MEMBER)
    there = train("there", *ONE_FOLD, *ONE_MEMBER, cluster=cluster)
    assert "the rows are spread over 2 of 2 workers" in said(there)
    assert lowest_corr(alone, there) > 0.999


@pytest.mark.slow
def test_rows_too_many_for_one_worker_are_spread_and_blended_alike(train, here, cluster):
    settings = (*ONE_FOLD, *ONE_MEMBER, "model.params.seeds=2", "model.params.weights=nnls")
    alone = here(*settings)
    kind = get_model("lgbm_ensemble")
    model = kind(kind.Params())
    narrow = replace(cluster, memory=model.memory_needed(Shape(n_rows=1500, n_features=12)).host)
    there = train("there", *settings, cluster=narrow)
    assert "the rows are spread over 2 of 2 workers" in said(there)
    assert lowest_corr(alone, there) > 0.999
    with pytest.raises(UserError, match=r"on each worker trains on .* or more workers"):
        train("there", *settings, cluster=replace(cluster, memory=1))


def test_workers_read_from_the_store(train, here, cluster, tmp_path):
    stored = f"data.store={{use: always, dir: {tmp_path / 'store'}}}"
    alone = here(*ONE_FOLD, *FOREST)
    there = train("there", *ONE_FOLD, *FOREST, stored, cluster=cluster)
    assert lowest_corr(alone, there) > 0.999


def test_a_mistake_is_told_as_without_a_cluster(train, cluster, tmp_path):
    with pytest.raises(UserError, match="objective 'reg:squarederor', did you mean"):
        train("runs", *ONE_FOLD, "model.params.objective=reg:squarederor", cluster=cluster)
    assert not list(tmp_path.glob("runs/**/manifest.json"))


def test_the_command_reaches_a_scheduler(lab, cluster, tiny_config, tmp_path):
    address = cluster.client.scheduler.address
    result = lab(
        "train", tiny_config, "--runs-dir", tmp_path / "runs", "--cluster", address, "--json"
    )
    assert result.code == 0
    assert result.json["eras"]["n"] == 26
    assert f"cluster {address}: 2 workers with 1 threads each" in result.err


@pytest.fixture
def own_data(tmp_path, tournament, tiny_config):
    """A copy of the tournament that a test may spoil, in place of the shared one."""
    folder = tmp_path / "data"
    shutil.copytree(tournament, folder)
    tiny_config.write_text(tiny_config.read_text().replace(str(tournament), str(folder)))
    return folder


def train_loaded(config, runs_dir, cluster, spoil):
    """Train with data that changes after it has been read here."""
    resolved = read_experiment(str(config), None, ())
    with Reporter(quiet=True) as reporter:
        dataset = prepare(resolved, reporter).dataset
        spoil()
        return run_training(
            resolved, TrainOptions(runs_dir, executor=ClusterExecutor(cluster)), reporter, dataset
        )


def test_workers_without_the_data(cluster, own_data, tiny_config, tmp_path):
    path = own_data / "train.parquet"
    with pytest.raises(UserError) as caught:
        train_loaded(tiny_config, tmp_path / "runs", cluster, path.unlink)
    assert str(caught.value).startswith(
        f"local:2: worker {cluster.workers[0]} does not see {path}; "
    )
    assert not list(tmp_path.glob("runs/**/manifest.json"))


def test_workers_with_other_data(cluster, own_data, tiny_config, tmp_path):
    path = own_data / "train.parquet"

    def spoil():
        content = path.read_bytes()
        path.write_bytes(content.replace(b"parquet-cpp-arrow", b"parquet-cpp-arrov"))

    with pytest.raises(DataError, match="other bytes than the run was begun with") as caught:
        train_loaded(tiny_config, tmp_path / "runs", cluster, spoil)
    assert str(path) in str(caught.value)
    assert "worker tcp://127.0.0.1:" in str(caught.value)


class Killer(Reporter):
    """Kills a worker once it has grown some trees."""

    def __init__(self, pid):
        super().__init__(quiet=True)
        self.pid = pid

    def progress(self, done, total):
        if self.pid and done >= 5:
            os.kill(self.pid, signal.SIGKILL)
            self.pid = None


@pytest.mark.slow
def test_a_killed_worker(train, here, tiny_config, tmp_path):
    # Many small trees: nobody is done before the worker is killed.
    many = ("model.params.num_boost_round=4000", "model.params.max_depth=1")
    with local_workers(3) as cluster:
        interrupted = cluster.check
        pids = cluster.on_all(os.getpid)
        doomed = cluster.workers[0]

        def kill_at_work():
            if doomed in pids and cluster.client.processing()[doomed]:
                os.kill(pids.pop(doomed), signal.SIGKILL)

        # Its fold goes to another worker.
        cluster.check = kill_at_work
        there = train("there", *many, cluster=cluster)
        assert doomed not in pids
        alone = here(*many)
        assert predictions(there).equals(predictions(alone))

        # Rows that are spread over workers cannot be had without it.
        cluster.check = interrupted
        forever = (*ONE_FOLD, "model.params.num_boost_round=1000000")
        resolved = read_experiment(str(tiny_config), None, forever)
        options = TrainOptions(tmp_path / "lost", executor=ClusterExecutor(cluster))
        with Killer(pids[cluster.workers[1]]) as killer, pytest.raises(MachineError) as caught:
            run_training(resolved, options, killer)
        assert "was lost while it worked; nothing of what it did was kept" in str(caught.value)
    left = {path.name for path in tmp_path.glob("lost/*/*/**/*") if path.is_file()}
    assert left == {".lock", "manifest.json", "config.yaml", "resolved.yaml", "log.jsonl"}


def test_large_models_go_out_without_a_warning(cluster):
    assert list(cluster.each(deque([("sized", (len, bytes(20_000_000)))]))) == [
        ("sized", 20_000_000)
    ]


@pytest.mark.parametrize(
    "spec", ["local:0", "local:two", "tcp://nowhere", "host:8786", "tcp://h:x"]
)
def test_no_name_of_a_cluster(lab, tiny_config, tmp_path, spec):
    result = lab("train", tiny_config, "--runs-dir", tmp_path / "runs", "--cluster", spec)
    assert result.code == 2
    assert result.err == (
        f"error: --cluster '{spec}' names no cluster; write local:2 for two processes here, "
        "or tcp://HOST:8786 of a Dask scheduler\n"
    )


def test_nobody_answers(lab, tiny_config, tmp_path):
    with socket.socket() as listening:  # and never says a word
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        spec = f"tcp://127.0.0.1:{listening.getsockname()[1]}"
        began = time.monotonic()
        result = lab("train", tiny_config, "--runs-dir", tmp_path / "runs", "--cluster", spec)
    assert result.code == 2
    assert result.err == (
        f"error: {spec}: no Dask scheduler answers within 5 s; check the address and that "
        "`dask scheduler` runs there\n"
    )
    assert time.monotonic() - began < 20
    assert not (tmp_path / "runs").exists()


def test_dask_is_not_installed(lab, tiny_config, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = lab("train", tiny_config, "--cluster", "local:2")
    assert result.code == 2
    assert result.err == (
        "error: --cluster needs Dask, which is not installed; "
        "install it with pip install numerai_lab[dask]\n"
    )


def data_at(*places):
    """A data section of the tournament's files at these paths or URLs."""
    listed = ", ".join(f'"{place}"' for place in places)
    return f"data={{source: parquet, files: [{listed}], columns: {{data_type: data_type}}}}"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file", "http"])
def test_workers_read_their_eras_from_a_url(train, here, cluster, tournament, kind):
    if kind == "http":
        pytest.importorskip("aiohttp", reason="fsspec needs it for http")
    paths = [tournament / "train.parquet", tournament / "validation.parquet"]
    alone = here(*ONE_FOLD, data_at(*paths))
    with served(tournament) as root:
        at = {
            "file": [path.as_uri() for path in paths],
            "http": [f"{root}/{p.name}" for p in paths],
        }
        there = train("there", *ONE_FOLD, data_at(*at[kind]), cluster=cluster)
    assert [file["path"] for file in there.manifest()["data"]["files"]] == at[kind]
    assert "the rows are spread over 2 of 2 workers" in said(there)
    assert lowest_corr(alone, there) > 0.999


def test_a_changed_file_at_a_url_is_noticed(own_data):
    pytest.importorskip("aiohttp", reason="fsspec needs it for http")
    path = own_data / "train.parquet"
    with served(own_data) as root:
        remote = RemoteFile(f"{root}/train.parquet")
        before = remote.fingerprint()
        assert remote.fingerprint() == before
        os.utime(path, (1, 1))
        assert remote.fingerprint() != before


def test_a_server_that_sends_whole_files_only(lab, tiny_config, tournament):
    pytest.importorskip("aiohttp", reason="fsspec needs it for http")
    with served(tournament, WholeFiles) as root:
        result = lab("train", tiny_config, "--set", data_at(f"{root}/train.parquet"))
    assert result.code == 2
    assert result.err == (
        f"error: {root}/train.parquet: the server does not send parts of a file (HTTP Range); "
        "download the file, or serve it from one that does\n"
    )
