"""Spaces for `tune` in a config: read, checked with their ends, and refused by everything else."""

from __future__ import annotations

import pytest

from numerai_lab.config import (
    ChoiceSpace,
    FloatSpace,
    IntSpace,
    config_hash,
    resolved_yaml,
    with_values,
)
from numerai_lab.errors import ConfigError
from numerai_lab.experiment import read_experiment

CONFIG = """\
data: {source: synthetic}
split: {type: official}
weights: {type: era_decay, half_life_eras: {tune: float, low: 50, high: 400, log: true}}
model:
  type: xgb
  params:
    num_boost_round: 10
    max_depth: {tune: int, low: 3, high: 8}
    eta: {tune: float, low: 0.01, high: 0.3, default: 0.1}
    booster: {tune: choice, choice: [gbtree, dart]}
"""
DEPTH = ("model", "params", "max_depth")


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text=CONFIG, name="x.yaml"):
        (tmp_path / name).write_text(text)
        return name

    return write


def read(path, *overrides):
    return read_experiment(path, None, overrides, tunable=True)


def test_spaces_are_read_where_values_stood(config):
    found = read(config())
    kinds = {key[-1]: type(space) for key, space in found.spaces.items()}
    assert kinds == {
        "half_life_eras": FloatSpace,
        "max_depth": IntSpace,
        "eta": FloatSpace,
        "booster": ChoiceSpace,
    }
    assert found.places["model.params.max_depth"] == "x.yaml:8"
    assert found.experiment.model.params == {"num_boost_round": 10, "eta": 0.1}
    assert found.experiment.weights.half_life_eras == 200.0, "the schema's own default"


def test_train_refuses_them_in_one_sentence(lab, config):
    told = lab("train", config())
    assert told.code == 2
    assert told.err == (
        "error: x.yaml:3 weights.half_life_eras: holds a space, not a value (so do 3 more keys): "
        "`numerai-lab tune` finds values; or write them\n"
    )


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("{tune: int, low: 3, high: 8.5}", "max_depth.high: expected a whole number, got 8.5"),
        ("{tune: integer}", "max_depth.tune: unknown value 'integer', did you mean 'int'?"),
        ("{tune: int, low: 9, high: 8}", "max_depth: low 9 is not below high 8"),
        ("{tune: int, low: -3, high: 8}", "with the value -3: expected a whole number >= 0"),
        ("{tune: int, low: 0, high: 8, log: true}", "log: true needs a low above 0, got 0"),
        ("{tune: int, low: 1, high: 8, step: 2}", "steps of 2 do not lead from low 1 to high 8"),
        ("{tune: int, low: 1, high: 8, step: 7, log: true}", "step and log: true do not go"),
        (
            "{tune: int, low: 1, high: 8, default: 9}",
            "default 9 is none of the values of the space",
        ),
        ("{tune: int, low: 1, high: 9, step: 2, default: 2}", "default 2 is none of the values"),
        ("{tune: int, low: 1, high: 8, hi: 9}", "unknown key"),
        ("{tune: int, low: 1}", "max_depth.high: missing, expected a whole number"),
        ("{tune: choice, choice: [3]}", "max_depth.choice: expected a list (at least 2)"),
        ("{tune: choice, choice: [3, 3]}", "a value stands twice in choice"),
        ("{tune: choice, choice: [3, deep]}", "with the value deep: expected a whole number"),
        ("{tune: choice, choice: [3, 4], default: 5}", "default 5 is none of the values"),
    ],
)
def test_a_bad_space_is_named_with_its_key(config, override, said):
    with pytest.raises(ConfigError) as error:
        read(config(), f"model.params.max_depth={override}")
    assert str(error.value).startswith("--set model.params.max_depth")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_parameter_keeps_its_line(config):
    with pytest.raises(ConfigError, match=r"x.yaml:8 model.params.max_dept: unknown key, did you"):
        read(config(CONFIG.replace("max_depth", "max_dept")))


@pytest.mark.parametrize("key", ["split.chunk_eras", "model.type", "seed", "data.eras.step"])
def test_what_is_judged_cannot_be_tuned(config, key):
    with pytest.raises(ConfigError, match=f"{key}: cannot be tuned: a space stands under model"):
        read(config(), f"{key}={{tune: int, low: 1, high: 3}}")


def test_a_value_that_must_be_written_needs_a_default(config):
    boosting = "model.params.era_boosting={{rounds: {{tune: int, low: 3, high: 8{}}}}}"
    with pytest.raises(ConfigError, match=r"era_boosting.rounds: missing, .* space a default"):
        read(config(), boosting.format(""))
    found = read(config(), boosting.format(", default: 5"))
    assert found.experiment.model.params["era_boosting"] == {"rounds": 5}


def test_a_space_takes_the_place_of_a_parents_space_or_value(config):
    config()
    child = config(
        "extends: x.yaml\nmodel:\n  params:\n    max_depth: {tune: choice, choice: [2, 4]}\n"
        "    num_boost_round: {tune: int, low: 5, high: 9}\n    eta: 0.2\n",
        "y.yaml",
    )
    found = read(child)
    assert isinstance(found.spaces[DEPTH], ChoiceSpace)
    assert isinstance(found.spaces["model", "params", "num_boost_round"], IntSpace)
    assert ("model", "params", "eta") not in found.spaces


def test_show_and_check_take_spaces(lab, config):
    path = config()
    assert lab("config", "check", path).out.endswith(", 4 spaces for `tune`)\n")
    shown = lab("config", "show", path).out
    assert "    max_depth: {tune: int, low: 3, high: 8}\n" in shown
    config(shown, "shown.yaml")
    again = read("shown.yaml")
    assert again.spaces == read(path).spaces
    assert config_hash(again.experiment) == config_hash(read(path).experiment)


def test_values_are_put_where_the_spaces_stood(config):
    found = read(config())
    values = {DEPTH: 4, ("weights", "half_life_eras"): 77.0, ("model", "params", "a", "b"): 1}
    changed = with_values(found.experiment, values)
    assert changed.model.params == {
        "num_boost_round": 10,
        "eta": 0.1,
        "max_depth": 4,
        "a": {"b": 1},
    }
    assert changed.weights.half_life_eras == 77.0
    assert found.experiment.weights.half_life_eras == 200.0
    with pytest.raises(ConfigError):
        with_values(found.experiment, {("weights", "half_life_eras"): -1.0})


def test_how_to_tune_changes_no_hash_and_where_it_was_tuned_does(config):
    plain = read(config()).experiment
    asked = read(config(), "tune={folds: 3, eras: {to: 100}}").experiment
    assert config_hash(asked) == config_hash(plain)
    tuned = "tuned={first_era: 1, last_era: 100, trials: 5, study: studies/x}"
    assert config_hash(read(config(), tuned).experiment) != config_hash(plain)
    assert "tune: null" in resolved_yaml(plain)
