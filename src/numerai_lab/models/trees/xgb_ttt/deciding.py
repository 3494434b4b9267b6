"""The guard: joint training and adaptation only where held-out training eras gain from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from numerai_lab.config import Bootstrap
from numerai_lab.models.trees.xgb_ttt.guard import Block, Choices, Decision, label_overlap
from numerai_lab.models.trees.xgb_ttt.task import MIN_ERAS
from numerai_lab.scoring import paired
from numerai_lab.seeds import child_seed

Pair = tuple[float, float]
"""A weight of the auxiliary loss and a strength of the adaptation."""


def decide(blocks: Sequence[Block], choices: Choices, purge_eras: int, seed: int) -> Decision:
    """Choose the pair of weight and strength that surely gains in corr, or the default.

    A gain is sure when its 95 % block-bootstrap interval lies above 0.

    1. Strengths on the same trees are tried in ascending order, as long as each surely gains on
       the one before: over the eras of all trials together, and by its mean in each trial.
    2. A weight that puts other trees in place of the default's has to gain more: other trees
       alone change corr by as much as a second seed does, and the trees of a trial have learnt
       from fewer eras than the final ones will. Such a pair must surely gain on the default in
       each trial by itself, with a lower end above that of the strength from step 1.

    docs/research/ttt_trials.md compares this rule with others.
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
    trials = _Trials(blocks, purge_eras, seed)
    pair = _surest_weight(trials, choices, _surest_strength(trials, choices))
    together = [trials.gain(other, choices.default, blocks) for other in choices.pairs()]
    told = (
        [
            _row(block, [trials.gain(p, choices.default, [block]) for p in choices.pairs()])
            for block in blocks
        ],
        [asdict(gain) for gain in together],
    )
    if pair != choices.default:
        reason = f"{choices.name(pair)} chosen on {trials.shown(pair, choices.default)}"
        return Decision(*pair, reason, *told)
    what = "strength" if len(choices.weights) == 1 else "weight"
    if len(choices.weights) > 1 and len(choices.strengths) > 1:
        what = "weight and strength"
    best = choices.pairs()[int(np.argmax([gain.lower_end for gain in together]))]
    tried = choices.name(best).removeprefix("strength ")
    shown = trials.shown(best, choices.default)
    reason = f"{off}: no {what} gains for sure; {tried} on {shown}"
    return Decision(*choices.default, reason, *told)


@dataclass(frozen=True)
class Gain:
    """Mean gain in corr of a pair over another, with its interval; None without a score."""

    weight: float
    strength: float
    mean: float | None
    low: float | None
    high: float | None

    @property
    def lower_end(self) -> float:
        """The lower end of the interval, 0 without one."""
        return self.low or 0.0

    def __str__(self) -> str:
        mean = "no score" if self.mean is None else f"{self.mean:+.4f}"
        if self.low is None or self.high is None:
            return mean
        return f"{mean} [{self.low:+.4f}, {self.high:+.4f}]"


class _Trials:
    """The trials, and how pairs compare there."""

    def __init__(self, blocks: Sequence[Block], purge_eras: int, seed: int) -> None:
        self.blocks = blocks
        self._bootstrap = Bootstrap(samples=1000, block_eras=4 * label_overlap(purge_eras))
        self._seed = child_seed(seed, "xgb_ttt", "guard")

    def gain(self, pair: Pair, over: Pair, blocks: Sequence[Block]) -> Gain:
        """Return the gain of a pair over another on the eras of these trials."""
        compared = paired(
            np.concatenate([block.gains[pair] for block in blocks]),
            np.concatenate([block.gains[over] for block in blocks]),
            np.concatenate([block.eras for block in blocks]),
            20,
            self._bootstrap,
            self._seed,
        )
        return Gain(*pair, compared.mean_difference, compared.ci_low, compared.ci_high)

    def each(self, pair: Pair, over: Pair) -> list[Gain]:
        """Return the gain in each trial by itself."""
        return [self.gain(pair, over, [block]) for block in self.blocks]

    def shown(self, pair: Pair, over: Pair) -> str:
        """Say on which eras a pair gained how much."""
        spans = " and ".join(f"{block.judged[0]}-{block.judged[1]}" for block in self.blocks)
        means = " and ".join(
            "no score" if gain.mean is None else f"{gain.mean:+.4f}"
            for gain in self.each(pair, over)
        )
        return f"eras {spans} (gain {self.gain(pair, over, self.blocks)}; {means} apart)"


def _surest_strength(trials: _Trials, choices: Choices) -> Pair:
    """Return the highest strength on the default's trees up to which each surely gains.

    Each is compared with the one before. Where weights only change which trees read an era, this
    is done for each weight, and the pair with the highest lower end is taken.
    """
    best, lower_end = choices.default, 0.0
    for weight in choices.weights if choices.joint_reads else choices.default[:1]:
        reached = choices.default
        for strength in choices.strengths if choices.adapts(weight) else ():
            pair = weight, strength
            if strength <= reached[1]:
                continue
            if trials.gain(pair, reached, trials.blocks).lower_end <= 0:
                break
            if min(gain.mean or 0.0 for gain in trials.each(pair, reached)) <= 0:
                break
            reached = pair
        if reached != choices.default:
            low = trials.gain(reached, choices.default, trials.blocks).lower_end
            if low > lower_end:
                best, lower_end = reached, low
    return best


def _surest_weight(trials: _Trials, choices: Choices, strongest: Pair) -> Pair:
    """Return the surest pair on other trees if it is surer than `strongest`, else `strongest`."""
    best = strongest
    lower_end = 0.0
    if strongest != choices.default:
        lower_end = trials.gain(strongest, choices.default, trials.blocks).lower_end
    for pair in [] if choices.joint_reads else choices.pairs():
        if pair[0] == choices.default[0]:
            continue
        worse = min(gain.lower_end for gain in trials.each(pair, choices.default))
        if worse > lower_end:
            best, lower_end = pair, worse
    return best


def _row(block: Block, gains: Sequence[Gain] = ()) -> dict[str, Any]:
    return {
        "train": block.train,
        "judged": block.judged,
        "gains": [asdict(gain) for gain in gains],
        "note": block.note,
    }
