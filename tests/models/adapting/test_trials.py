"""Trials of a small made-up adaptation: what it gains, and which labels it never sees."""

from dataclasses import replace

import numpy as np
import pytest

from adapting_model import CTX, PURGE, Slope, f, world
from numerai_lab.models.adapting import (
    Candidate,
    Choices,
    FittedTrial,
    Guarded,
    decide,
    run_trials,
)
from numerai_lab.scoring import corr_per_era

OPEN = Choices.left_open(0.0, "auto")


def fit_with(made=None, **more):
    def fit(past, judged):
        assert judged.target_names == ()  # no label of a judged era is ever shown
        adaptation = Slope.fit(past, **more)
        if made is not None:
            made.append((past, adaptation))
        return FittedTrial(f(judged), [Candidate(0.0, f(judged), adaptation)])

    return fit


def decided(frame, **more):
    trials = run_trials(frame, CTX, OPEN, fit_with(**more))
    return decide(trials, OPEN, PURGE, seed=1), trials


def test_a_sure_gain_is_taken_with_its_strength():
    decision, trials = decided(world(link=2.0), controlled=True)
    assert decision.strength == 1
    assert [trial.judged for trial in trials] == [(61, 90), (91, 120)]
    assert [trial.train for trial in trials] == [(1, 54), (1, 84)]
    assert decision.reason.startswith("strength 1 chosen on eras 61-90 and 91-120 (gain +0.")
    assert decision.together[2]["over_control"]["low"] > 0


def test_without_a_gain_the_strength_is_0():
    decision, trials = decided(world(link=0.0))
    assert decision.strength == 0
    assert decision.reason.startswith("adaptation off: no strength gains for sure; ")
    assert all(np.isfinite(gains).all() for trial in trials for gains in trial.gains.values())


def test_what_the_control_gains_as_well_is_left_off():
    """A tilt that is the same in all eras gains; but no era's own state has a part in it."""
    frame = world(tilt=2.0)
    assert decided(frame, blind=True)[0].strength == 1
    decision, trials = decided(frame, blind=True, controlled=True)
    assert decision.strength == 0
    assert "no strength gains more than its control for sure" in decision.reason
    for trial in trials:
        assert all(np.array_equal(trial.controls[p], gain) for p, gain in trial.gains.items())


def test_gains_are_those_of_corr_and_0_where_an_era_is_not_read():
    frame = world(link=2.0)
    made = []
    (_, last) = run_trials(frame, CTX, OPEN, fit_with(made))
    i = last.eras.tolist().index(100)
    assert all(gains[i] == 0 for gains in last.gains.values())
    era = frame.between(95, 95)
    model = Guarded("slope", "slope", 5, "target", PURGE)
    model.begin(made[1][1], replace(decide([], OPEN, PURGE, 0), strength=0.5), [])
    gain = corr(model.predict(era, f(era)), era) - corr(f(era), era)
    assert last.gains[0.0, 0.5][last.eras == 95] == pytest.approx(gain)


def corr(predictions, era):
    return corr_per_era(predictions, era.target("target"), era.offsets)[0, 0]


def with_other_labels(frame, first, last):
    targets = frame.targets.copy()
    targets[np.isin(frame.row_eras, np.arange(first, last + 1))] *= -3
    return replace(frame, targets=targets)


@pytest.mark.parametrize("online", [False, True])
def test_no_label_of_the_purge_or_of_later_eras_reaches_a_trial(online):
    frame = world(link=2.0)
    first, second = run_trials(frame, CTX, OPEN, fit_with(online=online))
    purged = with_other_labels(frame, 55, 60)
    later = with_other_labels(frame, 91, 120)
    for changed in (purged, later):
        again, _ = run_trials(changed, CTX, OPEN, fit_with(online=online))
        assert again.eras.tobytes() == first.eras.tobytes()
        for pair, gains in first.gains.items():
            assert again.gains[pair].tobytes() == gains.tobytes()
    _, other = run_trials(with_other_labels(frame, 1, 54), CTX, OPEN, fit_with(online=online))
    assert not np.array_equal(other.gains[0.0, 1.0], second.gains[0.0, 1.0])


def test_a_judged_label_is_known_only_after_the_purge():
    frame, made = world(link=2.0), []
    first, _ = run_trials(frame, CTX, OPEN, fit_with(made, online=True))
    heard = made[0][1].heard
    assert heard[: PURGE + 3] == [
        *(("predicts", era) for era in range(61, 68)),
        ("observes", 61),
        ("predicts", 68),
    ]
    again, _ = run_trials(with_other_labels(frame, 70, 70), CTX, OPEN, fit_with(online=True))
    differs = again.gains[0.0, 1.0] != first.gains[0.0, 1.0]
    assert set(first.eras[differs]) == {70, *range(77, 91)}


def test_too_few_eras_and_eras_that_cannot_be_read_leave_it_off():
    decision, trials = decided(world(n_eras=60))
    assert trials == []
    assert decision.reason.startswith("adaptation off: too few training eras to try it on (80 eras")
    trials = run_trials(world(), CTX, OPEN, lambda past, judged: "nothing moves")
    decision = decide(trials, OPEN, PURGE, seed=1)
    assert decision.strength == 0
    assert decision.reason == "adaptation off: nothing moves, in eras up to 54"
    written = Choices.left_open(0.0, 0.25)
    assert decide([], written, PURGE, seed=1).reason == "strength 0.25 as written"
