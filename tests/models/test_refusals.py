"""What a model refuses is one sentence with its place, through the command line."""

import pytest


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (["lightgbm={lambda_l1: -1.0}"], "model.params.lightgbm: LightGBM refuses: it needs"),
        (["num_leaves=15"], "model.params.lightgbm"),
        (["lightgbm={objective: lambdarank}"], "lambdarank"),
        (["lightgbm={objective: none}"], "model.params.lightgbm: objective 'none' leaves"),
        (["lightgbm={objective: custom}"], "model.params.lightgbm: objective 'custom' leaves"),
    ],
)
def test_lightgbm(lab, tiny_config, tmp_path, changes, says):
    config = tmp_path / "lgbm.yaml"
    text = tiny_config.read_text().split("model:")[0].replace("name: tiny", "name: lgbm")
    config.write_text(text + "model: {type: lgbm_ensemble, params: {n_estimators: 3}}\n")
    sets = [word for change in changes for word in ("--set", f"model.params.{change}")]
    result = lab("train", config, "--runs-dir", tmp_path / "runs", "--quiet", *sets)
    assert result.code == 2
    assert says in result.err
    assert result.err.count("\n") == 1
    assert not list((tmp_path / "runs").rglob("manifest.json"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("model.params.objective=foo", "model.params.objective"),
        (
            "model.params.objective=reg:quantileerror",
            "model.params.quantile_alpha: objective reg:quantileerror needs it",
        ),
        ("model.params.objective=multi:softmax", "model.params.num_class: objective"),
        ("model.params.objective=survival:aft", "model.params.objective: survival:aft learns"),
        ("model.params.objective=rank:ndcg", "XGBoost refuses: When using relevance degree"),
        ("model.params.monotone_constraints=[1]", "monotone_constraints"),
        ("data.features=[]", "data.features"),
        ("data.targets=[target,targt]", "lacks column 'targt'"),
    ],
)
def test_xgb_and_data(lab, tiny_config, tmp_path, change, says):
    result = lab("train", tiny_config, "--runs-dir", tmp_path / "runs", "--quiet", "--set", change)
    assert result.code == 2
    assert says in result.err
    assert result.err.count("\n") == 1
    assert not list((tmp_path / "runs").rglob("manifest.json"))


def test_parameters_that_another_model_type_leaves_out_are_named(lab, tiny_config, tmp_path):
    result = lab(
        *("train", tiny_config, "--plan", "--quiet"),
        *("--set", "model.type=lgbm_ensemble", "--set", "model.params.n_estimators=3"),
    )
    assert result.code == 0, result.err
    (line,) = result.err.splitlines()
    assert line.startswith("warning: --set model.type=lgbm_ensemble leaves out what was written")
    assert "for xgb: " in line
    assert "model.params.num_boost_round" in line
    assert "n_estimators" not in line
