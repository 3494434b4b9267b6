"""A task that reads a code and a method that uses it: everything fitted beside the frozen trees."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from numerai_lab.eraframe import EraFrame, FeatureArray
from numerai_lab.models.base import FitContext, Float32
from numerai_lab.models.xgb_ttt.code_leaves import CodeLeaves
from numerai_lab.models.xgb_ttt.online_linear import OnlineLinear
from numerai_lab.models.xgb_ttt.params import Adapt
from numerai_lab.models.xgb_ttt.statistics import EraStatistics, era_statistics
from numerai_lab.models.xgb_ttt.tasks import (
    AuxiliaryTask,
    FeatureReconstruction,
    fit_reconstruction,
)
from numerai_lab.seeds import child_seed

Float64 = npt.NDArray[np.float64]
NO_CODE = "no code can be read from the features that vary"


class Method(Protocol):
    """What a code changes in the predictions of an era; see `CodeLeaves` and `OnlineLinear`."""

    def __init__(self, params: Adapt) -> None:
        """Take the parameters; no work."""

    online: bool
    """Whether later labels change it, through `observe`."""
    library_seconds: float

    @property
    def n_trees(self) -> int:
        """Trees it has grown."""
        ...

    def fit(
        self,
        train: EraFrame,
        codes: Float64,
        columns: npt.NDArray[np.int64],
        ctx: FitContext,
        grown: Callable[[], None],
    ) -> None:
        """Learn from labelled rows whose eras have these codes, [n_eras, n_codes]."""

    def observe(self, era: EraStatistics, labels: Float32, code: Float64) -> None:
        """Learn from one more era whose labels have become known."""

    def basis(self, era: EraStatistics, features: FeatureArray, frozen: Float32) -> Float32:
        """Return float32 [n_rows, 1 + n_codes]; strength 1 adds `basis @ (1, code)`."""
        ...

    def save(self, folder: Path) -> None:
        """Write into an existing folder."""

    @classmethod
    def load(cls, folder: Path, params: Adapt) -> Self:
        """Read what `save` wrote."""
        ...


METHODS: dict[str, type[Method]] = {"code_leaves": CodeLeaves, "online_linear": OnlineLinear}


@dataclass(frozen=True)
class Reading:
    """One era read by an adaptation.

    Attributes
    ----------
    basis : as `Method.basis`. code : float64 [n_codes]. seconds : what reading it took.
    """

    basis: Float32
    code: Float64
    seconds: float

    def change(self, code: Float64 | None = None) -> Float32:
        """Return what strength 1 adds to the frozen predictions, with this or another code."""
        factors = np.concatenate([[1.0], self.code if code is None else code])
        return np.asarray(self.basis @ factors.astype(np.float32))


class Adaptation:
    """A fitted task with a fitted method.

    Parameters
    ----------
    columns : int64, features that the task reads.
    training_codes : float64 [n_eras, n_codes] of the training eras that have one.
    """

    def __init__(
        self,
        task: AuxiliaryTask,
        method: Method,
        columns: npt.NDArray[np.int64],
        training_codes: Float64,
    ) -> None:
        self.task, self.method, self.columns = task, method, columns
        self.training_codes = training_codes

    @classmethod
    def fit(
        cls, train: EraFrame, ctx: FitContext, params: Adapt, grown: Callable[[], None]
    ) -> tuple[Adaptation | str, dict[str, Any]]:
        """Fit a task and a method on labelled rows.

        Returns
        -------
        The adaptation, or the reason why there is nothing to adapt to; and facts to record.
        """
        columns = _columns(train.n_features, params, ctx.seed)
        task, record = fit_reconstruction(
            train, columns, params, child_seed(ctx.seed, "xgb_ttt", "noise")
        )
        if isinstance(task, str):
            return task, record
        codes: list[Float64] = []
        readable = np.zeros(train.n_eras, dtype=bool)
        for i, (_, rows) in enumerate(train.iter_eras()):
            era = era_statistics(train.features[rows][:, columns])
            code = None if isinstance(era, str) else task.code(era)
            if code is not None:
                codes.append(code)
                readable[i] = True
        if not readable.all():
            kept = np.repeat(readable, np.diff(train.offsets))
            weights = None if ctx.weights is None else ctx.weights[kept]
            ctx = replace(ctx, weights=weights)
            train = train.take(np.flatnonzero(kept))
        method = METHODS[params.method](params)
        method.fit(train, np.stack(codes), columns, ctx, grown)
        record |= {
            "training_eras": train.eras.tolist(),
            "training_codes": np.stack(codes).tolist(),
            "eras_without_code": int(np.count_nonzero(~readable)),
        }
        return cls(task, method, columns, np.stack(codes)), record

    def read(self, features: FeatureArray, frozen: Float32) -> Reading | str:
        """Read one era without labels; a text is the reason why it stays with frozen trees."""
        start = time.perf_counter()
        era = era_statistics(features[:, self.columns])
        if isinstance(era, str):
            return era
        code = self.task.code(era)
        if code is None:
            return NO_CODE
        basis = self.method.basis(era, features, frozen)
        if not np.isfinite(basis).all():
            return "the adaptation is not finite"
        return Reading(basis, code, time.perf_counter() - start)

    def observe(self, features: FeatureArray, labels: Float32) -> None:
        """Learn from one era whose labels are known, if it can be read."""
        era = era_statistics(features[:, self.columns])
        if isinstance(era, str):
            return
        code = self.task.code(era)
        if code is not None:
            self.method.observe(era, labels, code)

    def save(self, folder: Path) -> None:
        """Write task and method."""
        arrays: dict[str, Any] = {"columns": self.columns, "training_codes": self.training_codes}
        arrays |= {f"task_{name}": array for name, array in self.task.arrays().items()}
        np.savez(folder / "task.npz", **arrays)
        self.method.save(folder)

    @classmethod
    def load(cls, folder: Path, params: Adapt) -> Adaptation:
        """Read what `save` wrote."""
        with np.load(folder / "task.npz") as arrays:
            fitted = {
                name.removeprefix("task_"): arrays[name]
                for name in arrays.files
                if name.startswith("task_")
            }
            task = FeatureReconstruction.from_arrays(fitted, params)
            columns, codes = arrays["columns"], arrays["training_codes"]
        return cls(task, METHODS[params.method].load(folder, params), columns, codes)


def _columns(n_features: int, params: Adapt, seed: int) -> npt.NDArray[np.int64]:
    """Choose the features that are read: all, or a seeded subset in their order."""
    if n_features <= params.max_features:
        return np.arange(n_features, dtype=np.int64)
    rng = np.random.default_rng(child_seed(seed, "xgb_ttt", "features"))
    chosen = rng.choice(n_features, size=params.max_features, replace=False)
    return np.sort(chosen).astype(np.int64)
