"""What features add to a prediction: the model's own contributions, or sampled Shapley values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float64
from numerai_lab.eraframe import EraFrame
from numerai_lab.models import CONTRIBUTION_TOLERANCE, Contributions

LARGEST = 5
"""Features that are named for each member."""
Attribute = Callable[[EraFrame, npt.NDArray[np.int64]], tuple[Contributions, ...]]
"""Explains rows of a frame of whole eras, without targets."""
ROWS_AT_ONCE = 500
"""Of a large era, so many rows are explained between two signs of progress: a live era of 7,000
rows x 780 features takes 78 s of CPU time with 2,000 trees."""


def in_pieces(
    attribute: Attribute,
    frame: EraFrame,
    rows: npt.NDArray[np.int64],
    told: Callable[[int], None],
) -> tuple[Contributions, ...]:
    """Explain rows of one era, a piece after another; the values are those of all at once.

    Parameters
    ----------
    told : is called after each piece with how many of the rows are explained.
    """
    pieces = []
    for start in range(0, len(rows), ROWS_AT_ONCE):
        pieces.append(attribute(frame, rows[start : start + ROWS_AT_ONCE]))
        told(min(start + ROWS_AT_ONCE, len(rows)))
    return tuple(_joined(parts) for parts in zip(*pieces, strict=True))


def _joined(parts: Sequence[Contributions]) -> Contributions:
    """Put contributions of one output to the next rows of the same era together."""
    first = parts[0]
    return replace(
        first,
        values=np.concatenate([part.values for part in parts]),
        raw=np.concatenate([part.raw for part in parts]),
        beside={
            name: np.concatenate([part.beside[name] for part in parts]) for name in first.beside
        },
    )


@dataclass(frozen=True)
class Total:
    """What features add to the prediction as a whole.

    Attributes
    ----------
    values : float64 [n_rows, n_features]. raw : float64 [n_rows], up to a constant their sum with
        all of `beside` (name -> float64 [n_rows]).
    """

    values: Float64
    raw: Float64
    beside: Mapping[str, Float64]


def total_of(members: tuple[Contributions, ...]) -> Total:
    """Add up members as their blend does: each output in its own standard deviation, by weight.

    A blend ranks each member's output within the era before it weighs it. A sum is what that is
    near to; a member whose output is constant adds nothing. One member is its own total.

    Parameters
    ----------
    members : contributions to the same rows of one era.
    """
    if len(members) == 1:
        only = members[0]
        return Total(only.values.astype(np.float64), only.raw, dict(only.beside))
    values = np.zeros(members[0].values.shape)
    raw, beside = np.zeros(len(values)), dict[str, Float64]()
    for member in members:
        spread = float(member.raw.std())
        factor = member.weight / spread if spread > 0 else 0.0
        values += factor * member.values
        raw += factor * member.raw
        for name, more in member.beside.items():
            beside[name] = beside.get(name, np.zeros(len(raw))) + factor * more
    return Total(values, raw, beside)


def gap_sentence(largest: float) -> str:
    """Say how well contributions sum to the output."""
    fine = largest <= CONTRIBUTION_TOLERANCE
    holds = "within" if fine else "NOT within"
    return (
        f"contributions sum to the raw output {holds} {CONTRIBUTION_TOLERANCE:g} "
        f"(furthest apart {largest:.1e})"
    )


class MemberSizes:
    """How much each feature adds to each member's own output, over eras."""

    def __init__(self) -> None:
        self._weights: dict[str, float] = {}
        self._sizes: dict[str, list[Float64]] = {}

    def add(self, members: Sequence[Contributions]) -> None:
        """Add the drawn rows of an era."""
        for member in members:
            self._weights[member.name] = member.weight
            size = np.abs(member.values).mean(axis=0, dtype=np.float64)
            self._sizes.setdefault(member.name, []).append(size)

    def facts(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """Return name and weight of each member, and its largest features with their shares."""
        found = []
        for name, weight in self._weights.items():
            size = np.mean(self._sizes[name], axis=0)
            whole = float(size.sum())
            first = np.argsort(-size, kind="stable")[:LARGEST].tolist()
            largest = [
                {"feature": names[i], "share": float(size[i]) / whole} for i in first if size[i] > 0
            ]
            found.append({"name": name, "weight": weight, "largest": largest})
        return found
