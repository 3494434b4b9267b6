"""What each feature adds to what a model predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float32, Float64
from numerai_lab.eraframe import EraFrame, FeatureArray
from numerai_lab.models.contract.protocols import Model

CONTRIBUTION_TOLERANCE = 1e-5
"""How far contributions may sum to something else than the output, relative to 1 or its size."""


@dataclass(frozen=True)
class Contributions:
    """What each feature adds to one raw output: base + values + beside is that output.

    The raw output is the one before a link (the margin of a logistic objective), and before a
    blend has ranked it.

    Attributes
    ----------
    values : float32 or float64 [n_rows, n_features].
    base : what is predicted where no feature says anything.
    raw : float64 [n_rows], the output, computed without the contributions.
    name : of the member whose output it is; empty for a model of one output.
    weight : of the member in the model's prediction.
    beside : name -> float64 [n_rows], what is added by something else than a single feature.
    """

    values: npt.NDArray[np.floating[Any]]
    base: float
    raw: Float64
    name: str = ""
    weight: float = 1.0
    beside: Mapping[str, Float64] = field(default_factory=dict)

    def among(self, names: Sequence[str], wanted: Sequence[str]) -> Contributions:
        """Return the same beside features that add nothing: `names` are its own of `wanted`."""
        if tuple(names) == tuple(wanted):
            return self
        place = {name: i for i, name in enumerate(wanted)}
        values = np.zeros((len(self.values), len(wanted)), dtype=self.values.dtype)
        values[:, [place[name] for name in names]] = self.values
        return replace(self, values=values)

    def gap(self) -> float:
        """Return by how much they sum to something else than the output, relative to its size."""
        total = self.base + self.values.sum(axis=1, dtype=np.float64)
        for more in self.beside.values():
            total = total + more
        size = max(1.0, float(np.abs(self.raw).max(initial=0.0)))
        return float(np.abs(total - self.raw).max(initial=0.0)) / size


def explained_rows(frame: EraFrame, rows: npt.NDArray[np.int64] | None) -> FeatureArray:
    """Return the features of the rows that are explained, in memory."""
    return frame.features_in_memory() if rows is None else frame.features[rows]


@runtime_checkable
class ExplainedModel(Model, Protocol):
    """A model that can say what each feature adds to its prediction. Optional.

    Others are explained by shuffling features.
    """

    def contributions(
        self, frame: EraFrame, rows: npt.NDArray[np.int64] | None = None
    ) -> tuple[Contributions, ...]:
        """Return the contributions to the raw output, or to that of each member that counts.

        Contributions are Shapley values, or equal to them (Lundberg & Lee 2017). With several
        members the prediction is a blend of their outputs, which itself is no sum.

        Parameters
        ----------
        frame : whole eras, without targets.
        rows : increasing row numbers of those that are explained; None: all. The others may count,
            as they do for a transductive model's prediction.

        Raises
        ------
        ModelError : the features are not those trained on, or with these parameters there are no
            contributions.
        """
        ...


@runtime_checkable
class InteractingModel(ExplainedModel, Protocol):
    """An explained model of one output that can share contributions out among pairs. Optional."""

    def interactions(self, frame: EraFrame, rows: npt.NDArray[np.int64]) -> Float32:
        """Return SHAP interaction values, [n_rows, n_features, n_features].

        They are symmetric, and sum over the last axis to the contributions. A row takes
        4 n_features^2 bytes: ask for few at once.

        Raises
        ------
        ModelError : as of `contributions`.
        """
        ...


@runtime_checkable
class ExplainedStack(Protocol):
    """A model made of what other runs predict that says what each member counts. Optional."""

    def weigh_contributions(
        self, members: Mapping[str, tuple[Contributions, ...]]
    ) -> tuple[Contributions, ...]:
        """Return the members' contributions, by member, with its weight in this model.

        Parameters
        ----------
        members : by name, of the same rows and features.
        """
        ...
