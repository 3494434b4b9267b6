"""xgb_ttt on eras and training sets that say little or nonsense: frozen and said, never NaN."""

from dataclasses import replace

import numpy as np
import pytest

from numerai_lab.eraframe import MISSING_INT8
from numerai_lab.models import get_model
from ttt_world import context, regime_frame

XGBTTT = get_model("xgb_ttt")
TREES = {"num_boost_round": 15, "max_depth": 3, "eta": 0.2}
HELD = {"task": "feature_prediction", "held_out": 3, "noise_ratio": 0}
ADAPTER = {"num_boost_round": 15, "bags": 2}
KINDS = {
    "code_leaves": {},
    "feature_prediction": {"auxiliary": HELD},
    "autoencoder": {"auxiliary": {"task": "autoencoder", "bottleneck": 4}},
    "era_forecast": {"auxiliary": {"task": "era_forecast"}},
    "joint code_leaves": {"auxiliary": {"weight": 0.5}},
    "own_loss": {"auxiliary": {"weight": 0.5}, "adapt": {"code": "own_loss"}},
    "leaf_refresh": {"auxiliary": {**HELD, "weight": 0.5}, "adapt": {"method": "leaf_refresh"}},
    "nearest_eras": {"adapt": {"method": "nearest_eras"}},
}


def fitted(kind, frame, **adapt):
    params = {**TREES, **KINDS[kind]}
    params["adapt"] = {"strength": 1.0, "trees": ADAPTER, **params.get("adapt", {}), **adapt}
    model = XGBTTT(XGBTTT.Params.model_validate(params))
    return model, model.fit(frame, context())


def alone(model, frame):
    """What a model that looks back is given where no earlier era is known."""
    return {"history": frame.between(0, -1)} if model.history_eras else {}


def odd_eras(frame):
    """Six eras: as it was, all missing, all constant, one feature varies, 19 rows, some missing."""
    features = frame.features.copy()
    missing = MISSING_INT8 if features.dtype == np.int8 else np.nan
    rows = [slice(a, b) for a, b in zip(frame.offsets[:-1], frame.offsets[1:], strict=True)]
    features[rows[1]] = missing
    features[rows[2]] = 1
    features[rows[3], 1:] = 0
    rng = np.random.default_rng(0)
    features[rows[5]][rng.random((rows[5].stop - rows[5].start, features.shape[1])) < 0.4] = missing
    kept = np.r_[: rows[4].start + 19, rows[5].start : rows[5].stop]
    return replace(frame, features=np.ascontiguousarray(features)).take(kept.astype(np.int64))


@pytest.fixture(scope="module")
def world():
    return regime_frame(1, n_eras=70, n_rows=100)


@pytest.fixture(scope="module")
def floats():
    return regime_frame(1, n_eras=70, n_rows=100, dtype=np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_eras_that_say_nothing_stay_unadapted_and_are_counted(world, kind):
    model, report = fitted(kind, world.between(1, 60))
    assert report.details["strength"] == 1
    judged = odd_eras(world.between(63, 68))
    detail = model.predict_in_detail(judged, **alone(model, judged))
    base = detail.variants.get("joint", detail.variants["frozen"])
    changed = [not np.array_equal(detail.predictions[r], base[r]) for _, r in judged.iter_eras()]
    assert changed == [True, False, False, False, False, True]
    assert sorted(detail.notes)[:2] == [
        "1 of 6 eras predicted by the unadapted trees: fewer than 20 rows",
        "3 of 6 eras predicted by the unadapted trees: fewer than two features that vary",
    ]
    for values in (detail.predictions, *detail.variants.values()):
        assert np.isfinite(values).all()
    assert [seconds is None for seconds in detail.per_era["seconds"]] == [not c for c in changed]


@pytest.mark.parametrize("kind", KINDS)
def test_float_features_far_outside_the_training_range_stay_finite(floats, kind):
    model, _ = fitted(kind, floats.between(1, 60))
    judged = floats.between(63, 66)
    features = judged.features.copy()
    rows = slice(int(judged.offsets[1]), int(judged.offsets[2]))
    features[rows] = (features[rows] - 0.3) * np.float32(1e30)
    features[rows, 3], features[rows, 4] = np.inf, np.nan
    detail = model.predict_in_detail(replace(judged, features=features), **alone(model, judged))
    for values in (detail.predictions, *detail.variants.values()):
        assert np.isfinite(values).all()
    same = judged.offsets[2]
    before = model.predict(judged, **alone(model, judged))
    assert np.array_equal(detail.predictions[same:], before[same:])


@pytest.mark.parametrize("kind", KINDS)
def test_training_rows_may_miss_features(world, kind):
    features = world.features.copy()
    features[np.random.default_rng(1).random(features.shape) < 0.2] = MISSING_INT8
    features[:150] = MISSING_INT8  # the first era says nothing
    features[:, 11] = MISSING_INT8  # nor does the last feature, ever
    frame = replace(world, features=features)
    model, report = fitted(kind, frame.between(1, 60))
    assert any("1 training eras have no code" in note for note in report.notes)
    assert np.isfinite(model.predict(frame.between(63, 70), **alone(model, frame))).all()


@pytest.mark.parametrize("strength", [1.0, "auto"])
@pytest.mark.parametrize("kind", KINDS)
def test_one_training_era_is_too_few_to_adapt(world, kind, strength):
    model, report = fitted(kind, world.between(5, 5), strength=strength)
    assert "adaptation off: 1 training eras can be read, a code needs 20" in report.notes[-1]
    judged = world.between(63, 64)
    detail = model.predict_in_detail(judged, **alone(model, judged))
    xgb = get_model("xgb")(get_model("xgb").Params.model_validate(TREES))
    xgb.fit(world.between(5, 5), context())
    assert np.array_equal(detail.predictions, xgb.predict(judged))
    assert all(np.array_equal(values, detail.predictions) for values in detail.variants.values())


def test_the_time_limit_leaves_an_era_unadapted_and_says_so(world):
    model, _ = fitted("code_leaves", world.between(1, 60), seconds_per_era=5.0)
    ticks = iter(range(0, 10_000, 10))
    model.guarded.adaptation.clock = lambda: float(next(ticks))
    detail = model.predict_in_detail(world.between(63, 65))
    assert np.array_equal(detail.predictions, detail.variants["frozen"])
    assert detail.notes == (
        "3 of 3 eras predicted by the unadapted trees: "
        "the time limit was over before the first step",
    )
