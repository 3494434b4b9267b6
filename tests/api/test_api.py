"""From Python: rows, runs, scores and what is made of predictions, as the commands have them."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import numerai_lab
from numerai_lab.errors import ConfigError, DataError, LabError, ModelError, RunError, UserError


@pytest.fixture(scope="module")
def rows(tournament):
    return numerai_lab.load(tournament)


@pytest.fixture(scope="module")
def config(tournament, tmp_path_factory):
    from tiny import TINY_CONFIG

    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(TINY_CONFIG.format(folder=tournament))
    return path


@pytest.fixture(scope="module")
def run(config, tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    made = numerai_lab.train(config, final=True, runs_dir=runs)
    assert numerai_lab.Run.open("latest:tiny", runs) == made
    return made


@pytest.fixture(scope="module")
def own(config, tmp_path_factory):
    """A run of a pipeline of scikit-learn."""
    model = make_pipeline(StandardScaler(), Ridge(alpha=10.0))
    runs = tmp_path_factory.mktemp("own")
    return numerai_lab.train(config, model=model, final=True, runs_dir=runs)


@pytest.fixture(scope="module")
def files(tournament):
    """The labelled rows as pandas reads them from Numerai's files."""
    parts = [pd.read_parquet(tournament / f"{name}.parquet") for name in ("train", "validation")]
    return pd.concat(parts).dropna(subset=["target"])


def test_the_package_brings_nothing_heavy_until_it_is_asked_for():
    said = "import sys, numerai_lab; numerai_lab.__all__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    modules = {name.partition(".")[0] for name in done.stdout.split()}
    heavy = {"numpy", "pandas", "pyarrow", "xgboost", "lightgbm", "sklearn", "pydantic", "rich"}
    assert modules & heavy == set()


def test_what_the_top_exports_is_what_the_api_exports():
    from numerai_lab import api

    assert numerai_lab.__all__ == api.__all__
    assert all(getattr(numerai_lab, name) is getattr(api, name) for name in api.__all__)
    assert set(api.__all__) <= set(dir(numerai_lab))
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        numerai_lab.trian  # noqa: B018
    for name in api.__all__:
        assert ast.get_docstring(ast.parse(f'"""{getattr(api, name).__doc__}"""'))


def test_rows_are_those_of_the_files(rows, files):
    table = rows.to_pandas()
    assert table.index.name == "id"
    wanted = files.loc[table.index, table.columns]
    pd.testing.assert_frame_equal(table, wanted, check_dtype=False)
    assert set(table.dtypes[list(rows.feature_names)]) == {np.dtype("int8")}
    part = rows.to_pandas(eras=["0031", 32], features=["feature_0002"])
    assert list(part.columns) == ["era", "feature_0002", *rows.target_names]
    assert set(part["era"]) == {"0031", "0032"}
    assert len(rows.between(31, 32).to_pandas()) == len(part)
    with pytest.raises(DataError, match="eras \\[99\\] are not in the frame"):
        rows.to_pandas(eras=[99])


def test_a_missing_value_is_nan_in_pandas_and_for_an_estimator(rows, own):
    from dataclasses import replace

    era = rows.between(31, 31)
    values = era.features.copy()
    values[3, 1] = -1
    table = replace(era, features=values).to_pandas()
    assert table.iloc[:, 1:3].isna().sum().tolist() == [0, 1]
    assert [str(kind) for kind in table.dtypes.iloc[1:3]] == ["int8", "float32"]
    with pytest.raises(ModelError, match="NaN"):
        own.model().predict(table)


def test_an_experiment_names_the_rows_to_load(config, tournament, rows):
    few = numerai_lab.load(
        config, features=["feature_0000"], targets=["target_ender_60"], labelled=False
    )
    assert (few.feature_names, few.target_names) == (("feature_0000",), ("target_ender_60",))
    assert few.n_rows > rows.n_rows
    early = numerai_lab.load(config, data=tournament, overrides={"data.eras.to": 20})
    assert early.eras[-1] == 20
    with pytest.raises(ConfigError, match="no such folder"):
        numerai_lab.load("nowhere")
    with pytest.raises(UserError, match="overrides"):
        numerai_lab.load(tournament, overrides={"seed": 1})


def test_a_run_says_what_its_files_say(run, lab, files):
    told = run.summary["scores"]["prediction"]["corr"]
    assert run.scores.loc[("target", "prediction", "corr"), "mean"] == told["mean"]
    per_era = run.per_era.query("prediction == 'prediction'")
    assert per_era["corr"].mean() == pytest.approx(told["mean"])
    predictions = run.predictions()
    assert list(predictions.columns) == ["era", "fold", "prediction"]
    joined = predictions.reset_index().merge(files, on=["id", "era"])
    assert len(joined) == len(predictions)
    assert set(per_era["era"]) == set(predictions["era"])
    assert (run.name, run.synthetic, run.origin) == ("tiny", True, "")
    assert f"corr {told['mean']:+.4f}" in repr(run)
    assert "SYNTHETIC" in repr(run)


def test_eras_that_an_older_version_wrote_as_numbers_are_read_as_labels(trained, tmp_path):
    from numerai_lab.experiment.records import merge_predictions, read_predictions

    labels = pq.read_table(Path(trained["run_dir"], "predictions.parquet"))
    place = labels.schema.get_field_index("era")
    numbers = labels.set_column(place, "era", labels["era"].cast("int32"))
    pq.write_table(numbers, tmp_path / "numbers.parquet")
    found = read_predictions(tmp_path / "numbers.parquet").eras
    assert found.tolist() == [int(era) for era in labels["era"].to_pylist()]
    # as --resume finds the folds of a run that an older version began
    pq.write_table(numbers.filter(pc.field("fold") == 1), tmp_path / "1.parquet")
    pq.write_table(labels.filter(pc.field("fold") > 1), tmp_path / "2.parquet")
    merge_predictions([tmp_path / "1.parquet", tmp_path / "2.parquet"], tmp_path / "both.parquet")
    assert pq.read_table(tmp_path / "both.parquet").equals(labels)


def test_the_final_model_predicts_as_the_command(run, lab, tournament, tmp_path):
    live = pd.read_parquet(tournament / "live.parquet")
    out = tmp_path / "live.csv"
    assert (
        lab("predict", run.path, "--features", tournament / "live.parquet", "--out", out).code == 0
    )
    wanted = pd.read_csv(out).set_index("id")["prediction"]
    model = run.model()
    shuffled = live.sample(frac=1.0, random_state=1)
    found = model.predict(shuffled)
    assert list(found.index) == list(shuffled.index)
    pd.testing.assert_series_equal(found.loc[wanted.index], wanted, check_index_type=False)
    by_path = model.predict(tournament / "live.parquet")
    pd.testing.assert_series_equal(by_path, wanted, check_index_type=False)
    assert model.trained_eras[0] == 1


def test_a_run_without_a_final_model_says_what_to_run(trained, tmp_path):
    run = numerai_lab.Run.open(None, tmp_path / "runs")
    with pytest.raises(RunError, match=r"has no final model; `numerai-lab train .*--final"):
        run.model()
    with pytest.raises(RunError, match="no finished run named 'tinny', did you mean 'tiny'"):
        numerai_lab.Run.open("latest:tinny", tmp_path / "runs")
    assert run.report().read_text().startswith("<!doctype html>")


def test_training_is_that_of_the_command(config, trained, tmp_path, capsys):
    run = numerai_lab.train(config, overrides={"name": "same"}, runs_dir=tmp_path / "mine")
    theirs = Path(trained["run_dir"])
    ours = (run.path / "predictions.parquet").read_bytes()
    assert ours == (theirs / "predictions.parquet").read_bytes()
    assert "fold 1" not in capsys.readouterr().err
    with pytest.raises(ConfigError, match=r"model.params.max_dept.*max_depth"):
        numerai_lab.train(config, overrides={"model.params.max_dept": 3})


def test_an_object_of_scikit_learn_is_judged_and_marked(own, run, files, lab):
    predictions = own.predictions()
    fold = predictions[predictions["fold"] == 1]
    folds = own.manifest["folds"][0]
    features = [name for name in files if name.startswith("feature_")]
    train = files[files["era"].astype(int) <= folds["train"]["last"]]
    same = make_pipeline(StandardScaler(), Ridge(alpha=10.0))
    same.fit(train[features].astype("float32"), train["target"])
    wanted = same.predict(files.loc[fold.index, features].astype("float32"))
    np.testing.assert_allclose(fold["prediction"], wanted, atol=1e-4)
    mark = "handed over from Python: no YAML file makes this run again"
    assert (own.name, mark in own.origin, mark in repr(own)) == ("tiny.Pipeline", True, True)
    assert mark in own.report().read_text()
    assert mark in " ".join(lab("evaluate", own.path).out.split())
    listed = lab("runs", "--runs-dir", own.path.parent.parent)
    assert mark in " ".join(listed.out.split())
    compared = lab("compare", run.path, own.path, "--metric", "corr")
    assert compared.code == 0
    assert mark in compared.err
    assert "'10.0'" in (own.path / "resolved.yaml").read_text()
    again = lab("train", own.path / "resolved.yaml", "--runs-dir", own.path.parent / "again")
    assert again.code == 0, again.err  # this process was given the object


def test_an_object_that_another_process_was_given_cannot_be_fitted_here(own, tmp_path, lab):
    text = (own.path / "resolved.yaml").read_text()
    given = own.manifest["model"]["params"]["given"]
    (tmp_path / "other.yaml").write_text(text.replace(given, "sha256:another"))
    result = lab("train", tmp_path / "other.yaml", "--runs-dir", tmp_path / "runs")
    assert result.code == 2
    assert "of this run is not in this process; fit it from Python" in result.err


class Wide:
    """Predicts [n, 1], as some libraries do; its copies know nothing of one another."""

    def fit(self, x, y, sample_weight=None):
        assert not hasattr(self, "mean")
        self.mean = np.average(x, axis=1)[:1] * 0 + np.average(y, weights=sample_weight)
        return self

    def predict(self, x):
        return (x.mean(axis=1) + self.mean)[:, None]


class Broken(Wide):
    def fit(self, x, y):
        raise ValueError("no\n" + str(pd.DataFrame(x)))


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (Ridge, "Ridge is a class, not an object of it"),
        (StandardScaler(), "has no predict"),
        (Broken(), r"Broken.fit failed: ValueError: no$"),
        (lambda x: x, "has no fit"),
    ],
)
def test_what_is_no_model_is_refused_in_one_sentence(config, tmp_path, model, says):
    with pytest.raises(ModelError, match=says):
        numerai_lab.train(config, model=model, runs_dir=tmp_path)


def test_an_object_may_return_columns_and_is_given_weights(config, tmp_path):
    run = numerai_lab.train(
        config,
        model=Wide(),
        name="wide",
        overrides={"weights": {"type": "era_decay"}, "scoring.exposure": False},
        runs_dir=tmp_path,
    )
    assert run.path.parent == tmp_path / "wide"
    assert run.summary["eras"]["n"] == 26


def test_scores_of_predictions_are_those_of_the_run(run, rows, tmp_path):
    table = run.predictions()[["prediction"]]
    found = numerai_lab.score(table, rows, name="mine")
    wanted = run.scores.loc[("target", "prediction")]
    ours = found.scores.loc[("target", "prediction")]
    pd.testing.assert_series_equal(ours["mean"], wanted["mean"], rtol=1e-6)
    assert found.synthetic
    judged = rows.select_eras(sorted(set(run.predictions()["era"].astype(int))))
    values = table.loc[judged.ids.to_pylist(), "prediction"].to_numpy()
    file = tmp_path / "mine.csv"
    table.to_csv(file)
    for given in (values, values[:, None], table["prediction"], file):
        same = numerai_lab.score(given, judged)
        pd.testing.assert_frame_equal(same.per_era, found.per_era, rtol=1e-5)
    with pytest.raises(UserError, match=r"predictions for 1,560 rows"):
        numerai_lab.score(values[1:], judged)
    with pytest.raises(UserError, match=r"rows from numerai_lab\.load"):
        numerai_lab.score(values, run.directory and judged.dataset.frame)


def test_comparisons_are_those_of_the_command(run, own, rows, lab):
    ours = numerai_lab.compare(run, own, metric="corr").iloc[0]
    told = lab("compare", run.path, own.path, "--json").json["comparisons"][0]
    for key in ("mean", "baseline_mean", "ci_low", "verdict", "prediction"):
        assert ours[key] == told[key]
    judged = numerai_lab.score(own.predictions(), rows, name="mine")
    mixed = numerai_lab.compare(str(run.path), judged, own.predictions(), data=rows)
    assert mixed["mean"].to_numpy() == pytest.approx(told["mean"], rel=1e-6)
    assert list(mixed["prediction"]) == ["mine", "predictions 3"]
    with pytest.raises(UserError, match="side 2 holds predictions"):
        numerai_lab.compare(run, own.predictions())
    with pytest.raises(RunError, match="two runs or more"):
        numerai_lab.compare(run)


def test_neutralized_predictions_have_no_exposure_left(run, rows):
    predictions = run.predictions()["prediction"]
    before = numerai_lab.score(predictions, rows).per_era["exposure_max"].iloc[:26]
    found = numerai_lab.neutralize(predictions, rows, proportion=1.0)
    after = numerai_lab.score(found, rows).per_era["exposure_max"].iloc[:26]
    assert set(found.index) == set(predictions.index)
    assert (after < 0.3 * before).all()
    one = numerai_lab.neutralize(predictions, rows, features=["feature_0000"], proportion=1.0)
    assert not np.allclose(one.loc[found.index], found)
    with pytest.raises(UserError, match="proportion is 2"):
        numerai_lab.neutralize(predictions, rows, proportion=2)
    with pytest.raises(DataError, match="of ids that the rows do not have"):
        numerai_lab.neutralize(predictions, rows.between(31, 40))


def test_a_blend_weighs_ranks(run, own, rows):
    one, two = run.predictions()["prediction"], own.predictions()["prediction"]
    alone = numerai_lab.blend([one, two], rows, weights=[1, 0])
    ranks = one.groupby(run.predictions()["era"]).rank(method="average")
    size = one.groupby(run.predictions()["era"]).transform("size")
    wanted = ((ranks - 0.5) / size).loc[alone.index]
    np.testing.assert_allclose(alone, wanted)
    both = numerai_lab.blend({"a": one, "b": two}, rows)
    swapped = numerai_lab.blend({"b": two, "a": one}, rows)
    pd.testing.assert_series_equal(both, swapped)
    with pytest.raises(UserError, match="weights of a for predictions a, b"):
        numerai_lab.blend({"a": one, "b": two}, rows, weights={"a": 1})
    with pytest.raises(DataError, match="predicts other rows"):
        numerai_lab.blend([one, two.iloc[60:]], rows)
    with pytest.raises(UserError, match="no predictions"):
        numerai_lab.blend([], rows)


def test_errors_of_the_api_are_errors_of_the_lab():
    kinds = (UserError, DataError, RunError, ModelError, ConfigError)
    assert all(issubclass(kind, LabError) for kind in kinds)
    assert json.dumps(numerai_lab.__all__)


def test_rows_in_memory_are_trained_on_as_those_of_the_config(rows, config, run, tmp_path):
    again = numerai_lab.train(config, data=rows, runs_dir=tmp_path)
    pd.testing.assert_frame_equal(again.predictions(), run.predictions())
    assert again.manifest["data"]["fingerprint"] == run.manifest["data"]["fingerprint"]
    assert again.manifest["config_hash"] == run.manifest["config_hash"]
    with pytest.raises(UserError, match="a part of what was loaded"):
        numerai_lab.train(config, data=rows.between(1, 40), runs_dir=tmp_path)


def test_a_table_is_kept_and_trained_on(rows, config, run, tmp_path):
    table = rows.to_pandas()
    made = numerai_lab.train(config, data=table, name="table", runs_dir=tmp_path)
    mine, whole = made.predictions()["prediction"], run.predictions()["prediction"]
    np.testing.assert_allclose(mine, whole.loc[mine.index], atol=1e-6)
    (kept,) = (tmp_path / ".frames").iterdir()
    assert made.manifest["data"]["files"][0]["path"] == str(kept)
    with pytest.raises(DataError, match="no column 'era'"):
        numerai_lab.train(config, data=table.drop(columns="era"), runs_dir=tmp_path)
    with pytest.raises(DataError, match="neither a column 'id' nor an index of ids"):
        numerai_lab.train(config, data=table.reset_index(drop=True), runs_dir=tmp_path)


def test_an_object_is_given_the_columns_of_transforms(config, tmp_path):
    path = tmp_path / "cols.yaml"
    path.write_text("extends: " + str(config.name) + "\ntransforms: [{type: noise, columns: 3}]\n")
    (tmp_path / config.name).write_bytes(config.read_bytes())
    run = numerai_lab.train(path, model=Wide(), name="wide", runs_dir=tmp_path / "runs")
    assert run.manifest["model"]["type"] == "transformed"
    compared = {(c["prediction"], c["baseline"]) for c in run.summary["comparisons"]}
    assert ("prediction", "without") in compared
    assert "handed over from Python" in run.origin
