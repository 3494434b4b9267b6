"""xgb_ttt: frozen where it must be, better where the features reveal the regime, never NaN."""

import json
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from numerai_lab.models import check_model, get_model
from numerai_lab.models.trees.xgb_ttt import FROZEN
from numerai_lab.scoring import corr_per_era
from ttt_world import context, regime_frame

TREES = {"num_boost_round": 40, "max_depth": 3, "eta": 0.1}
XGBTTT = get_model("xgb_ttt")


def fitted(frame, ctx=None, auxiliary=None, **adapt):
    adapt = {"trees": {"num_boost_round": 20, "bags": 2}, **adapt}
    params = {**TREES, "adapt": adapt, "auxiliary": auxiliary or {}}
    model = XGBTTT(XGBTTT.Params.model_validate(params))
    return model, model.fit(frame, ctx or context())


def plain(frame, ctx=None):
    model = get_model("xgb")(get_model("xgb").Params.model_validate(TREES))
    model.fit(frame, ctx or context())
    return model


def corr(predictions, frame):
    return corr_per_era(predictions, frame.target("target"), frame.offsets)[:, 0]


@pytest.fixture(scope="module")
def linked():
    return regime_frame(1)


@pytest.fixture(scope="module")
def auto(linked):
    """The model with the guard's strength, fitted on eras 1-110 of the linked world."""
    return fitted(linked.between(1, 110))


# noise_ratio 0: the toy frames have no regime, and the adaptation must run nevertheless
EVERY = {"noise_ratio": 0}
FEW = {"trees": {"num_boost_round": 4, "bags": 2}}
JOINT = {**EVERY, "task": "feature_prediction", "held_out": 2, "weight": 0.5}


@pytest.mark.parametrize(
    ("auxiliary", "adapt"),
    [
        ({}, {}),
        (EVERY, {"strength": 1.0}),
        pytest.param({**EVERY, "codes": 3}, {"strength": 1.0}, marks=pytest.mark.slow),
        (EVERY, {"method": "nearest_eras", "strength": 0.5, "ridge": 0}),
        ({**EVERY, "task": "feature_prediction", "held_out": 2}, {"strength": 1.0, "steps": 2}),
        ({**EVERY, "task": "autoencoder", "bottleneck": 3}, {"strength": 1.0}),
        ({**EVERY, "task": "era_forecast"}, {"strength": 1.0}),
        (EVERY, {"strength": 1.0, "steps": "auto"}),
        (JOINT, {"strength": 1.0}),
        pytest.param(JOINT, {"strength": 1.0, "steps": "auto"}, marks=pytest.mark.slow),
        pytest.param(
            JOINT,
            {"method": "leaf_refresh", "strength": 1.0, "steps": "auto"},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            JOINT, {"code": "own_loss", "strength": 1.0, "steps": "auto"}, marks=pytest.mark.slow
        ),
        (JOINT, {"method": "leaf_refresh", "strength": 1.0}),
    ],
    ids=lambda part: "-".join(map(str, part.values())) or "defaults",
)
def test_keeps_the_promises_of_a_model(auxiliary, adapt):
    few = FEW if adapt and "method" not in adapt else {}
    check_model(XGBTTT, {"num_boost_round": 5, "auxiliary": auxiliary, "adapt": {**few, **adapt}})


def test_gains_where_the_features_reveal_the_regime(linked, auto):
    model, report = auto
    judged = linked.between(113, 140)
    detail = model.predict_in_detail(judged.without_targets())
    assert report.details["strength"] > 0
    assert "chosen on eras" in " ".join(report.notes)
    frozen = corr(detail.variants[FROZEN], judged)
    gain = corr(detail.predictions, judged) - frozen
    assert gain.mean() - 2 * gain.std() / np.sqrt(len(gain)) > 0.01
    control = corr(detail.variants["shuffled"], judged) - frozen
    assert gain.mean() - control.mean() > 0.01


@pytest.mark.parametrize("world", [{"moves": 0}, {"link": 0, "moves": 0}, {"link": 0}])
def test_is_exactly_the_frozen_model_where_there_is_nothing_to_gain(world):
    frame = regime_frame(1, **world)
    train, judged = frame.between(1, 110), frame.between(113, 140)
    model, report = fitted(train)
    assert "adaptation off" in " ".join(report.notes)
    assert np.array_equal(model.predict(judged), plain(train).predict(judged))


@pytest.mark.parametrize("method", ["code_leaves", "nearest_eras"])
def test_strength_0_is_exactly_model_xgb(linked, method):
    train, judged = linked.between(1, 60), linked.between(63, 70)
    frozen = plain(train).predict(judged)
    off, report = fitted(train, method=method, strength=0)
    assert np.array_equal(off.predict(judged), frozen)
    assert report.notes == ("strength 0 as written",)
    on, _ = fitted(train, method=method, strength=0.5)
    assert not np.array_equal(on.predict(judged), frozen)
    assert np.array_equal(on.predict_in_detail(judged).variants[FROZEN], frozen)


def test_strength_scales_the_change(linked):
    train, judged = linked.between(1, 60), linked.between(63, 70)
    frozen = plain(train).predict(judged)
    half, whole = (fitted(train, strength=a)[0].predict(judged) - frozen for a in (0.5, 1.0))
    assert np.allclose(2 * half, whole, atol=1e-6)


def test_frozen_trees_stop_early_as_model_xgb_does(linked):
    train, judged = linked.between(1, 60), linked.between(90, 100)
    ctx = context(stop=linked.between(63, 80), stop_patience=3)
    model, _ = fitted(train, ctx, strength=0.5)
    frozen = model.predict_in_detail(judged).variants[FROZEN]
    assert np.array_equal(frozen, plain(train, ctx).predict(judged))


def test_saved_model_predicts_the_same(linked, auto, tmp_path):
    model, _ = auto
    judged = linked.between(113, 118)
    model.save(tmp_path)
    again = XGBTTT.load(tmp_path)
    for mine, theirs in zip(
        _arrays(model.predict_in_detail(judged)),
        _arrays(again.predict_in_detail(judged)),
        strict=True,
    ):
        assert np.array_equal(mine, theirs)


def _arrays(detail):
    return [detail.predictions, *detail.variants.values()]


def test_a_second_fit_forgets_the_first(linked):
    model, _ = fitted(linked.between(1, 60), strength=1.0)
    model.fit(linked.between(1, 1), context())
    judged = linked.between(63, 64)
    assert np.array_equal(model.predict(judged), plain(linked.between(1, 1)).predict(judged))


def test_facts_of_each_era(linked, auto):
    model, _ = auto
    detail = model.predict_in_detail(linked.between(113, 118))
    assert set(detail.per_era) == {"seconds", "strength", "code_1", "support"}
    assert all(len(values) == 6 for values in detail.per_era.values())
    assert all(abs(code) <= 4 for code in detail.per_era["code_1"])
    assert np.array_equal(detail.predictions, model.predict(linked.between(113, 118)))


def with_features(frame, features):
    return replace(frame, features=np.ascontiguousarray(features))


def test_an_era_far_outside_the_training_range_stays_finite_and_clipped():
    frame = regime_frame(1, n_eras=60, dtype=np.float32)
    model, _ = fitted(frame.between(1, 50), strength=1.0, clip=1.5)
    features = frame.features.copy()
    far = frame.offsets[55]
    features[far:] = features[far:] * np.float32(1e30)
    features[far:, 3] = np.inf
    features[far:, 4] = np.nan
    features[far:, 1] = features[far:, 0]
    detail = model.predict_in_detail(with_features(frame, features).between(53, 60))
    assert np.isfinite(detail.predictions).all()
    assert max(abs(code) for code in detail.per_era["code_1"] if code is not None) <= 1.5


def test_too_few_training_eras_leave_it_frozen(linked):
    one, report = fitted(linked.between(5, 5))
    assert "adaptation off: 1 training eras can be read" in report.notes[-1]
    assert np.isfinite(one.predict(linked.between(9, 10))).all()
    _, report = fitted(linked.between(1, 50))
    assert "too few training eras" in report.notes[-1]


def test_more_features_than_are_read(linked):
    model, report = fitted(linked.between(1, 60), auxiliary={"max_features": 5}, strength=1.0)
    assert len(report.details["code"]["training_codes"]) == 60
    judged = linked.between(63, 70)
    detail = model.predict_in_detail(judged)
    assert not np.array_equal(detail.predictions, detail.variants[FROZEN])


def test_weights_reach_the_adapter(linked):
    train = linked.between(1, 60)
    n_recent = train.n_rows // 2
    weights = np.r_[np.zeros(train.n_rows - n_recent), np.ones(n_recent)].astype(np.float32)
    ones = np.ones(train.n_rows, np.float32)
    changes = []
    for given in (None, ones, weights):
        model, _ = fitted(train, context(weights=given), strength=1.0)
        detail = model.predict_in_detail(linked.between(63, 66))
        changes.append(detail.predictions - detail.variants[FROZEN])
    assert np.allclose(changes[0], changes[1])
    assert not np.allclose(changes[0], changes[2])


def test_fit_reports_the_guard_as_json(auto):
    _, report = auto
    guard = json.loads(json.dumps(report.details["guard"], allow_nan=False))
    assert [block["judged"] for block in guard["blocks"]] == [[56, 82], [83, 110]]
    # labels of the purged eras are in no trial
    assert [block["train"] for block in guard["blocks"]] == [[1, 53], [1, 80]]
    tried = [(gain["weight"], gain["strength"]) for gain in guard["blocks"][0]["gains"]]
    assert tried == [(0, 0.25), (0, 0.5), (0, 1)]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"adapt": {"strength": 1.5}}, "less than or equal to 1"),
        ({"adapt": {"strength": -0.1}}, "greater than or equal to 0"),
        ({"auxiliary": {"task": "no_such_task"}}, "feature_reconstruction"),
        ({"auxiliary": {"codes": 9}}, "less than or equal to 3"),
        ({"adapt": {"method": "online_linear"}}, "online_linear was removed: .* use nearest_eras"),
        ({"adapt": {"strength": "online"}}, "strength online was removed: .* refit_eras: 13"),
        ({"adapt": {"method": "self_refresh"}}, "self_refresh was removed: .* use code_leaves"),
        ({"objective": "rank:pairwise"}, "target's scale"),
        ({"adapt": {"strenght": 0.5}}, "strenght"),
    ],
)
def test_wrong_parameters_are_refused(params, said):
    with pytest.raises(ValidationError, match=said):
        XGBTTT.Params.model_validate(params)


def test_a_code_is_high_where_the_features_go_together(linked):
    """The code of the toy world follows the era's own factor share, which no label tells."""
    model, _ = fitted(linked.between(1, 110), strength=1.0)
    judged = linked.between(113, 140)
    codes = np.array(model.predict_in_detail(judged.without_targets()).per_era["code_1"])
    together = [
        np.abs(np.corrcoef(judged.features[rows].T)).mean() for _, rows in judged.iter_eras()
    ]
    assert np.corrcoef(codes, together)[0, 1] ** 2 > 0.8
