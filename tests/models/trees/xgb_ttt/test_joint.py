"""Joint training of xgb_ttt: vector leaves on a combined loss, and the weight it is given."""

import json

import numpy as np
import pytest
from pydantic import ValidationError

from numerai_lab.eraframe import MISSING_INT8
from numerai_lab.models import get_model
from numerai_lab.models.trees.xgb import boosting
from numerai_lab.models.trees.xgb_ttt import FROZEN, JOINT, SHUFFLED
from numerai_lab.models.trees.xgb_ttt.joint import grow_joint
from numerai_lab.models.trees.xgb_ttt.reader import Reader
from numerai_lab.models.trees.xgb_ttt.statistics import era_statistics
from numerai_lab.scoring import corr_per_era
from ttt_world import context, has_row, regime_frame

XGBTTT = get_model("xgb_ttt")
TREES = {"num_boost_round": 30, "max_depth": 3, "eta": 0.2}
ADAPTER = {"num_boost_round": 15, "bags": 2}
HELD = {"task": "feature_prediction", "held_out": 3, "noise_ratio": 0}


def params(auxiliary=HELD, **more):
    adapt = {"trees": ADAPTER, **more.pop("adapt", {})}
    return XGBTTT.Params.model_validate({**TREES, "auxiliary": auxiliary, "adapt": adapt, **more})


def fitted(frame, auxiliary, ctx=None, **more):
    model = XGBTTT(params(auxiliary, **more))
    return model, model.fit(frame, ctx or context())


def trunk_of(frame, weight, auxiliary=HELD, ctx=None):
    written = params({**auxiliary, "weight": weight})
    ctx = ctx or context()
    reader, _ = Reader.fit(frame, ctx, written)
    trunk, _ = grow_joint(frame, ctx, written, reader, weight, 30, lambda: None)
    return reader, trunk


@pytest.fixture(scope="module")
def world():
    return regime_frame(1, n_eras=110)


@pytest.fixture(scope="module")
def train(world):
    return world.between(1, 60)


def test_one_ensemble_predicts_the_target_and_what_was_held_out(train, world):
    reader, trunk = trunk_of(train, 1.0)
    judged = world.between(63, 80)
    outputs = trunk.outputs(judged.features)
    assert outputs.shape == (judged.n_rows, 1 + 3)
    assert outputs[:, 0].mean() == pytest.approx(0.5, abs=0.05)
    corr = corr_per_era(outputs[:, 0], judged.target("target"), judged.offsets)
    assert corr.mean() > 0.05
    held = np.concatenate(
        [
            reader.task.targets(era_statistics(judged.features[rows]))
            for _, rows in judged.iter_eras()
        ]
    )
    for k in range(3):
        assert np.corrcoef(outputs[:, 1 + k], held[:, k])[0, 1] > 0.2


def test_no_split_uses_a_held_out_feature(train):
    reader, trunk = trunk_of(train, 1.0)
    splits = {f for tree in json.loads(_model(trunk))["trees"] for f in _splits(tree)}
    assert splits
    assert splits.isdisjoint(reader.hidden().tolist())
    other = train.features.copy()
    other[:, reader.hidden()] = MISSING_INT8
    assert np.array_equal(trunk.outputs(other), trunk.outputs(train.features))


def _model(trunk):
    raw = json.loads(bytes(trunk.booster.save_raw("json")))
    return json.dumps(raw["learner"]["gradient_booster"]["model"])


def _splits(tree):
    return [
        feature
        for feature, left in zip(tree["split_indices"], tree["left_children"], strict=True)
        if left != -1
    ]


def test_float_rows_are_taken_as_well():
    frame = regime_frame(1, n_eras=40, dtype=np.float32)
    reader, trunk = trunk_of(frame, 1.0)
    other = frame.features.copy()
    other[:, reader.hidden()] = np.nan
    assert np.array_equal(trunk.outputs(other), trunk.outputs(frame.features))


def test_the_weight_moves_the_leaves_from_one_task_to_the_other(train):
    def losses(weight):
        reader, trunk = trunk_of(train, weight)
        outputs = trunk.outputs(train.features)
        held = np.concatenate(
            [
                reader.task.targets(era_statistics(train.features[rows])) * trunk.unit
                for _, rows in train.iter_eras()
            ]
        )
        main = np.square(outputs[:, 0] - train.target("target")).mean()
        return main, np.square(outputs[:, 1:] - held).mean()

    light, heavy = losses(0.05), losses(5.0)
    assert light[0] < heavy[0]
    assert light[1] > heavy[1]


def test_row_weights_reach_the_joint_trees(train):
    ones = np.ones(train.n_rows, dtype=np.float32)
    half = np.where(np.arange(train.n_rows) < train.n_rows // 2, 0, 1).astype(np.float32)
    _, plain = trunk_of(train, 0.5)
    _, same = trunk_of(train, 0.5, ctx=context(weights=ones))
    _, other = trunk_of(train, 0.5, ctx=context(weights=half))
    expected = plain.outputs(train.features)
    assert np.allclose(same.outputs(train.features), expected, atol=1e-6)
    assert not np.allclose(other.outputs(train.features), expected, atol=1e-3)


def test_weight_0_is_model_xgb_to_the_byte(train, world, tmp_path):
    xgb = get_model("xgb")(get_model("xgb").Params.model_validate(TREES))
    xgb.fit(train, context())
    for name, saved in (("ttt", fitted(train, {**HELD, "weight": 0})[0]), ("xgb", xgb)):
        (tmp_path / name).mkdir()
        saved.save(tmp_path / name)
    mine = (tmp_path / "ttt" / "frozen" / "booster.ubj").read_bytes()
    assert mine == (tmp_path / "xgb" / "booster.ubj").read_bytes()
    assert not (tmp_path / "ttt" / "joint").exists()


def test_strength_0_is_the_joint_model_and_the_plain_twin_stands_beside(train, world):
    judged = world.between(63, 70)
    off, report = fitted(train, {**HELD, "weight": 0.5}, adapt={"strength": 0})
    on, _ = fitted(train, {**HELD, "weight": 0.5}, adapt={"strength": 1.0})
    assert report.notes[-1] == "weight 0.5 and strength 0 as written"
    detail = on.predict_in_detail(judged)
    assert set(detail.variants) == {FROZEN, JOINT, SHUFFLED}
    assert np.array_equal(off.predict(judged), detail.variants[JOINT])
    xgb = get_model("xgb")(get_model("xgb").Params.model_validate(TREES))
    xgb.fit(train, context())
    assert np.array_equal(detail.variants[FROZEN], xgb.predict(judged))
    for one, other in (("prediction", JOINT), ("prediction", SHUFFLED), (JOINT, FROZEN)):
        columns = {"prediction": detail.predictions, **detail.variants}
        assert not np.array_equal(columns[one], columns[other])


def test_joint_trees_are_as_many_as_early_stopping_kept(train, world):
    ctx = context(stop=world.between(63, 80), stop_patience=3)
    model, report = fitted(train, {**HELD, "weight": 0.5}, ctx, adapt={"strength": 0})
    kept = report.details["early_stopping"]["best_round"]
    assert kept < 30
    assert model._joint.booster.num_boosted_rounds() == kept
    assert report.size == 2 * kept


def _first_block(report):
    return report.details["guard"]["blocks"][0]


def test_auto_tries_no_joint_training_first_and_says_what_it_took():
    frame = regime_frame(1, n_eras=110, n_rows=80)
    model, report = fitted(
        frame, {**HELD, "weight": "auto"}, num_boost_round=15, adapt={"strength": "auto"}
    )
    tried = {(gain["weight"], gain["strength"]) for gain in _first_block(report)["gains"]}
    assert tried == {(w, a) for w in (0, 0.1, 0.5) for a in (0, 0.25, 0.5, 1)} - {(0, 0)}
    assert report.details["weight"] in (0, 0.1, 0.5)
    assert "weight" in report.notes[-1]
    again, _ = fitted(
        frame,
        {**HELD, "weight": report.details["weight"]},
        num_boost_round=15,
        adapt={"strength": report.details["strength"]},
    )
    assert np.array_equal(model.predict(frame), again.predict(frame))


@pytest.mark.parametrize("refit_eras", [None, 13])
def test_auto_without_a_gain_is_exactly_the_frozen_trees(refit_eras):
    frame = regime_frame(1, n_eras=110, n_rows=60, link=0, moves=0)
    model, report = fitted(
        frame,
        {**HELD, "weight": "auto"},
        num_boost_round=10,
        adapt={"method": "leaf_refresh", "refit_eras": refit_eras},
    )
    assert report.details["weight"] == report.details["strength"] == 0
    assert "joint training and adaptation off" in report.notes[-1]
    tried = {(gain["weight"], gain["strength"]) for gain in _first_block(report)["gains"]}
    # leaf_refresh has nothing to work on without joint trees, now or later
    assert not model.online
    assert {pair for pair in tried if pair[0] == 0} == set()
    detail = model.predict_in_detail(frame)
    assert np.array_equal(detail.predictions, detail.variants[FROZEN])
    assert np.array_equal(detail.variants[JOINT], detail.variants[FROZEN])


def test_a_written_weight_stays_where_the_guard_leaves_adaptation_off():
    frame = regime_frame(1, n_eras=110, n_rows=60, link=0, moves=0)
    auxiliary = {"weight": 0.5, "noise_ratio": 0}  # else there is no regime to be tried
    model, report = fitted(frame, auxiliary, num_boost_round=10)
    assert report.notes[-1].startswith("adaptation off: no strength gains for sure")
    assert (report.details["weight"], report.details["strength"]) == (0.5, 0)
    detail = model.predict_in_detail(frame)
    assert np.array_equal(detail.predictions, detail.variants[JOINT])
    assert not np.array_equal(detail.predictions, detail.variants[FROZEN])


def test_no_regime_means_no_joint_training(world):
    still = regime_frame(1, n_eras=60, moves=0)
    auxiliary = {"task": "feature_prediction", "weight": 0.5}
    _, report = fitted(still, auxiliary, adapt={"strength": 0.5})
    assert "joint training and adaptation off: no regime found" in report.notes[-1]


VECTOR = "vector leaves"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"tree_method": "exact"}, "tree_method hist"),
        ({"tree_method": "approx"}, "tree_method hist"),
        ({"updater": "grow_colmaker"}, "tree_method hist"),
        ({"booster": "gblinear"}, "booster gbtree"),
        ({"booster": "dart"}, "booster gbtree"),
        ({"objective": "reg:absoluteerror"}, "reg:squarederror"),
        ({"era_boosting": {"rounds": 2}}, "era_boosting"),
        ({"monotone_constraints": {"f1": 1}}, "monotone_constraints"),
        ({"num_parallel_tree": 2}, "num_parallel_tree"),
        ({"base_score": 0.3}, "base_score"),
    ],
)
@pytest.mark.parametrize("weight", [0.5, "auto"])
def test_what_vector_leaves_cannot_do_is_refused(more, said, weight):
    with pytest.raises(ValidationError, match=f"{VECTOR}.*{said}"):
        params({**HELD, "weight": weight}, **more)
    params({**HELD, "weight": 0}, **more)


@pytest.mark.parametrize(
    "adapt", [{"method": "leaf_refresh"}, {"code": "own_loss"}], ids=["leaf_refresh", "own_loss"]
)
def test_what_works_on_joint_trees_needs_them(adapt):
    with pytest.raises(ValidationError, match=r"auxiliary\.weight is 0: write auto"):
        params({**HELD, "weight": 0}, adapt=adapt)


@pytest.mark.parametrize(
    ("auxiliary", "said"),
    [
        ({"weight": -0.1}, "greater than or equal to 0"),
        ({"weight": "some"}, "auto"),
        ({"features": ["f1", "f1", "f2"]}, "at least 4"),
        ({"task": "feature_predict"}, "did you mean 'feature_prediction'"),
        ({"bottleneck": 0}, "greater than or equal to 2"),
    ],
)
def test_wrong_auxiliary_parameters_are_refused(auxiliary, said):
    with pytest.raises(ValidationError, match=said):
        params(auxiliary)


def test_an_unsupported_tree_method_stops_a_run_with_one_sentence(lab, tiny_config, tmp_path):
    config = tmp_path / "ttt.yaml"
    config.write_text(
        "extends: tiny.yaml\nname: ttt\nmodel:\n  type: xgb_ttt\n  params:\n"
        "    num_boost_round: 3\n    tree_method: exact\n    auxiliary: {weight: 0.5}\n"
    )
    result = lab("train", config, "--runs-dir", tmp_path / "runs")
    assert result.code == 2
    assert "needs vector leaves, which only tree_method hist grows" in result.err
    assert "Traceback" not in result.err


def test_a_run_compares_plain_joint_adapted_and_shuffled(lab, tiny_config, tmp_path):
    config = tmp_path / "ttt.yaml"
    auxiliary = {**HELD, "weight": 0.5}
    config.write_text(
        "extends: tiny.yaml\nname: ttt\nmodel:\n  type: xgb_ttt\n  params:\n"
        f"    num_boost_round: 8\n    max_depth: 2\n    eta: 0.1\n    auxiliary: "
        f"{json.dumps(auxiliary)}\n    adapt: {{method: leaf_refresh, strength: 0.5}}\n"
        "compare_to: [tiny]\n"
    )
    result = lab("train", config, "--runs-dir", tmp_path / "runs")
    assert result.code == 0, result.err
    assert "tiny predicts what this run predicts on the way, shown as 'frozen'" in result.err
    for row in (
        "ttt - frozen",
        "joint - frozen",
        "shuffled - frozen",
        "ttt - joint",
        "ttt - shuffled",
    ):
        assert has_row(result.out, row)
    (run,) = (tmp_path / "runs" / "ttt").iterdir()
    assert "trained with auxiliary targets, not adapted" in (run / "report.html").read_text()


def test_joint_trees_fall_back_to_the_cpu_with_the_frozen_ones(train, monkeypatch):
    monkeypatch.setattr(boosting.xgboost, "build_info", lambda: {"USE_CUDA": False})
    said = []
    auxiliary = {**HELD, "weight": 0.5}
    ctx = context(device="cuda", say=said.append)
    model, _ = fitted(train, auxiliary, ctx, adapt={"strength": 0.5})
    (sentence,) = said
    assert "trained on the CPU" in sentence
    on_cpu, _ = fitted(train, auxiliary, adapt={"strength": 0.5})
    assert np.array_equal(model.predict(train), on_cpu.predict(train))
