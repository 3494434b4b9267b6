"""A reader of eras and a method that uses what it reads: what is fitted beside the trees."""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float64
from numerai_lab.eraframe import EraFrame, FeatureArray
from numerai_lab.models.adapting import Adapted, State, Support
from numerai_lab.models.contract import FitContext, Float32
from numerai_lab.models.trees.xgb_ttt.code_leaves import CodeLeaves
from numerai_lab.models.trees.xgb_ttt.leaf_refresh import LeafRefresh
from numerai_lab.models.trees.xgb_ttt.method import TOO_LATE, Era, Lesson, Method, Trunk
from numerai_lab.models.trees.xgb_ttt.nearest_eras import NearestEras
from numerai_lab.models.trees.xgb_ttt.params import XGBTTTParams
from numerai_lab.models.trees.xgb_ttt.reader import Reader
from numerai_lab.models.trees.xgb_ttt.task import readable_eras
from numerai_lab.seeds import child_seed

_KEPT_STATES = 16
"""Training eras whose state is kept for the control where it is not a code, but larger."""

METHODS: dict[str, type[Method]] = {
    "code_leaves": CodeLeaves,
    "leaf_refresh": LeafRefresh,
    "nearest_eras": NearestEras,
}


class TreeAdaptation:
    """A fitted task with a fitted method, on the trees that they adapt.

    Parameters
    ----------
    states : states of training eras: of all where it is a code, else of a seeded sample.
    support : the codes of training eras, and of those taken in since; None: not looked at.
    """

    def __init__(
        self,
        reader: Reader,
        method: Method,
        trunk: Trunk,
        states: list[State],
        params: XGBTTTParams,
        support: Support | None = None,
    ) -> None:
        self.reader, self.method, self.trunk = reader, method, trunk
        self.states, self.params, self.support = states, params, support
        self.clock: Callable[[], float] = time.perf_counter
        """Seconds; another one in tests."""

    @classmethod
    def fit(
        cls,
        train: EraFrame,
        ctx: FitContext,
        params: XGBTTTParams,
        reader: Reader,
        trunk: Trunk,
        grown: Callable[[], None],
    ) -> tuple[TreeAdaptation, dict[str, Any]]:
        """Fit the method on the rows that `reader` was fitted on; also returns facts to record."""
        known_codes = reader.task.training_codes
        readable = np.array([int(number) in known_codes for number in train.eras])
        codes = np.stack([known_codes[int(number)] for number in train.eras[readable]])
        if not readable.all():
            kept = np.repeat(readable, np.diff(train.offsets))
            weights = None if ctx.weights is None else ctx.weights[kept]
            ctx = replace(ctx, weights=weights)
            train = train.take(np.flatnonzero(kept))

        def read(number: int, features: FeatureArray, predictions: Float32) -> Era:
            era = reader.read(number, features, predictions, trunk.unit)
            if isinstance(era, str):
                raise AssertionError(f"era {number} could be read before: {era}")
            return era

        lesson = Lesson(train, codes, reader.columns, reader.hidden(), trunk, read)
        method = METHODS[params.adapt.method](params.adapt)
        method.fit(lesson, ctx, grown)
        states: list[State | str] = [*codes]
        if params.adapt.method == "leaf_refresh" or params.adapt.code == "own_loss":
            rng = np.random.default_rng(child_seed(ctx.seed, "xgb_ttt", "states"))
            sample = rng.choice(train.n_eras, min(_KEPT_STATES, train.n_eras), replace=False)
            states = [method.read(lesson.era(int(i))) for i in sorted(sample)]
        record = {
            "training_eras": train.eras.tolist(),
            "training_codes": codes.tolist(),
            "eras_without_code": int(np.count_nonzero(~readable)),
        }
        known = [state for state in states if not isinstance(state, str)]
        return cls(reader, method, trunk, known, params, Support(train.eras, codes)), record

    @property
    def online(self) -> bool:
        """Whether eras that become known change later predictions."""
        return self.method.online

    def with_past(self, past: EraFrame) -> TreeAdaptation:
        """Return the adaptation that looks back on eras of `past` before each that it adapts to."""
        other = copy(self)
        other.reader = copy(self.reader)
        other.reader.past = past
        return other

    def remember(self, history: EraFrame) -> None:
        """Keep what the task needs of eras that are over, in order of time."""
        for number, _, statistics in readable_eras(history, self.reader.columns):
            self.reader.note(number, statistics)

    def adapt(self, number: int, features: FeatureArray, predictions: Float32) -> Adapted | str:
        """Adapt to one era without labels; a text is the reason why it stays unadapted."""
        start, limit = self.clock(), self.params.adapt.seconds_per_era

        def out_of_time() -> bool:
            return limit is not None and self.clock() - start > limit

        era = self.reader.read(number, features, predictions, self.trunk.unit, out_of_time)
        if isinstance(era, str):
            return era
        if out_of_time():
            return TOO_LATE
        self.method.remark = None
        state = self.method.read(era)
        if isinstance(state, str):
            return state
        change = self.method.change(era, state)
        if not np.isfinite(change).all():
            return "the adaptation is not finite"
        facts = {f"code_{m + 1}": float(s) for m, s in enumerate(era.code)}
        seconds = self.clock() - start
        return Adapted(change, state, seconds, facts, self.method.remark, code=era.code)

    def change(
        self, number: int, features: FeatureArray, predictions: Float32, state: State
    ) -> Float32:
        """Return what strength 1 adds to an era with the state of another, float32 [n_rows]."""
        return self.coded_change(number, features, predictions, state)[0]

    def coded_change(
        self, number: int, features: FeatureArray, predictions: Float32, state: State
    ) -> tuple[Float32, Float64 | None]:
        """Return that and the era's own code, float64 [n_codes], None where it cannot be read."""
        era = self.reader.read(number, features, predictions, self.trunk.unit)
        if isinstance(era, str):
            return np.zeros(len(features), dtype=np.float32), None
        change = self.method.change(era, state)
        return (change if np.isfinite(change).all() else np.zeros_like(predictions)), era.code

    def contributions(
        self,
        number: int,
        features: FeatureArray,
        predictions: Float32,
        state: State,
        rows: npt.NDArray[np.int64],
    ) -> tuple[Float64, float]:
        """Return what each feature adds to the change of some rows of an era, and what all get.

        Parameters and errors as of `change`, and of `Method.contributions`.
        """
        era = self.reader.read(number, features, predictions, self.trunk.unit)
        if isinstance(era, str):
            return np.zeros((len(rows), features.shape[1])), 0.0
        return self.method.contributions(era, state, self.trunk, rows)

    def observe(
        self, number: int, features: FeatureArray, predictions: Float32, labels: Float32
    ) -> None:
        """Learn from one era whose labels are known, if it can be read."""
        era = self.reader.read(number, features, predictions, self.trunk.unit)
        if not isinstance(era, str):
            self.method.observe(era, labels)
            self.reader.note(number, era.statistics)
            if self.method.online:
                self._supports(number, era.code)

    def learn(self, rows: EraFrame, predictions: Float32, labels: Float32) -> None:
        """Take labelled eras in for good, where the method can; small trees stay as they are.

        Parameters
        ----------
        rows : eras after the fit, which `observe` was told of. predictions : of the trees.
        """
        if not isinstance(self.method, NearestEras):
            return
        for number, own in rows.iter_eras() if not self.method.online else ():
            era = self.reader.read(number, rows.features[own], predictions[own], self.trunk.unit)
            if not isinstance(era, str):
                self.method.note(era.statistics, era.code, labels[own])
                self._supports(number, era.code)
        self.method.take_in()

    def _supports(self, number: int, code: Float64) -> None:
        if self.support is not None:
            self.support = self.support.with_era(number, code)

    def save(self, folder: Path) -> None:
        """Write task, method and the sample of states, without the trees they adapt."""
        self.reader.save(folder)
        self.method.save(folder)
        support = {} if self.support is None else self.support.arrays()
        more = {f"support_{name}": array for name, array in support.items()}
        np.savez(folder / "states.npz", *self.states, **more)

    @classmethod
    def load(cls, folder: Path, params: XGBTTTParams, trunk: Trunk) -> TreeAdaptation:
        """Read what `save` wrote."""
        with np.load(folder / "states.npz") as arrays:
            states = [arrays[name] for name in arrays.files if name.startswith("arr_")]
            kept = {
                name.removeprefix("support_"): arrays[name]
                for name in arrays.files
                if name.startswith("support_")
            }
        method = METHODS[params.adapt.method].load(folder, params.adapt, trunk)
        support = Support.from_arrays(kept) if kept else None
        return cls(Reader.load(folder, params), method, trunk, states, params, support)
