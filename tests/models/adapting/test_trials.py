"""Trials and the guarded model with a small made-up adaptation, which is no tree and no code."""

import json
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pytest

from numerai_lab.eraframe import EraFrame
from numerai_lab.models import FitContext
from numerai_lab.models.adapting import (
    STRENGTHS,
    Adapted,
    Candidate,
    Choices,
    Fitted,
    GainHistory,
    Guarded,
    decide,
    run_trials,
)
from numerai_lab.scoring import corr_per_era

ROWS, PURGE = 50, 6
OPEN = Choices.left_open(0.0, "auto")
CTX = FitContext(seed=5, target="target", targets=("target",), purge_eras=PURGE)


def world(link=0.0, tilt=0.0, n_eras=120, seed=0, first=1):
    """Eras whose third feature tells the state s; labels follow x0 + link s x1 + tilt x1."""
    rng = np.random.default_rng(seed)
    states = np.repeat(rng.normal(size=n_eras), ROWS)
    x = rng.normal(size=(n_eras * ROWS, 3))
    x[:, 2] += states
    labels = x[:, 0] + (link * states + tilt) * x[:, 1] + 2 * rng.normal(size=len(x))
    return EraFrame(
        features=x.astype(np.float32),
        eras=np.arange(first, first + n_eras, dtype=np.int32),
        offsets=np.arange(n_eras + 1, dtype=np.int64) * ROWS,
        ids=pa.array([f"r{i}" for i in range(len(x))]),
        targets=labels.astype(np.float32)[:, None],
        feature_names=("x0", "x1", "x2"),
        target_names=("target",),
    )


def f(frame):
    return frame.features[:, 0].copy()


@dataclass
class Slope:
    """Adds slope * state * x1; with `blind` the state of an era is not asked for."""

    slope: float
    blind: bool = False
    online: bool = False
    controlled: bool = False
    states: list = field(default_factory=lambda: [np.array([s]) for s in (-1.0, 0.5)])
    heard: list = field(default_factory=list)

    @classmethod
    def fit(cls, past, **more):
        new = cls(0.0, **more)
        x1, labels = past.features[:, 1], past.target("target")
        pulled = [new.state(past.features[rows]) * x1[rows] for _, rows in past.iter_eras()]
        pulled = np.concatenate(pulled)
        new.slope = float(pulled @ labels / (pulled @ pulled))
        return new

    def state(self, features):
        return np.ones(1) if self.blind else features[:, 2:].mean(axis=0)

    def change(self, number, features, predictions, state):
        factor = 1.0 if self.blind else state[0]
        return (self.slope * factor * features[:, 1]).astype(np.float32)

    def adapt(self, number, features, predictions):
        self.heard.append(("predicts", number))
        if number == 100:
            return "era 100 is never read"
        state = self.state(features)
        control = None
        if self.controlled:
            control = self.change(number, features, predictions, self.states[number % 2])
        change = self.change(number, features, predictions, state)
        return Adapted(change, state, 0.1, {"mean": float(state[0])}, control=control)

    def observe(self, number, features, predictions, labels):
        self.heard.append(("observes", number))
        self.slope += float(labels.mean()) if self.online else 0.0

    def save(self, folder):
        (folder / "slope.json").write_text(json.dumps([self.slope, self.online]))

    @classmethod
    def load(cls, folder):
        slope, online = json.loads((folder / "slope.json").read_text())
        return cls(slope, online=online)


def fit_with(made=None, **more):
    def fit(past, judged):
        assert judged.target_names == ()  # no label of a judged era is ever shown
        adaptation = Slope.fit(past, **more)
        if made is not None:
            made.append((past, adaptation))
        return Fitted(f(judged), [Candidate(0.0, f(judged), adaptation)])

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


# --- the guarded model


def guarded(adaptation, strength=0.5, window=None, trials=()):
    model = Guarded("slope", "slope", 5, "target", PURGE, window)
    decision = replace(decide([], OPEN, PURGE, 0), strength=strength)
    return model, model.begin(adaptation, decision, trials)


def test_the_strength_scales_the_change_and_0_is_f():
    era = world(link=2.0).between(99, 101)
    model, _ = guarded(Slope(1.0))
    expected = f(era)
    for _, rows in [*era.iter_eras()][::2]:
        features = era.features[rows]
        expected[rows] += np.float32(0.5) * features[:, 1] * features[:, 2].mean()
    assert np.allclose(model.predict(era, f(era)), expected, atol=1e-6)
    detail, states = model.predict_apart(era, f(era))
    assert np.array_equal(detail.predictions, model.predict(era, f(era)))
    assert detail.per_era["strength"] == [0.5, 0.0, 0.5]
    assert detail.notes == ("1 of 3 eras predicted by the unadapted slope: era 100 is never read",)
    assert [state is None for state in states] == [False, True, False]
    for off in (guarded(Slope(1.0), 0.0)[0], Guarded("slope", "slope", 5, "target", PURGE)):
        assert np.array_equal(off.predict(era, f(era)), f(era))
        assert not off.online


def test_the_control_has_the_states_of_other_eras():
    frame = world(link=2.0).between(1, 40)
    model, _ = guarded(Slope(1.0))
    _, states = model.predict_apart(frame, f(frame))
    others = model.draw_others(1, states)
    assert sorted(s[0] for s in others) == sorted(s[0] for s in states)
    assert any(s[0] != o[0] for s, o in zip(states, others, strict=True))
    control = model.predict_control(frame, f(frame), others)
    assert not np.array_equal(control, model.predict(frame, f(frame)))
    assert np.array_equal(
        model.predict_control(frame, f(frame), states), model.predict(frame, f(frame))
    )
    (alone,) = model.draw_others(1, states[:1])
    assert alone in model.adaptation.states
    assert model.draw_others(1, [None, None]) == [None, None]


def test_a_strength_online_follows_the_gains_of_known_eras_and_is_saved(tmp_path):
    frame = world(link=2.0)
    trials = run_trials(frame, CTX, OPEN, fit_with())
    model, decision = guarded(Slope(2.0), 0.25, window=40, trials=trials)
    assert model.online
    assert decision.strength == model.strength == 1
    assert "at first 1" in decision.reason
    turned = world(link=-2.0, n_eras=40, seed=3, first=127)
    model.observe(turned, f(turned))
    assert model.strength == 0
    facts = json.loads(json.dumps(model.save(tmp_path)))
    again = Guarded("slope", "slope", 5, "target", PURGE, 40)
    again.restore(tmp_path, facts, Slope.load)
    assert (again.strength, again.online) == (0, True)
    _, states = again.predict_apart(frame.between(1, 1), f(frame.between(1, 1)))
    assert again.draw_others(1, states) == model.draw_others(1, states)
    back = world(link=2.0, n_eras=60, seed=4, first=167)
    again.observe(back, f(back))
    assert again.strength == 1


def test_a_history_without_sure_gains_says_0():
    rng = np.random.default_rng(0)
    eras = [*range(1, 61)]
    noise = GainHistory(eras, (0.02 * rng.normal(size=(60, len(STRENGTHS)))).tolist())
    assert noise.strength(60, PURGE) == 0
    short = GainHistory(eras[:19], [[0.0, 0.01, 0.02, 0.03 + 0.001 * e] for e in eras[:19]])
    assert short.strength(60, PURGE) == 0
    one_more = GainHistory(eras[:20], [[0.0, 0.01, 0.02, 0.03 + 0.001 * e] for e in eras[:20]])
    assert one_more.strength(60, PURGE) == 1
