"""Writing an experiment out again, its hash and schema; and the configs that are shipped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from numerai_lab.config import (
    HoldoutSplit,
    config_hash,
    json_schema,
    load_experiment,
    resolved_yaml,
)

ROOT = Path(__file__).parents[2]
NO_EXPERIMENTS = ("submit.yaml", "icl_pretrain.yaml")
SHIPPED = sorted(
    path.relative_to(ROOT)
    for path in ROOT.glob("configs/*.yaml")
    if path.name not in NO_EXPERIMENTS
)
PROFILES = sorted(path.stem for path in ROOT.glob("configs/data/*.yaml"))

TEXT = """\
name: x
split: {type: holdout, train: {to: 9}}
model: {type: m, params: {b: 1, a: {d: [1, 2], c: 0.5}}}
"""


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture
def load(tmp_path):
    def load(text: str, *overrides: str):
        (tmp_path / "x.yaml").write_text(text, encoding="utf-8")
        return load_experiment(tmp_path / "x.yaml", overrides=overrides)

    return load


@pytest.mark.parametrize("path", SHIPPED, ids=str)
@pytest.mark.parametrize("profile", [None, *PROFILES])
def test_every_shipped_experiment_loads_on_every_profile(path, profile, load):
    experiment = load_experiment(path, data=profile).experiment
    assert experiment.name == path.stem
    assert experiment.question
    again = load(resolved_yaml(experiment)).experiment
    assert again == experiment
    assert config_hash(again) == config_hash(experiment)


def test_profiles_leave_features_and_targets_to_the_experiment():
    for profile in PROFILES:
        places = load_experiment("configs/xgb.yaml", data=profile).places
        assert places["data.targets"].startswith("configs/xgb.yaml")
        assert places["data.feature_set"].startswith("configs/xgb.yaml")


def test_the_legacy_experiment_takes_nothing_of_its_parents_split():
    split = load_experiment("configs/xgb_legacy_2018.yaml").experiment.split
    assert isinstance(split, HoldoutSplit)
    assert (split.train.to, split.validate_.from_, split.purge_eras) == (100, 105, 4)


def test_the_hash_is_of_the_content(load):
    base = config_hash(load(TEXT).experiment)
    reordered = "\n".join(reversed(TEXT.splitlines())).replace(
        "b: 1, a: {d: [1, 2], c: 0.5}", "a: {c: 0.5, d: [1, 2]}, b: 1"
    )
    assert len(base) == 8
    assert int(base, 16) >= 0
    assert config_hash(load(reordered).experiment) == base
    assert config_hash(load(TEXT, "question=Why?").experiment) == base
    assert config_hash(load(TEXT, "seed=0").experiment) == base
    for override in ["seed=1", "name=y", "model.params.b=2", "model.params.a.d=[2, 1]"]:
        assert config_hash(load(TEXT, override).experiment) != base


def test_the_hash_stays_the_same_from_one_process_to_the_next(load):
    """Runs are named and resumed by it: a change here breaks runs already on disk."""
    assert config_hash(load(TEXT).experiment) == "b318b861"


def test_each_line_says_where_its_value_comes_from(load):
    resolved = load(TEXT, "model.params.b=2")
    lines = [
        line.strip() for line in resolved_yaml(resolved.experiment, resolved.places).split("\n")
    ]
    place = str(resolved.path)
    assert f"name: x  # {place}:1" in lines
    assert "b: 2  # --set" in lines
    assert f"d: [1, 2]  # {place}:3" in lines
    assert "seed: 0  # default" in lines
    assert load(
        "\n".join(resolved_yaml(resolved.experiment, resolved.places).split("\n"))
    ).experiment == (resolved.experiment)


def test_the_json_schema_covers_what_files_write():
    schema = json_schema()
    json.dumps(schema)
    assert {"extends", "name", "data", "split", "model"} <= set(schema["properties"])
    assert schema["anyOf"] == [{"required": ["extends"]}, {"required": ["split", "model"]}]
    assert "from" in schema["$defs"]["EraRange"]["properties"]
    assert schema["additionalProperties"] is False
