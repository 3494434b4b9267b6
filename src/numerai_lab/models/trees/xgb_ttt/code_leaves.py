"""`code_leaves`: trees whose leaf values are slopes on the era's code."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import xgboost

from numerai_lab.arrays import Float64
from numerai_lab.eraframe import EraFrame, FeatureArray
from numerai_lab.models.adapting import State
from numerai_lab.models.contract import FitContext, Float32, load_facts, save_facts
from numerai_lab.models.trees.arrays import xgboost_trees
from numerai_lab.models.trees.enumerated import tree_contributions
from numerai_lab.models.trees.run_settings import xgboost_run_settings
from numerai_lab.models.trees.xgb.binning import bin_training_rows, library_talk, missing_marker
from numerai_lab.models.trees.xgb_ttt.booster_json import merged
from numerai_lab.models.trees.xgb_ttt.codes.runtime import first_half
from numerai_lab.models.trees.xgb_ttt.method import TOO_LATE, Era, Lesson, Trunk
from numerai_lab.models.trees.xgb_ttt.own_loss import OwnLoss
from numerai_lab.models.trees.xgb_ttt.params import Adapt
from numerai_lab.seeds import child_seed

_LEAST_HESSIAN = 1e-6
_AUXILIARY_WEIGHT = 0.3
"""Of the K auxiliary losses together; that of the target has 1."""


class CodeLeaves:
    """Small trees v_m(x), grown once, that enter an era's prediction with its code s.

    They minimise sum (y - mean(y) - sum_m s_m v_m(x))^2 over the training rows, with the
    custom objective

        r = mean(y) + sum_m s_m v_m - y,    gradient_m = r s_m,    hessian_m = max(s_m^2, 1e-6)

    so that the leaf values of the model of an era with code s are a sum_m s_m v_m, a the
    strength. They learn from y and not from y - f0: f0 has seen these labels, and what is
    left of them is mostly noise.

    With `code: own_loss` a leaf also holds slopes u_mk for each auxiliary target A_k, learnt
    in the same way from what the jointly trained trees J leave of it, A_k - J_k. An era's code
    is then the one that minimises the loss of these trees, sum_k (A_k - J_k - sum_m s_m u_mk)^2,
    and the task's codes only teach.
    """

    online = False

    def __init__(self, params: Adapt) -> None:
        self.params = params
        self._booster: Any = None
        """The trees of all bags, added up."""
        self._bags = 0
        self.library_seconds = 0.0
        self.remark: str | None = None
        self._n_codes = 0
        self._own: OwnLoss | None = None
        self._trunk: Trunk
        self._known: WeakKeyDictionary[Era, Float32] = WeakKeyDictionary()

    @property
    def n_trees(self) -> int:
        """Trees over all bags."""
        return int(self._booster.num_boosted_rounds())

    def fit(self, lesson: Lesson, ctx: FitContext, grown: Callable[[], None]) -> None:
        """Grow the trees; `grown` is called after each."""
        train, bags = lesson.train, self.params.trees.bags
        self._trunk, self._n_codes = lesson.trunk, lesson.codes.shape[1]
        residuals = _residuals(lesson) if self.params.code == "own_loss" else None
        boosters = []
        for bag in range(min(bags, train.n_eras)):
            chosen = np.arange(train.n_eras) % bags == bag
            rows = np.flatnonzero(np.repeat(chosen, np.diff(train.offsets)))
            weights = np.ones(len(rows), np.float32) if ctx.weights is None else ctx.weights[rows]
            if not weights.any():
                continue  # nothing to learn from
            seen = train.take(rows)
            if residuals is not None:
                values = seen.features_in_memory()  # a copy: `take` made it, or the disk
                values[:, lesson.hidden] = missing_marker(values.dtype)
                seen = replace(seen, features=values)
            boosters.append(
                self._grow(
                    seen,
                    lesson.codes[chosen],
                    None if residuals is None else residuals[rows],
                    weights,
                    ctx,
                    child_seed(ctx.seed, "xgb_ttt", "bag", bag),
                    grown,
                )
            )
        self._booster, self._bags = merged(boosters), len(boosters)
        self._booster.set_param({"nthread": ctx.n_threads})
        if residuals is not None:
            params = self.params
            self._own = OwnLoss.fit(
                self._training_eras(lesson, residuals), params.ridge, params.clip, params.steps
            )

    def _grow(
        self,
        train: EraFrame,
        codes: Float64,
        residuals: Float32 | None,
        weights: Float32,
        ctx: FitContext,
        seed: int,
        grown: Callable[[], None],
    ) -> Any:
        trees = self.params.trees
        labels = train.target(ctx.target)
        # [n_rows, n_outputs / n_codes]: the target, then the auxiliary ones
        wanted = (labels - np.float32(np.average(labels, weights=weights)))[:, None]
        shares = np.ones(1, dtype=np.float32)
        if residuals is not None:
            wanted = np.hstack([wanted, residuals])
            each = _AUXILIARY_WEIGHT / residuals.shape[1]
            shares = np.r_[1, np.full(residuals.shape[1], each)].astype(np.float32)
        slopes = np.repeat(codes, np.diff(train.offsets), axis=0).astype(np.float32)
        shape = (train.n_rows, len(shares), codes.shape[1])
        n_outputs = shape[1] * shape[2]
        hessian = np.maximum(slopes**2, np.float32(_LEAST_HESSIAN)) * weights[:, None]
        hessian = (hessian[:, None, :] * shares[:, None]).reshape(train.n_rows, n_outputs)
        weighted = (weights[:, None] * shares)[:, :, None] * slopes[:, None, :]

        def objective(predictions: Float32, _rows: Any) -> tuple[Float32, Float32]:
            moved = (predictions.reshape(shape) * slopes[:, None, :]).sum(axis=2)
            gradient = ((moved - wanted)[:, :, None] * weighted).reshape(hessian.shape)
            return (gradient, hessian) if n_outputs > 1 else (gradient[:, 0], hessian[:, 0])

        params: dict[str, Any] = {
            "objective": "reg:squarederror",
            "tree_method": "hist",
            "base_score": 0.0,  # else predictions would start at the labels' mean
            "max_depth": trees.max_depth,
            "eta": trees.eta,
            "lambda": trees.lambda_,
            "colsample_bytree": trees.colsample_bytree,
            **xgboost_run_settings(ctx, seed),
            "device": "cpu",  # some sixty stumps
        }
        # With one output vector leaves would silently be ordinary ones.
        if n_outputs > 1:
            params["multi_strategy"] = "multi_output_tree"
        start = time.perf_counter()
        with library_talk(ctx.say):
            rows, params = bin_training_rows(train, ctx.target, None, params)
            if n_outputs > 1:
                rows.set_label(np.zeros(hessian.shape, dtype=np.float32))
            booster = xgboost.Booster(params, [rows])
            for iteration in range(trees.num_boost_round):
                booster.update(rows, iteration, objective)
                grown()
        self.library_seconds += time.perf_counter() - start
        return booster

    def _training_eras(
        self, lesson: Lesson, residuals: Float32
    ) -> Iterator[tuple[Float32, Float32, npt.NDArray[np.bool_]]]:
        train = lesson.train
        for i, (_, rows) in enumerate(train.iter_eras()):
            half = first_half(lesson.era(i).statistics.values)
            yield self._outputs(train.features[rows])[:, 1:], residuals[rows], half

    def _outputs(self, features: FeatureArray) -> Float32:
        """Return v and u, averaged over bags, float32 [n_rows, 1 + K, n_codes]."""
        total = self._booster.inplace_predict(features, missing=missing_marker(features.dtype))
        outputs = np.asarray(total, dtype=np.float32) / np.float32(self._bags)
        return outputs.reshape(len(features), -1, self._n_codes)

    def _of_era(self, era: Era) -> Float32:
        if era not in self._known:
            self._known[era] = self._outputs(era.features)
        return self._known[era]

    def observe(self, era: Era, labels: Float32) -> None:
        """Learn nothing from later labels: these trees are grown once."""

    def read(self, era: Era) -> State | str:
        """Return the era's code, float64 [n_codes]."""
        if self.params.code == "task":
            return era.code
        if self._own is None:
            return "the trees' own auxiliary loss does not vary with the code"
        left = era.auxiliary - self._trunk.outputs(era.features)[:, 1:]
        slopes = self._of_era(era)[:, 1:]
        if era.out_of_time():
            return TOO_LATE
        code = self._own.code(slopes, left, first_half(era.statistics.values))
        return "the trees' own auxiliary loss tells no code" if code is None else code

    def change(self, era: Era, state: State) -> Float32:
        """Return sum_m s_m v_m(x) for a code s, float32 [n_rows]."""
        slopes = self._of_era(era)[:, 0]
        return np.asarray((slopes * np.asarray(state, dtype=np.float32)).sum(axis=1))

    def contributions(
        self,
        era: Era,
        state: State,
        trunk: Trunk,  # noqa: ARG002 - these trees are its own
        rows: npt.NDArray[np.int64],
    ) -> tuple[Float64, float]:
        """Explain the trees whose leaves have the values sum_m s_m v_m."""
        trees, _ = xgboost_trees(self._booster)
        values = trees.value[:, : self._n_codes].astype(np.float64) @ np.asarray(state) / self._bags
        return tree_contributions(trees, values, era.features[rows])

    @property
    def own_loss(self) -> bool:
        """Whether the trees' own auxiliary loss tells the code."""
        return self._own is not None

    @property
    def booster(self) -> Any:
        """The trees of all bags, added up."""
        return self._booster

    def export_settings(self) -> dict[str, Any]:
        """Return what else `change` and `read` need, as JSON values."""
        own = None if self._own is None else {"size": self._own.size, "scale": [*self._own.scale]}
        return {"bags": self._bags, "n_codes": self._n_codes, "own_loss": own}

    def save(self, folder: Path) -> None:
        """Write the trees, and the facts beside them."""
        self._booster.save_model(folder / "adapter.ubj")
        save_facts(folder / "adapter.json", self.export_settings())

    @classmethod
    def load(cls, folder: Path, params: Adapt, trunk: Trunk) -> Self:
        """Read what `save` wrote."""
        method = cls(params)
        method._trunk = trunk
        facts = load_facts(folder / "adapter.json")
        method._n_codes, method._bags = facts["n_codes"], facts["bags"]
        method._booster = xgboost.Booster(model_file=folder / "adapter.ubj")
        if own := facts["own_loss"]:
            method._own = OwnLoss(
                own["size"], np.array(own["scale"]), params.ridge, params.clip, params.steps
            )
        return method


def _residuals(lesson: Lesson) -> Float32:
    """Return what joint trees leave of the auxiliary targets, float32 [n_rows, K]."""
    left = []
    for i in range(lesson.train.n_eras):
        era = lesson.era(i)
        left.append(era.auxiliary - lesson.trunk.outputs(era.features)[:, 1:])
    return np.concatenate(left)
