"""What all linear models do alike: read eras, choose a penalty, predict, save, go on."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float32, Float64
from numerai_lab.eraframe import MISSING_INT8, EraFrame
from numerai_lab.errors import ModelError, SplitError
from numerai_lab.models.contract import (
    Contributions,
    Exported,
    FitContext,
    FitReport,
    ModelInfo,
    Said,
    TrainedFeatures,
    explained_rows,
    load_meta,
    save_meta,
)
from numerai_lab.models.simple.centred import CentredRows, centred_rows
from numerai_lab.models.simple.choosing import InnerWalk
from numerai_lab.models.simple.labels import Labels
from numerai_lab.models.simple.params import LinearParams
from numerai_lab.models.simple.runtime import predict as predict_rows
from numerai_lab.models.simple.sums import EraSums
from numerai_lab.models.simple.threads import in_order, one_blas_thread
from numerai_lab.splits import InnerPart, inner_parts

_FILE = "linear.npz"


class LinearModel(ABC):
    """A linear function of the features, from sums over eras that are read once, in order.

    Within each era features and labels are centred and a missing value is its feature's mean.
    Every era counts the same, whatever its rows, unless `ctx.weights` says otherwise. A
    prediction is the sum of coefficients times what features differ from their mean over the
    training eras; a missing value adds nothing to it.
    """

    info: ClassVar[ModelInfo]
    Params: ClassVar[type[LinearParams]]
    sums_type: ClassVar[type[EraSums]]
    penalties: ClassVar[Float64] = 10.0 ** np.arange(-3, 3.1, 0.5)
    """Those that `auto` tries, in ascending order."""
    name: ClassVar[str]
    penalty_name: ClassVar[str]
    default_penalty: ClassVar[float] = 0.1
    """Taken where `auto` has too few eras to choose on."""
    needs: ClassVar[str]
    """What it cannot learn without, for an error."""

    def __init__(self, params: Any) -> None:
        self.params = params
        self._sums: EraSums
        self._coefficients: Float64 = np.empty(0)
        self._penalty = 0.0
        self._n_steps = 0
        self._trained = TrainedFeatures()

    @classmethod
    def info_for(cls, params: LinearParams) -> ModelInfo:
        """Ask for all targets, and for the purge of the longest of them, if some are named."""
        return replace(cls.info, multi_target=params.targets is not None)

    @property
    @abstractmethod
    def written_penalty(self) -> float | Literal["auto"]:
        """The penalty as the parameters give it."""

    @staticmethod
    @abstractmethod
    def merit(scores: Float64) -> Float64:
        """Rate each penalty by its corr in judged eras, [n_eras, n_penalties] -> [n_penalties]."""

    @property
    def coefficients(self) -> Float64:
        """The fitted coefficients, float64 [n_features], in the units of the features."""
        return self._coefficients

    def fit(self, train: EraFrame, ctx: FitContext) -> FitReport:
        """Learn from `ctx.target`, or from the mean of the targets that the parameters name.

        Raises
        ------
        ModelError
            A target is not there, or there is nothing to learn from.
        """
        start = time.perf_counter()
        said = Said(ctx)
        if ctx.device == "cuda":
            said.aloud(f"{self.name} has no GPU training: device cuda is ignored, it uses the CPU")
        if ctx.stop is not None:
            said.aloud(
                f"early stopping has nothing to stop, {self.name} learns at once: the "
                f"{ctx.stop.n_eras} eras kept for it teach nothing"
            )
        self._trained = TrainedFeatures.of(train)
        self._sums, self._n_steps = self.sums_type(train.n_features), 0
        parts = self._inner_parts(train, ctx, said)
        walk = InnerWalk(parts)
        self._learn(train, ctx, said, walk)
        details = self._choose(parts, walk.scores(), said)
        report = self._solved(train.n_features, said, details, start)
        if not self._coefficients.any():
            raise ModelError(
                f"{self.name} needs {self.needs}; it has none in {train.n_eras} training eras of "
                f"{train.n_features} features",
                fix="give more training eras, or other features",
            )
        return report

    @property
    def n_steps(self) -> int:
        """Eras learnt from so far."""
        return self._n_steps

    def fit_more(self, new: EraFrame, ctx: FitContext, amount: int) -> FitReport:
        """Add labelled eras to the sums and solve again with the penalty of the fit.

        The same as a fit on all eras with that penalty, if every era counts the same. By other
        weights the new eras count as much, on average, as those before.

        Raises
        ------
        ModelError
            The features are not those of the fit, or `amount` is not the number of new eras.
        """
        start = time.perf_counter()
        self._trained.check(new)
        if amount != new.n_eras:
            raise ModelError(
                f"{self.name} learns from each of {new.n_eras} new eras once, which "
                f"makes {new.n_eras} steps, not {amount}",
                fix="leave --amount out",
            )
        said = Said(ctx)
        if ctx.weights is not None and np.ptp(_era_weights(new, ctx.weights)) > 1e-6:
            said.aloud(
                "the weights of the eras fitted before stay; the new eras count as much, on average"
            )
        self._learn(new, ctx, said, InnerWalk(()))
        return self._solved(0, said, {}, start)

    def predict(self, frame: EraFrame) -> Float32:
        """Predict float32 [n_rows].

        Raises
        ------
        ModelError
            The features are not those trained on.
        """
        self._trained.check(frame)
        predictions = np.empty(frame.n_rows, dtype=np.float32)
        arrays = self._linear()
        for _, rows in frame.iter_eras():
            predictions[rows] = predict_rows(frame.features[rows], {}, arrays, [])
        return predictions

    def export(self) -> Exported:
        """Return coefficients and means as arrays."""
        return Exported(
            kind="linear",
            settings={},
            arrays=self._linear(),
            **self._trained.facts(),
        )

    def contributions(
        self, frame: EraFrame, rows: npt.NDArray[np.int64] | None = None
    ) -> tuple[Contributions, ...]:
        """Return how far each feature lies from its mean, times its coefficient.

        That is its Shapley value where features do not depend on each other.

        Raises
        ------
        ModelError
            The features are not those trained on.
        """
        self._trained.check(frame)
        features = explained_rows(frame, rows)
        away = features - self._sums.means
        gaps = features == MISSING_INT8 if features.dtype == np.int8 else np.isnan(features)
        away[gaps] = 0
        raw = predict_rows(features, {}, self._linear(), [])
        return (Contributions(away * self._coefficients, 0.0, raw),)

    def save(self, folder: Path) -> None:
        """Write `linear.npz`, with all that going on needs, and `meta.json`."""
        arrays: dict[str, Any] = {"coefficients": self._coefficients, **self._sums.arrays()}
        np.savez(folder / _FILE, **arrays)
        facts = {
            "penalty": self._penalty,
            "n_steps": self._n_steps,
            **self._trained.facts(),
        }
        save_meta(folder, self.params, facts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        params, meta = load_meta(folder, cls.Params)
        model = cls(params)
        with np.load(folder / _FILE) as arrays:
            model._coefficients = arrays["coefficients"]
            model._sums = cls.sums_type.from_arrays(arrays)
        model._penalty, model._n_steps = meta["penalty"], meta["n_steps"]
        model._trained = TrainedFeatures.from_facts(meta)
        return model

    def _linear(self) -> dict[str, Any]:
        return {"coefficients": self._coefficients, "means": self._sums.means}

    def _inner_parts(self, train: EraFrame, ctx: FitContext, said: Said) -> list[InnerPart]:
        if self.written_penalty != "auto":
            return []
        try:
            return inner_parts(train.eras, self.params.inner_folds, ctx.purge_eras)
        except SplitError as error:
            said.aloud(
                f"{self.penalty_name}: {self.default_penalty:g} is taken, since {error.what}"
            )
            return []

    def _learn(self, frame: EraFrame, ctx: FitContext, said: Said, walk: InnerWalk) -> None:
        """Add every era to the sums, and let `walk` judge what was learnt before it."""
        labels = Labels(frame, ctx, self.params.targets)
        if labels.note:
            said.aloud(labels.note)
        weights = _era_weights(frame, ctx.weights)

        def centre(rows: slice) -> tuple[CentredRows, Float32] | None:
            there, label, target = labels.of(rows)
            share = None if ctx.weights is None else ctx.weights[rows][there].astype(np.float64)
            if not len(label) or (share is not None and not share.any()):
                return None
            features = frame.features[rows]
            features = features if len(label) == len(features) else features[there]
            gram = self.sums_type.needs_gram
            return centred_rows(features, label, share, with_gram=gram), target

        n_missing = 0
        every = in_order(centre, (rows for _, rows in frame.iter_eras()), ctx.n_threads)
        for i, (era, done) in enumerate(zip(frame.eras.tolist(), every, strict=True)):
            walk.reach(era, lambda: self._sums.coefficients(self.penalties.tolist()))
            if done is not None:
                centred, target = done
                walk.judge(era, centred, target)
                self._sums.add(centred, float(weights[i]))
                n_missing += centred.n_missing
            ctx.progress(i + 1, frame.n_eras)
        self._n_steps += frame.n_eras
        if n_missing:
            said.note(
                f"{n_missing} of {frame.n_rows * frame.n_features} values of features are missing: "
                "each counts as its feature's mean in its era"
            )

    def _choose(self, parts: Sequence[InnerPart], scores: Float64, said: Said) -> dict[str, Any]:
        """Set the penalty; return what fit.json tells about it."""
        name = self.penalty_name
        if self.written_penalty != "auto":
            self._penalty = self.written_penalty
            return {name: self._penalty}
        if len(scores) < 2:
            if parts:
                said.aloud(
                    f"{name}: {self.default_penalty:g} is taken, since fewer than 2 eras of the "
                    "inner parts of the training eras have a corr"
                )
            self._penalty = self.default_penalty
            return {name: self._penalty}
        merit = self.merit(scores)
        best = int(np.argmax(merit))
        self._penalty = float(self.penalties[best])
        said.note(
            f"{name} {self._penalty:.3g} was chosen on {len(scores)} inner eras "
            f"(corr {scores[:, best].mean():.4f})"
        )
        if best in (0, len(merit) - 1):
            end = "smallest" if best == 0 else "largest"
            said.note(f"{name} {self._penalty:.3g} is the {end} that is tried")
        return {
            name: self._penalty,
            "inner_eras": len(scores),
            "tried": self.penalties.tolist(),
            "corr": scores.mean(axis=0).tolist(),
            "merit": merit.tolist(),
        }

    def _solved(self, size: int, said: Said, details: dict[str, Any], start: float) -> FitReport:
        with one_blas_thread():
            self._coefficients = self._sums.coefficients([self._penalty])[:, 0]
        variances = self._sums.variances
        constant = np.count_nonzero(variances == 0)
        if constant:
            said.note(f"{constant} features are constant within every training era: unused")
        spread = np.abs(self._coefficients) * np.sqrt(variances)
        return FitReport(
            size=size,
            unit="coefficients",
            library_seconds=time.perf_counter() - start,
            importance={
                name: float(value)
                for name, value in zip(self._trained.names, spread, strict=True)
                if value > 0
            },
            notes=tuple(said.notes),
            details=details,
        )


def _era_weights(frame: EraFrame, weights: Float32 | None) -> Float64:
    """Return how much each era counts, float64 [n_eras] with mean 1."""
    if weights is None:
        return np.ones(frame.n_eras)
    sums = np.add.reduceat(weights.astype(np.float64), frame.offsets[:-1])
    return np.asarray(sums / sums.mean())
