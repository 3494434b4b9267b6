"""`explain RUN --final`: the final model on live rows, which have no labels."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from numerai_lab.experiment import RunDir, live_file, load_final
from numerai_lab.tournament import predict
from report_html import Page
from tournament_runs import train_final


@pytest.fixture(scope="module")
def run(tmp_path_factory, tournament):
    """A run with a final model; explained by whoever comes first."""
    return train_final(tmp_path_factory.mktemp("final"), tournament, "ready")


def test_what_features_add_to_live_rows_is_told_without_scores(run, lab):
    some = pd.read_parquet(live_file(load_final(RunDir(run)))).reset_index()["id"][3]
    told = lab(
        "explain", run, "--final", "--id", some, "--expect", "feature_0000=+1", "--json", "-q"
    )
    assert told.code == 0, told.err
    found = told.json
    assert (found["fold"], found["explained"]["eras"]) == (0, 1)
    assert found["features"][0]["size"] > 0
    assert {one["earned"] for one in found["features"]} == {None}
    assert (found["corr"], found["permutation"]["features"]) == (None, [])
    assert any("the rows have no labels" in note for note in found["notes"])
    (row,) = found["rows"]
    assert (row["id"], row["target"]) == (some, None)
    assert found["expected"][0]["eras"] == 1
    table = pq.read_table(found["table"]).to_pandas().set_index("id")
    final = load_final(RunDir(run))
    live = predict(final, live_file(final), say=lambda _: None).table().set_index("id")
    own = live.loc[table.index, "prediction"]
    assert table["raw"].corr(own, method="spearman") == pytest.approx(1, abs=1e-3)
    page = Page(Path(found["page"]).read_text(encoding="utf-8")).words
    assert "Final model" in page
    assert "live rows" in page
    assert "Earned by era" not in page
    report = Page((run / "report.html").read_text(encoding="utf-8"))
    assert "Final model: the largest contributions" in report.tables


def test_other_rows_and_a_fold_beside_it(run, lab, tmp_path, tournament):
    live = shutil.copy(tournament / "live.parquet", tmp_path / "others.parquet")
    asked = ["--final", "--features", live, "--rows", "40"]
    told = lab("explain", run, *asked, "--json", "-q").json
    assert told["explained"]["rows"] == 40
    assert lab("explain", run, "--permute", "0", "-q").code == 0
    page = Page((run / "explain.html").read_text(encoding="utf-8")).words
    assert page.index("Fold 1") < page.index("Final model")


def test_an_explanation_of_an_earlier_final_model_is_not_shown(run, lab, tmp_path):
    copied = tmp_path / "runs" / "ready" / run.name
    shutil.copytree(run, copied)
    assert lab("explain", copied, "--final", "--rows", "30", "-q").code == 0
    done = copied / "final" / "DONE"
    done.write_text(json.dumps(json.loads(done.read_text())) + " ")
    assert lab("report", copied).code == 0
    words = Page((copied / "report.html").read_text(encoding="utf-8")).words
    assert "explains another model than the run has now" in words
    assert "--final` writes it anew" in words


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (["--final", "--fold", "1"], "--fold: the final model is explained on live rows"),
        (["--final", "--era", "40"], "--era: the final model is explained on live rows"),
        (["--features", "live.parquet"], "--features: a fold's model is explained on rows that it"),
        (["--final", "--id", "nobody"], "no row that the final model is shown has the id 'nobody'"),
        (["--final", "--features", "nowhere.parquet"], "nowhere.parquet"),
    ],
)
def test_what_does_not_go_together_is_one_sentence(run, lab, asked, sentence):
    result = lab("explain", run, *asked, "-q")
    assert result.code == 2
    assert sentence in result.err
    assert result.err.count("\n") == 1


def test_a_run_without_a_final_model_says_how_to_make_it(lab, tiny_run):
    result = lab("explain", next((tiny_run[0] / "runs" / "tiny").iterdir()), "--final", "-q")
    assert result.code == 2
    assert "has no final model" in result.err
    assert "--resume --final --run-dir" in result.err
