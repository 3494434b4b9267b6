"""The guard: weight and strength above 0 only where held-out training eras surely gain.

A model predicts f + strength x change(era). f is its prediction unadapted; it may have been trained
with an auxiliary loss, which has a weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from numerai_lab.arrays import Float64
from numerai_lab.config import Bootstrap
from numerai_lab.models.adapting.choices import Choices, Decision, Pair
from numerai_lab.models.adapting.trials import MIN_ERAS, Trial, label_overlap
from numerai_lab.scoring import interval_of_mean


def decide(trials: Sequence[Trial], choices: Choices, purge_eras: int, seed: int) -> Decision:
    """Choose the pair of weight and strength that surely gains in corr, or the default.

    A gain is sure when its 95 % block-bootstrap interval lies above 0.

    1. Strengths on the same f are tried in ascending order, as long as each surely gains on the
       one before: over the eras of all trials together, and by its mean in each trial.
    2. A weight that puts another f in place of the default's has to gain more: training anew
       changes corr by as much as a second seed does, and a trial trains on fewer eras than the
       final fit. Such a pair must surely gain on the default in each trial by itself, with a lower
       end above that of the strength from step 1.
    3. Where the trials have a control, a pair must surely gain more than its control.

    docs/research/ttt_trials.md compares this rule with others.

    Parameters
    ----------
    trials : as `run_trials` returns them, or made from models that were fitted and judged before.
    purge_eras : tells the overlap of labels and so the length of the bootstrap's blocks.
    seed : of the bootstrap.
    """
    if not choices.open:
        return choices.as_written()
    if not trials:
        least = f"{4 * MIN_ERAS} eras and the purge"
        reason = f"{choices.off}: too few training eras to try it on ({least})"
        return Decision(*choices.default, reason)
    without = [trial for trial in trials if trial.note]
    if without:
        reason = f"{choices.off}: {without[0].note}, in eras up to {without[0].train[1]}"
        return Decision(*choices.default, reason, [_row(trial) for trial in trials])
    compared = _Compared(trials, choices, purge_eras, seed)
    pair = _surest_weight(compared, _surest_strength(compared))
    blocks = [_row(trial, compared.told([trial])) for trial in trials]
    return Decision(*pair, _reason(compared, pair), blocks, compared.told(trials))


@dataclass(frozen=True)
class _Gain:
    """Mean gain in corr of one pair over another, with its interval; None without a score."""

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


class _Compared:
    """How pairs compare with one another, and with their controls, in the trials."""

    def __init__(
        self, trials: Sequence[Trial], choices: Choices, purge_eras: int, seed: int
    ) -> None:
        self.trials, self.choices = trials, choices
        self._bootstrap = Bootstrap(samples=1000, block_eras=4 * label_overlap(purge_eras))
        self._seed = seed

    def gain(
        self, pair: Pair, over: Pair | None = None, trials: Sequence[Trial] | None = None
    ) -> _Gain:
        """Return the gain over another pair (the default) on the eras of some trials (all)."""
        other = self.choices.default if over is None else over
        trials = self.trials if trials is None else trials
        return self._gain(trials, [(t.gains[pair], t.gains[other]) for t in trials])

    def each(self, pair: Pair, over: Pair | None = None) -> list[_Gain]:
        """Return the gain in each trial by itself."""
        return [self.gain(pair, over, [trial]) for trial in self.trials]

    def over_control(self, pair: Pair, trials: Sequence[Trial]) -> _Gain | None:
        """Return the gain over the pair's own control; None where no trial has one."""
        having = [trial for trial in trials if pair in trial.controls]
        if not having:
            return None
        return self._gain(having, [(t.gains[pair], t.controls[pair]) for t in having])

    def beats_control(self, pair: Pair) -> bool:
        """Whether the pair surely gains more than its control, if it has one."""
        over = self.over_control(pair, self.trials)
        return over is None or over.lower_end > 0

    def _gain(self, trials: Sequence[Trial], scores: Sequence[tuple[Float64, Float64]]) -> _Gain:
        eras = np.concatenate([trial.eras for trial in trials])
        difference = np.concatenate([mine - other for mine, other in scores])
        known = ~np.isnan(difference)
        difference, eras = difference[known], eras[known]
        low, high, _ = interval_of_mean(difference, eras, 20, self._bootstrap, self._seed)
        return _Gain(float(difference.mean()) if len(difference) else None, low, high)

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
        spans = " and ".join(f"{trial.judged[0]}-{trial.judged[1]}" for trial in self.trials)
        means = " and ".join(
            "no score" if gain.mean is None else f"{gain.mean:+.4f}" for gain in self.each(pair)
        )
        over = self.over_control(pair, self.trials)
        control = "" if over is None else f"; {over} over its control"
        return f"eras {spans} (gain {self.gain(pair)}; {means} apart{control})"


def _surest_strength(compared: _Compared) -> Pair:
    """Return the highest strength on the default's f up to which each surely gains.

    Each is compared with the one before. Where a weight only changes how an era is read, this is
    done for each weight, and the pair with the highest lower end is taken.
    """
    choices = compared.choices
    best, lower_end = choices.default, 0.0
    for weight in choices.default[:1] if choices.weight_changes_f else choices.weights:
        reached = choices.default
        for strength in choices.strengths if choices.adapts(weight) else ():
            pair = weight, strength
            if strength <= reached[1]:
                continue
            if compared.gain(pair, reached).lower_end <= 0 or not compared.beats_control(pair):
                break
            if min(gain.mean or 0.0 for gain in compared.each(pair, reached)) <= 0:
                break
            reached = pair
        if reached != choices.default:
            low = compared.gain(reached).lower_end
            if low > lower_end:
                best, lower_end = reached, low
    return best


def _surest_weight(compared: _Compared, strongest: Pair) -> Pair:
    """Return the surest pair with another f if it is surer than `strongest`, else `strongest`."""
    choices, best, lower_end = compared.choices, strongest, 0.0
    if strongest != choices.default:
        lower_end = compared.gain(strongest).lower_end
    for pair in choices.pairs() if choices.weight_changes_f else ():
        if pair[0] == choices.default[0]:
            continue
        worse = min(gain.lower_end for gain in compared.each(pair))
        if worse > lower_end and compared.beats_control(pair):
            best, lower_end = pair, worse
    return best


def _reason(compared: _Compared, chosen: Pair) -> str:
    choices = compared.choices
    if chosen != choices.default:
        return f"{choices.name(chosen)} chosen on {compared.shown(chosen)}"
    what = "strength" if len(choices.weights) == 1 else "weight"
    if len(choices.weights) > 1 and len(choices.strengths) > 1:
        what = "weight and strength"
    best = max(choices.pairs(), key=lambda pair: compared.gain(pair).lower_end)
    surely_gains = compared.gain(best).lower_end > 0
    more = " more than its control" if surely_gains and not compared.beats_control(best) else ""
    tried = choices.name(best).removeprefix("strength ")
    return f"{choices.off}: no {what} gains{more} for sure; {tried} on {compared.shown(best)}"


def _row(trial: Trial, gains: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    return {
        "train": trial.train,
        "judged": trial.judged,
        "gains": [*gains],
        "note": trial.note,
    }
