"""A guarded adaptation: prediction, control, later labels, what is kept; and a model around it."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapting_model import CTX, PURGE, Slope, Tilted, f, world
from honest_model import Honest
from numerai_lab.models import check_model
from numerai_lab.models.adapting import (
    STRENGTHS,
    Decision,
    Guarded,
    Support,
    Trial,
)
from numerai_lab.scoring import corr_per_era


def guarded(adaptation, strength=0.5, refit_eras=None, trials=(), trained_to=None):
    model = Guarded("slope", "slope", 5, "target", PURGE, refit_eras)
    decision = Decision(0.0, strength, "as written", open=bool(trials))
    return model, model.begin(adaptation, decision, trials, trained_to)


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
    own, trained = ({s[0] for s in some} for some in (states, model.adaptation.states))
    assert {o[0] for o in others} <= own | trained
    assert all(s[0] != o[0] for s, o in zip(states, others, strict=True))
    alike = [np.array([1.5])] * 40  # a state that lasts for as long as the eras do
    drawn = {o[0] for o in model.draw_others(1, alike)}
    assert drawn & trained
    control = model.predict_control(frame, f(frame), others)
    assert not np.array_equal(control, model.predict(frame, f(frame)))
    assert np.array_equal(
        model.predict_control(frame, f(frame), states), model.predict(frame, f(frame))
    )
    (alone,) = model.draw_others(1, states[:1])
    assert alone in model.adaptation.states
    assert model.draw_others(1, [None, None]) == [None, None]


def history(gain, last=26):
    """A trial fitted on eras 1-84, judged on 93-126, whose last eras gained so much."""
    table = np.full(34, 0.1)
    table[-last:] = gain
    gains = {(0.0, a): a * table for a in STRENGTHS}
    return [Trial((1, 84), (93, 126), np.arange(93, 127, dtype=np.int32), gains)]


def test_after_enough_known_eras_the_strength_is_decided_anew_and_kept(tmp_path):
    model, _ = guarded(Slope(2.0), 1.0, refit_eras=13, trials=history(0.1), trained_to=126)
    assert model.online
    turned = world(link=-2.0, n_eras=40, seed=3, first=136)
    model.replay(turned.between(136, 147), f(turned.between(136, 147)))
    assert model.strength == 1  # twelve eras are not enough
    for era in range(148, 176):
        known = turned.between(era, era)
        model.predict(known.without_targets(), f(known))
        model.observe(known, f(known))
    assert model.strength == 0
    facts = json.loads(json.dumps(model.save(tmp_path)))
    again = Guarded("slope", "slope", 5, "target", PURGE, 13)
    again.restore(tmp_path, facts, Slope.load)
    assert (again.strength, again.online) == (0, True)
    assert again.history == model.history
    _, states = again.predict_apart(turned, f(turned))
    assert states == [None] * 40


def test_gains_are_those_of_predictions_made_before_labels_were_known():
    """What is observed unpredicted teaches, but is no evidence; what was predicted is, once."""
    frame = world(link=2.0, n_eras=30, first=201)
    model, _ = guarded(Slope(2.0, online=True), 1.0, refit_eras=100, trained_to=200)
    model.observe(frame.between(201, 205), f(frame.between(201, 205)))
    assert model.history.eras == []
    model.replay(frame.between(206, 230), f(frame.between(206, 230)))
    # 206 lies within the purge of 200, the last era that f has learnt from
    assert model.history.eras == [*range(207, 231)]
    assert set(model.history.trained_to) == {200}
    told = [word for word in model.adaptation.heard if word[1] >= 206]
    assert told[: PURGE + 3] == [
        *(("predicts", era) for era in range(206, 213)),
        ("observes", 206),
        ("predicts", 213),
    ]


@settings(max_examples=25, deadline=None)
@given(st.floats(-60, 60), st.integers(1, 3))
def test_a_change_fades_where_training_eras_have_no_such_codes(place, n_codes):
    """Full among the codes seen, gone far from them, and in between the smaller the farther."""
    rng = np.random.default_rng(n_codes)
    codes = rng.normal(size=(260, n_codes))
    support = Support(np.arange(1, 261, dtype=np.int32), codes)
    assert support.factor(codes[100]) == 1
    way = np.ones(n_codes) / np.sqrt(n_codes)
    along = [support.factor(k * place * way) for k in np.linspace(0.2, 1, 9)]
    distances = [support.distance(k * place * way) for k in np.linspace(0.2, 1, 9)]
    order = np.argsort(distances)
    assert np.all(np.diff(np.asarray(along)[order]) <= 1e-12)
    assert all(0 <= factor <= 1 for factor in along)
    if min(distances) > 2 * support.limit:
        assert max(along) == 0


def test_what_was_seen_in_one_half_year_only_has_no_support():
    codes = np.zeros((260, 1))
    codes[:, 0] = np.random.default_rng(0).normal(size=260) * 0.1
    codes[130:150] = 3.0
    support = Support(np.arange(1, 261, dtype=np.int32), codes)
    assert support.factor(np.array([3.0])) == 0
    again = Support.from_arrays(support.arrays())
    assert (again.limit, again.factor(np.array([0.3]))) == (
        support.limit,
        support.factor(np.array([0.3])),
    )


def test_prediction_and_control_fade_alike():
    frame = world(link=2.0).between(1, 40)
    whole, _ = guarded(Slope(1.0))
    _, states = whole.predict_apart(frame, f(frame))
    support = Support(frame.eras[:20], np.stack(states[:20]) / 50)
    faded, _ = guarded(Slope(1.0, support=support))
    detail, _ = faded.predict_apart(frame, f(frame))
    factors = np.repeat(np.float32(detail.per_era["support"]), np.diff(frame.offsets))
    assert 0 == factors.min() < factors.max()
    change = whole.predict(frame, f(frame)) - f(frame)
    assert np.allclose(detail.predictions - f(frame), factors * change, atol=1e-6)
    control = faded.predict_control(frame, f(frame), states)
    assert np.allclose(control, detail.predictions, atol=1e-6)


def test_the_strength_is_that_of_the_era_s_distance_from_training():
    frame = world(link=2.0, n_eras=60, first=201).without_targets()
    model, _ = guarded(Slope(1.0), trained_to=200)
    model.decision = replace(
        model.decision,
        by_age=[{"last": 26, "strength": 0.5}, {"last": 52, "strength": 0.25}],
    )
    detail, states = model.predict_apart(frame, f(frame))
    told = detail.per_era["strength"]
    assert (told[:26], told[26:52], told[52:]) == ([0.5] * 26, [0.25] * 26, [0.0] * 8)
    assert np.array_equal(detail.predictions[52 * 50 :], f(frame)[52 * 50 :])
    (note,) = detail.notes
    assert note.startswith("8 of 60 eras predicted by the unadapted slope: it is older than")
    assert states[-1] is None
    assert model.strength_at(150) == 0.5  # an era that f has learnt from


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


@pytest.mark.parametrize("params", [{}, {"strength": 0.5}, {"refit_eras": 13}])
def test_it_keeps_the_promises_of_a_model(params):
    check_model(Tilted, params)


@pytest.mark.parametrize(("n", "step", "n_codes"), [(230, 1, 3), (26, 1, 1), (60, 4, 2), (1, 1, 1)])
def test_a_support_that_grows_era_by_era_is_that_of_all_of_them(n, step, n_codes):
    eras = np.arange(n + 40, dtype=np.int32) * step + 5
    codes = np.random.default_rng(n).normal(size=(n + 40, n_codes))
    grown = Support.from_arrays(Support(eras[:n], codes[:n]).arrays())
    for i in range(n, n + 40):
        grown = grown.with_era(int(eras[i]), codes[i])
        whole = Support(eras[: i + 1], codes[: i + 1])
        assert grown.limit == whole.limit
        assert grown.factor(2 * codes[0]) == whole.factor(2 * codes[0])
