"""What keeps runs honest: changed data, moved folders, other directories, typos before training."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def mine(tournament, tmp_path):
    """A tournament of one's own, to change."""
    folder = tmp_path / "mine"
    shutil.copytree(tournament, folder)
    return folder


@pytest.fixture
def train(lab, tiny_config, tmp_path, mine):
    """Train on `mine`; returns the call so that tests can add options."""

    def call(*options):
        return lab(
            *("train", tiny_config, "--data", mine, "--runs-dir", tmp_path / "runs", "--json"),
            *options,
        )

    return call


def shuffle_targets(folder):
    table = pd.read_parquet(folder / "validation.parquet")
    table["target"] = table["target"].sample(frac=1, random_state=0).to_numpy()
    table.to_parquet(folder / "validation.parquet")


def test_evaluate_refuses_a_run_whose_data_changed(lab, train, mine, tmp_path):
    run = Path(train().json["run_dir"])
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    shuffle_targets(mine)
    result = lab("evaluate", run, "--json")
    assert result.code == 2
    assert "other data" in result.err
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before
    assert lab("evaluate", run, "--data", mine, "--json").code == 0


def test_resume_refuses_another_meaning_of_a_feature_set(train, mine):
    first = train("--set", "data.feature_set=small").json
    run = Path(first["run_dir"])
    (run / "DONE").unlink()
    shutil.rmtree(run / "folds" / "02")
    sets = json.loads((mine / "features.json").read_text())
    sets["feature_sets"]["small"] = sets["feature_sets"]["all"][-4:]
    (mine / "features.json").write_text(json.dumps(sets))
    result = train("--set", "data.feature_set=small", "--resume")
    assert result.code == 2
    assert "choice of features" in result.err


def test_evaluate_finds_its_data_from_anywhere(lab, tiny_config, mine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trained = lab("train", tiny_config, "--data", "mine", "--json").json
    run = Path(trained["run_dir"]).resolve()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    result = lab("evaluate", run, "--json")
    assert result.code == 0, result.err
    assert result.json["scores"] == trained["scores"]
    assert os.listdir() == []  # noqa: PTH208 - the working directory itself


@pytest.mark.parametrize(
    "typo",
    [
        "scoring.benchmark=foo",
        "scoring.fnc_feature_set=foo",
        "neutralize={feature_set: foo}",
        "neutralize={against: benchmark, benchmark: foo}",
        "compare_to=[tiny2]",
    ],
)
def test_a_typo_in_the_judging_is_found_before_training(train, tmp_path, typo):
    result = train("--set", typo)
    assert result.code == 2
    assert typo.split("=")[0].split(".")[0] in result.err
    assert "fold 1" not in result.err
    assert not list((tmp_path / "runs").rglob("manifest.json"))


def test_a_mistake_the_library_finds_leaves_no_run_behind(train, tmp_path):
    result = train("--set", "model.params.objective=foo")
    assert result.code == 2
    assert not list((tmp_path / "runs").rglob("manifest.json"))


def test_runs_may_move_with_their_baselines(lab, train, tiny_config, tmp_path):
    other = tiny_config.with_name("other.yaml")
    other.write_text("extends: tiny.yaml\ncompare_to: [tiny]\nmodel: {params: {max_depth: 3}}\n")
    first = lab("train", other, "--runs-dir", tmp_path / "runs", "--json").json
    (tmp_path / "runs").rename(tmp_path / "archive")
    again = lab("evaluate", "other", "--runs-dir", tmp_path / "archive", "--json")
    assert again.code == 0, again.err
    assert again.json["comparisons"] == first["comparisons"]
    shutil.rmtree(tmp_path / "archive" / "tiny")
    gone = lab("evaluate", "other", "--runs-dir", tmp_path / "archive")
    assert gone.code == 2
    assert "compared with tiny" in gone.err


def test_the_last_run_is_the_one_that_began_last(lab, tiny_config, tmp_path):
    runs = tmp_path / "runs"
    lab("train", tiny_config, "--run-dir", runs / "tiny" / "zzz")
    second = lab("train", tiny_config, "--runs-dir", runs, "--set", "seed=9", "--json").json
    found = lab("evaluate", "tiny", "--runs-dir", runs, "--json").json
    assert found["run_dir"] == second["run_dir"]


def test_a_purge_that_is_too_short_is_said_to_scripts_and_quiet_users(train):
    result = train("--set", "split.purge_eras=0", "--quiet")
    assert "optimistic" in result.err
    assert any("optimistic" in note for note in result.json["notes"])


def test_the_final_fit_keeps_the_recipe_of_the_folds(train):
    result = train("--final", "--set", "split.train_step=4")
    facts = json.loads(Path(result.json["run_dir"], "final", "fit.json").read_text())
    eras = result.json["folds"][-1]["judged"]["last"]
    assert facts["train"]["n_eras"] == int(np.ceil(eras / 4))
    assert "final fit on" in result.err


def test_the_benchmark_is_compared_on_its_own_eras(train):
    result = train().json
    (row,) = [c for c in result["comparisons"] if c["baseline"] == result["benchmark"]]
    assert row["n_eras"] == result["scores"][result["benchmark"]]["corr"]["n_eras"]


@pytest.mark.parametrize(
    "command",
    [
        ["config", "schema"],
        ["config", "show", "CONFIG"],
        ["config", "check", "CONFIG"],
        ["models"],
        ["models", "xgb"],
        ["runs"],
        ["train", "CONFIG", "--plan"],
        ["train", "CONFIG", "--nonsense"],
        ["train"],
        ["nonsense"],
        ["evaluate", "--from", "abc"],
        ["compare", "one", "two"],
        ["report", "nothing"],
    ],
)
def test_every_command_prints_one_json_object(lab, tiny_config, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    result = lab(*[tiny_config if word == "CONFIG" else word for word in command], "--json")
    assert isinstance(result.json, dict)
    assert result.code == (2 if "error" in result.json else 0)


def test_runs_dir_that_is_a_file(lab, tiny_config):
    result = lab("train", tiny_config, "--runs-dir", tiny_config)
    assert result.code == 2
    assert "not a directory" in result.err


def test_version(lab):
    assert lab("--version").out.startswith("numerai_lab ")
