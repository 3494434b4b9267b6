"""What training takes: asked before a run begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Shape:
    """The size of a fit.

    Attributes
    ----------
    n_rows, n_features : of the training rows.
    n_targets : targets that the model may train on.
    feature_bytes : bytes of one value: 1 for int8, 4 for float32.
    device : where the run asks the model to compute.
    """

    n_rows: int
    n_features: int
    n_targets: int = 1
    feature_bytes: int = 1
    device: Literal["cpu", "cuda"] = "cpu"


@dataclass(frozen=True)
class Needs:
    """Bytes that training takes at its peak, at least.

    Attributes
    ----------
    host : beside the rows themselves. device : of the GPU; 0 where none is used or it is not known.
    columns : that the model adds to the features; their bytes are in `host`.
    """

    host: int
    device: int = 0
    columns: int = 0
