"""What a study refuses, each in one sentence that says the way out."""

import json
import sqlite3
import sys

import pytest

from tune_lab import CONFIG, Lab


def refused(lab: Lab, *more: object) -> str:
    said = lab.tune(*more, "--trials", 2)
    assert said["exit_code"] == 2
    assert "\n" not in said["error"]
    return said["error"]


@pytest.fixture
def begun(small) -> Lab:
    small.tune("--trials", 1)
    return small


def test_a_study_of_another_config(begun):
    said = refused(
        begun, "--set", "model.params.max_depth={tune: int, low: 1, high: 3, default: 2}"
    )
    assert said.startswith(
        f"{begun.study}: holds a study of another config (another space); remove"
    )
    assert "(another value)" in refused(begun, "--set", "model.params.num_boost_round=4")
    assert "(another score)" in refused(begun, "--set", "tune.score=ci_low")
    assert "(other eras, other inner folds)" in refused(begun, "--set", "tune.eras.to=50")


def test_a_study_of_other_data(begun, tmp_path, tournament):
    other = "data.synthetic={n_eras: 60, rows_per_era: 60, n_features: 12, seed: 2}"
    said = refused(
        begun,
        "--set",
        "data.source=synthetic",
        "--set",
        other,
        "--set",
        f"data.dir={tmp_path / 'made'}",
    )
    assert "(another value, other data)" in said


def test_no_trial_finished(small):
    said = refused(
        small,
        "--set",
        "model.params.eta={tune: choice, choice: [0, 0.0001e-9]}",
        "--set",
        "model.params.max_depth=1",
    )
    assert "no trial finished (2 failed: no judged era has a corr: the predictions are" in said
    assert "another space" in said


def test_values_that_the_model_refuses_are_failed_trials(small):
    text = small.folder / "small.yaml"
    spaces = "    booster: {tune: choice, choice: [gbtree, dart]}\n    tree_method: exact\n"
    small.write(text.read_text() + spaces)
    eras = "{tune: choice, choice: [5, 30], default: 5}"
    early = f"early_stopping={{rounds: 2, purge_eras: 1, eras: {eras}}}"
    found = small.tune("--trials", 6, "--set", early)
    states = {t["values"]["early_stopping.eras"]: t["state"] for t in found["trials"]}
    assert states == {5: "complete", 30: "failed"}
    (reason,) = {t["reason"] for t in found["trials"] if t["state"] == "failed"}
    assert "no eras to train on" in reason
    assert reason in (small.study / "tune.html").read_text()


def test_a_config_that_is_somebody_elses_is_not_written_over(begun):
    begun.tuned.write_text(begun.tuned.read_text() + "# my own words\n")
    mine = begun.tuned.read_bytes()
    said = refused(begun)
    assert said.startswith(f"{begun.tuned}: is there already, and not as this study wrote it; move")
    assert begun.tuned.read_bytes() == mine
    assert "error" not in begun.tune("--trials", 2, "--out", begun.folder / "other.yaml")


def test_damage_is_named(begun):
    record = begun.study / "study.json"
    whole = record.read_bytes()
    record.write_bytes(whole.replace(b'"seed": 0', b'"seed": 1'))
    assert f"{record}: is not what was written" in refused(begun)
    record.unlink()
    assert f"{record}: is gone, and study.sqlite does not say whose" in refused(begun)
    record.write_bytes(whole)
    database = begun.study / "study.sqlite"
    kept = database.read_bytes()
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE trial_values SET value = value + 0.01")
    connection.close()
    assert "trial 0 is damaged: its score is not that of its eras" in refused(begun)
    database.write_bytes(kept[:4096] + bytes(8192) + kept[12288:])
    assert f"{database}: " in refused(begun)
    database.write_bytes(b"not a database" * 1000)
    assert "file is not a database" in refused(begun)


def test_a_database_that_is_gone_is_made_anew_and_said(begun, lab):
    (begun.study / "study.sqlite").unlink()
    told = lab(*begun.command, "--trials", 1)
    assert told.code == 0
    assert "study.sqlite is gone: every trial of the study is made anew" in told.err


def test_nothing_to_tune(small, tournament, monkeypatch):
    from numerai_lab.models import get_model

    monkeypatch.setattr(get_model("xgb").Params, "SPACE", {})
    small.write(CONFIG.format(folder=tournament).split("    max_depth")[0])
    assert "nothing to tune: no value is a space, and model xgb ships none" in refused(small)


def test_an_own_space_that_does_not_go_with_the_config(small, tournament):
    text = CONFIG.format(folder=tournament).split("    max_depth")[0]
    small.write(text + "    learning_rate: 0.1\n")
    said = refused(small)
    assert "the model's own space of eta does not go with these parameters" in said


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "tune.eras={from: 30, to: 31}",
            "there are 2 eras from 30 to 31, too few for 2 inner folds",
        ),
        (
            "tune.eras.to=8",
            "tune.eras: cutting the 8 training eras into 3 parts, with a purge of 4",
        ),
        ("tune.scores=mean", "tune.scores: unknown key, did you mean 'score'?"),
        (
            "split={type: holdout, train: {to: 20}, test: {from: 42}, purge_eras: 4}",
            "tune.eras: to 40 is not before era 38, where the eras kept for the test begin",
        ),
    ],
)
def test_eras_that_cannot_be(small, override, said):
    assert said in refused(small, "--set", override)


def test_without_optuna_it_says_what_to_type(small, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert refused(small).endswith("is not installed; pip install numerai_lab[tune]")


def test_a_time_that_is_none(small):
    assert "--time: 'soon' is not a duration" in refused(small, "--time", "soon")


def test_json_of_an_error_is_one_object(small):
    assert json.loads(json.dumps(small.tune("--time", "soon")))["exit_code"] == 2
