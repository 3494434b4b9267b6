"""A column that is there twice: one sentence where it is read, and no word where it is not."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_files import load, numerai_folder, table
from numerai_lab.data import META_MODEL
from numerai_lab.experiment import find_final

STORES = ("never", "always")


@pytest.fixture
def folder(tournament, tmp_path) -> Path:
    """A tournament of one's own, to spoil."""
    return Path(shutil.copytree(tournament, tmp_path / "data"))


def twice(path: Path, name: str, *, group: int = 300) -> None:
    """Append a second column of a name, with the values of the first one in other rows."""
    rows = pq.ParquetFile(path).read()
    other = rows[name].combine_chunks().take(pa.array(np.roll(np.arange(len(rows)), 7)))
    pq.write_table(rows.append_column(name, other), path, row_group_size=group)


def assert_sentence(result, path: Path, name: str) -> None:
    assert result.code == 2
    last = result.err.splitlines()[-1]
    assert last.startswith(f"error: {path}: column '{name}' is there twice (columns ")
    assert last.endswith(
        "which one is meant cannot be told; keep one of them, or rename the others"
    )
    assert "Traceback" not in result.err


def train(lab, config: Path, folder: Path, store: str, *more: object):
    place = {"dir": str(folder), "store": {"use": store, "dir": str(config.parent / "store")}}
    settings = [f"data.{key}={json.dumps(value)}" for key, value in place.items()]
    given = [part for one in settings for part in ("--set", one)]
    return lab("train", config, *given, "--runs-dir", config.parent / "runs", "-q", *more)


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("train", "era"),
        ("train", "id"),
        ("train", "target"),
        ("train", "feature_0003"),
        ("validation", "era"),
        ("validation", "id"),
        ("validation", "data_type"),
        ("validation", "target"),
        ("validation", "feature_0003"),
    ],
)
def test_in_training_files(lab, tiny_config, folder, store, file, name):
    path = folder / f"{file}.parquet"
    twice(path, name)
    assert_sentence(train(lab, tiny_config, folder, store), path, name)
    if store == "never":
        plan = lab("train", tiny_config, "--plan", "--set", f"data.dir={folder}")
        assert_sentence(plan, path, name)
    assert not (tiny_config.parent / "store").exists()


@pytest.mark.parametrize("store", STORES)
def test_columns_that_nobody_reads_change_nothing(lab, tiny_config, folder, store):
    some = ["--set", "data.features=[feature_0001, feature_0004, feature_0007]"]
    before = train(lab, tiny_config, folder, store, "--json", *some)
    shutil.rmtree(tiny_config.parent / "store", ignore_errors=True)
    twice(folder / "train.parquet", "feature_0003")
    twice(folder / "validation.parquet", "target_ender_60")
    after = train(lab, tiny_config, folder, store, "--json", *some)
    assert after.code == 0, after.err
    assert after.json["scores"] == before.json["scores"]


@pytest.mark.parametrize("name", ["target", "feature_0003"])
def test_in_the_data_of_evaluate(lab, final_runs, folder, tmp_path, name):
    run = find_final("tiny", final_runs).path
    shutil.copy(run / "predictions.parquet", tmp_path / "mine.parquet")
    twice(folder / "validation.parquet", name)
    result = lab("evaluate", tmp_path / "mine.parquet", "--data", folder)
    assert_sentence(result, folder / "validation.parquet", name)


@pytest.mark.parametrize("name", ["era", "id", "feature_0003"])
def test_in_rows_to_predict(lab, final_runs, folder, tmp_path, name):
    live, run = folder / "live.parquet", find_final("tiny", final_runs).path
    twice(live, name)
    assert_sentence(lab("predict", run, "--features", live), live, name)
    twice_unused = folder / "other.parquet"
    shutil.copy(folder / "validation.parquet", twice_unused)
    twice(twice_unused, "target")
    assert lab("predict", run, "--features", twice_unused, "--out", tmp_path / "o.csv").code == 0


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("name", ["id", "era", "fold", "prediction", "other"])
def test_in_predictions(lab, final_runs, tournament, tmp_path, suffix, name):
    path = tmp_path / f"mine{suffix}"
    mine = pq.read_table(find_final("tiny", final_runs).path / "predictions.parquet")
    mine = mine.append_column("other", mine["prediction"])
    mine = mine.append_column(name, mine[name])
    if suffix == ".csv":
        frame = pd.DataFrame({i: column.to_numpy() for i, column in enumerate(mine.columns)})
        frame.to_csv(path, index=False, header=mine.column_names)
    else:
        pq.write_table(mine, path)
    assert_sentence(lab("evaluate", path, "--data", tournament), path, name)


def test_text_that_is_there_twice_in_predictions_is_not_read(lab, final_runs, tournament, tmp_path):
    mine = pq.read_table(find_final("tiny", final_runs).path / "predictions.parquet")
    for _ in range(2):
        mine = mine.append_column("note", pa.array(["x"] * len(mine)))
    pq.write_table(mine, tmp_path / "mine.parquet")
    assert lab("evaluate", tmp_path / "mine.parquet", "--data", tournament).code == 0


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("validation_benchmark_models", "benchmark_ender20"),
        ("validation_benchmark_models", "id"),
        ("meta_model", META_MODEL),
        ("meta_model", "id"),
    ],
)
def test_in_reference_predictions(lab, tiny_config, folder, file, name):
    """Told before the first tree: no run is begun."""
    path = folder / f"{file}.parquet"
    twice(path, name)
    assert_sentence(train(lab, tiny_config, folder, "never"), path, name)
    assert not list((tiny_config.parent / "runs").glob("*/*/manifest.json"))


def test_in_reference_predictions_that_nobody_reads(lab, tiny_config, folder):
    for name in ("era", "benchmark_ender60"):
        twice(folder / "validation_benchmark_models.parquet", name)
    result = train(lab, tiny_config, folder, "never", "--json")
    assert result.code == 0, result.err
    assert result.json["benchmark"] == "benchmark_ender20"


@pytest.mark.parametrize("name", ["id", "benchmark_ender20"])
def test_in_live_benchmarks(lab, tiny_config, folder, tmp_path, name):
    neutral = "neutralize={against: benchmark, proportion: 1.0}"
    more = ["--set", neutral, "--set", "split.first_train_eras=40", "--final"]
    assert train(lab, tiny_config, folder, "never", *more).code == 0
    path = folder / "live_benchmark_models.parquet"
    twice(path, name)
    found = lab("predict", "tiny", "--runs-dir", tmp_path / "runs", "--out", tmp_path / "o.csv")
    assert_sentence(found, path, name)


def test_an_index_and_a_column_of_one_name(lab, tiny_config, folder):
    """pandas stores the index under another name then, and its own reader gives both."""
    path = folder / "train.parquet"
    rows = pd.read_parquet(path)
    rows["id"] = rows.index[::-1]
    rows.to_parquet(path)
    result = train(lab, tiny_config, folder, "never")
    assert result.code == 2
    assert "train.parquet: 'id' is there twice, as column " in result.err
    assert "to_parquet(path, index=False)" in result.err
    rows.to_parquet(path, index=False)
    assert train(lab, tiny_config, folder, "never").code == 0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"mine": ["feature_0", "feature_1", "feature_0"]}, "'mine' has 'feature_0' twice"),
        ('{"mine": ["feature_0"], "mine": ["feature_1"]}', "'mine' is there twice"),
        ({"mine": "feature_0"}, "set 'mine' is no list of names"),
    ],
)
def test_in_feature_sets(lab, tiny_config, tmp_path, content, says):
    folder = numerai_folder(tmp_path / "sets", table(n_eras=45))
    sets = content if isinstance(content, str) else json.dumps(content)
    (folder / "features.json").write_text(f'{{"feature_sets": {sets}}}')
    result = train(lab, tiny_config, folder, "never", "--set", "data.feature_set=mine")
    assert result.code == 2
    assert says in result.err


def test_a_set_that_fnc_uses_may_name_a_feature_twice(tmp_path, lab, tiny_config):
    scores = []
    for number, more in enumerate(([], ["feature_0"])):
        folder = numerai_folder(
            tmp_path / str(number),
            table(n_eras=45),
            sets={"fncv3_features": ["feature_0", "feature_1", *more]},
        )
        result = train(lab, tiny_config, folder, "never", "--json")
        assert result.code == 0, result.err
        scores.append(result.json["scores"]["prediction"]["fnc"])
    assert scores[0] == scores[1]


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"features": "t"}, "column 'target' is the target 'target' and among the features"),
        ({"features": ["feature_0", "era"]}, "column 'era' is the era and among the features"),
        ({"features": ["feature_0", "id"]}, "column 'id' is the id and among the features"),
    ],
)
def test_a_column_read_as_two_things(tmp_path, columns, says):
    table().to_parquet(tmp_path / "a.parquet")
    with pytest.raises(Exception, match=says):
        load(source="parquet", files=[tmp_path / "a.parquet"], columns=columns)
