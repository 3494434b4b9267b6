"""A fitted task and the features it reads: from an era's rows to what a method is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.eraframe import EraFrame, FeatureArray
from numerai_lab.errors import ModelError, did_you_mean
from numerai_lab.models.contract import FitContext, Float32
from numerai_lab.models.trees.xgb_ttt.codes.runtime import AUTO, FEWEST_ROWS, too_few_to_hold_out
from numerai_lab.models.trees.xgb_ttt.method import Era
from numerai_lab.models.trees.xgb_ttt.params import Auxiliary, XGBTTTParams
from numerai_lab.models.trees.xgb_ttt.statistics import EraStatistics, era_statistics
from numerai_lab.models.trees.xgb_ttt.task import AuxiliaryTask, task_class
from numerai_lab.seeds import child_seed

NO_CODE = "no code can be read from the features that vary"


class Reader:
    """A fitted task and the features it reads.

    Attributes
    ----------
    past : eras that the task may look back on from each era that is read, beside those it knows
        already; None: none.
    """

    def __init__(self, task: AuxiliaryTask, columns: npt.NDArray[np.int64]) -> None:
        self.task, self.columns = task, columns
        self.past: EraFrame | None = None

    @classmethod
    def fit(
        cls, train: EraFrame, ctx: FitContext, params: XGBTTTParams
    ) -> tuple[Reader | str, dict[str, Any]]:
        """Fit the task on features; the reader, or why there is none, and facts to record."""
        columns = _columns(train.feature_names, params.auxiliary, ctx.seed)
        task, record = task_class(params.auxiliary.task).fit(
            train, columns, params, child_seed(ctx.seed, "xgb_ttt", "task")
        )
        return task if isinstance(task, str) else cls(task, columns), record

    def hidden(self) -> npt.NDArray[np.int64]:
        """Return the features that joint trees must not see, as columns of a frame."""
        return self.columns[self.task.hidden()]

    def read(
        self,
        number: int,
        features: FeatureArray,
        predictions: Float32,
        unit: float = 1.0,
        out_of_time: Callable[[], bool] = lambda: False,
    ) -> Era | str:
        """Read one era without labels, or say why it cannot be read.

        Parameters
        ----------
        features : all of them. predictions : float32 [n_rows], of the trees unadapted.
        unit : as `Trunk.unit`.
        """
        statistics = era_statistics(features[:, self.columns])
        if isinstance(statistics, str):
            return statistics
        if self.task.params.adapt.steps == AUTO and too_few_to_hold_out(len(features)):
            return f"fewer than {2 * FEWEST_ROWS} rows, half of which steps: auto holds out"
        code = self._task_before(number).code(number, statistics)
        if code is None:
            return NO_CODE
        return Era(
            number,
            features,
            predictions,
            statistics,
            code,
            lambda era: self.task.targets(era) * np.float32(unit),
            out_of_time,
            columns=self.columns,
        )

    def note(self, number: int, statistics: EraStatistics) -> None:
        """Let the task know an era that is over, if that tells it anything."""
        later = self.task.after(number, statistics)
        self.task = self.task if later is None else later

    def _task_before(self, number: int) -> AuxiliaryTask:
        """Return the task as it is before an era, by the last one before it that can be read."""
        if self.past is None or not self.task.history_eras:
            return self.task
        past = self.past.between(number - self.task.history_eras, number - 1)
        for era in past.eras[::-1].tolist():
            features = past.between(era, era).features_in_memory()[:, self.columns]
            statistics = era_statistics(features)
            later = None if isinstance(statistics, str) else self.task.after(era, statistics)
            if later is not None:
                return later
        return self.task

    def save(self, folder: Path) -> None:
        """Write the task."""
        arrays: dict[str, Any] = {f"task_{k}": v for k, v in self.task.arrays().items()}
        np.savez(folder / "task.npz", columns=self.columns, **arrays)

    @classmethod
    def load(cls, folder: Path, params: XGBTTTParams) -> Reader:
        """Read what `save` wrote."""
        with np.load(folder / "task.npz") as arrays:
            fitted = {
                name.removeprefix("task_"): arrays[name]
                for name in arrays.files
                if name.startswith("task_")
            }
            columns = arrays["columns"]
        task = task_class(params.auxiliary.task).from_arrays(fitted, params)
        return cls(task, columns)


def _columns(names: tuple[str, ...], options: Auxiliary, seed: int) -> npt.NDArray[np.int64]:
    """Choose the features that are read: those named, all, or a seeded subset in their order.

    Raises ModelError when a named feature is not there.
    """
    if options.features is not None:
        for name in options.features:
            if name not in names:
                raise ModelError(
                    f"'{name}' is not a feature of the training rows{did_you_mean(name, names)}",
                    where="model.params.auxiliary.features",
                    fix="name loaded features, or leave it out for a seeded subset",
                )
        positions = {names.index(name) for name in options.features}
        return np.array(sorted(positions), dtype=np.int64)
    if len(names) <= options.max_features:
        return np.arange(len(names), dtype=np.int64)
    rng = np.random.default_rng(child_seed(seed, "xgb_ttt", "features"))
    chosen = rng.choice(len(names), size=options.max_features, replace=False)
    return np.sort(chosen).astype(np.int64)
