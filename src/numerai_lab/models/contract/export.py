"""A fitted model as plain values, for a bundle that runs where this package is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy.typing as npt


@dataclass(frozen=True)
class Exported:
    """A fitted model as plain values, for a bundle that runs where this package is not.

    Attributes
    ----------
    kind : which of the bundle's ways to predict: `trees` (one sum), `blend` (ranks of several
        sums) or `adaptive` (a sum and what the era's rows add to it).
    settings : JSON values that the kind reads.
    arrays : name -> array.
    feature_names, dtype : the features trained on, in order, and `int8` or `float32`.
    """

    kind: Literal["trees", "blend", "adaptive"]
    settings: dict[str, Any]
    arrays: dict[str, npt.NDArray[Any]]
    feature_names: tuple[str, ...]
    dtype: str


@runtime_checkable
class ExportableModel(Protocol):
    """A model that can be bundled for model upload. Optional; `info.exportable` says so."""

    def export(self) -> Exported:
        """Return the fitted model as plain values.

        Raises ModelError when these parameters have no such form.
        """
        ...
