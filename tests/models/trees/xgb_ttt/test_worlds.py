"""xgb_ttt in the synthetic regime worlds: a clear win where features tell the regime, else none."""

import json

import pytest

from numerai_lab.config import Data, Synthetic
from numerai_lab.data import generate_tournament, load_data
from numerai_lab.models import get_model
from ttt_world import context

CONFIG = """\
name: worlds
data: {{source: numerai, dir: "{folder}"}}
split: {{type: holdout, train: {{to: 149}}, validate: {{from: 158, to: 201}}}}
scoring: {{exposure: false, fnc_feature_set: none, benchmark: none, bootstrap: {{samples: 1000}}}}
threads: 1
model:
  type: xgb_ttt
  params:
    num_boost_round: {rounds}
    max_depth: 4
    eta: 0.1
    colsample_bytree: 0.3
    auxiliary: {auxiliary}
    adapt: {adapt}
"""
CODE = {
    "feature_reconstruction": {},
    "feature_prediction": {"auxiliary": {"task": "feature_prediction"}},
    "autoencoder": {"auxiliary": {"task": "autoencoder"}},
    "era_forecast": {"auxiliary": {"task": "era_forecast"}},
}
"""Each task with code_leaves."""
ROWS = {"linked_weak": 300}
"""Rows of an era, where 150 tell too little."""
ADAPTER = {"num_boost_round": 20, "bags": 1}
LEAVES = {
    "leaf_refresh": {
        "auxiliary": {"task": "feature_prediction", "weight": "auto"},
        "adapt": {"method": "leaf_refresh"},
    },
    "own_loss": {"auxiliary": {"weight": "auto"}, "adapt": {"code": "own_loss"}},
}


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    made = {}

    def folder(world):
        if world not in made:
            made[world] = tmp_path_factory.mktemp(world)
            size = {"n_eras": 224, "rows_per_era": ROWS.get(world, 150), "n_features": 24}
            generate_tournament(made[world], Synthetic(world=world, seed=1, **size))
        return made[world]

    return folder


def judged(lab, tmp_path, folder, params, rounds=30):
    """Comparisons by (prediction, baseline), and what the run said."""
    config = tmp_path / "worlds.yaml"
    adapt = {"trees": ADAPTER, **params.get("adapt", {})}
    parts = {"auxiliary": json.dumps(params.get("auxiliary", {})), "adapt": json.dumps(adapt)}
    config.write_text(CONFIG.format(folder=folder, rounds=rounds, **parts))
    result = lab("train", config, "--runs-dir", tmp_path / "runs", "--json")
    assert result.code == 0, result.err
    return {(c["prediction"], c["baseline"]): c for c in result.json["comparisons"]}, result.err


@pytest.mark.parametrize(
    ("world", "task"),
    [
        pytest.param("linked_weak", "feature_reconstruction", marks=pytest.mark.slow),
        ("linked_strong", "feature_reconstruction"),
        ("linked_strong", "feature_prediction"),
        pytest.param("linked_strong", "autoencoder", marks=pytest.mark.slow),
        pytest.param("linked_strong", "era_forecast", marks=pytest.mark.slow),
    ],
)
def test_wins_clearly_where_the_features_tell_the_regime(lab, tmp_path, worlds, world, task):
    comparisons, said = judged(lab, tmp_path, worlds(world), CODE[task])
    assert "chosen on eras" in said
    gain, control = (comparisons[name, "frozen"] for name in ("prediction", "shuffled"))
    assert gain["ci_low"] > 0.001
    assert control["ci_low"] < 0
    assert control["mean_difference"] < gain["mean_difference"] / 2
    if world == "linked_strong":  # 44 eras of the weak one do not tell the two apart for sure
        assert comparisons["prediction", "shuffled"]["ci_low"] > 0


@pytest.mark.slow
def test_the_trees_own_loss_wins_too(lab, tmp_path, worlds):
    adapt = {"code": "own_loss", "trees": {**ADAPTER, "bags": 2}}
    params = {"auxiliary": {"weight": 0.1}, "adapt": adapt}
    comparisons, said = judged(lab, tmp_path, worlds("linked_strong"), params, rounds=40)
    assert "chosen on eras" in said
    assert ("prediction", "joint") not in comparisons  # the joint trees only read
    assert comparisons["prediction", "frozen"]["ci_low"] > 0.002
    assert comparisons["prediction", "shuffled"]["ci_low"] > 0.002


@pytest.fixture(scope="module")
def frames(worlds):
    """Training and judged eras of a world, read once."""
    read = {}

    def parts(world):
        if world not in read:
            data = Data(source="numerai", dir=worlds(world))
            rows = load_data(data, say=lambda _: None).frame
            read[world] = rows.between(1, 149), rows.between(158, 224).without_targets()
        return read[world]

    return parts


@pytest.mark.parametrize("method", [*CODE, *LEAVES])
@pytest.mark.parametrize("world", ["static", "unlinked"])
def test_is_the_frozen_model_where_the_features_show_no_regime(frames, world, method):
    train, judged = frames(world)
    trees = {"num_boost_round": 10, "max_depth": 4, "eta": 0.1, "colsample_bytree": 0.3}
    model_type = get_model("xgb_ttt")
    model = model_type(model_type.Params.model_validate({**trees, **(CODE | LEAVES)[method]}))
    report = model.fit(train, context(purge_eras=8))
    assert "no regime found in the features" in " ".join(report.notes)
    history = {"history": train} if model.history_eras else {}
    detail = model.predict_in_detail(judged, **history)
    assert len(set(detail.predictions.tolist())) > 10
    for name, variant in detail.variants.items():
        assert variant.tobytes() == detail.predictions.tobytes(), name


@pytest.mark.parametrize(
    "method",
    [
        pytest.param("feature_reconstruction", marks=pytest.mark.slow),
        "feature_prediction",
        pytest.param("autoencoder", marks=pytest.mark.slow),
        pytest.param("era_forecast", marks=pytest.mark.slow),
        *(pytest.param(name, marks=pytest.mark.slow) for name in LEAVES),
    ],
)
def test_costs_nothing_where_only_the_features_move(lab, tmp_path, worlds, method):
    params = (CODE | LEAVES)[method]
    comparisons, said = judged(lab, tmp_path, worlds("covariate_shift"), params, rounds=25)
    gain = comparisons["prediction", "frozen"]["mean_difference"]
    if "gains for sure" in said:
        assert gain == 0
    else:
        assert gain > -0.0005
