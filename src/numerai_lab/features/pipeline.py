"""Steps in a row, fitted on training eras, and applied to the rows of one era at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from numerai_lab.arrays import Int8, Int64
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.features.blocks import LARGE_BYTES, check_varies, checked, room_for
from numerai_lab.features.exporting import ExportedSteps, Form, exported_steps, form_of
from numerai_lab.features.joined import joined, release
from numerai_lab.features.placebo import permuted
from numerai_lab.features.protocol import (
    ChoosingTransform,
    OutOfFoldTransform,
    Past,
    PlaceboTransform,
    StepContext,
    StepParams,
    Transform,
)
from numerai_lab.features.runtime import beside
from numerai_lab.features.table import get_transform
from numerai_lab.seeds import child_seed

PastOf = Callable[[int, int], Past]
"""(era, era numbers back) -> what may be known before the era."""


@dataclass(frozen=True)
class Columns:
    """Rows with the columns of all steps, before a model is given them.

    Attributes
    ----------
    raw : the rows as they came. blocks : int8 [n_rows, n_i] of each step.
    """

    raw: EraFrame
    blocks: list[Int8]


class Pipeline:
    """Transforms one after another: each sees the data's features and what those before it added.

    Parameters
    ----------
    steps : parameters, in order; `check_steps` has nothing against them.
    """

    def __init__(self, steps: Sequence[StepParams]) -> None:
        self.params = tuple(steps)
        self.steps: list[Transform] = [get_transform(step.type)(step) for step in steps]
        self._raw_names: tuple[str, ...] = ()

    @property
    def history_eras(self) -> int:
        """How many era numbers before an era some step looks at; 0: none."""
        return max((step.history_eras for step in self.steps), default=0)

    def n_given(self, n_features: int) -> int:
        """Return how many columns a model is given of so many features, as far as is known."""
        for step in self.params:
            n_features = step.n_given(n_features)
        return n_features

    @property
    def added(self) -> tuple[str, ...]:
        """Names of the added columns, those that a later step leaves out among them."""
        return tuple(name for step in self.steps for name in step.names)

    @property
    def kept(self) -> Int64:
        """Numbers of the columns a model is given, among the data's features and the added ones."""
        gone = {
            name
            for step in self.steps
            if isinstance(step, ChoosingTransform)
            for name in step.drops
        }
        every = (*self._raw_names, *self.added)
        return np.array([i for i, name in enumerate(every) if name not in gone], dtype=np.int64)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns a model is given."""
        every = (*self._raw_names, *self.added)
        return tuple(every[i] for i in self.kept.tolist())

    def fit(self, train: EraFrame, ctx: StepContext) -> Columns:
        """Fit the steps on training eras, and return these with the columns.

        Columns are made era by era; those of features on disk lie on disk, too.

        Raises
        ------
        ModelError : a step cannot be fitted, its columns break a rule (values, names), or a column
            is one number in every era, which cannot rank rows.
        MachineError : the columns take more memory than there is.
        """
        self._raw_names = train.feature_names
        ctx = replace(ctx, raw_names=train.feature_names)
        made = Columns(train, [])
        for i, step in enumerate(self.steps):
            before = self._names_to(i)
            features = joined(train.features, made.blocks) if made.blocks else train.features
            step.fit(replace(train, features=features, feature_names=before), ctx)
            self._check_names(step, before)
            block = room_for(train, len(step.names), step)
            made.blocks.append(block)
            varies = np.zeros(len(step.names), dtype=bool)
            for era, rows in train.iter_eras():
                one = self._era(made, i, era, rows)
                known = self._past(step, era, ctx.past)
                apply = step.apply
                if isinstance(step, OutOfFoldTransform):
                    apply = step.apply_in_training
                block[rows] = checked(step, apply(one, known))
                if block[rows].size:
                    varies |= block[rows].min(axis=0) != block[rows].max(axis=0)
                release(block)
            check_varies(step, block, varies, ctx)
        return made

    def columns(
        self,
        frame: EraFrame,
        past: PastOf | None,
        steps: Sequence[Transform] | None = None,
        training: frozenset[int] = frozenset(),
    ) -> Columns:
        """Return rows of whole eras with the columns of the fitted steps.

        Parameters
        ----------
        frame : the features of the fit, in order. past : where a step looks back.
        training : eras of the fit, which get what training gets (`OutOfFoldTransform`).
        """
        made = Columns(frame, [])
        for i, step in enumerate(self.steps if steps is None else steps):
            n = len(step.names)
            if frame.n_rows * n < LARGE_BYTES:  # an era to predict
                block = np.empty((frame.n_rows, n), dtype=np.int8)
            else:
                block = room_for(frame, n, step)
            made.blocks.append(block)
            for era, rows in frame.iter_eras():
                one, apply = self._era(made, i, era, rows), step.apply
                if era in training and isinstance(step, OutOfFoldTransform):
                    apply = step.apply_in_training
                block[rows] = checked(step, apply(one, self._past(step, era, past)))
        return made

    def frame(self, made: Columns) -> EraFrame:
        """Return the rows as a model is given them: the columns that are kept, nothing copied."""
        kept = self.kept
        every = len(kept) == len(self._raw_names) + len(self.added)
        features = joined(made.raw.features, made.blocks, None if every else kept)
        return replace(made.raw, features=features, feature_names=self.names)

    def twin(self, draw: int) -> Pipeline:
        """Return the fitted pipeline whose columns, once shuffled, say nothing.

        Steps that have a placebo of their own are replaced by it.
        """
        other = Pipeline(self.params)
        other._raw_names = self._raw_names
        other.steps = [
            step.placebo(draw) if isinstance(step, PlaceboTransform) else step
            for step in self.steps
        ]
        return other

    def remade(self, made: Columns, past: PastOf | None) -> Columns:
        """Return columns in which those of steps with an own placebo are made by it.

        `made` are those of the pipeline that this is the twin of; its other blocks are used on.
        """
        blocks = list(made.blocks)
        for i, step in enumerate(self.steps):
            if isinstance(step, PlaceboTransform) and step.names:
                blocks[i] = self.columns(made.raw, past, self.steps[: i + 1]).blocks[i]
        return Columns(made.raw, blocks)

    def shuffle(self, made: Columns, draw: int, seed: int) -> Columns:
        """Permute the columns among the rows of their era, in place: `made` is not the same after.

        Those of steps that have a placebo of their own are left as they are.
        """
        for i, step in enumerate(self.steps):
            if isinstance(step, PlaceboTransform) or not step.names:
                continue
            for era, rows in made.raw.iter_eras():
                ids = made.raw.ids.slice(rows.start, rows.stop - rows.start)
                own = child_seed(seed, "placebo", draw, i)
                made.blocks[i][rows] = permuted(made.blocks[i][rows], ids, era, own)
                release(made.blocks[i])
        return made

    def save(self, folder: Path) -> None:
        """Write each step into a folder of its own, named after its number."""
        for i, step in enumerate(self.steps):
            (folder / str(i)).mkdir()
            step.save(folder / str(i))

    @classmethod
    def load(cls, folder: Path, params: Sequence[StepParams], raw_names: Sequence[str]) -> Self:
        """Read what `save` wrote."""
        pipeline = cls(params)
        pipeline._raw_names = tuple(raw_names)
        pipeline.steps = [
            get_transform(step.type).load(folder / str(i)) for i, step in enumerate(params)
        ]
        return pipeline

    def exported(self, past: PastOf | None = None, era: int | None = None) -> ExportedSteps:
        """Return the steps and arrays that `runtime.add_columns` reads.

        Parameters
        ----------
        past, era : what is known before the next era to predict, and its number, where a step
            looks back.

        Raises ModelError : a step has no such form, or two have runtimes of their own.
        """
        found: list[tuple[int, Form]] = []
        for i, step in enumerate(self.steps):
            if not step.names:
                continue
            label, known = self.params[i].label, None
            if step.history_eras and past is not None and era is not None:
                known = past(era, step.history_eras)
            found.append((i, form_of(step, label, self._names_to(i), known, era)))
        return exported_steps(found)

    def _names_to(self, i: int) -> tuple[str, ...]:
        before = (name for step in self.steps[:i] for name in step.names)
        return (*self._raw_names, *before)

    def _era(self, made: Columns, i: int, era: int, rows: slice) -> EraFrame:
        """Return one era's rows in memory, as step number i sees them."""
        own = made.raw.between(era, era)
        values: Any = own.features_in_memory()
        for block in made.blocks[:i]:
            values = beside(values, block[rows])
        return replace(own.without_targets(), features=values, feature_names=self._names_to(i))

    def _past(self, step: Transform, era: int, past: PastOf | None) -> Past | None:
        if not step.history_eras:
            return None
        if past is None:
            raise ModelError(
                f"columns look back {step.history_eras} eras, and no earlier eras are given"
            )
        return past(era, step.history_eras)

    def _check_names(self, step: Transform, before: Iterable[str]) -> None:
        taken = set(before)
        for name in step.names:
            if name in taken:
                raise ModelError(
                    f"column '{name}' is there twice",
                    where="transforms",
                    fix="give one of the steps another name",
                )
            taken.add(name)


def check_steps(steps: Sequence[StepParams]) -> None:
    """Check that steps can follow one another. Raises ValueError, with the reason."""
    labels = [step.label for step in steps]
    for i, step in enumerate(steps):
        if step.label in labels[:i]:
            raise ValueError(
                f"two steps are called '{step.label}', so that their columns would be called the "
                "same: give one a name of its own (name: ...)"
            )
        if get_transform(step.type).info.last and i < len(steps) - 1:
            raise ValueError(
                f"'{labels[i + 1]}' cannot follow '{step.label}', which has other columns in every "
                "fold: make it the last step"
            )
