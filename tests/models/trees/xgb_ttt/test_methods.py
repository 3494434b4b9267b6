"""The methods of xgb_ttt: checked against slow loops, and what all of them promise."""

import json
from dataclasses import replace

import numpy as np
import pytest

from numerai_lab.eraframe import MISSING_INT8
from numerai_lab.models import check_model, get_model
from numerai_lab.models.trees import runtime
from numerai_lab.models.trees.arrays import Trees, xgboost_trees
from numerai_lab.models.trees.xgb_ttt import FROZEN
from numerai_lab.models.trees.xgb_ttt import JOINT as JOINT_TREES
from numerai_lab.models.trees.xgb_ttt.leaf_refresh import GAIN, slopes_on_auxiliary
from numerai_lab.models.trees.xgb_ttt.own_loss import OwnLoss
from ttt_world import context, regime_frame

XGBTTT = get_model("xgb_ttt")
TREES = {"num_boost_round": 30, "max_depth": 3, "eta": 0.1}
# the small world is too small for the noise test of held-out features
JOINT = {"task": "feature_prediction", "weight": 0.1, "held_out": 3, "noise_ratio": 0}
ADAPTER = {"num_boost_round": 20, "bags": 2}
METHODS = {
    "code_leaves": {"adapt": {"trees": ADAPTER}},
    "own_loss": {"auxiliary": JOINT, "adapt": {"code": "own_loss", "trees": ADAPTER}},
    "own_loss, 2 codes": {
        "auxiliary": {**JOINT, "codes": 2},
        "adapt": {"code": "own_loss", "trees": ADAPTER},
    },
    "leaf_refresh": {"auxiliary": JOINT, "adapt": {"method": "leaf_refresh"}},
    "leaf_refresh, 4 steps": {"auxiliary": JOINT, "adapt": {"method": "leaf_refresh", "steps": 4}},
    "nearest_eras": {"adapt": {"method": "nearest_eras"}},
}


def params_of(name, **adapt):
    params = METHODS[name]
    return {**TREES, **params, "adapt": {"strength": 1.0, **params["adapt"], **adapt}}


def fitted(params, frame, ctx=None):
    model = XGBTTT(XGBTTT.Params.model_validate(params))
    model.fit(frame, ctx or context())
    return model


@pytest.fixture(scope="module")
def world():
    return regime_frame(1, n_eras=70, n_rows=60)


@pytest.fixture(scope="module")
def learnt(world):
    """`learnt(name, **adapt)`: that model on eras 1-60, fitted once: change nothing in it."""
    models = {}

    def model(name, **adapt):
        params = params_of(name, **adapt)
        key = json.dumps(params, sort_keys=True)
        if key not in models:
            models[key] = fitted(params, world.between(1, 60))
        return models[key]

    return model


@pytest.fixture(scope="module", params=METHODS)
def adapted(request, learnt):
    """A model of each method at strength 1, and its parameters."""
    return learnt(request.param), params_of(request.param)


@pytest.fixture(scope="module")
def judged(world):
    return world.between(63, 68).without_targets()


# --- leaf_refresh against slow loops


def leaves_of(trees, features):
    """Number of each row's leaf among all leaves, [n_rows, n_trees]."""
    nodes = np.column_stack([*runtime.tree_leaves(features, trees.arrays("t"), "t")])
    return (np.cumsum(trees.is_leaf) - 1)[nodes]


def slow_refresh(leaves, values, steps):
    """Movements [n_leaves] after so many steps, leaf by leaf."""
    n_leaves, n_trees = int(leaves.max()) + 1, leaves.shape[1]
    left, total = values.astype(np.float64).copy(), np.zeros(n_leaves)
    for _ in range(steps):
        step = np.zeros(n_leaves)
        for leaf in range(n_leaves):
            inside = (leaves == leaf).any(axis=1)
            step[leaf] = left[inside].sum() / (inside.sum() + 20)
        total += step
        left -= step[leaves].sum(axis=1) / n_trees
    return total


@pytest.mark.parametrize("steps", [1, 3])
def test_leaf_refresh_against_loops(learnt, judged, steps):
    """With one output a row, (A - J) moved leaf by leaf and then weighed by B is the same."""
    model = learnt("leaf_refresh", steps=steps, clip=1e6)
    trunk = model._joint
    era = judged.between(63, 63)
    trees, _ = xgboost_trees(trunk.booster)
    leaves = leaves_of(trees, era.features)
    outputs = trunk.outputs(era.features)
    reader = model.guarded.adaptation.reader
    targets = reader.read(63, era.features, outputs[:, 0], trunk.unit).auxiliary
    slopes = slopes_on_auxiliary(trees, 0.1)
    movements = np.column_stack(
        [slow_refresh(leaves, column, steps) for column in (targets - outputs[:, 1:]).T]
    )
    moved = (movements @ slopes)[leaves].mean(axis=1)
    detail = model.predict_in_detail(era)
    change = detail.predictions - detail.variants["joint"]
    assert np.abs(moved).max() > 1e-4
    assert np.allclose(change, GAIN * moved, atol=1e-6)
    assert trunk.predict(era).tobytes() == outputs[:, 0].tobytes()
    loss = [
        ((targets - outputs[:, 1:] - m[leaves].mean(axis=1)) ** 2).sum()
        for m in (np.zeros_like(movements), movements)
    ]
    assert loss[1] < loss[0]


def test_more_steps_leave_less_of_the_auxiliary_loss(learnt, judged):
    era = judged.between(63, 63)
    sizes = []
    for steps in (1, 3, 50):
        detail = learnt("leaf_refresh", steps=steps, clip=1e6).predict_in_detail(era)
        sizes.append(np.abs(detail.predictions - detail.variants["joint"]).mean())
    assert sizes[0] < sizes[1] < sizes[2] < 5 * sizes[1]


def test_slopes_on_auxiliary_are_a_weighted_ridge():
    rng = np.random.default_rng(0)
    auxiliary, mass = rng.normal(size=(200, 3)), rng.uniform(1, 9, size=200)
    main = auxiliary @ [0.5, -1, 0] + 0.01 * rng.normal(size=200)
    values = np.column_stack([main, auxiliary]).astype(np.float32)
    none, leaf = np.zeros(0), np.arange(200)
    trees = Trees(none, none, none, leaf, leaf, none, none, values, none, mass)
    assert np.allclose(slopes_on_auxiliary(trees, 0.0), [0.5, -1, 0], atol=0.01)
    root = np.sqrt(mass)[:, None]
    size = float((mass[:, None] * auxiliary**2).sum() / 3)
    stacked = np.vstack([root * auxiliary, np.sqrt(2 * size) * np.eye(3)])
    expected = np.linalg.lstsq(stacked, np.r_[root[:, 0] * main, np.zeros(3)], rcond=None)[0]
    assert np.allclose(slopes_on_auxiliary(trees, 2.0), expected, atol=1e-5)
    flat = replace(trees, value=np.zeros((200, 4), np.float32))
    assert np.array_equal(slopes_on_auxiliary(flat, 0.1), np.zeros(3))


def test_a_leaf_moves_no_further_than_the_clip(learnt, world):
    free = learnt("leaf_refresh", steps=3, clip=1e6).guarded.adaptation
    bound = learnt("leaf_refresh", steps=3, clip=0.5).guarded.adaptation
    rows = world.between(64, 64)
    far = [a.adapt(64, rows.features, a.trunk.predict(rows)).state for a in (free, bound)]
    usual = np.abs(far[1]).max()
    assert np.allclose(far[1], np.clip(far[0], -usual, usual), atol=1e-6)
    assert np.abs(far[0]).max() > 1.5 * usual


def test_leaves_stop_moving_where_a_held_out_half_gains_no_more(learnt, world):
    """Noise in place of features: what one half asks of the leaves is nothing to the other."""
    method = learnt("leaf_refresh", steps="auto").guarded.adaptation
    fixed = learnt("leaf_refresh", steps=20).guarded.adaptation
    rows = world.between(64, 64)
    found, far = (a.adapt(64, rows.features, a.trunk.predict(rows)) for a in (method, fixed))
    assert np.linalg.norm(found.change) < np.linalg.norm(far.change)
    order = np.random.default_rng(0).permutation(rows.n_rows)
    trees = method.trunk.predict(rows)[order]
    again = method.adapt(64, rows.features[order], trees)
    assert np.allclose(again.change, found.change[order], atol=1e-6)


# --- code_leaves with the trees' own auxiliary loss


def test_own_loss_finds_the_code_that_made_the_residuals():
    rng = np.random.default_rng(4)
    true = rng.normal(size=(30, 2))
    eras = []
    for code in true:
        slopes = rng.normal(size=(80, 3, 2)).astype(np.float32)
        noise = 0.1 * rng.normal(size=(80, 3))
        eras.append((slopes, (slopes @ code + noise).astype(np.float32), np.arange(80) % 2 == 0))
    loss = OwnLoss.fit(eras, 0.0, 10.0, None)
    found = np.array([loss.code(*era) for era in eras])
    assert np.allclose(found.std(axis=0), 1)
    for m in range(2):
        assert np.corrcoef(found[:, m], true[:, m])[0, 1] > 0.99
    assert np.abs([OwnLoss.fit(eras, 0.0, 0.7, None).code(*era) for era in eras]).max() == 0.7
    one, many = (OwnLoss.fit(eras, 0.1, 10.0, steps) for steps in (1, 500))
    closed = OwnLoss.fit(eras, 0.1, 10.0, None)
    assert np.allclose(many.code(*eras[0]), closed.code(*eras[0]), atol=1e-5)
    assert not np.allclose(one.code(*eras[0]), closed.code(*eras[0]), atol=1e-3)
    held = OwnLoss.fit(eras, 0.1, 10.0, "auto").code(*eras[0])
    assert np.allclose(held, closed.code(*eras[0]), atol=0.1)  # both halves tell the same code
    nothing = [(np.zeros_like(slopes), left, half) for slopes, left, half in eras]
    assert OwnLoss.fit(nothing, 0.1, 2.0, None) is None
    assert closed.code(*nothing[0]) is None


def test_the_own_loss_reads_the_regime_from_the_features():
    """Its code follows the task's on eras that neither has seen."""
    frame = regime_frame(2, n_eras=130)
    params = {
        **TREES,
        "auxiliary": {"task": "feature_reconstruction", "weight": 0.1},
        "adapt": {"strength": 1.0, "code": "own_loss"},
    }
    model = fitted(params, frame.between(1, 100))
    adaptation = model.guarded.adaptation
    own, task = [], []
    for number, rows in frame.between(103, 130).iter_eras():
        features = frame.between(103, 130).features[rows]
        era = adaptation.adapt(number, features, np.zeros(len(features), np.float32))
        own.append(era.state[0])
        task.append(era.facts["code_1"])
    assert np.corrcoef(own, task)[0, 1] > 0.7


def test_held_out_features_stay_hidden_from_all_trees_that_learn_them(learnt):
    model = learnt("own_loss")
    hidden = set(model.guarded.adaptation.reader.hidden().tolist())
    assert len(hidden) == 3
    for booster in (model._joint.booster, model.guarded.adaptation.method._booster):
        trees, _ = xgboost_trees(booster)
        assert not hidden & set(trees.feature[~trees.is_leaf].tolist())


def test_own_loss_reads_with_joint_trees_and_adapts_those_of_xgb(learnt, world, judged):
    train, params = world.between(1, 60), params_of("own_loss")
    xgb = get_model("xgb")
    plain = xgb(xgb.Params.model_validate(TREES))
    plain.fit(train, context())
    detail = learnt("own_loss").predict_in_detail(judged)
    assert JOINT_TREES not in detail.variants
    assert detail.variants[FROZEN].tobytes() == plain.predict(judged).tobytes()
    half = learnt("own_loss", strength=0.5)
    change = detail.predictions - plain.predict(judged)
    assert np.allclose(half.predict(judged), plain.predict(judged) + change / 2, atol=1e-6)
    off = XGBTTT(
        XGBTTT.Params.model_validate({**params, "adapt": {"code": "own_loss", "strength": 0.0}})
    )
    assert off.fit(train, context()).size == TREES["num_boost_round"]  # nothing that only reads


def test_bags_without_weight_teach_nothing(world):
    """Eras 1, 3, 5 ... weigh nothing, so the first of two bags has nothing to learn."""
    train = world.between(1, 60)
    weights = np.repeat(np.arange(60) % 2, np.diff(train.offsets)).astype(np.float32)
    model = fitted(params_of("code_leaves"), train, context(weights=weights))
    assert model.guarded.adaptation.method.n_trees == ADAPTER["num_boost_round"]
    assert np.isfinite(model.predict(world.between(63, 64))).all()


# --- what every method promises


SLOW = ("own_loss, 2 codes", "leaf_refresh, 4 steps", "leaf_refresh")
"""Of which test_xgb_ttt.py, or a quick one here, has much the same; each takes some ten fits."""


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in METHODS]
)
def test_keeps_the_promises_of_a_model(name):
    params = params_of(name)
    auxiliary = {**params.get("auxiliary", {}), "noise_ratio": 0}
    if "trees" in params["adapt"]:
        params["adapt"]["trees"] = {"num_boost_round": 6, "bags": 2}
    check_model(XGBTTT, {**params, "num_boost_round": 6, "auxiliary": auxiliary})


def test_changes_the_predictions_and_the_control_changes_them_otherwise(adapted, judged):
    model, _ = adapted
    detail = model.predict_in_detail(judged)
    unadapted = detail.variants.get("joint", detail.variants[FROZEN])
    assert not np.array_equal(detail.predictions, unadapted)
    assert not np.array_equal(detail.variants["shuffled"], unadapted)
    assert not np.array_equal(detail.variants["shuffled"], detail.predictions)
    assert np.array_equal(detail.predictions, model.predict(judged))


def test_strength_0_is_the_unadapted_model_to_the_byte(adapted, judged, world, tmp_path):
    model, params = adapted
    zero = fitted({**params, "adapt": {**params["adapt"], "strength": 0.0}}, world.between(1, 60))
    detail = model.predict_in_detail(judged)
    unadapted = detail.variants.get(JOINT_TREES, detail.variants[FROZEN])
    assert zero.predict(judged).tobytes() == unadapted.tobytes()
    # and so is a strength of 0 that was chosen after the adaptation had been fitted
    model.save(tmp_path)
    meta = json.loads((tmp_path / "meta.json").read_text())
    decision = {**meta["decision"], "strength": 0.0}
    (tmp_path / "meta.json").write_text(json.dumps({**meta, "decision": decision}))
    chosen = XGBTTT.load(tmp_path)
    assert chosen.predict(judged).tobytes() == unadapted.tobytes()
    assert chosen.predict_in_detail(judged).predictions.tobytes() == unadapted.tobytes()


def test_an_era_alone_is_the_era_among_others(adapted, judged):
    model, _ = adapted
    together = model.predict(judged)
    alone = np.concatenate([model.predict(judged.between(e, e)) for e in judged.eras.tolist()])
    assert together.tobytes() == alone.tobytes()


def test_the_order_of_rows_within_an_era_does_not_matter(adapted, judged):
    model, params = adapted
    rng = np.random.default_rng(8)
    order = np.concatenate(
        [rng.permutation(np.arange(rows.start, rows.stop)) for _, rows in judged.iter_eras()]
    )
    shuffled = replace(judged, features=judged.features[order], ids=judged.ids.take(order))
    before, after = model.predict(judged)[order], model.predict(shuffled)
    if params["adapt"].get("method", "").endswith("_refresh"):
        assert before.tobytes() == after.tobytes()
    else:  # codes come from float32 matrix products
        assert np.allclose(before, after, atol=1e-6)


def test_saved_and_loaded_to_the_byte(adapted, judged, tmp_path):
    model, _ = adapted
    model.save(tmp_path)
    again = XGBTTT.load(tmp_path)
    for frame in (judged, judged.between(65, 65)):
        mine, theirs = model.predict_in_detail(frame), again.predict_in_detail(frame)
        assert mine.predictions.tobytes() == theirs.predictions.tobytes()
        assert mine.variants.keys() == theirs.variants.keys()
        for name, variant in mine.variants.items():
            assert variant.tobytes() == theirs.variants[name].tobytes()


def test_odd_eras_never_give_nan(adapted, judged):
    model, _ = adapted
    features = judged.features.copy()
    starts = judged.offsets
    features[starts[0] : starts[1]] = MISSING_INT8
    features[starts[1] : starts[2]] = 2
    features[starts[2] : starts[3], 3:] = 0
    features[starts[3] : starts[4]] = 127
    features[starts[3] : starts[4], :4] = judged.features[starts[3] : starts[4], :4]
    rows = np.r_[: starts[4] + 3, starts[5] : starts[5] + 21].astype(np.int64)
    odd = replace(judged, features=features).take(rows)
    detail = model.predict_in_detail(odd)
    for values in (detail.predictions, *detail.variants.values()):
        assert np.isfinite(values).all()
    assert len(detail.notes) >= 2


class Clock:
    """Seconds that pass only when somebody looks."""

    def __init__(self, tick):
        self.now, self.tick = 0.0, tick

    def __call__(self):
        self.now += self.tick
        return self.now


def test_the_time_limit_keeps_the_steps_that_were_reached(learnt, world, judged):
    train = world.between(1, 60)
    # how far leaves usually move depends on the steps, so nothing is clipped
    three = learnt("leaf_refresh", steps=3, clip=1e6)
    # the clock is looked at when an era begins, twice before the first step and after each
    limited = fitted(params_of("leaf_refresh", steps=50, clip=1e6, seconds_per_era=4.5), train)
    limited.guarded.adaptation.clock = Clock(1.0)
    detail = limited.predict_in_detail(judged)
    assert detail.predictions.tobytes() == three.predict(judged).tobytes()
    assert detail.notes == ("6 of 6 eras adapted in 3 steps, when the time limit was over",)


@pytest.mark.parametrize("looks", [1, 2])
@pytest.mark.parametrize("name", ["own_loss", "leaf_refresh"])
def test_no_step_within_the_time_limit_leaves_an_era_unadapted(name, looks, learnt, judged):
    """The limit is over at the first look at the clock, or at the second."""
    limited = learnt(name, seconds_per_era=1.0)
    limited.guarded.adaptation.clock = Clock(2.0 if looks == 1 else 0.7)
    detail = limited.predict_in_detail(judged)
    unadapted = detail.variants.get("joint", detail.variants[FROZEN])
    assert detail.predictions.tobytes() == unadapted.tobytes()
    assert "6 of 6 eras" in detail.notes[0]
    assert "the time limit was over before the first step" in detail.notes[0]
