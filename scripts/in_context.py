"""Redo docs/research/in_context.md: `make in-context`, or python scripts/in_context.py [FOLDER].

Pretrains nets of several mixtures (some two minutes of a core each, seven the largest), draws
their in-context curves beside ridge, lasso, a small net and boosted trees, and writes
FOLDER/results.json and SVGs. Whatever is done stays: the same command goes on where it was stopped.
Several may work at once, each on nets of its own (--only).

    python scripts/in_context.py build/in_context --only shipped     # no pretraining, a few minutes
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from in_context_figures import SHARES, TASKS_PER_STEP, draw, tables
from numerai_lab.files import write_json
from numerai_lab.models.nets.in_context.checkpoint import read_checkpoint, shipped_checkpoint
from numerai_lab.models.nets.in_context.curves import (
    NOISE,
    HeldOut,
    Learner,
    excess,
    net_learner,
    ridge_learner,
)
from numerai_lab.models.nets.in_context.pretraining import Pretraining
from numerai_lab.models.nets.in_context.priors import PRIORS, WEIGHTS
from numerai_lab.models.nets.in_context.settings import PretrainSettings
from numerai_lab.models.nets.in_context.tasks import Tasks

CLASSES = tuple(PRIORS)
SMALL: dict[str, Any] = {
    "pretrain": "icl",
    "net": {"n_scores": 5},
    "tasks": {"n_dims": [5, 5], "n_context": [2, 40], "noise": [NOISE, NOISE]},
    "steps": 1500,
    "tasks_per_step": TASKS_PER_STEP,
    "learning_rate": 0.002,
    "curve_tasks": 16,
}
"""Of the nets that are compared: five dimensions, noise as in the curves."""
SMALL["tasks"] |= {"binned": 0.0, "masked": 0.0}
MODELS: dict[str, dict[str, Any]] = {
    "mixture": {"classes": dict(WEIGHTS)},
    "decoder": {"net": {"n_scores": 5, "architecture": "decoder"}},
    "encoder_decoder": {"net": {"n_scores": 5, "architecture": "encoder_decoder"}},
    **{f"only_{name}": {"classes": {name: 1.0}} for name in CLASSES},
    **{
        f"sparse_{share:g}_trees": {"classes": {"sparse": share, "trees": round(1 - share, 2)}}
        for share in (0.1, 0.5, 0.9)
    },
    "without_network": {
        "classes": {"linear": 0.3, "sparse": 0.4, "trees": 0.2, "time_series": 0.1}
    },
    **{f"steps_{steps}": {"steps": steps} for steps in (150, 500, 5000)},
}
"""What is pretrained, as changes of SMALL."""
LENGTHS = {5: (2, 4, 7, 10, 15, 20, 30, 40), 10: (5, 10, 20, 40, 80), 16: (8, 16, 32, 64)}
N_TASKS, SEED = 64, 2024
PENALTIES = (0.01, 0.03, 0.1, 0.3)


def lasso_learner(tasks: Tasks) -> np.ndarray:
    """Predict by lasso; of four penalties the best for these tasks, which it could not know."""
    from sklearn.linear_model import Lasso

    return _best([_each(tasks, lambda p=p: Lasso(alpha=p)) for p in PENALTIES], tasks)


def network_learner(tasks: Tasks) -> np.ndarray:
    """Predict by a net of 32 ReLU units, fitted by L-BFGS; the better of two weight decays."""
    from sklearn.neural_network import MLPRegressor

    def make(alpha: float) -> Any:
        return MLPRegressor(
            hidden_layer_sizes=(32,), solver="lbfgs", alpha=alpha, max_iter=200, random_state=0
        )

    return _best([_each(tasks, lambda a=a: make(a)) for a in (0.1, 3.0)], tasks)


def trees_learner(tasks: Tasks) -> np.ndarray:
    """Predict by boosted trees: 60 of depth 3 at a rate of .1."""
    from sklearn.ensemble import GradientBoostingRegressor

    return _each(tasks, lambda: GradientBoostingRegressor(n_estimators=60, random_state=0))


BASELINES: dict[str, Learner] = {
    "ridge": ridge_learner,
    "lasso": lasso_learner,
    "small net": network_learner,
    "boosted trees": trees_learner,
}


def main() -> None:
    """Train what is not trained, draw what is not drawn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("build/in_context"))
    parser.add_argument("--only", help="shipped, or names of nets, with commas")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--dims", default="5,10,16", help="dimensions of the curves")
    parser.add_argument("--tasks", type=int, default=64, help="held-out tasks of each class")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(asked.threads or torch.get_num_threads())
    results = Results(asked.folder / "results.json", asked.tasks)
    wanted = asked.only.split(",") if asked.only else ["shipped", *MODELS]
    unknown = [name for name in wanted if name != "shipped" and name not in MODELS]
    if unknown:
        parser.error(f"there is no net '{unknown[0]}' (there are: shipped, {', '.join(MODELS)})")
    for n_dims in map(int, asked.dims.split(",")):
        for name, learner in BASELINES.items():
            results.add(name, n_dims, learner)
        if "shipped" in wanted:
            results.add("shipped", n_dims, learner_of(shipped_checkpoint()))
    for name in wanted:
        if name != "shipped":
            results.add(name, 5, learner_of(trained(name, asked.folder, asked.threads)))
            results.outside(name, learner_of(asked.folder / name / "checkpoint"))
    draw(results.found, CLASSES, asked.folder, SMALL["steps"])
    sys.stdout.write(tables(results.found, CLASSES))


def trained(name: str, folder: Path, threads: int) -> Path:
    """Return the checkpoint of a net, pretrained now or before."""
    settings = PretrainSettings.model_validate({**SMALL, "name": name, **MODELS[name]})
    Pretraining.run(
        settings,
        folder / name,
        say=lambda words: print(f"{name}: {words}", flush=True),
        progress=lambda *_: None,
        pace=lambda *_: None,
        n_threads=threads,
    )
    return folder / name / "checkpoint"


def learner_of(checkpoint: Path) -> Learner:
    """Return what a checkpoint's net predicts; columns beyond its scores are cut off."""
    net = read_checkpoint(checkpoint).net
    own = net_learner(net, torch.device("cpu"))

    def learner(tasks: Tasks) -> np.ndarray:
        x = np.zeros((*tasks.x.shape[:2], net.size.n_scores), np.float32)
        n = min(x.shape[2], tasks.x.shape[2])
        x[:, :, :n] = tasks.x[:, :, :n]
        return own(Tasks(x, tasks.y, tasks.truth, tasks.n_context, tasks.classes))

    return learner


class Results:
    """What was found, in a file that grows: learner -> dimensions -> class -> error by length."""

    def __init__(self, path: Path, n_tasks: int) -> None:
        self._path, self._n_tasks = path, n_tasks
        self.found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def add(self, name: str, n_dims: int, learner: Learner) -> None:
        """Judge a learner on the held-out tasks of all classes, unless that is done."""
        if str(n_dims) in self.found.get(name, {}):
            return
        lengths = LENGTHS[n_dims]
        held_out = HeldOut(CLASSES, self._n_tasks, n_dims, lengths, 16, SEED)
        with warnings.catch_warnings():  # of fits that have not converged, as is meant here
            warnings.simplefilter("ignore")
            judged = {"lengths": lengths, "errors": held_out.errors(learner)}
        self._keep(name, str(n_dims), judged)
        print(f"{name}, {n_dims} dimensions: judged", flush=True)

    def outside(self, name: str, learner: Learner) -> None:
        """Judge a net outside what it learnt: sums of two classes, other scales of x and y."""
        if "outside" in self.found.get(name, {}):
            return
        found = {}
        for share in SHARES:
            tasks = combined("sparse", "trees", share)
            found[f"sparse {1 - share:g} + trees {share:g}"] = [
                excess(learner(tasks), tasks),
                excess(ridge_learner(tasks), tasks),
            ]
        plain = HeldOut(CLASSES, N_TASKS, 5, (20,), 16, SEED).tasks("linear", 20)
        for what, x, y in (("x", 0.5, 1.0), ("x", 2.0, 1.0), ("y", 1.0, 0.5), ("y", 1.0, 2.0)):
            tasks = Tasks(x * plain.x, y * plain.y, y * plain.truth, 20, plain.classes)
            scale = x if what == "x" else y
            found[f"linear, {what} times {scale:g}"] = [
                excess(learner(tasks), tasks) / y**2,
                excess(ridge_learner(tasks), tasks) / y**2,
            ]
        self._keep(name, "outside", found)

    def _keep(self, name: str, what: str, found: dict[str, Any]) -> None:
        """Add to the file, in which another process may have written of other nets meanwhile."""
        self.found = json.loads(self._path.read_text()) if self._path.exists() else {}
        self.found.setdefault(name, {})[what] = found
        write_json(self._path, self.found)


def combined(one: str, other: str, share: float) -> Tasks:
    """Return tasks whose function is a weighted sum of one of either class, of variance 1."""
    rng = np.random.default_rng(SEED)
    points = rng.standard_normal((N_TASKS, 64, 5), dtype=np.float32)
    values = np.zeros((N_TASKS, 64), np.float32)
    for name, weight in ((one, 1 - share), (other, share)):
        _, of = PRIORS[name].draw(rng, points, PRIORS[name].kinds[0])
        deviation = np.maximum(of.std(axis=1, keepdims=True), 1e-6)
        values += weight * (of - of.mean(axis=1, keepdims=True)) / deviation
    values /= values.std(axis=1, keepdims=True)
    values = values[:, :36] / np.float32(np.sqrt(1 + NOISE))
    noise = rng.standard_normal(values.shape, dtype=np.float32) * np.sqrt(NOISE / (1 + NOISE))
    x = np.zeros((N_TASKS, 36, 16), np.float32)
    x[:, :, :5] = points[:, :36]
    return Tasks(x, (values + noise).astype(np.float32), values, 20, np.full(N_TASKS, "sum"))


def _each(tasks: Tasks, make: Callable[[], Any]) -> np.ndarray:
    n, found = tasks.n_context, []
    with threadpool_limits(1):  # tasks are so small that threads only wait for one another
        for x, y in zip(tasks.x, tasks.y, strict=True):
            found.append(make().fit(x[:n], y[:n]).predict(x[n:]))
    return np.array(found, np.float32)


def _best(tried: list[np.ndarray], tasks: Tasks) -> np.ndarray:
    return min(tried, key=lambda given: excess(given, tasks))


if __name__ == "__main__":
    main()
