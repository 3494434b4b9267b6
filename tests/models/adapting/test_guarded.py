"""A guarded adaptation: prediction, control, later labels, what is kept; and a model around it."""

import json

import numpy as np
import pytest

from adapting_model import CTX, PURGE, Slope, Tilted, f, world
from honest_model import Honest
from numerai_lab.models import check_model
from numerai_lab.models.adapting import (
    STRENGTHS,
    Decision,
    GainHistory,
    Guarded,
    Trial,
)
from numerai_lab.scoring import corr_per_era


def guarded(adaptation, strength=0.5, window=None, trials=()):
    model = Guarded("slope", "slope", 5, "target", PURGE, window)
    return model, model.begin(adaptation, Decision(0.0, strength, "as written"), trials)


def test_the_strength_scales_the_change_and_0_is_f():
    era = world(link=2.0).between(99, 101)
    model, _ = guarded(Slope(1.0))
    expected = f(era)
    for _, rows in [*era.iter_eras()][::2]:
        features = era.features[rows]
        expected[rows] += np.float32(0.5) * features[:, 1] * features[:, 2].mean()
    given = f(era)
    assert np.allclose(model.predict(era, given), expected, atol=1e-6)
    assert np.array_equal(given, f(era))
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
    rising = np.linspace(0.1, 0.2, 30)
    gains = {(0.0, a): a * rising for a in STRENGTHS}
    trials = [Trial((1, 84), (91, 120), np.arange(91, 121, dtype=np.int32), gains)]
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


def corr(predictions, frame):
    return corr_per_era(predictions, frame.target("target"), frame.offsets)[:, 0].mean()


@pytest.mark.parametrize("link", [2.0, 0.0])
def test_a_model_of_any_kind_adapts_where_that_surely_gains(link):
    frame = world(link=link)
    train, judged = frame.between(1, 90), frame.between(101, 120)
    model, plain = Tilted(Tilted.Params()), Honest(Tilted.Params())
    report, _ = model.fit(train, CTX), plain.fit(train, CTX)
    if link:
        assert report.details["strength"] == 1
        assert corr(model.predict(judged), judged) > corr(plain.predict(judged), judged) + 0.1
    else:
        assert "adaptation off" in report.notes[0]
        assert np.array_equal(model.predict(judged), plain.predict(judged))


@pytest.mark.parametrize("strength", ["auto", 0.5, "online"])
def test_it_keeps_the_promises_of_a_model(strength):
    check_model(Tilted, {"strength": strength})
