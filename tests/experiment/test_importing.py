"""Predictions from elsewhere: a run that is judged, compared and stacked, and has no model."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from numerai_lab.cli import run as command

MARK = "IMPORTED predictions of mine.csv: nobody knows here what they were trained on"


@pytest.fixture(scope="module")
def made(tiny_run, tournament, tmp_path_factory):
    """A folder with a finished run `tiny`, a file of some of its predictions, and its run."""
    folder = tmp_path_factory.mktemp("imported")
    shutil.copytree(tiny_run[0] / "runs", folder / "runs")
    shutil.copy(tiny_run[0] / "tiny.yaml", folder)
    (path,) = (folder / "runs" / "tiny").glob("*/predictions.parquet")
    table = pd.read_parquet(path)
    table = table[table["era"] != "0040"].iloc[7:]
    table.rename(columns={"prediction": "guess"})[["id", "guess"]].to_csv(
        folder / "mine.csv", index=False
    )
    asked = ["--name", "mine", "--data", tournament, "--runs-dir", folder / "runs", "-q"]
    assert command([str(a) for a in ("import", folder / "mine.csv", *asked)]) == 0
    return folder


@pytest.fixture
def here(made, monkeypatch):
    monkeypatch.chdir(made)
    return made


def test_what_is_judged_is_what_the_file_holds(here, lab):
    (theirs,), (mine,) = (list(Path("runs", name).iterdir()) for name in ("tiny", "mine"))
    scores = [
        pd.read_parquet(run / "scores_per_era.parquet").query("prediction == 'prediction'")
        for run in (theirs, mine)
    ]
    corr, own = (table.set_index("era")["corr"] for table in scores)
    assert 40 not in own.index
    assert (own.index[0], own.index[-1], len(own)) == (31, corr.index[-1], len(corr) - 1)
    pd.testing.assert_series_equal(
        own.iloc[1:], corr.drop([31, 40]), rtol=1e-5, check_index_type=False
    )
    assert len(pd.read_parquet(mine / "predictions.parquet")) == len(pd.read_csv("mine.csv"))


def test_what_the_file_lacks_is_counted(here, lab, tournament, tmp_path):
    asked = ("--data", tournament, "--runs-dir", tmp_path, "--name", "again")
    result = lab("import", "mine.csv", *asked, "--json")
    assert result.code == 0, result.err
    words = " ".join(result.err.split())
    assert "judging column 'guess' as the prediction" in words
    assert "67 of 1,560 rows of eras 31-56 have no prediction, 1 whole eras among them" in words
    assert "(first: 40): not judged" in words
    assert result.json["eras"]["n"] == 25
    assert MARK in result.json["origin"]


def test_it_is_marked_wherever_it_is_shown(here, lab):
    mine = next(Path("runs", "mine").iterdir())
    for asked in (("runs",), ("evaluate", "mine")):
        result = lab(*asked)
        assert result.code == 0, result.err
        assert MARK in " ".join(result.out.split()), asked
    compared = lab("compare", "tiny", "mine", "mine.csv", "--json")
    assert compared.code == 0, compared.err
    assert MARK in compared.err
    assert "mine.csv: a file of predictions: nobody knows here" in compared.err
    imported, file = compared.json["comparisons"]
    assert file["mean"] == pytest.approx(imported["mean"], rel=1e-5)
    assert imported["n_eras"] == file["n_eras"] == 25
    lab("report", "mine")
    assert MARK in (mine / "report.html").read_text()


def test_files_alone_are_compared_on_named_data(here, lab, tournament, tmp_path):
    shutil.copy("mine.csv", tmp_path / "other.csv")
    result = lab("compare", "mine.csv", tmp_path / "other.csv", "--data", tournament, "--json")
    assert result.code == 0, result.err
    assert result.json["comparisons"][0]["verdict"] == "identical"
    gone = lab("compare", "mine.csv", "gone.csv", "--data", tournament)
    assert (gone.code, "gone.csv" in gone.err) == (2, True)


@pytest.mark.parametrize(
    "asked",
    [
        ("predict", "latest:mine"),
        ("train", "--continue", "mine"),
        ("explain", "mine"),
        ("export", "mine"),
        ("submit", "latest:mine", "--slot", "mine", "--dry-run"),
        ("train", "mine.yaml", "--final"),
    ],
)
def test_without_a_model_it_says_so(here, lab, tournament, asked, monkeypatch):
    monkeypatch.setenv("NUMERAI_PUBLIC_ID", "X")
    monkeypatch.setenv("NUMERAI_SECRET_KEY", "X")
    Path("mine.yaml").write_text(
        "extends: tiny.yaml\nmodel: {type: imported, params: {file: mine.csv, column: guess}}\n"
    )
    result = lab(*asked)
    assert result.code == 2, result.err
    assert "these are imported predictions: there is no model" in result.err
    assert "run: {command: [...]}" in result.err


def test_it_is_a_member_of_a_stack(here, lab):
    member = "{type: imported, params: {file: mine.csv, column: guess}}"
    Path("stack.yaml").write_text(
        "extends: tiny.yaml\n"
        f"model: {{type: stack, params: {{members: {{a: {{from: tiny.yaml}}, b: {member}}}}}}}\n"
    )
    result = lab("train", "stack.yaml", "--json")
    assert result.code == 0, result.err
    assert {"a", "b"} <= set(result.json["scores"])
    assert MARK in result.json["origin"]
    assert "member b has no prediction for 67 of 1,560 judged rows" in result.err
    final = lab("train", "stack.yaml", "--final")
    assert final.code == 2
    assert "these are imported predictions" in final.err


def test_folds_and_scoring_may_be_those_of_an_experiment(here, lab, tmp_path):
    asked = ("--config", "tiny.yaml", "--runs-dir", tmp_path, "--json")
    result = lab("import", "mine.csv", "--name", "mine", *asked)
    assert result.code == 0, result.err
    folds = pd.read_parquet(Path(result.json["run_dir"], "predictions.parquet"))["fold"]
    assert sorted(folds.unique()) == [1, 2, 3]
    again = lab("train", Path(result.json["run_dir"], "resolved.yaml"), "--runs-dir", tmp_path)
    assert again.code == 0, again.err


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (("mine.csv", "--name", "a/b"), "'a/b' is no name for an experiment"),
        (("mine.csv", "--name", "a", "--column", "x"), "no column 'x' of numbers (there: guess)"),
        (("gone.csv", "--name", "a"), "gone.csv"),
        (("strangers.csv", "--name", "a"), "is a labelled row of the data"),
        (("mine.csv", "--name", "a", "--target", "targt"), "targt"),
    ],
)
def test_what_cannot_be_imported_is_told_in_a_sentence(here, lab, tournament, asked, says):
    Path("strangers.csv").write_text("id,prediction\nsomebody,0.5\n")
    result = lab("import", *asked, "--data", tournament)
    assert result.code == 2
    assert says in result.err
    assert not Path("runs", "a").exists()


def test_a_member_of_other_rows_is_refused_and_leaves_no_run(here, lab, tmp_path):
    (tmp_path / "strangers.csv").write_text("id,prediction\nsomebody,0.5\n")
    Path("others.yaml").write_text(
        "extends: tiny.yaml\nname: others\n"
        f"model: {{type: imported, params: {{file: {tmp_path / 'strangers.csv'}}}}}\n"
    )
    result = lab("train", "others.yaml")
    assert result.code == 2
    said = " ".join(result.err.split())
    assert "strangers.csv: no prediction for any of the 1,560 judged rows (eras 31-56, ids" in said
    assert not list(Path("runs").glob("others/*"))
