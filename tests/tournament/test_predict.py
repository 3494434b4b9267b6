"""`predict`: final models on live rows and on any file with the features."""

import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from damage import rewritten
from numerai_lab.data import load_unlabelled
from numerai_lab.experiment import find_final, load_final
from submit_lab import train_final


@pytest.fixture
def run_dir(final_runs) -> Path:
    return find_final("tiny", final_runs).path


@pytest.fixture
def live(tmp_path, run_dir) -> Path:
    """A copy of the live file, to be changed; `change` writes it anew."""
    folder = tmp_path / "v5.3"
    folder.mkdir()
    shutil.copy(data_of(run_dir) / "live.parquet", folder)
    return folder / "live.parquet"


def data_of(run_dir) -> Path:
    return Path(json.loads((run_dir / "manifest.json").read_text())["data"]["folder"])


def change(path, edit) -> Path:
    edit(pd.read_parquet(path)).to_parquet(path)
    return path


def rows_of(live, final):
    return load_unlabelled(
        live,
        features=final.feature_names,
        dtype="int8",
        columns=final.experiment.data.columns,
        missing=final.experiment.data.missing,
        say=lambda _: None,
    ).frame


def ranked(values) -> np.ndarray:
    return (pd.Series(values).rank(method="average").to_numpy() - 0.5) / len(values)


@pytest.fixture
def predict(lab, run_dir, tmp_path):
    """Predict a file and return the result and the submission by id."""

    def call(features, *arguments, run=run_dir):
        out = tmp_path / "out.csv"
        out.unlink(missing_ok=True)
        result = lab("predict", run, "--features", features, "--out", out, *arguments)
        return result, pd.read_csv(out).set_index("id")["prediction"] if out.exists() else None

    return call


def test_live_is_the_file_beside_the_data(lab, final_runs, run_dir):
    result = lab("predict", "latest:tiny", "--runs-dir", final_runs, "--json")
    assert result.code == 0, result.err
    assert result.json["features"] == str(data_of(run_dir) / "live.parquet")
    assert f"taking run {run_dir} (experiment tiny), the newest with a final model" in result.err
    assert (result.json["experiment"], result.json["n_in_sample"]) == ("tiny", 0)
    assert "IN-SAMPLE" not in result.err
    table = pd.read_csv(result.json["out"])
    assert list(table.columns) == ["id", "prediction"]
    assert set(table["id"]) == set(pd.read_parquet(result.json["features"]).index)
    assert table["prediction"].between(0, 1, inclusive="neither").all()
    assert table["prediction"].nunique() > 10


def test_without_a_live_file_it_says_how_to_get_that_of_the_run_s_version(
    lab, run_dir, tmp_path, monkeypatch
):
    copy = shutil.copytree(run_dir, tmp_path / "copy")
    manifest = json.loads((copy / "manifest.json").read_text())

    def told(folder) -> str:
        data = {**manifest["data"], "folder": folder and str(folder)}
        rewritten(copy, data=data)
        result = lab("predict", copy)
        assert result.code == 2
        return result.err

    monkeypatch.chdir(tmp_path)
    way = "get it with `numerai-lab data download --files live --version v5.3`, or name"
    assert way in told(tmp_path / "data" / "v5.3")
    elsewhere = f"--files live --version v5.3 --dir {tmp_path / 'far'}`, or name"
    assert elsewhere in told(tmp_path / "far" / "v5.3")
    for folder in (tmp_path / "flat", None):  # None: a run on files of its own
        words = "there is no live.parquet beside the run's data; name a file with --features"
        assert words in told(folder)


def test_predictions_are_those_of_the_model_at_each_id(predict, live, run_dir):
    _, got = predict(live)
    final = load_final(find_final(str(run_dir), run_dir.parent.parent))
    rows = pd.read_parquet(live)
    frame = rows_of(live, final)
    ids = frame.ids.to_pylist()
    assert np.array_equal(frame.features, rows.loc[ids, list(frame.feature_names)])
    assert np.allclose(got.loc[ids], ranked(final.model.predict(frame)), atol=1e-12)


def test_the_name_of_the_era_does_not_matter(predict, live):
    _, as_x = predict(live)
    for label in ("1203", "0007", 3.0, 12):
        _, other = predict(change(live, lambda rows, label=label: rows.assign(era=label)))
        pd.testing.assert_series_equal(as_x, other)
    result, other = predict(change(live, lambda rows: rows.drop(columns="era")))
    pd.testing.assert_series_equal(as_x, other)
    assert "no column 'era': its 60 rows are taken as one era" in result.err


def test_columns_are_taken_by_name(predict, live):
    _, before = predict(live)
    rows = pd.read_parquet(live)
    features = [name for name in rows if name.startswith("feature")]
    mixed = rows[[*features[::-1], "era"]].assign(feature_new=np.int8(1), note="x")
    result, after = predict(change(live, lambda _: mixed.sample(frac=1, random_state=0)))
    pd.testing.assert_series_equal(before.sort_index(), after.sort_index())
    assert "1 features that the model was not trained on are ignored" in result.err
    assert "another order than in training: taken by name" in result.err


def test_missing_features_are_named(predict, live):
    def renamed(rows):
        return rows.drop(columns=["feature_0003"]).rename(columns={"feature_0007": "feature_7"})

    result, table = predict(change(live, renamed))
    assert result.code == 2
    assert table is None
    assert (
        "lacks 2 of the 12 features the model was trained on: feature_0003, feature_0007"
        in result.err
    )


def test_predictions_that_are_all_alike_are_said(predict, live):
    """Of rows whose features are missing, say: an order of them means nothing."""

    def empty(rows):
        features = [name for name in rows if name.startswith("feature")]
        rows[features] = np.float32("nan")
        return rows

    result, _ = predict(change(live, empty))
    assert result.code == 0, result.err
    assert "all rows of an era are predicted alike in 1 of 1 era(s)" in result.err


def test_another_data_version_is_refused(predict, live):
    other = live.parent.with_name("v5.2")
    live.parent.rename(other)
    result, table = predict(other / "live.parquet")
    assert (result.code, table) == (2, None)
    assert "is of data version v5.2, the run was trained on v5.3" in result.err


def test_many_eras_are_each_ranked_on_their_own(predict, run_dir):
    path = data_of(run_dir) / "validation.parquet"
    result, got = predict(path)
    assert result.code == 0, result.err
    assert "experiment tiny" not in result.err  # the person has named the run
    last = json.loads((run_dir / "final" / "fit.json").read_text())["last_era"]
    rows = pd.read_parquet(path)
    assert set(got.index) == set(rows.index)
    eras = rows["era"].astype(int).unique()
    seen = (eras <= last).sum()
    assert 0 < seen < len(eras)
    assert f"warning: IN-SAMPLE: {seen} of {len(eras)} eras lie in 1-{last}" in result.err
    by_era = got.groupby(rows["era"])
    assert np.allclose(by_era.mean(), 0.5)
    one = rows[rows["era"] == rows["era"].iloc[-1]]
    one.to_parquet(run_dir / "one.parquet")
    _, alone = predict(run_dir / "one.parquet")
    (run_dir / "one.parquet").unlink()
    pd.testing.assert_series_equal(alone.sort_index(), got[one.index].sort_index())


def test_parquet_by_suffix_and_no_other(lab, run_dir, live, tmp_path):
    out = tmp_path / "p.parquet"
    assert lab("predict", run_dir, "--features", live, "--out", out).code == 0
    assert list(pd.read_parquet(out).columns) == ["id", "prediction"]
    result = lab("predict", run_dir, "--features", live, "--out", tmp_path / "p.xlsx")
    assert result.code == 2
    assert result.err == (
        f"error: --out: cannot write predictions to '{tmp_path / 'p.xlsx'}': its name must end in "
        ".csv or .parquet; call it p.csv\n"
    )


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda rows: rows.iloc[:0], "there are no rows"),
        (lambda rows: pd.concat([rows, rows.iloc[:1]]), "ids are there more than once"),
        (lambda rows: rows.assign(feature_0001="a"), "must be numbers"),
        (lambda rows: rows.assign(feature_0001=0.3), "not five bins"),
    ],
)
def test_bad_rows_are_one_sentence(predict, live, edit, sentence):
    result, table = predict(change(live, edit))
    assert (result.code, table) == (2, None)
    assert sentence in result.err
    assert result.err.count("\n") == 1


def test_a_damaged_file_is_one_sentence(predict, live):
    live.write_bytes(live.read_bytes()[:-500])
    result, table = predict(live)
    assert (result.code, table) == (2, None)
    assert "damaged, cut short or not parquet" in result.err


def test_a_run_without_a_final_model_says_how_to_make_one(lab, tiny_config, tmp_path):
    runs = tmp_path / "runs"
    fewer = ["--set", "model.params.num_boost_round=4"]
    assert lab("train", tiny_config, *fewer, "--runs-dir", runs, "-q").code == 0
    (run_dir,) = (runs / "tiny").iterdir()
    told = set()
    for named in (run_dir, "tiny", "latest:tiny", None):
        result = lab("predict", *([named] if named else []), "--runs-dir", runs)
        assert result.code == 2
        assert "final model" in result.err
        told |= set(re.findall(r"`numerai-lab (.*)`", result.err))
    (command,) = told
    done = lab(*shlex.split(command), "-q")  # exactly as it was printed
    assert done.code == 0, done.err
    assert lab("predict", "tiny", "--runs-dir", runs).code == 0


def test_the_same_for_a_run_with_baselines(lab, tiny_config, tmp_path, monkeypatch):
    """Their configs lie beside its own, so its own command is the one that is told."""
    (tmp_path / "base.yaml").write_text(tiny_config.read_text().replace("tiny", "base"))
    command = ["train", str(tiny_config), "--set", "compare_to=[base]"]
    monkeypatch.setattr(sys, "argv", ["numerai-lab", *command])
    assert lab(*command, "--runs-dir", tmp_path / "runs", "-q").code == 0
    for name in ("tiny", "base"):
        result = lab("predict", name, "--runs-dir", tmp_path / "runs")
        (told,) = re.findall(r"`numerai-lab (.*)`", result.err)
        done = lab(*shlex.split(told), "--runs-dir", tmp_path / "runs", "-q")
        assert done.code == 0, done.err
        assert lab("predict", name, "--runs-dir", tmp_path / "runs").code == 0
    assert len(list((tmp_path / "runs").glob("*/*"))) == 2


def test_neutralisation_is_that_of_the_run(lab, tmp_path, tournament, capsys):
    half = "neutralize={feature_set: small, proportion: 1.0}"
    runs = train_final(tmp_path, tournament, "--set", half, "--set", "name=neutral")
    run_dir = find_final("neutral", runs).path
    capsys.readouterr()
    live = tmp_path / "data" / "v5.3" / "live.parquet"
    out = tmp_path / "out.csv"
    assert lab("predict", run_dir, "--features", live, "--out", out).code == 0
    got = pd.read_csv(out).set_index("id")["prediction"]
    rows = pd.read_parquet(live).loc[got.index]
    sets = json.loads((live.parent / "features.json").read_text())["feature_sets"]
    from scipy.stats import norm

    exposure = rows[sets["small"]].corrwith(pd.Series(norm.ppf(got), index=got.index)).abs()
    assert exposure.max() < 0.1
    others = [name for name in sets["all"] if name not in sets["small"]]
    assert rows[others].corrwith(got).abs().max() > 0.15


def test_a_benchmark_is_taken_out_of_live_predictions_too(lab, tmp_path, tournament, capsys):
    section = "neutralize={against: benchmark, proportion: 1.0}"
    more = ["--set", section, "--set", "name=b", "--set", "split.first_train_eras=40"]
    runs = train_final(tmp_path, tournament, *more)
    capsys.readouterr()
    live = tmp_path / "data" / "v5.3" / "live.parquet"
    out = tmp_path / "out.csv"
    assert lab("predict", "b", "--runs-dir", runs, "--out", out).code == 0
    got = pd.read_csv(out).set_index("id")["prediction"]
    benchmarks = pd.read_parquet(live.with_name("live_benchmark_models.parquet")).loc[got.index]
    assert abs(got.corr(benchmarks["benchmark_ender20"], method="spearman")) < 0.05
    live.with_name("live_benchmark_models.parquet").unlink()
    result = lab("predict", "b", "--runs-dir", runs, "--out", out)
    assert result.code == 2
    assert "put live_benchmark_models.parquet beside live.parquet" in result.err


def test_missing_values_follow_the_policy_of_the_run(lab, tmp_path, tournament, capsys):
    policy = "data.missing={policy: constant, value: 4, max_row_missing: 0.5}"
    runs = train_final(tmp_path, tournament, "--set", policy, "--set", "name=m")
    capsys.readouterr()
    live = tmp_path / "data" / "v5.3" / "live.parquet"
    rows = pd.read_parquet(live)
    features = [name for name in rows if name.startswith("feature")]
    filled, gaps = rows.copy(), rows.astype(dict.fromkeys(features, "Int8"))
    filled.iloc[0, [rows.columns.get_loc(name) for name in features]] = 4
    gaps.iloc[0, [rows.columns.get_loc(name) for name in features]] = pd.NA
    found = []
    for table in (filled, gaps):
        table.to_parquet(live)
        result = lab("predict", "m", "--runs-dir", runs, "--out", tmp_path / "o.csv")
        assert result.code == 0, result.err
        found.append(pd.read_csv(tmp_path / "o.csv"))
    pd.testing.assert_frame_equal(*found)
    assert len(found[1]) == 60
    assert "1 rows would have been dropped in training, predicted here" in result.err
    assert "filled 12 missing feature values" in result.err


def test_a_transductive_model_adapts_to_the_live_era(lab, tmp_path, tournament, capsys):
    params = "{num_boost_round: 10, max_depth: 2, eta: 0.2, adapt: {strength: 1.0}}"
    model = f"model={{type: xgb_ttt, params: {params}}}"
    runs = train_final(tmp_path, tournament, "--set", model, "--set", "name=ttt")
    capsys.readouterr()
    out = tmp_path / "o.csv"
    live = tmp_path / "data" / "v5.3" / "live.parquet"
    found = []
    for label in ("X", "0999"):
        change(live, lambda rows, label=label: rows.assign(era=label))
        result = lab("predict", "ttt", "--runs-dir", runs, "--out", out)
        assert result.code == 0, result.err
        found.append(out.read_bytes())
    assert found[0] == found[1]
    final = load_final(find_final("ttt", runs))
    detail = final.model.predict_in_detail(rows_of(live, final))
    got = pd.read_csv(out)["prediction"]
    assert np.allclose(got, ranked(detail.predictions))
    assert not np.allclose(got, ranked(detail.variants["frozen"]))


@pytest.fixture
def float_run(lab, tmp_path):
    """A run on float features of another layout, and rows of that layout."""
    draw = np.random.default_rng(0)
    n, eras = 2400, 60
    rows = pd.DataFrame({f"x_{i}": draw.normal(size=n).astype(np.float32) for i in range(5)})
    rows["week"] = np.repeat(np.arange(1, eras + 1), n // eras)
    rows["stock"] = [f"s{i}" for i in range(n)]
    rows["y"] = (rows["x_0"] > 0).astype(np.float32)
    rows.to_parquet(tmp_path / "rows.parquet")
    config = tmp_path / "floats.yaml"
    config.write_text(
        f"""\
data:
  source: parquet
  files: [{tmp_path / "rows.parquet"}]
  columns: {{era: week, id: stock, features: x_, targets: {{target: y}}}}
split: {{type: walk_forward, first_train_eras: 40, chunk_eras: 10, purge_eras: 4}}
scoring: {{bootstrap: {{samples: 200}}}}
model: {{type: xgb, params: {{num_boost_round: 5, max_depth: 2, eta: 0.3}}}}
"""
    )
    runs = tmp_path / "runs"
    result = lab("train", config, "--final", "--runs-dir", runs, "-q")
    assert result.code == 0, result.err
    return find_final("floats", runs).path, rows


def test_other_layouts_and_float_features(predict, float_run, tmp_path):
    run_dir, rows = float_run
    path = tmp_path / "new.parquet"
    rows.iloc[:50].drop(columns=["week", "y"]).to_parquet(path)
    result, got = predict(path, run=run_dir)
    assert result.code == 0, result.err
    assert got.corr(rows.set_index("stock")["x_0"].iloc[:50], method="spearman") > 0.5
    # whole numbers by chance stay what they are; whole numbers by type are another data version
    few = rows.iloc[:3].assign(**{f"x_{i}": [0.0, 1.0, 4.0] for i in range(5)})
    few.to_parquet(path)
    assert predict(path, run=run_dir)[0].code == 0
    few.astype({f"x_{i}": np.int8 for i in range(5)}).to_parquet(path)
    result, _ = predict(path, run=run_dir)
    assert result.code == 2
    assert "whole numbers, the model was trained on float features" in result.err
