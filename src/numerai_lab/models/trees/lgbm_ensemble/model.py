"""`lgbm_ensemble`: LightGBM models over targets, eras, parameters and seeds, blended by rank."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import lightgbm
import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float64
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.models.combined import blend, fit_weights
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
    exported_trees,
)
from numerai_lab.models.trees.contributions import lightgbm_contributions
from numerai_lab.models.trees.lgbm_ensemble.continuing import more_trees
from numerai_lab.models.trees.lgbm_ensemble.library import check_with_library
from numerai_lab.models.trees.lgbm_ensemble.members import Trainer, list_members
from numerai_lab.models.trees.lgbm_ensemble.params import LGBMEnsembleParams
from numerai_lab.models.trees.lgbm_ensemble.predicting import (
    pooled_classes,
    predict_each,
    predict_rows,
)
from numerai_lab.models.trees.lgbm_ensemble.weights import given_weights, parts_to_weigh_on
from numerai_lab.models.trees.lightgbm_rows import (
    BinnedRows,
    as_float,
    binning_bytes,
    load_boosters,
    no_gpu,
    rounds_of,
    save_boosters,
)
from numerai_lab.splits import InnerPart


class LGBMEnsemble:
    """LightGBM members over targets x era offsets x parameter sets x seeds.

    Each member's predictions are gaussian-ranked within each era, combined by weights, and
    ranked into (0, 1). All members train on one binned copy of the rows. With `nnls`, the
    default, the weights come from an inner purged walk-forward over the training eras, which
    trains every member `oof_folds` times more on parts of them; with two folds that doubles
    the work.
    """

    info: ClassVar[ModelInfo] = ModelInfo(
        summary="LightGBM over targets, era offsets, parameter sets and seeds, blended by rank",
        unit="rounds",
        multi_target=True,
        in_parts=True,
        exportable=True,
        not_finite_hint="a smaller learning rate is the usual way out",
    )
    Params: ClassVar[type[LGBMEnsembleParams]] = LGBMEnsembleParams

    def __init__(self, params: LGBMEnsembleParams) -> None:
        self.params = params
        self._boosters: list[lightgbm.Booster] = []
        self._weights: Float64 = np.empty(0)
        self._classes: list[Classes | None] = []
        """Of the target of each member."""
        self._names: tuple[str, ...] = ()
        self._trained = TrainedFeatures()

    def fit(self, train: EraFrame, ctx: FitContext) -> FitReport:
        """Train all members, and find their weights.

        Raises
        ------
        ModelError
            LightGBM refuses the parameters, a target is not there, the weights do not fit the
            members, or the training eras are too few for nnls.
        """
        notes: list[str] = []

        def note(sentence: str) -> None:
            notes.append(sentence)
            ctx.say(sentence)

        members = list_members(self.params, ctx.targets)
        targets = dict.fromkeys(member.target for member in members)
        classes: dict[str, Classes] = {}
        if self.params.head == "classes":
            classes = {one: Classes.of(train.target(one), one, ctx.world) for one in targets}
        check_with_library(self.params, train, targets, classes)
        weights = given_weights(self.params.weights, members)
        parts: list[InnerPart] = []
        if weights is None:
            parts = parts_to_weigh_on(train, ctx, self.params.oof_folds)
        if ctx.device == "cuda":
            note(no_gpu("lgbm_ensemble"))
        for target in targets:
            labels = train.target(target)
            unlabelled, n_rows = ctx.world.total([np.count_nonzero(np.isnan(labels)), len(labels)])
            if unlabelled:
                note(f"{target}: {unlabelled} of {n_rows} training rows have no label")

        start = time.perf_counter()
        shared = self.params.library_params(0) | {"num_threads": ctx.n_threads}
        binned = BinnedRows(train, ctx.weights, shared, ctx.world)
        binning_seconds = time.perf_counter() - start
        for sentence in binned.notes:
            note(sentence)
        if binned.n_constant:
            note(f"{binned.n_constant} features are constant over the training rows: unused")

        once = sum(
            self.params.library_params(member.parameter_set)["num_iterations"] for member in members
        )
        trainer = Trainer(self.params, ctx, train, binned, once * (1 + len(parts)), classes)
        boosters = list(trainer.fit(members))
        rounds = [rounds_of(booster) for booster in boosters]
        n_trees = [booster.num_trees() for booster in boosters]
        of_members = [classes.get(member.target) for member in members]
        for member, booster in zip(members, boosters, strict=True):
            if booster.feature_importance("split").sum() == 0:
                note(f"member {member} has not a single split: is min_data_in_leaf too large?")

        oof_corr: list[float] | None = None
        if weights is None:

            def predict_part(part: InnerPart, judged: EraFrame) -> Float64:
                boosters = trainer.fit(members, last_era=part.last_train_era, n_trees=rounds)
                return predict_each(boosters, of_members, judged)

            weights, oof_corr = fit_weights(
                train, ctx.target, parts, len(members), predict_part, ctx.world
            )
        if weights is None:
            note("nnls finds no member of any use: equal weights are taken")
            weights = np.full(len(members), 1 / len(members))
        self._boosters, self._weights = boosters, weights
        self._classes = of_members
        self._names = tuple(map(str, members))
        self._trained = TrainedFeatures.of(train)
        return FitReport(
            size=sum(n_trees),
            unit="trees",
            library_seconds=float(ctx.peers.total(trainer.seconds)),
            importance=self._importance(),
            notes=tuple(notes),
            details={
                "binning_seconds": binning_seconds,
                "oof_parts": [asdict(part) for part in parts],
                "members": [
                    {
                        "member": str(member),
                        "trees": n_trees[i],
                        "weight": float(weights[i]),
                        "oof_corr": oof_corr[i] if oof_corr else None,
                    }
                    for i, member in enumerate(members)
                ],
            },
        )

    @property
    def n_steps(self) -> int:
        """Rounds of the largest member."""
        return max(map(rounds_of, self._boosters))

    def fit_more(self, new: EraFrame, ctx: FitContext, amount: int) -> FitReport:
        """Add `amount` trees to every member that has labelled rows among the new eras.

        The weights of the members stay.

        Raises
        ------
        ModelError
            The features are not those trained on, or LightGBM refuses the rows.
        """
        self._trained.check(new)
        members = list_members(self.params, ctx.targets)
        notes, grown, size, start = [], 0, 0, time.perf_counter()
        for i, member in enumerate(members):
            classes = self._classes[i]
            longer = more_trees(self._boosters[i], member, self.params, new, ctx, amount, classes)
            if longer is None:
                notes.append(f"member {member} sees none of the new eras: unchanged")
                continue
            self._boosters[i] = longer
            grown += 1
            size += amount * longer.num_model_per_iteration()
            ctx.progress(grown * amount, len(members) * amount)
        return FitReport(
            size=size,
            unit="trees",
            library_seconds=time.perf_counter() - start,
            importance=self._importance(),
            notes=tuple(notes),
            details={"binning_seconds": 0.0},
        )

    def memory_needed(self, shape: Shape) -> Needs:
        """Return the bytes that training of this size takes at its peak, at least."""
        return Needs(binning_bytes(shape))

    def ways_to_take_less(self) -> tuple[str, ...]:
        """Nothing of its own: LightGBM holds all binned rows."""
        return ()

    def n_members(self, targets: tuple[str, ...]) -> int:
        """Return how many members it trains on these targets."""
        return len(list_members(self.params, targets))

    def predict(self, frame: EraFrame) -> Float32:
        """Predict float32 [n_rows], ranks in (0, 1) within each era.

        Raises
        ------
        ModelError
            The features are not those trained on.
        """
        self._trained.check(frame)
        predictions = np.empty(frame.n_rows, dtype=np.float32)
        for _, rows in frame.iter_eras():
            members = predict_rows(self._boosters, self._classes, frame.features[rows])
            predictions[rows] = blend(members, self._weights)
        return predictions

    def predict_classes(self, frame: EraFrame, target: str) -> ClassProbabilities:
        """Return the weighted mean of the members' probabilities (Stone 1961, a linear pool).

        The ensemble's own prediction blends the ranks of the members' expected values, and so is
        not the expected value of these.

        Raises
        ------
        ModelError
            The features are not those trained on, or a member learns a number, or another target.
        """
        self._trained.check(frame)
        kept = np.flatnonzero(self._weights).tolist()
        others = [self._names[i] for i in kept if not self._names[i].startswith(f"{target}/")]
        if others:
            raise ModelError(
                f"member {others[0]} learns another target than {target}, whose classes the "
                "ensemble has no probabilities of"
            )
        shares = self._weights[kept] / self._weights[kept].sum()
        boosters, classes = ([all_[i] for i in kept] for all_ in (self._boosters, self._classes))
        return pooled_classes(boosters, classes, shares, frame)

    def save(self, folder: Path) -> None:
        """Write `members/NN.txt`, LightGBM's own format, and `meta.json` with the weights."""
        save_boosters(folder / "members", self._boosters)
        facts: dict[str, Any] = {
            "weights": self._weights.tolist(),
            "members": self._names,
            **self._trained.facts(),
        }
        if any(self._classes):
            facts["classes"] = [one and one.values for one in self._classes]
        save_meta(folder, self.params, facts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        params, meta = load_meta(folder, cls.Params)
        model = cls(params)
        model._weights = np.array(meta["weights"])
        # models that were saved before members had names there number them
        model._names = tuple(meta.get("members", map(str, range(1, len(model._weights) + 1))))
        model._boosters = load_boosters(folder / "members", len(model._weights))
        classes = meta.get("classes") or [None] * len(model._weights)
        model._classes = [classes_from(values) for values in classes]
        model._trained = TrainedFeatures.from_facts(meta)
        return model

    def export(self) -> Exported:
        """Return a blend of the members' trees, without members of weight 0."""
        features = self._trained.facts()
        kept = np.flatnonzero(self._weights)
        # only the order of a member's predictions counts, and that is the order of the sums
        members = [
            exported_trees(lightgbm_trees(self._boosters[i]), self._trained, self._classes[i])
            for i in kept
        ]
        weights = self._weights[kept].tolist()
        return Exported("blend", {"weights": weights}, {}, **features, parts=tuple(members))

    def contributions(
        self, frame: EraFrame, rows: npt.NDArray[np.int64] | None = None
    ) -> tuple[Contributions, ...]:
        """Return what features add to each member's raw score, without members of weight 0.

        Raises
        ------
        ModelError
            The features are not those trained on, or classes were learnt.
        """
        self._trained.check(frame)
        check_contributions(*self._classes)
        features = as_float(explained_rows(frame, rows))
        members = zip(self._boosters, self._names, self._weights.tolist(), strict=True)
        return tuple(
            lightgbm_contributions(booster, features, name, weight)
            for booster, name, weight in members
            if weight
        )

    def _importance(self) -> dict[str, float]:
        """Return the members' total gain by feature, weighted as the members are."""
        gain = np.zeros(len(self._trained.names))
        for booster, weight in zip(self._boosters, self._weights, strict=True):
            gain += weight * booster.feature_importance("gain")
        return {
            name: float(value)
            for name, value in zip(self._trained.names, gain, strict=True)
            if value > 0
        }
