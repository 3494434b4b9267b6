"""Forests by LightGBM: the mean of trees that each see some eras and some features."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import lightgbm
import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float64
from numerai_lab.eraframe import EraFrame, FeatureArray
from numerai_lab.models.contract import (
    ClassProbabilities,
    Contributions,
    Exported,
    FitContext,
    FitReport,
    Float32,
    ModelInfo,
    Needs,
    Shape,
    TrainedFeatures,
    explained_rows,
    load_meta,
    save_meta,
)
from numerai_lab.models.trees.arrays import lightgbm_trees
from numerai_lab.models.trees.classes import (
    Classes,
    check_contributions,
    classes_from,
    classes_of,
    exported_trees,
)
from numerai_lab.models.trees.contributions import lightgbm_contributions
from numerai_lab.models.trees.forests.growing import Grown, grow
from numerai_lab.models.trees.forests.params import ForestParams
from numerai_lab.models.trees.lightgbm_rows import (
    as_float,
    binning_bytes,
    load_boosters,
    no_gpu,
    rounds_of,
    save_boosters,
)
from numerai_lab.models.trees.values import pieces
from numerai_lab.seeds import child_seed

_PIECE_BYTES = 64 << 20


class RandomForest:
    """The mean of trees that were grown apart, on eras and features drawn for each (Breiman 2001).

    Trees of `train --continue` are grown on the new eras alone and averaged with those there are,
    each counting the same.
    """

    info: ClassVar[ModelInfo] = ModelInfo(
        summary="random forest by LightGBM: the mean of trees, each on some eras and features",
        unit="trees",
        exportable=True,
    )
    Params: ClassVar[type[ForestParams]] = ForestParams
    name: ClassVar[str] = "random_forest"
    library: ClassVar[dict[str, Any]] = {}
    """What the trees differ in from those of other forests, as LightGBM's parameters."""

    def __init__(self, params: ForestParams) -> None:
        self.params = params
        self._grown: list[lightgbm.Booster] = []
        """The trees of the fit, and of each continuation."""
        self._classes: Classes | None = None
        self._trained = TrainedFeatures()

    def fit(self, train: EraFrame, ctx: FitContext) -> FitReport:
        """Grow `n_estimators` trees on `ctx.target` of the labelled rows.

        Raises
        ------
        ModelError : no row has a label, or LightGBM refuses the rows.
        """
        said = []
        if ctx.device == "cuda":
            said.append(no_gpu(self.name))
        if ctx.stop is not None:
            said.append(
                f"early stopping has nothing to stop, trees of {self.name} do not depend on one "
                f"another: the {ctx.stop.n_eras} eras kept for it teach nothing"
            )
        if self.params.head == "classes":
            self._classes = Classes.of(train.target(ctx.target), ctx.target)
        self._trained = TrainedFeatures.of(train)
        grown = self._grow(train, ctx, self.params.n_estimators, child_seed(ctx.seed, self.name))
        if not any(grown.booster.feature_importance("split")):
            said.append("not a single tree has a split: is min_data_in_leaf too large?")
        self._grown = [grown.booster]
        return self._report(grown, ctx, said)

    @property
    def n_steps(self) -> int:
        """Trees; with classes, of each class."""
        return sum(map(rounds_of, self._grown))

    def fit_more(self, new: EraFrame, ctx: FitContext, amount: int) -> FitReport:
        """Grow `amount` more trees on new eras; each counts as much as one of those there are.

        Raises
        ------
        ModelError : the features are not those trained on, or LightGBM refuses the rows.
        """
        self._trained.check(new)
        seed = child_seed(ctx.seed, self.name, "more", int(new.eras[-1]))
        grown = self._grow(new, ctx, amount, seed)
        self._grown.append(grown.booster)
        return self._report(grown, ctx, [])

    def memory_needed(self, shape: Shape) -> Needs:
        """Return the bytes that training of this size takes at its peak, at least."""
        return Needs(binning_bytes(shape))

    def ways_to_take_less(self) -> tuple[str, ...]:
        """Nothing of its own: LightGBM holds all binned rows."""
        return ()

    def predict(self, frame: EraFrame) -> Float32:
        """Predict float32 [n_rows], the mean of the trees.

        Raises
        ------
        ModelError : the features are not those trained on.
        """
        self._trained.check(frame)
        predictions = np.empty(frame.n_rows, dtype=np.float32)
        for piece in pieces(frame.n_rows, 4 * frame.n_features, _PIECE_BYTES):
            means = self._means(frame.features[piece])
            classes = self._classes
            predictions[piece] = means[:, 0] if classes is None else classes.expected(means)
        return predictions

    def predict_classes(self, frame: EraFrame, target: str) -> ClassProbabilities:  # noqa: ARG002
        """Return the softmax of the trees' means. Raises ModelError where a number was learnt."""
        self._trained.check(frame)
        return classes_of(
            self._classes,
            lambda rows: self._means(frame.features[rows]),
            frame.n_rows,
            4 * frame.n_features,
        )

    def save(self, folder: Path) -> None:
        """Write `trees/NN.txt`, LightGBM's own format, and `meta.json`."""
        save_boosters(folder / "trees", self._grown)
        facts: dict[str, Any] = {"grown": len(self._grown), **self._trained.facts()}
        if self._classes is not None:
            facts["classes"] = self._classes.values
        save_meta(folder, self.params, facts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        params, meta = load_meta(folder, cls.Params)
        model = cls(params)
        model._grown = load_boosters(folder / "trees", meta["grown"])
        model._classes = classes_from(meta.get("classes"))
        model._trained = TrainedFeatures.from_facts(meta)
        return model

    def export(self) -> Exported:
        """Return the trees as arrays, each leaf divided by the number of trees."""
        trees = lightgbm_trees(*self._grown)
        trees = replace(trees, value=trees.value / self.n_steps)
        return exported_trees(trees, self._trained, self._classes)

    def contributions(
        self, frame: EraFrame, rows: npt.NDArray[np.int64] | None = None
    ) -> tuple[Contributions, ...]:
        """Return what features add to the mean of the trees.

        Raises
        ------
        ModelError : the features are not those trained on, or classes were learnt.
        """
        self._trained.check(frame)
        check_contributions(self._classes)
        features = as_float(explained_rows(frame, rows))
        # as in the raw score of `boosting: rf`, trees are summed there
        sums = [lightgbm_contributions(one, features, "", 1.0) for one in self._grown]
        n = self.n_steps
        values: npt.NDArray[Any] = np.asarray(sum(one.values for one in sums)) / n
        raw = np.asarray(sum(one.raw for one in sums)) / n
        return (Contributions(values, sum(one.base for one in sums) / n, raw),)

    def _grow(self, rows: EraFrame, ctx: FitContext, n_trees: int, seed: int) -> Grown:
        own = {**self.library, "seed": seed}
        return grow(rows, ctx, self.params, n_trees, own, self._classes)

    def _means(self, features: FeatureArray) -> Float64:
        """Return the means over trees, float64 [n_rows, n_outputs]."""
        rows = as_float(features)
        # LightGBM averages a forest's trees in what it predicts, and sums them in the raw score.
        sums = [booster.predict(rows, raw_score=True) for booster in self._grown]
        total = np.asarray(sum(sums), dtype=np.float64)
        return total.reshape(len(features), -1) / self.n_steps

    def _report(self, grown: Grown, ctx: FitContext, said: list[str]) -> FitReport:
        for sentence in said:
            ctx.say(sentence)
        gain = sum(booster.feature_importance("gain") for booster in self._grown)
        named = zip(self._trained.names, np.asarray(gain).tolist(), strict=True)
        return FitReport(
            size=grown.booster.num_trees(),
            unit="trees",
            library_seconds=grown.seconds,
            importance={name: value for name, value in named if value > 0},
            notes=(*said, *grown.notes),
            details={"binning_seconds": grown.binning_seconds},
        )


class ExtraTrees(RandomForest):
    """A random forest whose splits lie at random (Geurts, Ernst & Wehenkel 2006).

    One threshold is drawn for each feature that a split may use, and the best of these is taken.
    """

    info: ClassVar[ModelInfo] = ModelInfo(
        summary="extra trees by LightGBM: a random forest whose thresholds are drawn, too",
        unit="trees",
        exportable=True,
    )
    name: ClassVar[str] = "extra_trees"
    library: ClassVar[dict[str, Any]] = {"extra_trees": True}
