"""LightGBM on several workers: who listens where, and rows that stand for everybody's."""

from __future__ import annotations

import socket
from typing import Any

import numpy as np

from numerai_lab.eraframe import EraFrame, FeatureArray
from numerai_lab.models.contract import World

_MINUTES_TO_WAIT = 120
_SAMPLE_ROWS = 20_000


def network_params(world: World) -> dict[str, Any]:
    """Return what LightGBM must know to grow one tree together with the other workers.

    Each Booster opens its own network, on a port that the system names anew; the workers'
    histograms are summed ("tree_learner: data"), as `lightgbm.dask` does it. Nothing if alone.

    Source: https://lightgbm.readthedocs.io/en/stable/Parallel-Learning-Guide.html
    """
    if world.size == 1:
        return {}
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    everybody = world.from_all((world.host, port))
    return {
        "machines": ",".join(f"{host}:{listens}" for host, listens in everybody),
        "num_machines": world.size,
        "local_listen_port": port,
        "time_out": _MINUTES_TO_WAIT,
        "tree_learner": "data",
    }


def sample_of_all(train: EraFrame, world: World) -> FeatureArray:
    """Return some rows of every worker, the same on each, to find bins in that all can share.

    At most 20,000 rows in all, evenly over each worker's; few enough to be sent around.
    """
    wanted = max(1, _SAMPLE_ROWS // world.size)
    step = -(-train.n_rows // wanted)
    rows = np.arange(0, train.n_rows, step)
    return np.concatenate(world.from_all(train.features[rows]))
