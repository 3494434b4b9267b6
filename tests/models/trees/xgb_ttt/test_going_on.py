"""`fit_more`: the trees grow, and what adapts them learns the new eras as it would have, live."""

import numpy as np
import pytest

from numerai_lab.models import cannot_go_on, get_model
from numerai_lab.models.trees.xgb_ttt import FROZEN
from ttt_world import context, regime_frame

XGBTTT, XGB = get_model("xgb_ttt"), get_model("xgb")
TREES = {"num_boost_round": 20, "max_depth": 3, "eta": 0.2}
PURGE = context().purge_eras


def fitted(frame, auxiliary=None, **adapt):
    adapt = {"method": "nearest_eras", **adapt}
    params = {**TREES, "auxiliary": auxiliary or {}, "adapt": adapt}
    model = XGBTTT(XGBTTT.Params.model_validate(params))
    model.fit(frame, context())
    return model


@pytest.fixture(scope="module")
def world():
    return regime_frame(1)


@pytest.mark.parametrize("refit_eras", [None, 7])
def test_the_trees_grow_as_those_of_xgb_and_new_eras_are_taken_in(world, refit_eras, tmp_path):
    train, new, judged = world.between(1, 90), world.between(91, 120), world.between(123, 140)
    model, plain = fitted(train, refit_eras=refit_eras), XGB(XGB.Params.model_validate(TREES))
    plain.fit(train, context())
    report = model.fit_more(new, context(), 7)
    plain.fit_more(new, context(), 7)
    assert (report.size, model.n_steps) == (7, 27)
    detail = model.predict_in_detail(judged.without_targets())
    assert np.array_equal(detail.variants[FROZEN], plain.predict(judged))
    assert not np.array_equal(detail.predictions, detail.variants[FROZEN])
    guarded = model.guarded
    assert len(guarded.adaptation.method.codes) == 120
    assert guarded.adaptation.support.eras[-1] == 120
    # labels of the first new eras overlap with those that the trees had learnt
    assert guarded.history.eras[-30 + PURGE :] == [*range(91 + PURGE, 121)]
    assert set(guarded.history.trained_to[-30 + PURGE :]) == {90}
    assert guarded.strength_at(121) == guarded.strength_at(123)  # as young as it was at first
    (tmp_path / "kept").mkdir()
    model.save(tmp_path / "kept")
    again = XGBTTT.load(tmp_path / "kept")
    assert np.array_equal(again.predict(judged), detail.predictions)


def test_what_lost_in_the_new_eras_is_off(world):
    """Their labels are turned round: what the adaptation knew is wrong there."""
    model = fitted(world.between(1, 90))
    assert model.guarded.strength > 0
    new = world.between(91, 120)
    turned = new.with_target("target", 1 - new.target("target"))
    report = model.fit_more(turned, context(), 3)
    assert model.guarded.strength == 0
    assert "turned down to 0" in report.notes[-1] or "off" in report.notes[-1]


def test_new_labels_do_not_change_what_was_gained_before_they_were_known(world):
    """Labels inside the purge of the last era are learnt, and decide nothing before."""
    new = world.between(91, 120)
    other = new.target("target").copy()
    late = np.repeat(new.eras > 120 - PURGE, np.diff(new.offsets))
    other[late] = 1 - other[late]
    one, two = (fitted(world.between(1, 90), refit_eras=5) for _ in range(2))
    one.fit_more(new, context(), 3)
    two.fit_more(new.with_target("target", other), context(), 3)
    before = len(one.guarded.history.eras) - PURGE
    assert one.guarded.history.gains[:before] == two.guarded.history.gains[:before]
    assert one.guarded.history.gains != two.guarded.history.gains


def test_small_trees_stay_and_jointly_trained_ones_cannot_go_on(world):
    small = {"trees": {"num_boost_round": 5, "bags": 2}, "strength": 0.5}
    leaves = fitted(world.between(1, 60), method="code_leaves", **small)
    before = leaves.guarded.adaptation.method.booster.save_raw()
    leaves.fit_more(world.between(61, 80), context(), 3)
    assert leaves.guarded.adaptation.method.booster.save_raw() == before
    assert cannot_go_on(leaves, "xgb_ttt") is None
    joint = fitted(
        world.between(1, 60),
        {"task": "feature_prediction", "held_out": 3, "weight": 0.5, "noise_ratio": 0},
        method="code_leaves",
        **small,
    )
    assert "trained jointly" in cannot_go_on(joint, "xgb_ttt")
