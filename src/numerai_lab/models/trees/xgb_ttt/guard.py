"""What the guard chooses among, what trials told it, and what it decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float64
from numerai_lab.models.trees.xgb_ttt.params import XGBTTTParams
from numerai_lab.models.trees.xgb_ttt.task import MIN_ERAS
from numerai_lab.scoring import long_run_std
from numerai_lab.splits import purge_for

STRENGTHS = (0.0, 0.25, 0.5, 1.0)
"""Strengths tried; 0 is the model unadapted."""
WEIGHTS = (0.0, 0.1, 0.5)
"""Weights of the auxiliary loss tried; 0 is model `xgb`."""


@dataclass(frozen=True)
class Choices:
    """What the guard chooses among: every weight with every strength.

    Attributes
    ----------
    weights, strengths : of the auxiliary loss, of the adaptation.
    default : the pair that is taken where none gains.
    only_joint_adapts : the method needs trees with auxiliary outputs, so weight 0 (the trees of
        `xgb`) goes with strength 0 only.
    joint_reads : jointly trained trees, if any, only tell the state of an era; what is adapted and
        predicts are the trees of `xgb`, whatever the weight.
    """

    weights: tuple[float, ...]
    strengths: tuple[float, ...]
    default: tuple[float, float]
    only_joint_adapts: bool = False
    joint_reads: bool = False

    @classmethod
    def of(cls, params: XGBTTTParams) -> Choices:
        """Return what is left open by the parameters."""
        weight, strength = params.auxiliary.weight, params.adapt.strength
        joint_reads = not params.predicts_with_joint_trees
        weights = WEIGHTS if weight == "auto" else (float(weight),)
        strengths = (float(strength),) if isinstance(strength, float) else STRENGTHS
        if weight == "auto" and params.adapt.needs_joint_trees:
            tried = tuple(sorted({0.0, *strengths}))
            return cls(weights, tried, (0.0, 0.0), only_joint_adapts=True, joint_reads=joint_reads)
        return cls(weights, strengths, (weights[0], strengths[0]), joint_reads=joint_reads)

    @property
    def nothing(self) -> str:
        """Say that all is off, where eras cannot be read."""
        return "adaptation off" if max(self.weights) == 0 else "joint training and adaptation off"

    @property
    def off(self) -> str:
        """Say what the default leaves off."""
        parts = ["joint training"] if len(self.weights) > 1 else []
        parts += ["adaptation"] if self.default[1] == 0 else []
        return f"{' and '.join(parts)} off"

    @property
    def open(self) -> bool:
        """Whether anything is to be chosen."""
        return len(self.weights) * len(self.strengths) > 1

    def adapts(self, weight: float) -> bool:
        """Whether trees of this weight can be adapted with any of the strengths."""
        return (weight > 0 or not self.only_joint_adapts) and max(self.strengths) > 0

    def pairs(self) -> list[tuple[float, float]]:
        """Return all pairs but the default."""
        both = [
            (weight, strength)
            for weight in self.weights
            for strength in self.strengths
            if (self.adapts(weight) if strength > 0 else not self.joint_reads)
        ]
        return [pair for pair in both if pair != self.default]

    def as_written(self) -> Decision:
        """Return the decision where nothing is open."""
        weight, strength = self.default
        reason = f"strength {strength:g} as written"
        if weight > 0:
            reason = f"weight {weight:g} and {reason}"
        return Decision(weight, strength, reason)

    def name(self, pair: tuple[float, float]) -> str:
        """Say a pair in words, without what is not open."""
        weight, strength = pair
        if len(self.weights) == 1:
            return f"strength {strength:g}"
        return f"weight {weight:g} with strength {strength:g}"


@dataclass(frozen=True)
class Block:
    """One trial: trained on the first eras, judged on later ones.

    Attributes
    ----------
    train, judged : first and last era. eras : judged era numbers.
    gains : (weight, strength) -> float64 [n_eras], corr minus that of the frozen trees; NaN
        without a score.
    note : why there were no gains, or empty.
    """

    train: tuple[int, int]
    judged: tuple[int, int]
    eras: npt.NDArray[np.int32]
    gains: dict[tuple[float, float], Float64]
    note: str = ""


@dataclass(frozen=True)
class Decision:
    """Weight and strength chosen, and why in a sentence.

    Attributes
    ----------
    blocks : the gains of every pair in each trial. together : those over both trials' eras.
    """

    weight: float
    strength: float
    reason: str
    blocks: list[dict[str, Any]] = field(default_factory=list)
    together: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, ready for JSON."""
        return asdict(self)


def label_overlap(purge_eras: int) -> int:
    """Return over how many eras labels overlap, at least 1: a purge is that and four more."""
    return max(1, purge_eras - purge_for(0))


def strength_from_history(
    eras: Sequence[int], gains: Sequence[Sequence[float]], purge_eras: int
) -> float:
    """Choose the strength with the highest mean gain minus one standard error, or 0.

    Parameters
    ----------
    eras : era numbers with known labels, increasing. gains : [n_eras, len(STRENGTHS)] there,
        over strength 0.
    purge_eras : tells the overlap of labels, for the long-run standard error.
    """
    numbers, table = np.asarray(eras, dtype=np.int32), np.asarray(gains, dtype=np.float64)
    if len(numbers) < MIN_ERAS:
        return 0.0
    known = np.isfinite(table).all(axis=1)
    numbers, table = numbers[known], table[known]
    bounds = []
    for column in table.T:
        std = long_run_std(column, numbers, 2 * label_overlap(purge_eras)) if len(column) else None
        bounds.append(column.mean() - std / np.sqrt(len(column)) if std else 0.0)
    best = int(np.argmax(bounds))
    return STRENGTHS[best] if bounds[best] > 0 else 0.0
