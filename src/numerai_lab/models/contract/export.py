"""A fitted model as plain values, for a bundle that runs where this package is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy.typing as npt

from numerai_lab.eraframe import EraFrame


@dataclass(frozen=True)
class Exported:
    """A fitted model as plain values, for a bundle that runs where this package is not.

    A model made of models exports them as its parts, to any depth: members of a blend, the first
    stage of a residual. `numerai_lab.models.exports` checks the whole and puts it together.

    Attributes
    ----------
    kind : how the model predicts, a name in `exports.KINDS`, or one of the model's own.
    settings : JSON values that the kind reads.
    arrays : name -> array of numbers that the kind reads.
    feature_names : the features trained on, in order. A part may take some of those of what it is
        part of, in another order: it is given these columns.
    dtype : `int8` or `float32`, the features' type; the same for all parts.
    parts : the models that this one is made of.
    runtime : for a kind that is not in the table: the module with its `predict`, as in
        `my_package.mean_runtime`. Its text goes into the bundle.
    hands_on : the columns that its runtime gives to its parts, in order, where these are others
        than `feature_names`; a model with transforms adds some.
    asks : what its runtime is told of an era beside the features, as a fifth argument: "number",
        "ids", "entity", "side:COLUMN". None: it takes four.
    """

    kind: str
    settings: dict[str, Any]
    arrays: dict[str, npt.NDArray[Any]]
    feature_names: tuple[str, ...]
    dtype: str
    parts: tuple[Exported, ...] = ()
    runtime: str = ""
    hands_on: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()


@runtime_checkable
class ExportableModel(Protocol):
    """A model that can be bundled for model upload. Optional; `info.exportable` says so."""

    def export(self) -> Exported:
        """Return the fitted model as plain values.

        A `StackingModel` is given its members' by name: `export(parts)`.

        Raises ModelError when these parameters have no such form.
        """
        ...


@runtime_checkable
class CarryingModel(Protocol):
    """A model that looks back, and whose export can carry what it needs of the past. Optional."""

    def export_with(self, history: EraFrame, era: int) -> Exported:
        """Return the fitted model as plain values, for era number `era` and later ones.

        Parameters
        ----------
        history : what `predict` would be given for that era.

        Raises ModelError when these parameters have no such form.
        """
        ...
