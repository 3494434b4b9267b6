"""Several adaptations of which one predicts: who is chosen, by what, and when it changes."""

import json

import numpy as np
import pytest

from adapting_model import PURGE, Slope, f, world
from numerai_lab.models.adapting import STRENGTHS, Decision, Guarded, Rivals, Trial


def rival(gain, strength=1.0, slope=2.0, refit_eras=None, last=None):
    """One that gained so much in each of 60 eras, with a little noise; `last`: in its last 26."""
    table = gain + 0.01 * np.random.default_rng(1).normal(size=60)
    if last is not None:
        table[-26:] = last
    gains = {(0.0, a): a * table for a in STRENGTHS}
    trials = [Trial((1, 84), (93, 152), np.arange(93, 153, dtype=np.int32), gains)]
    model = Guarded("slope", "slope", 5, "target", PURGE, refit_eras)
    model.begin(Slope(slope), Decision(0.0, strength, "as told", open=True), trials, 152)
    return model


def chosen(before=None, **all_):
    rivals = Rivals(all_, 7, PURGE)
    rivals.choose(before)
    return rivals.name


def test_the_surest_gain_is_taken_and_where_none_gains_the_first():
    assert chosen(a=rival(0.01), b=rival(0.03), c=rival(0.02)) == "b"
    assert chosen(a=rival(0.0, 0.0), b=rival(0.03, 0.0)) == "a"
    assert chosen(a=rival(0.0, 0.0), b=rival(0.005, 0.25)) == "b"
    # what counts is what the strength in use gained, not what another would have
    assert chosen(a=rival(0.02, 1.0), b=rival(0.03, 0.25)) == "a"


def test_another_takes_over_only_where_it_surely_gains_more():
    slightly = {"a": rival(0.03), "b": rival(0.0301)}
    slightly["b"].history.gains = [
        [0.0, *(g + 0.02 * np.sin(i) + 0.001 for g in gains[1:])]
        for i, gains in enumerate(slightly["a"].history.gains)
    ]
    assert chosen(**slightly) == "b"
    assert chosen("a", **slightly) == "a"
    assert chosen("a", a=rival(0.01), b=rival(0.03)) == "b"
    assert chosen("a", a=rival(0.0, 0.0), b=rival(0.0, 0.0)) == "a"
    assert chosen("a", a=rival(0.0, 0.0), b=rival(0.03, 0.25)) == "b"
    assert chosen("gone", a=rival(0.01), b=rival(0.03)) == "b"


@pytest.fixture
def turning():
    """Two that gained alike, of which the first is wrong about the eras that come."""
    rivals = Rivals(
        {
            "wrong": rival(0.05, slope=-2.0, refit_eras=13),
            "right": rival(0.049, slope=2.0, refit_eras=13),
        },
        7,
        PURGE,
    )
    rivals.choose(None)
    assert rivals.name == "wrong"
    return rivals, world(link=2.0, n_eras=60, first=160)


def test_the_ones_watched_take_over_by_what_they_would_have_gained(turning, tmp_path):
    rivals, frame = turning
    for era in range(161, 200):
        one = frame.between(era, era)
        rivals.chosen.predict(one.without_targets(), f(one))
        rivals.watch(one.without_targets(), f(one))
        if era > 161 + PURGE:
            known = frame.between(era - PURGE - 1, era - PURGE - 1)
            rivals.observe(known, f(known))
    assert (rivals.begun, rivals.name) == ("wrong", "right")
    assert rivals.all["wrong"].strength == 0
    facts = json.loads(json.dumps(rivals.save(tmp_path)))
    again = Rivals(
        {n: Guarded("slope", "slope", 5, "target", PURGE, 13) for n in ("wrong", "right")}, 7, PURGE
    )
    again.restore(tmp_path, facts, lambda _, folder: Slope.load(folder))
    assert again.name == "right"
    assert [*again.all] == ["wrong", "right"]
    live = frame.between(205, 205).without_targets()
    assert np.array_equal(again.chosen.predict(live, f(live)), rivals.chosen.predict(live, f(live)))
    assert again.told() == rivals.told()


def test_going_through_eras_after_the_fit_is_the_same_as_having_been_live(turning):
    rivals, frame = turning
    rivals.replay(frame.between(161, 199), f(frame.between(161, 199)))
    assert rivals.name == "right"


def test_labels_of_one_era_change_nothing_before_they_are_observed(turning):
    rivals, frame = turning
    one = frame.between(170, 170)
    before = rivals.chosen.predict(one.without_targets(), f(one))
    rivals.watch(one, f(one))
    assert np.array_equal(rivals.chosen.predict(one.without_targets(), f(one)), before)
    assert rivals.name == "wrong"
