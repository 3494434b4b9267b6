"""Training the tiny experiment here and on workers, and what runs have in common."""

import itertools
import re
import threading
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from numerai_lab.experiment import (
    ClusterExecutor,
    Here,
    Reporter,
    TrainOptions,
    open_cluster,
    read_experiment,
)
from numerai_lab.experiment import train as run_training

ONE_FOLD = ("split.first_train_eras=40", "split.chunk_eras=20")
FOREST = ("model.params.num_boost_round=30", "model.params.max_depth=4")
LEAVES = "num_iterations: 15, num_leaves: 7, learning_rate: 0.1, min_data_in_leaf: 20"
LGBM = ("model.type=lgbm_ensemble", f"model.params={{lightgbm: {{{LEAVES}}}, era_step: 2}}")
ONE_MEMBER = ("model.type=lgbm_ensemble", f"model.params={{lightgbm: {{{LEAVES}}}}}")


@contextmanager
def local_workers(n=2, *, cold=False):
    """A cluster of `n` processes here, forks of one that has imported what workers need.

    With `cold` they start as they do for users, and inherit the environment of this process.
    """
    with ExitStack() as held:
        if not cold:
            held.enter_context(_from_a_server_of_forks())
        reporter = held.enter_context(Reporter(quiet=True))
        yield held.enter_context(open_cluster(f"local:{n}", reporter))


def _from_a_server_of_forks():
    import dask
    from distributed.utils import get_mp_context

    settings = dask.config.set(
        {
            "distributed.worker.multiprocessing-method": "forkserver",
            "distributed.worker.profile.enabled": False,
        }
    )
    get_mp_context().set_forkserver_preload(
        [
            "distributed",
            "lightgbm",
            "xgboost.dask",
            "numerai_lab.experiment.cluster.work",
            *(f"numerai_lab.models.trees.{name}" for name in ("lgbm_ensemble", "xgb", "xgb_ttt")),
        ]
    )
    return settings


def train_tiny(config, folder, name, *settings, cluster=None, reporter=None, **options):
    """Train the tiny experiment with some settings, here or on workers."""
    resolved = read_experiment(str(config), None, settings)
    executor = ClusterExecutor(cluster) if cluster else Here()
    options = TrainOptions(folder / name, executor=executor, **options)
    with reporter or Reporter(quiet=True) as reporter:
        return run_training(resolved, options, reporter)


def said(run):
    return (run.path / "log.jsonl").read_text()


def files(run):
    return sorted(str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file())


def scores(run):
    return pq.read_table(run.path / "scores_per_era.parquet")


def predictions(run):
    return pq.read_table(run.predictions_path)


def lowest_corr(one, other):
    """The lowest correlation in any era of two runs' predictions."""
    left, right = predictions(one), predictions(other)
    assert left["id"] == right["id"]
    eras = left["era"].to_numpy()
    edges = [0, *(np.flatnonzero(eras[1:] != eras[:-1]) + 1), len(eras)]
    values = [table["prediction"].to_numpy() for table in (left, right)]
    return min(
        np.corrcoef(values[0][a:b], values[1][a:b])[0, 1] for a, b in itertools.pairwise(edges)
    )


class WholeFiles(SimpleHTTPRequestHandler):
    """Sends files from their beginning."""

    def log_message(self, *_):
        pass

    def copyfile(self, source, outputfile):
        try:
            super().copyfile(source, outputfile)
        except ConnectionError:  # who asked has seen enough
            self.close_connection = True


class PartsOfFiles(WholeFiles):
    """Sends the bytes that are asked for."""

    def do_GET(self):
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if wanted is None:
            super().do_GET()
            return
        content = Path(self.translate_path(self.path)).read_bytes()
        first, last = wanted.groups()
        part = content[int(first) : int(last) + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)


@contextmanager
def served(folder, kind=PartsOfFiles):
    """A folder under a URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(kind, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
