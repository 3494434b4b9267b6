"""What the guard chooses among, and what it decided."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Pair = tuple[float, float]
"""A weight of the auxiliary loss and a strength of the adaptation."""

STRENGTHS = (0.0, 0.25, 0.5, 1.0)
"""Strengths tried; 0 is the model unadapted."""
WEIGHTS = (0.0, 0.1, 0.5)
"""Weights of the auxiliary loss tried; 0 is the model trained without it."""


@dataclass(frozen=True)
class Decision:
    """Weight and strength chosen, and why in a sentence.

    Attributes
    ----------
    blocks : the gains of every pair in each trial. together : those over all trials' eras.
    by_age : the strength and its gain by the age of the model (`ageing.AgeSpan`), youngest first;
        empty where the strength is the same at any age.
    open : whether it was left to the guard, and may be decided anew.
    """

    weight: float
    strength: float
    reason: str
    blocks: list[dict[str, Any]] = field(default_factory=list)
    together: list[dict[str, Any]] = field(default_factory=list)
    by_age: list[dict[str, Any]] = field(default_factory=list)
    open: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, ready for JSON."""
        return asdict(self)

    @property
    def said(self) -> str:
        """The reason, and how the strength falls with age, for a note."""
        if not self.by_age:
            return self.reason
        steps: list[list[Any]] = []
        for span in self.by_age:
            if not steps or steps[-1][0] != span["strength"]:
                steps.append([span["strength"], span["last"]])
            steps[-1][1] = span["last"]
        spans = ", ".join(f"{strength:g} up to {last} eras" for strength, last in steps if strength)
        last = max((last for strength, last in steps if strength), default=0)
        beyond = f", 0 beyond {last}" if last else "0 at any age"
        return f"{self.reason}; by age of the model: {spans}{beyond}"


@dataclass(frozen=True)
class Choices:
    """What the guard chooses among: every weight with every strength.

    Attributes
    ----------
    weights, strengths : of the auxiliary loss, of the adaptation.
    default : the pair that is taken where none gains.
    adapts_without_weight : whether a model trained without the auxiliary loss can be adapted; if
        not, weight 0 goes with strength 0 only.
    weight_changes_f : whether a weight trains another f. If not, f is the same for every weight,
        and what is trained with the auxiliary loss only reads eras.
    """

    weights: tuple[float, ...]
    strengths: tuple[float, ...]
    default: Pair
    adapts_without_weight: bool = True
    weight_changes_f: bool = True

    @classmethod
    def left_open(
        cls,
        weight: float | Literal["auto"],
        strength: float | Literal["auto"],
        *,
        adapts_without_weight: bool = True,
        weight_changes_f: bool = True,
    ) -> Choices:
        """Return what is left open where a weight or a strength is not a number."""
        strengths = STRENGTHS if isinstance(strength, str) else (float(strength),)
        weights = WEIGHTS if isinstance(weight, str) else (float(weight),)
        if isinstance(weight, str) and not adapts_without_weight:
            strengths = tuple(sorted({0.0, *strengths}))
        default = weights[0], strengths[0]
        return cls(weights, strengths, default, adapts_without_weight, weight_changes_f)

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
        """Whether what this weight gives can be adapted with any of the strengths."""
        return (weight > 0 or self.adapts_without_weight) and max(self.strengths) > 0

    def pairs(self) -> list[Pair]:
        """Return all pairs but the default."""
        both = [
            (weight, strength)
            for weight in self.weights
            for strength in self.strengths
            if (self.adapts(weight) if strength > 0 else self.weight_changes_f)
        ]
        return [pair for pair in both if pair != self.default]

    def as_written(self) -> Decision:
        """Return the decision where nothing is open."""
        weight, strength = self.default
        reason = f"strength {strength:g} as written"
        if weight > 0:
            reason = f"weight {weight:g} and {reason}"
        return Decision(weight, strength, reason)

    def nothing_to_read(self, reason: str) -> Decision:
        """Return the decision where training eras cannot be read: all is off."""
        what = "adaptation" if max(self.weights) == 0 else "joint training and adaptation"
        return Decision(0.0, 0.0, f"{what} off: {reason}")

    def name(self, pair: Pair) -> str:
        """Say a pair in words, without what is not open."""
        weight, strength = pair
        if len(self.weights) == 1:
            return f"strength {strength:g}"
        return f"weight {weight:g} with strength {strength:g}"
