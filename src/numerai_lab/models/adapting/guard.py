"""The guard: weight and strength above 0 only where held-out training eras surely gain.

A model predicts f + strength x change(era). f is its prediction unadapted; it may have been trained
with an auxiliary loss, which has a weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numerai_lab.models.adapting.ageing import by_age
from numerai_lab.models.adapting.choices import Choices, Decision, Pair
from numerai_lab.models.adapting.compared import RUN_ERAS, Compared, Gain
from numerai_lab.models.adapting.trials import MIN_ERAS, Trial


def decide(
    trials: Sequence[Trial],
    choices: Choices,
    purge_eras: int,
    seed: int,
    before: float | None = None,
    *,
    recorded: bool = True,
) -> Decision:
    """Choose the pair of weight and strength that surely gains in corr, or the default.

    A gain is sure when its 95 % block-bootstrap interval lies above 0, and no 26 consecutive eras
    of the trials lost more than .0025 on average (`compared.WORST_RUN`).

    1. Strengths on the same f are tried in ascending order, as long as each surely gains on the
       one before: over the eras of all trials together, and by its mean in more than two thirds of
       the trials.
    2. A weight that puts another f in place of the default's has to gain more: training anew
       changes corr by as much as a second seed does, and a trial trains on fewer eras than the
       final fit. Such a pair must surely gain on the default in each trial by itself, with a lower
       end above that of the strength from step 1.
    3. Where the trials have a control, a pair must surely gain more than its control.
    4. A strength that lost over the last 26 eras of the trials is turned down to 0 at once, and one
       that rises goes up by one step from the decision `before`: it comes back slowly.
    5. The strength falls with the age of the model (`by_age`).

    docs/research/ttt_trials.md and docs/research/adaptation.md compare this rule with others.

    Parameters
    ----------
    trials : as `run_trials` returns them, or made from models that were fitted and judged before.
    purge_eras : tells the overlap of labels and so the length of the bootstrap's blocks.
    seed : of the bootstrap.
    before : the strength decided last time; None: there was none.
    recorded : whether the gains of all pairs are told, for a record (`Decision.blocks`).
    """
    if not choices.open:
        return choices.as_written()
    if not trials:
        least = f"{4 * MIN_ERAS} eras and the purge"
        reason = f"{choices.off}: too few training eras to try it on ({least})"
        return Decision(*choices.default, reason, open=True)
    without = [trial for trial in trials if trial.note]
    if without:
        reason = f"{choices.off}: {without[0].note}, in eras up to {without[0].train[1]}"
        rows = [_row(trial) for trial in trials]
        return Decision(*choices.default, reason, rows, open=True)
    compared = Compared(trials, choices, purge_eras, seed)
    pair = _surest_weight(compared, _surest_strength(compared))
    reason = _reason(compared, pair)
    pair, held = _held_back(compared, pair, before)
    spans = by_age(compared, pair) if pair[1] > 0 else []
    ages = [span.as_dict() for span in spans]
    if not recorded:
        return Decision(*pair, reason + held, by_age=ages, open=True)
    blocks = [_row(trial, compared.told([trial])) for trial in trials]
    return Decision(*pair, reason + held, blocks, compared.told(trials), ages, True)


def _surest_strength(compared: Compared) -> Pair:
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
            if not compared.gain(pair).sure or not _steady(compared.each(pair, reached)):
                break
            reached = pair
        if reached != choices.default:
            low = compared.gain(reached).lower_end
            if low > lower_end:
                best, lower_end = reached, low
    return best


def _surest_weight(compared: Compared, strongest: Pair) -> Pair:
    """Return the surest pair with another f if it is surer than `strongest`, else `strongest`."""
    choices, best, lower_end = compared.choices, strongest, 0.0
    if strongest != choices.default:
        lower_end = compared.gain(strongest).lower_end
    for pair in choices.pairs() if choices.weight_changes_f else ():
        if pair[0] == choices.default[0]:
            continue
        worse = min(gain.lower_end for gain in compared.each(pair))
        if worse > lower_end and compared.beats_control(pair) and compared.gain(pair).sure:
            best, lower_end = pair, worse
    return best


def _steady(each: Sequence[Gain]) -> bool:
    """Whether more than two thirds of the trials gain on average; of two, both."""
    return 3 * sum((gain.mean or 0.0) > 0 for gain in each) > 2 * len(each)


def _held_back(compared: Compared, pair: Pair, before: float | None) -> tuple[Pair, str]:
    """Turn down at once what lost of late, and let it come back by one step at a time."""
    weight, strength = pair
    rungs = compared.choices.strengths
    if strength == 0 or len(rungs) == 1:
        return pair, ""
    _, gains, _ = compared.differences(pair)
    late = gains[-RUN_ERAS:]
    if len(late) and late.mean() < 0:
        said = f"; turned down to {rungs[0]:g}, as it lost in the last {len(late)} eras"
        return (weight, rungs[0]), f"{said} ({late.mean():+.4f})"
    if before is not None and strength > before:
        step = next(a for a in rungs if a > before)
        if step < strength:
            return (weight, step), f"; {step:g} for now, one step above the {before:g} of before"
    return pair, ""


def _reason(compared: Compared, chosen: Pair) -> str:
    choices = compared.choices
    if chosen != choices.default:
        return f"{choices.name(chosen)} chosen on {compared.shown(chosen)}"
    what = "strength" if len(choices.weights) == 1 else "weight"
    if len(choices.weights) > 1 and len(choices.strengths) > 1:
        what = "weight and strength"
    best = max(choices.pairs(), key=lambda pair: compared.gain(pair).lower_end)
    gain = compared.gain(best)
    if gain.lower_end > 0 and not gain.sure:
        tried, lost = choices.name(best).removeprefix("strength "), gain.worst_run or 0.0
        return (
            f"{choices.off}: {tried} gains on {compared.shown(best)}, but lost {-lost:.4f} on "
            f"average over its worst {RUN_ERAS} eras"
        )
    surely_gains = gain.lower_end > 0
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
