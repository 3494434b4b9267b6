"""A self-supervised task: it summarises an era in a few numbers, its code, without any label.

Trees may be trained jointly: on the target, and on auxiliary targets that the task names per row.
"""
# ruff: noqa: ARG002, B027 - optional methods have defaults that use no argument

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float64
from numerai_lab.eraframe import EraFrame
from numerai_lab.models.contract import Float32
from numerai_lab.models.trees.xgb_ttt import tasks
from numerai_lab.models.trees.xgb_ttt.codes.runtime import AUTO, minimise, too_few_to_hold_out
from numerai_lab.models.trees.xgb_ttt.params import DEFAULT_TASK, XGBTTTParams
from numerai_lab.models.trees.xgb_ttt.principal import Summary, find_directions
from numerai_lab.models.trees.xgb_ttt.statistics import EraStatistics, era_statistics
from numerai_lab.seeds import child_seed

MIN_ERAS = 20
"""Fewer training eras cannot tell a direction of change from chance."""
Halves = tuple[tuple[Float64, Float64], tuple[Float64, Float64]] | None
"""The loss of an era's first and second half of rows, as `AuxiliaryTask.loss` gives it."""
_LARGEST_TARGET = 4.0
"""Auxiliary targets are clipped to this many standard deviations: squares have long tails."""


class AuxiliaryTask(ABC):
    """Computes the code of an era; fitted on the features of training eras, never on labels.

    `summary` returns the statistics of an era that the task looks at. With m their mean over
    training eras, and D the leading principal directions in which they move from era to era, as
    far as these pass the noise test (`fit`), the code s of an era minimises a loss that is
    quadratic in s (`loss`), by default

        ||values - m - D s||^2 + ridge ||s - prior||^2

    and is then divided by its standard deviation over the training eras and clipped.

    Parameters
    ----------
    params : of the model.
    n_features : how many features are read.

    Attributes
    ----------
    mean : float32 [n_statistics]. directions : float32 [n_statistics, n_codes], orthonormal.
    scale : float64 [n_codes], standard deviation of the unscaled codes over training eras.
    offset : float64 [n_codes], their mean there, where it is not 0 by itself (`centred`).
    target_mean, target_scale : float32 [n_targets], of the rows of training eras.
    training_codes : era number -> code, right after `fit`; not kept in a file.
    """

    centred = False
    """Whether codes are taken from their mean over training eras: a loss that weighs statistics by
    the era's own rows does not bring them to 0."""
    history_eras = 0
    """How many era numbers before the one it reads it looks back; 0: none."""

    def __init__(self, params: XGBTTTParams, n_features: int) -> None:
        self.params, self.n_features = params, n_features
        self.mean = np.zeros(0, dtype=np.float32)
        self.directions = np.zeros((0, 0), dtype=np.float32)
        self.scale: Float64 = np.ones(0)
        self.offset: Float64 = np.zeros(0)
        self.target_mean = np.zeros(0, dtype=np.float32)
        self.target_scale = np.ones(0, dtype=np.float32)
        self.training_codes: dict[int, Float64] = {}

    @abstractmethod
    def summary(self, era: EraStatistics) -> Summary:
        """Return the era's statistics."""

    @abstractmethod
    def row_targets(self, era: EraStatistics) -> Float32:
        """Return the auxiliary targets of jointly trained trees, float32 [n_rows, n_targets]."""

    def prepare(self, train: EraFrame, columns: npt.NDArray[np.int64], seed: int) -> None:
        """Learn what `summary` needs, before it is first called."""

    def hidden(self) -> list[int]:
        """Return positions, among the features read, that jointly trained trees must not see."""
        return []

    def loss(self, era: Summary) -> tuple[Float64, Float64]:
        """Return G, float64 [n_codes, n_codes], and r [n_codes] of the loss s'Gs - 2 r's."""
        seen = self.directions if era.seen.all() else self.directions * era.seen[:, None]
        left = era.values - self.mean
        return (seen.T @ seen).astype(np.float64), (seen.T @ left).astype(np.float64)

    def prior(self, number: int) -> Float64:
        """Return where the code of era `number` is expected, unscaled, float64 [n_codes]."""
        return np.zeros(self.directions.shape[1])

    def learn_codes(self, numbers: list[int], raw: Float64) -> None:
        """Learn from the free codes of training eras, float64 [n_eras, n_codes]."""

    def after(self, number: int, era: EraStatistics) -> Self | None:
        """Return the task with what era `number` has taught it; None if that is nothing."""
        return None

    def more_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return what else was fitted, by name, for a file; `restore` takes it back."""
        return {}

    def restore(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Take back what `more_arrays` gave."""

    @classmethod
    def fit(
        cls,
        train: EraFrame,
        columns: npt.NDArray[np.int64],
        params: XGBTTTParams,
        seed: int,
    ) -> tuple[Self | str, dict[str, Any]]:
        """Find the directions in which the statistics of training eras move, if they do.

        The noise test: the same analysis of eras of the same sizes whose rows are drawn from
        all training eras alike.

        Parameters
        ----------
        train : training rows. columns : int64, the features to read.
        seed : of the noise test and of what the task draws.

        Returns
        -------
        The task, or the reason why there is none; and the variances compared, for the record.
        """
        task = cls(params, len(columns))
        if train.n_eras < MIN_ERAS:
            return _too_few(train.n_eras)
        task.prepare(train, columns, child_seed(seed, "prepare"))
        rng = np.random.default_rng(child_seed(seed, "noise"))
        real, noise = {}, []
        for number, rows, era in readable_eras(train, columns):
            real[number] = task.summary(era)
            drawn = np.sort(rng.integers(0, train.n_rows, size=rows.stop - rows.start))
            shuffled = era_statistics(train.features[drawn][:, columns])
            if not isinstance(shuffled, str):
                noise.append(task.summary(shuffled)._replace(parts=()))
        if len(real) < MIN_ERAS or len(noise) < MIN_ERAS:
            return _too_few(len(real))
        options = params.auxiliary
        found = find_directions([*real.values()], noise, options.codes, options.noise_ratio)
        if found.axes.shape[1] == 0:
            return found.reason, found.record
        task.mean, task.directions = found.mean, found.axes
        held_out = {}
        if params.adapt.steps == AUTO:
            held_out = {n: task._halves(era) for n, _, era in readable_eras(train, columns)}
        if not task._learn_codes(real, held_out):
            return "no training era changes the self-supervised loss", found.record
        if options.weight != 0:
            task._learn_targets(train, columns)
        return task, found.record

    def _learn_codes(self, eras: dict[int, Summary], held_out: Mapping[int, Halves]) -> bool:
        """Measure the codes of training eras; False if none has one.

        `held_out` : of each era the losses of its halves, where the steps follow from them.
        """
        found = {n: code for n, era in eras.items() if (code := self._free(era)) is not None}
        if not found:
            return False
        self.learn_codes([*found], np.array([*found.values()]))
        raw = {n: self._raw(era, self.prior(n), held_out.get(n)) for n, era in eras.items()}
        known = np.array([code for code in raw.values() if code is not None])
        spread = np.std(known, axis=0)
        self.offset = known.mean(axis=0) if self.centred else np.zeros(known.shape[1])
        self.scale = np.where(spread > 0, spread, 1.0)
        for number, code in raw.items():
            scaled = self._scaled(code)
            if scaled is not None:
                self.training_codes[number] = scaled
        return True

    def _learn_targets(self, train: EraFrame, columns: npt.NDArray[np.int64]) -> None:
        """Measure the row targets over training eras."""
        n, total, squares = 0, np.zeros(1), np.zeros(1)
        for _, _, era in readable_eras(train, columns):
            targets = self.row_targets(era).astype(np.float64)
            n += len(targets)
            total = total + targets.sum(axis=0)
            squares = squares + (targets**2).sum(axis=0)
        mean = total / n
        std = np.sqrt(np.maximum(squares / n - mean**2, 0))
        self.target_mean = mean.astype(np.float32)
        self.target_scale = np.where(std > 0, std, 1).astype(np.float32)

    def _halves(self, era: EraStatistics) -> Halves:
        """Return the losses of either half of an era's rows, None if they are too few."""
        if too_few_to_hold_out(len(era.values)):
            return None
        first, second = (self.loss(self.summary(half)) for half in era.halves())
        return first, second

    def _raw(self, era: Summary, prior: Float64, halves: Halves) -> Float64 | None:
        adapt = self.params.adapt
        if adapt.steps == AUTO and halves is None:
            return None
        gram, right = self.loss(era)
        raw: Float64 | None = minimise(gram, right, adapt.ridge, prior, adapt.steps, halves or ())
        return raw

    def _scaled(self, raw: Float64 | None) -> Float64 | None:
        if raw is None or not np.isfinite(raw).all():
            return None
        clip = self.params.adapt.clip
        return np.asarray(np.clip((raw - self.offset) / self.scale, -clip, clip))

    def _free(self, era: Summary) -> Float64 | None:
        prior = np.zeros(self.directions.shape[1])
        free: Float64 | None = minimise(*self.loss(era), 0.0, prior, None)
        return free

    def free_code(self, era: EraStatistics) -> Float64 | None:
        """Return the unscaled code with neither ridge nor prior, float64 [n_codes], or None."""
        return self._free(self.summary(era))

    def code(self, number: int, era: EraStatistics) -> Float64 | None:
        """Return the code of era `number`, float64 [n_codes] within the clip; None if none."""
        halves = self._halves(era) if self.params.adapt.steps == AUTO else None
        return self._scaled(self._raw(self.summary(era), self.prior(number), halves))

    def targets(self, era: EraStatistics) -> Float32:
        """Return row targets in standard deviations, clipped, float32 [n_rows, n_targets]."""
        scaled = (self.row_targets(era) - self.target_mean) / self.target_scale
        return np.asarray(np.clip(scaled, -_LARGEST_TARGET, _LARGEST_TARGET))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return what was fitted, by name, for a file."""
        own: dict[str, npt.NDArray[Any]] = {
            "mean": self.mean,
            "directions": self.directions,
            "scale": self.scale,
            "offset": self.offset,
            "target_mean": self.target_mean,
            "target_scale": self.target_scale,
            "sizes": np.array([self.n_features]),
        }
        return own | self.more_arrays()

    @classmethod
    def from_arrays(cls, arrays: dict[str, npt.NDArray[Any]], params: XGBTTTParams) -> Self:
        """Make it again from `arrays`."""
        task = cls(params, int(arrays["sizes"][0]))
        task.mean, task.directions = arrays["mean"], arrays["directions"]
        task.scale, task.offset = arrays["scale"], arrays["offset"]
        task.target_mean, task.target_scale = arrays["target_mean"], arrays["target_scale"]
        task.restore(arrays)
        return task


def task_class(name: str) -> type[AuxiliaryTask]:
    """Import a task. `name` is one of `task_names`, as the parameters have checked."""
    found: type[AuxiliaryTask] = importlib.import_module(f"{tasks.__name__}.{name}").TASK
    return found


def tasks_of(params: XGBTTTParams) -> tuple[str, ...]:
    """Return the tasks that a model fits: its own, or all that `auto` chooses among.

    These read an era by its own rows alone, so that a bundle can have each; the default is first.
    """
    if params.auxiliary.task != AUTO:
        return (params.auxiliary.task,)
    alone = (name for name in tasks.task_names() if not task_class(name).history_eras)
    return tuple(sorted(alone, key=lambda name: name != DEFAULT_TASK))


def readable_eras(
    train: EraFrame, columns: npt.NDArray[np.int64]
) -> Iterator[tuple[int, slice, EraStatistics]]:
    """Yield (number, rows, statistics) of every era that has enough rows and values for them."""
    for number, rows in train.iter_eras():
        era = era_statistics(train.features[rows][:, columns])
        if not isinstance(era, str):
            yield number, rows, era


def _too_few(n_eras: int) -> tuple[str, dict[str, Any]]:
    return f"{n_eras} training eras can be read, a code needs {MIN_ERAS}", {"n_eras": n_eras}
