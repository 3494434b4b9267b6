"""The guard: joint training and adaptation only where held-out training eras gain from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.config import Bootstrap
from numerai_lab.models.xgb_ttt.params import XGBTTTParams
from numerai_lab.models.xgb_ttt.task import MIN_ERAS
from numerai_lab.scoring import long_run_std, paired
from numerai_lab.seeds import child_seed
from numerai_lab.splits import purge_for

Float64 = npt.NDArray[np.float64]

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
    joint_only : only trees with auxiliary outputs can be adapted.
    """

    weights: tuple[float, ...]
    strengths: tuple[float, ...]
    default: tuple[float, float]
    joint_only: bool = False

    @classmethod
    def of(cls, params: XGBTTTParams) -> Choices:
        """Return what is left open by the parameters."""
        weight, strength = params.auxiliary.weight, params.adapt.strength
        weights = WEIGHTS if weight == "auto" else (float(weight),)
        strengths = (float(strength),) if isinstance(strength, float) else STRENGTHS
        if weight == "auto" and params.adapt.needs_joint_trees:
            return cls(weights, tuple(sorted({0.0, *strengths})), (0.0, 0.0), joint_only=True)
        return cls(weights, strengths, (weights[0], strengths[0]))

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
        return (weight > 0 or not self.joint_only) and max(self.strengths) > 0

    def pairs(self) -> list[tuple[float, float]]:
        """Return all pairs but the default."""
        both = [(w, a) for w in self.weights for a in self.strengths if a == 0 or self.adapts(w)]
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


@dataclass(frozen=True)
class Gain:
    """Mean gain in corr of a pair over the default, with its interval; None without a score."""

    weight: float
    strength: float
    mean: float | None
    low: float | None
    high: float | None


def decide(blocks: Sequence[Block], choices: Choices, purge_eras: int, seed: int) -> Decision:
    """Choose the weight and strength that are surest to gain, or the default.

    What must lie above 0 is the 95 % block-bootstrap interval of the mean gain over the default.
    For a strength on the same trees: over the eras of both trials together, with a gain in each.
    For a weight, which grows other trees: in each trial, because other trees differ by as much as
    a second seed does, and those of a trial are fed less than the final ones. The pair with the
    highest lower end is taken. (docs/ttt.md compares this rule with others, in worlds.)
    """
    off = choices.off
    if not blocks:
        least = f"{4 * MIN_ERAS} eras and the purge"
        reason = f"{off}: too few training eras to try it on ({least})"
        return Decision(*choices.default, reason)
    without = [block for block in blocks if block.note]
    if without:
        reason = f"{off}: {without[0].note}, in eras up to {without[0].train[1]}"
        return Decision(*choices.default, reason, [_row(block) for block in blocks])
    pairs = choices.pairs()
    trials = [_gains([block], choices, purge_eras, seed) for block in blocks]
    together = _gains(blocks, choices, purge_eras, seed)
    told = (
        [_row(block, found) for block, found in zip(blocks, trials, strict=True)],
        [asdict(gain) for gain in together],
    )
    sure = [
        _surely(together[i], [found[i] for found in trials], pair[0] != choices.default[0])
        for i, pair in enumerate(pairs)
    ]
    best = int(np.argmax(sure))
    means = " and ".join(_mean(found[best]) for found in trials)
    spans = " and ".join(f"{block.judged[0]}-{block.judged[1]}" for block in blocks)
    shown = f"eras {spans} (gain {_shown(together[best])}; {means} apart)"
    if sure[best] > 0:
        return Decision(*pairs[best], f"{choices.name(pairs[best])} chosen on {shown}", *told)
    what = "strength" if len(choices.weights) == 1 else "weight"
    if len(choices.weights) > 1 and len(choices.strengths) > 1:
        what = "weight and strength"
    tried = choices.name(pairs[best]).removeprefix("strength ")
    reason = f"{off}: no {what} gains for sure; {tried} on {shown}"
    return Decision(*choices.default, reason, *told)


def _gains(blocks: Sequence[Block], choices: Choices, purge_eras: int, seed: int) -> list[Gain]:
    """Return the gain of every pair over the default, on the eras of these trials."""
    bootstrap = Bootstrap(samples=1000, block_eras=4 * label_overlap(purge_eras))
    eras = np.concatenate([block.eras for block in blocks])
    default = np.concatenate([block.gains[choices.default] for block in blocks])
    found = []
    for pair in choices.pairs():
        gained = np.concatenate([block.gains[pair] for block in blocks])
        named = child_seed(seed, "xgb_ttt", "guard")
        gain = paired(gained, default, eras, 20, bootstrap, named)
        found.append(Gain(*pair, gain.mean_difference, gain.ci_low, gain.ci_high))
    return found


def _surely(together: Gain, trials: Sequence[Gain], other_trees: bool) -> float:
    """Return the lower end that must be above 0; at most 0 where a trial did not gain."""
    if other_trees:
        return min(gain.low or 0.0 for gain in trials)
    if min(gain.mean or 0.0 for gain in trials) <= 0:
        return min(0.0, together.low or 0.0)
    return together.low or 0.0


def _row(block: Block, gains: Sequence[Gain] = ()) -> dict[str, Any]:
    return {
        "train": block.train,
        "judged": block.judged,
        "gains": [asdict(gain) for gain in gains],
        "note": block.note,
    }


def _mean(gain: Gain) -> str:
    return "no score" if gain.mean is None else f"{gain.mean:+.4f}"


def _shown(gain: Gain) -> str:
    if gain.low is None or gain.high is None:
        return _mean(gain)
    return f"{_mean(gain)} [{gain.low:+.4f}, {gain.high:+.4f}]"


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
