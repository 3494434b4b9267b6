"""How pairs of weight and strength compare with one another in trials: gains with their tails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from numerai_lab.arrays import Eras, Float64
from numerai_lab.config import Bootstrap
from numerai_lab.models.adapting.choices import Choices, Pair
from numerai_lab.models.adapting.trials import Trial, label_overlap
from numerai_lab.scoring import interval_of_mean

RUN_ERAS = 26
"""Half a year: the stretch whose worst mean counts, and whose last one is looked at."""
WORST_RUN = -0.0025
"""No strength is taken that lost more corr than this on average over any half year of the trials:
half of what a live model is to lose at most, as the worst of the past is not that of the future."""


@dataclass(frozen=True)
class Gain:
    """Mean gain in corr of one pair over another, with its interval; None without a score.

    Attributes
    ----------
    worst_run : the lowest mean over 26 consecutive eras, or over all if they are fewer.
    """

    mean: float | None
    low: float | None
    high: float | None
    worst_run: float | None = None

    @property
    def lower_end(self) -> float:
        """The lower end of the interval, 0 without one."""
        return self.low or 0.0

    @property
    def sure(self) -> bool:
        """Whether the interval lies above 0, and no half year lost too much."""
        return self.lower_end > 0 and (self.worst_run or 0.0) >= WORST_RUN

    def __str__(self) -> str:
        mean = "no score" if self.mean is None else f"{self.mean:+.4f}"
        if self.low is None or self.high is None:
            return mean
        return f"{mean} [{self.low:+.4f}, {self.high:+.4f}]"


def worst_run(gains: Float64, eras: int = RUN_ERAS) -> float | None:
    """Return the lowest mean over so many consecutive values, or over all if they are fewer."""
    if not len(gains):
        return None
    n = min(eras, len(gains))
    sums = np.cumsum(np.concatenate([[0.0], gains]))
    return float((sums[n:] - sums[:-n]).min() / n)


def describe(eras: Eras, gains: Float64, purge_eras: int, seed: int) -> Gain:
    """Describe the gains of some eras in order, without missing ones.

    Parameters
    ----------
    purge_eras : tells the overlap of labels and so the length of the bootstrap's blocks.
    """
    bootstrap = Bootstrap(samples=1000, block_eras=4 * label_overlap(purge_eras))
    low, high, _ = interval_of_mean(gains, eras, 20, bootstrap, seed)
    mean = float(gains.mean()) if len(gains) else None
    return Gain(mean, low, high, worst_run(gains))


class Compared:
    """How pairs compare with one another, and with their controls, in the trials."""

    def __init__(
        self, trials: Sequence[Trial], choices: Choices, purge_eras: int, seed: int
    ) -> None:
        self.trials, self.choices = trials, choices
        self._purge_eras, self._seed = purge_eras, seed

    def gain(
        self, pair: Pair, over: Pair | None = None, trials: Sequence[Trial] | None = None
    ) -> Gain:
        """Return the gain over another pair (the default) on the eras of some trials (all)."""
        eras, difference, _ = self.differences(pair, over, trials)
        return self.of(eras, difference)

    def each(self, pair: Pair, over: Pair | None = None) -> list[Gain]:
        """Return the gain in each trial by itself."""
        return [self.gain(pair, over, [trial]) for trial in self.trials]

    def differences(
        self, pair: Pair, over: Pair | None = None, trials: Sequence[Trial] | None = None
    ) -> tuple[Eras, Float64, Eras]:
        """Return eras in order, the gain in each, and its distance from the end of training."""
        other = self.choices.default if over is None else over
        chosen = self.trials if trials is None else trials
        return _in_order(chosen, [t.gains[pair] - t.gains[other] for t in chosen])

    def over_control(self, pair: Pair, trials: Sequence[Trial]) -> Gain | None:
        """Return the gain over the pair's own control; None where no trial has one."""
        having = [trial for trial in trials if pair in trial.controls]
        if not having:
            return None
        eras, gains, _ = _in_order(having, [t.gains[pair] - t.controls[pair] for t in having])
        return self.of(eras, gains)

    def beats_control(self, pair: Pair) -> bool:
        """Whether the pair surely gains more than its control, if it has one."""
        over = self.over_control(pair, self.trials)
        return over is None or over.lower_end > 0

    def of(self, eras: Eras, gains: Float64) -> Gain:
        """Describe the gains of some eras in order, without missing ones."""
        return describe(eras, gains, self._purge_eras, self._seed)

    def told(self, trials: Sequence[Trial]) -> list[dict[str, Any]]:
        """Return the gains of all pairs on the eras of these trials, ready for JSON."""
        rows = []
        for pair in self.choices.pairs():
            weight, strength = pair
            gain = asdict(self.gain(pair, trials=trials))
            over = self.over_control(pair, trials)
            control = {} if over is None else {"over_control": asdict(over)}
            rows.append({"weight": weight, "strength": strength, **gain, **control})
        return rows

    def shown(self, pair: Pair) -> str:
        """Say on which eras a pair gained how much."""
        eras = [f"{trial.judged[0]}-{trial.judged[1]}" for trial in self.trials]
        spans = " and ".join(eras) if len(eras) < 4 else f"{eras[0]} to {eras[-1]}"
        each = self.each(pair)
        means = ["no score" if gain.mean is None else f"{gain.mean:+.4f}" for gain in each]
        apart = f"{' and '.join(means)} apart"
        if len(means) > 3:
            apart = f"above 0 in {sum((g.mean or 0.0) > 0 for g in each)} of {len(each)}"
        over = self.over_control(pair, self.trials)
        control = "" if over is None else f"; {over} over its control"
        return f"eras {spans} (gain {self.gain(pair)}; {apart}{control})"


def _in_order(trials: Sequence[Trial], gains: Sequence[Float64]) -> tuple[Eras, Float64, Eras]:
    """Lay the eras of trials end to end in order of time, without those that have no score."""
    eras = np.concatenate([trial.eras for trial in trials])
    ages = np.concatenate([trial.eras - trial.train[1] for trial in trials])
    values = np.concatenate(gains)
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(eras[known], kind="stable")]
    return eras[order], values[order], ages[order]
