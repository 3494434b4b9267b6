"""What is taken for a benchmark: floats in 0..1 with a name of their own; the rest is told."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_files import load, numerai_folder, table
from numerai_lab.data import META_MODEL, load_benchmarks, load_references
from numerai_lab.errors import DataError

TELLS = "not taken for benchmarks, which are floats in 0..1 with a name of their own: "


@pytest.fixture
def folder(tmp_path) -> Path:
    return numerai_folder(tmp_path / "data", table(n_eras=45))


def benchmarks(folder: Path, columns: dict, *, file="train_benchmark_models", repeat=0) -> Path:
    """Write benchmark columns of the training rows; the first `repeat` rows twice."""
    ids = pd.read_parquet(folder / "train.parquet").index
    rows = pd.DataFrame(columns, index=ids)
    path = folder / f"{file}.parquet"
    pd.concat([rows, rows.iloc[:repeat]]).to_parquet(path, row_group_size=100)
    return path


def good(seed=0):
    return np.random.default_rng(seed).random(450)


OTHERS = [
    ({"era": np.repeat(np.arange(45.0), 10), "data_type": "train"}, None),
    ({"target": good(1)}, "'target' (the name of a target)"),
    ({"target_ender_20": good(1)}, "'target_ender_20' (the name of a target)"),
    ({"prediction": good(1)}, "'prediction' (the name of a prediction)"),
    ({"feature_x": good(1)}, "'feature_x' (the name of a feature)"),
    ({"rank": np.arange(450)}, "'rank' (int64)"),
    ({"good": good() > 0.5, "note": "x"}, "'good' (bool), 'note' ("),
]


@pytest.mark.parametrize(("others", "told"), OTHERS)
def test_what_is_no_benchmark(folder, others, told):
    """The benchmark stands behind it in the file."""
    path = benchmarks(folder, {**others, "b": good()})
    data = load(dir=folder)
    said = []
    for references in (load_references(data, said.append), load_benchmarks(path, said.append)):
        assert references.benchmarks == ("b",)
        np.testing.assert_array_equal(references.align(data.frame.ids)["b"], good())
    assert [line.startswith(f"{path}: {TELLS}{told}") for line in said] == [True] * 2 * bool(told)


def test_scores_are_those_of_the_benchmark_alone(lab, tiny_config, folder):
    every = {name: values for columns, _ in OTHERS for name, values in columns.items()}
    found = []
    for others in ({}, every):
        benchmarks(folder, {**others, "b": good()})
        place = ["--set", f"data.dir={json.dumps(str(folder))}"]
        runs = ["--runs-dir", folder.parent / "runs"]
        found.append(lab("train", tiny_config, *place, *runs, "--json"))
        assert found[-1].code == 0, found[-1].err
    assert found[1].json["benchmark"] == "b"
    assert found[1].json["scores"] == found[0].json["scores"]
    assert "bmc" in found[1].json["scores"]["prediction"]
    assert "'prediction' (the name of a prediction)" in found[1].err


@pytest.mark.parametrize(
    ("spoilt", "repeat", "says"),
    [
        ({"b": good() * 450}, 0, "column 'b': .* values are outside 0..1, such as "),
        ({"b": good() - 0.5}, 0, "column 'b': .* values are outside 0..1, such as -0."),
        ({"b": np.where(good() < 0.01, np.inf, good())}, 0, "outside 0..1, such as inf"),
        ({"b": np.where(good() < 0.01, -np.inf, good())}, 0, "outside 0..1, such as -inf"),
        ({"b": good()}, 3, "3 ids are there more than once, such as 'n00"),
    ],
)
@pytest.mark.parametrize("what", ["benchmark", "meta model"])
def test_values_that_are_refused(folder, spoilt, repeat, says, what):
    file = "train_benchmark_models"
    if what == "meta model":
        spoilt, file = {META_MODEL: spoilt["b"]}, "meta_model"
        says = says.replace("'b'", f"'{META_MODEL}'")
    path = benchmarks(folder, spoilt, file=file, repeat=repeat)
    data = load(dir=folder)
    references = load_references(data, print)
    with pytest.raises(DataError, match=rf"{path.name}.*{says}"):
        references.align(data.frame.ids)
    if what == "benchmark":
        with pytest.raises(DataError, match=rf"{path.name}.*{says}"):
            load_benchmarks(path, print).align(data.frame.ids)


def test_it_is_told_before_the_first_tree(lab, tiny_config, folder):
    path = benchmarks(folder, {"b": good() * 5})
    place = ["--set", f"data.dir={json.dumps(str(folder))}"]
    result = lab("train", tiny_config, *place, "--runs-dir", folder.parent / "runs")
    assert result.code == 2
    assert result.err.splitlines()[-1].startswith(f"error: {path} column 'b': ")
    assert "name another column in scoring.benchmark" in result.err
    assert not list((folder.parent / "runs").glob("*/*/manifest.json"))
    more = ["--set", "scoring.benchmark=none", "--runs-dir", folder.parent / "runs", "-q"]
    assert lab("train", tiny_config, *place, *more).code == 0


@pytest.mark.parametrize("values", [good() > 0.5, np.arange(450), ["x"] * 450], ids=str)
def test_a_meta_model_that_is_no_float(folder, values):
    benchmarks(folder, {META_MODEL: values}, file="meta_model")
    with pytest.raises(DataError, match="the meta model's predictions are floats"):
        load_references(load(dir=folder), print)


def test_missing_values_are_missing_and_bounds_belong_to_it(folder):
    values = good()
    values[:5] = [0, 1, np.nan, 0.5, np.nan]
    benchmarks(folder, {"b": values})
    data = load(dir=folder)
    aligned = load_references(data, print).align(data.frame.ids)
    np.testing.assert_array_equal(aligned["b"], values)


def test_an_id_in_two_files(folder):
    """Equal values are one; a gap is filled from the other file; two different ones are refused."""
    data = load(dir=folder)
    values = good()
    other = values.copy()
    other[3] = np.nan
    benchmarks(folder, {"b": values})
    benchmarks(folder, {"b": other}, file="validation_benchmark_models")
    aligned = load_references(data, print).align(data.frame.ids)
    np.testing.assert_array_equal(aligned["b"], values)
    other[4] /= 2
    path = benchmarks(folder, {"b": other}, file="validation_benchmark_models")
    with pytest.raises(DataError, match=rf"{path}: 'b' of id 'n.*' is another number than in"):
        load_references(data, print).align(data.frame.ids)


@pytest.mark.parametrize("name", ["prediction", "frozen", "before_neutralization", "b"])
def test_names_of_rows_of_scores_are_not_given_twice(lab, tiny_config, folder, name):
    benchmarks(folder, {"b": good(), "frozen": good(1)})
    shutil.copy(tiny_config, tiny_config.parent / f"{name}.yaml")
    shown = ["--set", "model={type: xgb_ttt, params: {num_boost_round: 2}}"]  # shows 'frozen'
    result = lab(
        *("train", tiny_config, "--runs-dir", folder.parent / "runs"),
        *("--set", f"data.dir={json.dumps(str(folder))}", "--set", f"compare_to=[{name}]"),
        *shown,
    )
    assert result.code == 2
    assert f"compare_to: '{name}' is the name of another row of scores already" in result.err


def test_a_judged_column_called_like_the_benchmark(lab, folder):
    values = good()
    benchmarks(folder, {"b": values})
    mine = pd.DataFrame({"prediction": good(1), "b": values})
    mine.insert(0, "id", pd.read_parquet(folder / "train.parquet").index)
    path = folder / "mine.csv"
    for other, code in ((values, 0), (good(2), 2)):
        mine.assign(b=other).to_csv(path, index=False)
        result = lab("evaluate", path, "--data", folder)
        assert result.code == code, result.err
    assert "a judged column has the name of the benchmark 'b', and other values" in result.err
    assert lab("evaluate", path, "--data", folder, "--benchmark", "none").code == 0
