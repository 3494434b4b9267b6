"""Runs with transforms: the twins judged, live as in training, on workers, going on, in bundles."""

from __future__ import annotations

import json
import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from numerai_lab.cli import run as command
from numerai_lab.experiment import (
    Reporter,
    RunDir,
    find_final,
    load_final,
    prepare,
    read_experiment,
)
from numerai_lab.experiment.cluster.predictions import FoldToPredict, SharedPrediction
from numerai_lab.experiment.cluster.work import read_files
from numerai_lab.experiment.predicting import Past, predict_with_past
from numerai_lab.scoring import rank_per_era

CONFIG = """\
name: {name}
data: {{source: numerai, dir: "{data}", feature_sets: {{one: {one}, two: {two}}}}}
split: {{type: walk_forward, first_train_eras: 30, chunk_eras: 30, purge_eras: 4}}
scoring: {{exposure: false, fnc_feature_set: none, bootstrap: {{samples: 100}}}}
threads: 1
transforms: {steps}
model: {{type: xgb, params: {{num_boost_round: 6, max_depth: 2, eta: 0.3}}}}
"""
WITHIN = "[{type: group_scores, groups: [one, two]}, {type: interactions, top: 3}, {type: noise}]"
BACK = "[{type: decompose, of: correlation, top: 3, window: 6}, {type: lags, top: 3, lags: [12]}]"


def write_rows(folder, tournament, last):
    """The tournament as it was once: no era after `last`."""
    folder.mkdir(exist_ok=True)
    for name in ("train.parquet", "validation.parquet"):
        rows = pd.read_parquet(tournament / name)
        rows[rows["era"].astype(int) <= last].to_parquet(folder / name)
    (folder / "features.json").write_bytes((tournament / "features.json").read_bytes())


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tournament):
    """Runs `within`, whose steps look at one era, and `back`, whose steps look back; read only.

    `then` are the data that they were trained on, `data` what became of these nine weeks later.
    """
    folder = tmp_path_factory.mktemp("transforms")
    write_rows(folder / "data", tournament, 50)
    write_rows(folder / "then", tournament, 50)
    named = json.loads((tournament / "features.json").read_text())["feature_sets"]["all"]
    for name, steps in (("within", WITHIN), ("back", BACK)):
        told = {"name": name, "data": folder / "data", "steps": steps}
        text = CONFIG.format(one=json.dumps(named[:5]), two=json.dumps(named[5:]), **told)
        (folder / f"{name}.yaml").write_text(text)
        with redirect_stdout(StringIO()):
            asked = ["train", str(folder / f"{name}.yaml"), "--run-dir", str(folder / name)]
            assert command([*asked, "--quiet", "--final"]) == 0
    write_rows(folder / "data", tournament, 59)
    return folder


def prepared(folder, name, data):
    settings = (f"data.dir={json.dumps(str(folder / data))}",)
    with Reporter(quiet=True) as reporter:
        return prepare(read_experiment(str(folder / f"{name}.yaml"), None, settings), reporter)


def test_the_run_shows_with_placebo_and_without_paired(folder):
    scores = json.loads((folder / "within" / "scores.json").read_text())
    assert {"prediction", "without", "placebo"} <= set(scores["scores"])
    pairs = {(c["prediction"], c["baseline"]): c for c in scores["comparisons"]}
    wanted = {("prediction", "without"), ("placebo", "without"), ("prediction", "placebo")}
    assert wanted <= set(pairs)
    assert all(pairs[pair]["ci_low"] <= pairs[pair]["ci_high"] for pair in wanted)
    page = (folder / "within" / "report.html").read_text()
    assert "each added column permuted within its era" in page
    assert "of 19 added columns, which have" in page


def test_the_plan_tells_the_extra_fits(folder, lab):
    said = lab("train", folder / "within.yaml", "--plan").out
    assert "fits    3 in each fold: the model, and to compare it with without, placebo" in said
    assert lab("train", folder / "within.yaml", "--plan", "--json").json["fits_per_fold"] == 3


def test_more_columns_than_memory_are_refused_before_the_fit(folder, lab, tmp_path, monkeypatch):
    few, many = tmp_path / "few.yaml", tmp_path / "many.yaml"
    text = (folder / "within.yaml").read_text().replace(WITHIN, "[{type: noise, columns: 2}]")
    few.write_text(text)
    many.write_text(text.replace("columns: 2", "columns: 1000"))
    takes = {
        path: lab("train", path, "--plan", "--json", "--set", "placebo=0").json["memory_bytes"]
        for path in (few, many)
    }
    told = lab("train", many, "--plan", "--json").json
    n_rows = told["folds"][-1]["train"]["n_rows"]
    # what XGBoost takes of a value when it trains from disk, and the column itself
    assert takes[many] - takes[few] == pytest.approx(998 * n_rows * 1.25, rel=0.01)
    limit = takes[few] + 1000
    monkeypatch.setattr("numerai_lab.experiment.executor.available_bytes", lambda: limit)
    refused = lab("train", many, "--runs-dir", tmp_path / "runs")
    assert refused.code == 2
    (sentence,) = refused.err.splitlines()[-1:]
    assert "x 12 features and 1,000 columns added to them, which takes" in sentence
    assert "fewer columns in transforms" in sentence
    assert not (tmp_path / "runs").exists()


def live_file(path, tournament, era):
    rows = pd.read_parquet(tournament / "validation.parquet")
    live = rows[rows["era"].astype(int) == era].drop(columns=["target"])
    live["era"] = f"{era:04d}"
    live.iloc[::-1].to_parquet(path)
    return path


@pytest.mark.parametrize("name", ["within", "back"])
def test_live_rows_are_predicted_as_in_the_run(folder, tournament, tmp_path, lab, name):
    live = live_file(tmp_path / "live.parquet", tournament, 60)
    asked = ("--features", live, "--out", tmp_path / "out.csv")
    result = lab("predict", folder / name, *asked)
    assert result.code == 0, result.err
    told = pd.read_csv(tmp_path / "out.csv", index_col="id")["prediction"]
    write_rows(folder / "whole", tournament, 60)
    plan = prepared(folder, "back", "whole")
    rows = plan.dataset.known
    own = rows.between(60, 60).without_targets()
    past = Past(rows.between(1, 59), plan.trained, 4)
    model = load_final(RunDir(folder / name)).model
    found = predict_with_past(model, own, past).predictions
    expected = pd.Series(rank_per_era(found, own.offsets), own.ids.to_pylist())
    assert len(told) == len(expected)
    assert np.allclose(told[expected.index], expected, rtol=0, atol=1e-12)


def test_what_goes_live_has_no_twins_and_can_be_bundled(folder, lab, tmp_path):
    final = load_final(find_final(str(folder / "within"), folder))
    assert sorted(p.name for p in (folder / "within" / "final" / "model").iterdir()) == [
        "meta.json",
        "model",
        "steps",
    ]
    assert final.model.info_for(final.model.params).exportable
    result = lab("export", folder / "within", "--out", tmp_path / "a.pkl")
    assert result.code == 0, result.err


def test_a_bundle_carries_its_past_and_says_when_it_is_stale(folder, tournament, lab, tmp_path):
    result = lab("export", folder / "back", "--out", tmp_path / "b.pkl")
    assert result.code == 0, result.err
    assert "goes along, and ends before era 60: from the week after that on" in result.err
    assert re.search(r"by the calendar 20\d\d-\d\d-\d\d, it is stale", result.err)
    bundle = pd.read_pickle(tmp_path / "b.pkl")
    live = live_file(tmp_path / "live.parquet", tournament, 60)
    lab("predict", folder / "back", "--features", live, "--out", tmp_path / "out.csv")
    told = pd.read_csv(tmp_path / "out.csv", index_col="id")
    rows = pd.read_parquet(live)
    assert np.array_equal(bundle(rows)["prediction"], told["prediction"][rows.index])
    # without a number it is that era, as long as the week lasts
    assert np.array_equal(bundle(rows.assign(era="X"))["prediction"], bundle(rows)["prediction"])
    with pytest.warns(UserWarning, match="before era 60 and predicts era 62 without the 2 between"):
        bundle(rows.assign(era="0062"))
    with pytest.raises(ValueError, match="era 59 lies before era 60, the first this bundle is"):
        bundle(rows.assign(era="0059"))


def test_a_file_that_is_joined_stands_in_the_manifest(folder, tournament, tmp_path, lab):
    eras = np.arange(1, 61)
    macro = tmp_path / "macro.csv"
    pd.DataFrame({"era": eras, "known": eras, "x": np.sin(eras)}).to_csv(macro, index=False)
    text = (folder / "within.yaml").read_text().replace("name: within", "name: joined")
    join = f"join: [{{file: {macro}, by: era, columns: [x], available_from: known, top: 2}}]"
    (tmp_path / "joined.yaml").write_text(text.replace("data: {", f"data: {{{join}, "))
    asked = ("--run-dir", tmp_path / "run", "--final", "--set", "placebo=0", "--quiet")
    result = lab("train", tmp_path / "joined.yaml", *asked)
    assert result.code == 0, result.err
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    (made_with,) = manifest["made_with"].values()
    assert made_with["path"] == str(macro)
    live = live_file(tmp_path / "live.parquet", tournament, 60)
    result = lab("predict", tmp_path / "run", "--features", live, "--out", tmp_path / "out.csv")
    assert result.code == 0, result.err


def test_workers_predict_the_same(folder):
    """What goes out to workers, done here."""
    plan = prepared(folder, "back", "then")
    fold = plan.plan.folds[0]
    files = read_files(folder / "back" / "folds" / "01" / "model")
    shared = SharedPrediction(FoldToPredict(files, fold.judged, int(fold.train[-1])), plan, 3)
    for (step, part), (function, *arguments) in shared.begin():
        assert not shared.take(step, part, *function(*arguments))
    told = pd.read_parquet(folder / "back" / "folds" / "01" / "predictions.parquet")
    ids = plan.dataset.frame.select_eras(fold.judged).ids.to_pylist()
    told = told.set_index("id").loc[ids]
    assert np.array_equal(told["prediction"], shared.whole.predictions)
    assert np.array_equal(told["placebo"], shared.whole.variants["placebo"])


@pytest.mark.parametrize("name", ["within", "back"])
def test_it_goes_on_with_the_same_steps(folder, name, tmp_path, lab):
    asked = ("--amount", 2, "--runs-dir", tmp_path, "--json", "--quiet")
    result = lab("train", "--continue", folder / name, *asked)
    assert result.code == 0, result.err
    new = RunDir(Path(result.json["run_dir"]))
    before, after = (load_final(run) for run in (RunDir(folder / name), new))
    assert (before.model.n_steps, after.model.n_steps) == (6, 8)
    assert after.trained_eras[1] == 56
    for number in ("0", "1"):
        old, kept = (
            (run.final_dir / "model" / "steps" / number / "step.json").read_bytes()
            for run in (RunDir(folder / name), new)
        )
        assert old == kept
