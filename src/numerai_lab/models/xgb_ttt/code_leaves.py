"""`code_leaves`: trees whose leaf values are slopes on the era's code."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import xgboost

from numerai_lab.eraframe import EraFrame, FeatureArray
from numerai_lab.models.base import FitContext, Float32
from numerai_lab.models.xgb.binning import bin_training_rows, library_talk, missing_marker
from numerai_lab.models.xgb_ttt.params import Adapt
from numerai_lab.models.xgb_ttt.statistics import EraStatistics
from numerai_lab.seeds import child_seed

Float64 = npt.NDArray[np.float64]
_LEAST_HESSIAN = 1e-6


class CodeLeaves:
    """Small trees v_m(x), grown once, that enter an era's prediction with its code s.

    They minimise sum (y - mean(y) - sum_m s_m v_m(x))^2 over the training rows, with the
    custom objective

        r = mean(y) + sum_m s_m v_m - y,    gradient_m = r s_m,    hessian_m = max(s_m^2, 1e-6)

    so that the leaf values of the model of an era with code s are a sum_m s_m v_m, a the
    strength. They learn from y and not from y - f0: f0 has seen these labels, and what is
    left of them is mostly noise.
    """

    online = False

    def __init__(self, params: Adapt) -> None:
        self.params = params
        self.boosters: list[Any] = []
        self.library_seconds = 0.0

    @property
    def n_trees(self) -> int:
        """Trees over all bags."""
        return sum(int(booster.num_boosted_rounds()) for booster in self.boosters)

    def fit(
        self,
        train: EraFrame,
        codes: Float64,
        columns: npt.NDArray[np.int64],  # noqa: ARG002 - trees choose among all features
        ctx: FitContext,
        grown: Callable[[], None],
    ) -> None:
        """Grow the trees.

        Parameters
        ----------
        train : labelled rows of eras that have a code.
        codes : float64 [n_eras, n_codes].
        ctx : weights belong to these rows.
        grown : called after each tree.
        """
        for bag in range(self.params.trees.bags):
            chosen = np.arange(bag, train.n_eras, self.params.trees.bags)
            if len(chosen) == 0:
                break
            rows = np.flatnonzero(
                np.repeat(
                    np.arange(train.n_eras) % self.params.trees.bags == bag,
                    np.diff(train.offsets),
                )
            )
            weights = None if ctx.weights is None else ctx.weights[rows]
            self.boosters.append(
                self._grow(
                    train.take(rows),
                    codes[chosen],
                    weights,
                    ctx,
                    child_seed(ctx.seed, "xgb_ttt", "bag", bag),
                    grown,
                )
            )

    def _grow(
        self,
        train: EraFrame,
        codes: Float64,
        weights: Float32 | None,
        ctx: FitContext,
        seed: int,
        grown: Callable[[], None],
    ) -> Any:
        trees = self.params.trees
        n_codes = codes.shape[1]
        params: dict[str, Any] = {
            "objective": "reg:squarederror",
            "tree_method": "hist",
            "base_score": 0.0,  # else predictions would start at the labels' mean
            "max_depth": trees.max_depth,
            "eta": trees.eta,
            "lambda": trees.lambda_,
            "colsample_bytree": trees.colsample_bytree,
            "seed": seed,
            "nthread": ctx.n_threads,
            "disable_default_eval_metric": 1,
        }
        # With one output vector leaves would silently be ordinary ones.
        if n_codes > 1:
            params["multi_strategy"] = "multi_output_tree"
        labels = train.target(ctx.target)
        rows_weights = np.ones(train.n_rows, np.float32) if weights is None else weights
        mean = np.float32(np.average(labels, weights=rows_weights))
        slopes = np.repeat(codes, np.diff(train.offsets), axis=0).astype(np.float32)
        hessian = np.maximum(slopes**2, np.float32(_LEAST_HESSIAN)) * rows_weights[:, None]

        def objective(predictions: Float32, _rows: Any) -> tuple[Float32, Float32]:
            residual = mean + (slopes * predictions.reshape(slopes.shape)).sum(axis=1) - labels
            gradient = (residual * rows_weights)[:, None] * slopes
            return (gradient, hessian) if n_codes > 1 else (gradient[:, 0], hessian[:, 0])

        start = time.perf_counter()
        with library_talk(ctx.say):
            rows, params = bin_training_rows(train, ctx.target, None, params)
            if n_codes > 1:
                rows.set_label(np.zeros(slopes.shape, dtype=np.float32))
            booster = xgboost.Booster(params, [rows])
            for iteration in range(trees.num_boost_round):
                booster.update(rows, iteration, objective)
                grown()
        self.library_seconds += time.perf_counter() - start
        return booster

    def observe(self, era: EraStatistics, labels: Float32, code: Float64) -> None:
        """Learn nothing from later labels: these trees are grown once."""

    def basis(
        self,
        era: EraStatistics,  # noqa: ARG002 - trees read the features as they are
        features: FeatureArray,
        frozen: Float32,
    ) -> Float32:
        """Return what the code's numbers multiply, float32 [n_rows, 1 + n_codes].

        Column 0 belongs to a constant 1, which these trees do not use.
        """
        missing = missing_marker(features.dtype)
        total = sum(b.inplace_predict(features, missing=missing) for b in self.boosters)
        slopes = np.asarray(total, dtype=np.float32).reshape(len(features), -1)
        return np.column_stack([np.zeros_like(frozen), slopes / np.float32(len(self.boosters))])

    def save(self, folder: Path) -> None:
        """Write one file of trees a bag."""
        for bag, booster in enumerate(self.boosters):
            booster.save_model(folder / f"adapter_{bag:02d}.ubj")
        (folder / "adapter.json").write_text(json.dumps({"bags": len(self.boosters)}))

    @classmethod
    def load(cls, folder: Path, params: Adapt) -> Self:
        """Read what `save` wrote."""
        method = cls(params)
        for bag in range(json.loads((folder / "adapter.json").read_text())["bags"]):
            path = folder / f"adapter_{bag:02d}.ubj"
            method.boosters.append(xgboost.Booster(model_file=path))
        return method
