"""Joint training: one ensemble whose vector leaves predict the target and auxiliary targets."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost

from numerai_lab.eraframe import EraFrame
from numerai_lab.models.contract import FitContext, Float32, load_facts, save_facts
from numerai_lab.models.trees.run_settings import xgboost_run_settings
from numerai_lab.models.trees.values import pieces
from numerai_lab.models.trees.xgb.binning import bins_of, library_talk
from numerai_lab.models.trees.xgb_ttt.booster_json import main_output
from numerai_lab.models.trees.xgb_ttt.method import Trunk
from numerai_lab.models.trees.xgb_ttt.params import XGBTTTParams
from numerai_lab.models.trees.xgb_ttt.reader import Reader
from numerai_lab.models.trees.xgb_ttt.statistics import era_statistics
from numerai_lab.seeds import child_seed

_PIECE_BYTES = 64 << 20


def grow_joint(
    train: EraFrame,
    ctx: FitContext,
    params: XGBTTTParams,
    reader: Reader,
    weight: float,
    rounds: int,
    grown: Callable[[], None],
) -> tuple[Trunk, float]:
    """Grow trees with vector leaves [main, K auxiliary targets] on a combined loss.

    With A the auxiliary targets in standard deviations of the main target, they minimise

        sum (y - mean(y) - f)^2 + weight / K * sum_k (A_k - J_k)^2

    over rows; an era that the task cannot read teaches the main output only. Features that
    the task holds out are missing in all rows, so that no split can use them.

    Parameters
    ----------
    train : labelled rows. weight : of the auxiliary loss, above 0.
    rounds : trees to grow.
    grown : called after each tree.

    Returns
    -------
    The trees, and the seconds spent in the library.
    """
    labels, row_weights, mean, unit = _labels(train, ctx, reader)
    n_outputs = labels.shape[1]
    shares = np.full(n_outputs, weight / max(n_outputs - 1, 1), dtype=np.float32)
    shares[0] = 1
    hessian = np.where(np.isnan(labels), np.float32(0), shares)
    if row_weights is not None:
        hessian *= row_weights[:, None]
    labels[np.isnan(labels)] = 0

    def objective(predictions: Float32, _rows: Any) -> tuple[Float32, Float32]:
        return (predictions.reshape(labels.shape) - labels) * hessian, hessian

    options: dict[str, Any] = {
        **params.frozen().library_params(),
        "multi_strategy": "multi_output_tree",
        "tree_method": "hist",
        "base_score": 0.0,  # else predictions would start at .5
        **xgboost_run_settings(ctx, child_seed(ctx.seed, "xgb")),
    }
    start = time.perf_counter()
    with library_talk(ctx.say):
        how, known, options = bins_of(train, options)
        pieces_of = _Pieces(train.features, reader.hidden(), how["missing"])
        rows = xgboost.QuantileDMatrix(pieces_of, ref=known, **how)
        rows.set_label(labels)  # tells XGBoost how many outputs there are
        booster = xgboost.Booster(options, [rows])
        for iteration in range(rounds):
            booster.update(rows, iteration, objective)
            grown()
    booster.set_param({"device": "cpu"})
    seconds = time.perf_counter() - start
    main = main_output(booster)
    main.set_param({"nthread": ctx.n_threads})
    return Trunk(booster, mean, n_outputs - 1, unit, main=main), seconds


def _labels(
    train: EraFrame, ctx: FitContext, reader: Reader
) -> tuple[Float32, Float32 | None, float, float]:
    """Return what the outputs learn, float32 [n_rows, 1 + K], weights, mean and std of y.

    NaN where an era has no auxiliary targets.
    """
    target = train.target(ctx.target)
    mean = float(np.average(target, weights=ctx.weights))
    unit = float(target.std(dtype=np.float64)) or 1.0
    n_targets = len(reader.task.target_scale)
    labels = np.full((train.n_rows, 1 + n_targets), np.nan, dtype=np.float32)
    labels[:, 0] = target - np.float32(mean)
    for _, rows in train.iter_eras():
        era = era_statistics(train.features[rows][:, reader.columns])
        if not isinstance(era, str):
            labels[rows, 1:] = reader.task.targets(era) * np.float32(unit)
    return labels, ctx.weights, mean, unit


class _Pieces(xgboost.DataIter):  # type: ignore[misc]  # xgboost is untyped
    """Rows in pieces with some features missing, so that no copy of all rows is needed."""

    def __init__(self, features: Any, hidden: npt.NDArray[np.int64], marker: float) -> None:
        self._features, self._hidden, self._marker = features, hidden, marker
        row_bytes = features.shape[1] * features.itemsize
        self._pieces = [*pieces(len(features), row_bytes, _PIECE_BYTES)]
        self._next = 0
        super().__init__()

    def next(self, input_data: Callable[..., Any]) -> bool:
        """Hand over one piece; False after the last."""
        if self._next == len(self._pieces):
            return False
        piece = self._features[self._pieces[self._next]].copy()
        piece[:, self._hidden] = self._marker
        input_data(data=piece)
        self._next += 1
        return True

    def reset(self) -> None:
        """Begin again."""
        self._next = 0


def save_trunk(trunk: Trunk, folder: Path) -> None:
    """Write jointly trained trees into an existing folder."""
    trunk.booster.save_model(folder / "booster.ubj")
    trunk.main.save_model(folder / "main.ubj")
    facts = {"intercept": trunk.intercept, "n_auxiliary": trunk.n_auxiliary, "unit": trunk.unit}
    save_facts(folder / "trunk.json", facts)


def load_trunk(folder: Path) -> Trunk:
    """Read what `save_trunk` wrote."""
    booster, main = (
        xgboost.Booster(model_file=folder / f"{name}.ubj") for name in ("booster", "main")
    )
    return Trunk(booster, main=main, **load_facts(folder / "trunk.json"))
