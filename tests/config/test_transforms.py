"""`transforms:` stands for a model that contains the one that is written."""

import pytest

from numerai_lab.config import config_hash, load_experiment, resolved_yaml
from numerai_lab.errors import ConfigError
from numerai_lab.models import get_model

CONFIG = """
split: {type: holdout, validate: {from: 30}}
model: {type: xgb, params: {max_depth: 3}}
"""
STEPS = """
transforms:
  - {type: interactions, top: 3}
  - {type: noise, columns: 4}
"""


def load(tmp_path, text, *overrides):
    path = tmp_path / "own.yaml"
    path.write_text(text)
    params_of = lambda name: get_model(name).Params  # noqa: E731
    return load_experiment(path, overrides=overrides, params_of=params_of)


def test_the_model_becomes_the_one_within(tmp_path):
    resolved = load(tmp_path, STEPS + "placebo: 2" + CONFIG, "model.params.eta=0.1")
    model = resolved.experiment.model
    assert model.type == "transformed"
    assert model.params["model"] == {"type": "xgb", "params": {"max_depth": 3, "eta": 0.1}}
    assert [step["type"] for step in model.params["transforms"]] == ["interactions", "noise"]
    assert model.params["placebo"] == 2
    assert resolved.places["model.params.model.params.eta"] == "--set"
    again = tmp_path / "again.yaml"
    again.write_text(resolved_yaml(resolved.experiment))
    assert load_experiment(again).experiment.model == model


def test_without_transforms_nothing_changes(tmp_path):
    plain = load(tmp_path, CONFIG).experiment
    assert plain.model.type == "xgb"
    assert config_hash(load(tmp_path, CONFIG + "transforms: []\n").experiment) == config_hash(plain)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "transforms: [{type: noize}]",
            "transforms[0]: there is no transform 'noize', did you mean",
        ),
        (
            "transforms: [{type: noise, colums: 3}]",
            "transforms[0].colums: unknown key, did you mean",
        ),
        (
            "transforms: [{type: noise, columns: 0}]",
            "transforms[0].columns: expected a whole number",
        ),
        ("transforms: [{columns: 3}]", "transforms[0].type: missing"),
        ("transforms: [noise]", "transforms[0]: expected"),
        ("transforms: noise", "transforms: expected a list"),
        ("transforms: [{type: noise}, {type: noise}]", "two steps are called 'noise'"),
        (
            "transforms: [{type: select, top: 3}, {type: noise}]",
            "'noise' cannot follow 'select', which has other columns in every fold",
        ),
        ("placebo: 1", "placebo is for transforms"),
        ("transforms: [{type: noise}]\nplacebo: 21", "placebo: expected a whole number"),
    ],
)
def test_mistakes_are_told_where_they_were_written(tmp_path, text, said):
    with pytest.raises(ConfigError) as found:
        load(tmp_path, text + CONFIG)
    assert said in str(found.value)
    assert "model.params.transforms" not in str(found.value)


def test_a_model_that_cannot_have_columns_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="'xgb_ttt' learns from labels as they become known"):
        load(tmp_path, STEPS + CONFIG, "model.type=xgb_ttt", "model.params={}")
