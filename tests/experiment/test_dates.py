"""An experiment whose eras are dates: the same folds and numbers as by weeks, shown as dates."""

import datetime as dt
import json
import re

import numpy as np
import pandas as pd
import pytest

from numerai_lab.experiment import find_run
from tiny import TINY_CONFIG

FIRST = dt.date(2013, 1, 4)
WEEK = 5896  # of FIRST


def friday(era):
    return FIRST + dt.timedelta(weeks=int(era) - 1)


def compact(era):
    return int(friday(era).strftime("%Y%m%d"))


@pytest.fixture(scope="module")
def dated(tmp_path_factory, tournament, final_runs):
    """A folder with the tournament's rows, whose eras are dates as numbers, and a config."""
    folder = tmp_path_factory.mktemp("dated")
    names = ("train", "validation")
    rows = pd.concat([pd.read_parquet(tournament / f"{name}.parquet") for name in names])
    rows["friday_date"] = rows["era"].map(compact)
    rows.drop(columns=["era", "data_type"]).to_parquet(folder / "rows.parquet")
    profile = "source: parquet\nfiles: [{}]\ncolumns: {{era: {}}}\n"
    for name, era in (
        ("named", "friday_date"),
        ("dates", "{column: friday_date, format: date}"),
    ):
        (folder / f"{name}.yaml").write_text(profile.format(folder / "rows.parquet", era))
    (folder / "tiny.yaml").write_text(TINY_CONFIG.format(folder=tournament))
    return folder


@pytest.fixture
def trained(lab, dated):
    """Its run, with a final model; made by the first test that asks."""
    runs = dated / "runs"
    if not runs.exists():
        arguments = ("train", dated / "tiny.yaml", "--data", dated / "dates.yaml", "--final")
        arguments += ("--set", "split.partial_chunk=false")
        result = lab(*arguments, "--runs-dir", runs, "--json")
        assert result.code == 0, result.err
    return find_run("tiny", runs).path


def test_dates_as_numbers_are_refused_before_anything_is_trained(lab, dated, tmp_path):
    asked = ("train", dated / "tiny.yaml", "--data", dated / "named.yaml")
    for result in (lab(*asked, "--runs-dir", tmp_path / "runs"), lab(*asked, "--plan")):
        assert result.code == 2
        assert "era 20140221 is not the number of a week (all are below 10,000)" in result.err
        assert "write data.columns.era: {column: friday_date, format: date}" in result.err
    assert not (tmp_path / "runs").exists()


def test_a_test_is_named_by_dates_and_shown_with_them(lab, dated):
    parts = f"train: {{to: {friday(20)}}}, test: {{from: {friday(45)}, to: {friday(50)}}}"
    split = f"split={{type: holdout, purge_eras: 4, {parts}}}"
    asked = ("train", dated / "tiny.yaml", "--data", dated / "dates.yaml", "--set", split, "--plan")
    (fold,) = lab(*asked, "--json").json["folds"]
    assert fold["test_eras"] == [[WEEK + 44, WEEK + 49]]
    assert fold["judged"]["last_date"] == f"{friday(40)}"
    words = f"test eras {WEEK + 44}-{WEEK + 49} ({friday(45)} to {friday(50)}): 6 eras"
    assert words in " ".join(lab(*asked).out.split())


def test_the_run_is_that_of_week_numbers(trained, final_runs):
    by_number = find_run("tiny", final_runs).path
    ours, theirs = (
        pd.read_parquet(run / "predictions.parquet").set_index("id") for run in (trained, by_number)
    )
    weeks = theirs["era"].astype(int) + WEEK - 1
    np.testing.assert_array_equal(ours["era"], weeks.map("{:04d}".format))
    pd.testing.assert_frame_equal(ours.drop(columns="era"), theirs.drop(columns="era"))
    ours, theirs = (json.loads((run / "scores.json").read_text()) for run in (trained, by_number))
    ours, theirs = (scores["scores"]["prediction"]["corr"] for scores in (ours, theirs))
    assert ours["first_era"] == theirs["first_era"] + WEEK - 1
    by_place = {"first_era": None, "last_era": None}
    assert ours | by_place == theirs | by_place


def test_dates_are_shown_where_eras_are(lab, dated, trained):
    manifest = json.loads((trained / "manifest.json").read_text())
    data, fold = manifest["data"], manifest["folds"][0]
    assert (data["first_date"], data["last_date"]) == ("2013-01-04", "2014-01-24")
    assert data["era_dates"]["5897"] == "2013-01-11"
    assert (fold["judged"]["first"], fold["judged"]["first_date"]) == (5926, "2013-08-02")
    page = (trained / "report.html").read_text()
    assert "20 eras judged (5926-5945) (2013-08-02 to 2013-12-13)" in page
    assert "5926-5935 (2013-08-02 to 2013-10-04)" in page
    assert '"ticktext":["2013-08-02"' in page.replace(" ", "")
    plan = lab("train", dated / "tiny.yaml", "--data", dated / "dates.yaml", "--plan")
    assert "2013-08-02" in plan.out
    assert "eras are dates: 2013-01-04 to 2014-02-21 became weeks 5896 to 5955" in plan.err


def test_differences_are_shown_by_year(lab, trained):
    found = lab("compare", trained, trained, "--json")
    assert found.code == 0, found.err
    (year,) = found.json["comparisons"][0]["years"]
    assert (year["label"], year["first_era"], year["n_eras"]) == ("2013", 5926, 20)


def test_commands_after_training_read_the_dates_too(lab, dated, trained, tmp_path):
    live = pd.read_parquet(dated / "rows.parquet")
    live = live[live["friday_date"].isin([compact(3), compact(60)])]
    live.to_parquet(tmp_path / "live.parquet")
    found = lab("predict", trained, "--features", tmp_path / "live.parquet", "--json")
    assert found.code == 0, found.err
    assert (found.json["n_eras"], found.json["n_in_sample"]) == (2, 1)
    again = lab("evaluate", trained, "--json")
    assert again.code == 0, again.err
    assert lab("evaluate", trained, "--from", "5930", "--json").json["eras"]["n"] == 16


def test_evaluate_takes_dates_for_from_and_to(lab, dated, trained):
    by_number = lab("evaluate", trained, "--from", 5930, "--to", 5939, "--json")
    by_date = lab("evaluate", trained, "--from", "2013-08-30", "--to", "2013-11-03", "--json")
    assert by_date.code == 0, by_date.err
    assert "--from 2013-08-30 is era 5930 (dated 2013-08-30)" in by_date.err
    assert "--to 2013-11-03 is era 5939 (dated 2013-11-01)" in by_date.err
    assert by_date.json == by_number.json
    assert by_date.json["eras"] == {"first": 5930, "last": 5939, "n": 10}
    file = ("evaluate", trained / "predictions.parquet", "--data", dated / "dates.yaml", "--json")
    assert lab(*file, "--from", "2013-12-09").json["eras"] == {"first": 5945, "last": 5945, "n": 1}
    late = lab("evaluate", trained, "--from", "2020-01-01")
    assert (late.code, "--from 2020-01-01 is era 6261 (no row is of that week)" in late.err) == (
        2,
        True,
    )


@pytest.mark.parametrize(
    ("bound", "sentence"),
    [
        (
            "2013-08-30",
            "--from: 2013-08-30 is a date, and the eras of these rows are numbers (1 to",
        ),
        ("2013-02-30", "--from: '2013-02-30' is neither the number of an era nor a date"),
        ("soon", "--from: 'soon' is neither the number of an era nor a date"),
        ("-5", "--from: '-5' is neither the number of an era nor a date"),
    ],
)
def test_a_date_where_no_dates_are_known_is_refused(lab, final_runs, bound, sentence):
    result = lab("evaluate", find_run("tiny", final_runs).path, f"--from={bound}")
    assert (result.code, result.out) == (2, "")
    assert sentence in result.err


@pytest.mark.parametrize("form", ["compact", "date", "text", "week", "none", "wrong"])
def test_predictions_of_others_name_eras_as_the_data_or_by_week(
    lab, dated, trained, tmp_path, form
):
    rows = pd.read_parquet(trained / "predictions.parquet")[["id", "era", "prediction"]]
    numbers = rows["era"].astype(int) - WEEK + 1
    eras = {
        "compact": numbers.map(compact),
        "date": numbers.map(friday),
        "text": numbers.map(friday).map(str),
        "week": rows["era"],
        "wrong": (numbers + 1).map(compact),
    }
    rows = rows.drop(columns="era") if form == "none" else rows.assign(era=eras[form])
    rows.to_parquet(tmp_path / "others.parquet")
    asked = ("evaluate", tmp_path / "others.parquet", "--data", dated / "dates.yaml", "--json")
    result = lab(*asked)
    if form == "wrong":
        assert result.code == 2
        assert re.search(r"is in era 59\d\d here and in era 59\d\d of the data", result.err)
        return
    assert result.code == 0, result.err
    mine = json.loads((trained / "scores.json").read_text())
    assert result.json["scores"]["prediction"]["corr"]["mean"] == pytest.approx(
        mine["scores"]["prediction"]["corr"]["mean"], abs=1e-12
    )


def test_eras_and_splits_may_be_bounded_by_dates(lab, dated, tmp_path):
    asked = ("train", dated / "tiny.yaml", "--data", dated / "dates.yaml", "--plan", "--json")
    for start, stop in (("2013-07-05", "2013-10-04"), (WEEK + 26, WEEK + 39)):
        bounds = f"{{type: holdout, train: {{to: {start}}}, validate: {{to: {stop}}}}}"
        plan = lab(*asked, "--set", f"split={bounds}", "--set", "data.eras.from=2013-02-01")
        assert plan.code == 0, plan.err
        (fold,) = plan.json["folds"]
        assert (fold["train"]["first_date"], fold["train"]["last_date"]) == (
            "2013-02-01",
            "2013-07-05",
        )
        assert fold["judged"]["last_date"] == "2013-10-04"
    bad = lab(*asked, "--set", "data.eras.from=2013-02-30")
    assert (bad.code, "data.eras.from: day is out of range" in bad.err) == (2, True)


def test_a_column_that_is_only_named_is_kept_as_it_was_written(lab, dated):
    """So the config's hash is the same, and runs that are there are resumed and found again."""
    shown = lab("config", "show", dated / "tiny.yaml", "--data", dated / "named.yaml")
    assert "era: friday_date" in shown.out
