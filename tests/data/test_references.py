"""Benchmark and meta model predictions, aligned to rows by id."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from data_files import load, numerai_folder, parquet, table
from numerai_lab.data import META_MODEL, load_references
from numerai_lab.errors import DataError


@pytest.fixture
def folder(tmp_path):
    train, validation = table(), table(n_eras=3, first_era=7, seed=1)
    numerai_folder(tmp_path, train, validation)
    draw = np.random.default_rng(5)
    for name, frame in (("train", train.iloc[20:]), ("validation", validation)):
        columns = {column: draw.random(len(frame)) for column in ("bench_a", "bench_b")}
        values = pd.DataFrame({"era": frame["era"], **columns}, index=frame.index)
        values = values.sample(frac=1, random_state=0)
        values.to_parquet(tmp_path / f"{name}_benchmark_models.parquet", row_group_size=9)
    meta = pd.DataFrame(
        {"era": "x", "data_type": "v", META_MODEL: draw.random(20)}, index=validation.index[10:]
    )
    meta.to_parquet(tmp_path / "meta_model.parquet")
    return tmp_path


def test_equals_pandas_reindex(folder):
    data = load(dir=folder)
    references = load_references(data, print)
    assert references.benchmarks == ("bench_a", "bench_b")
    assert references.has_meta_model
    assert references.names == ("bench_a", "bench_b", META_MODEL)
    assert len(references.files) == 3
    paths = [folder / f"{name}_benchmark_models.parquet" for name in ("train", "validation")]
    read = [pd.read_parquet(path) for path in paths]
    expected = pd.concat(read).reindex(data.frame.ids.to_pylist())
    aligned = references.align(data.frame.ids)
    np.testing.assert_array_equal(aligned["bench_b"], expected["bench_b"])
    assert np.isnan(aligned["bench_a"]).sum() == 20
    meta = pd.read_parquet(folder / "meta_model.parquet")[META_MODEL]
    np.testing.assert_array_equal(aligned[META_MODEL], meta.reindex(data.frame.ids.to_pylist()))
    some = pa.array(["n-unknown", expected.index[25], expected.index[89]])
    picked = references.align(some, ["bench_a"])
    assert set(picked) == {"bench_a"}
    np.testing.assert_array_equal(picked["bench_a"], [np.nan, *expected["bench_a"].iloc[[25, 89]]])


def test_views_of_a_frame_align(folder):
    data = load(dir=folder)
    references = load_references(data, print)
    whole = references.align(data.frame.ids, ["bench_a"])["bench_a"]
    part = data.frame.between(4, 8)
    np.testing.assert_array_equal(references.align(part.ids, ["bench_a"])["bench_a"], whole[30:80])


def test_unknown_name_and_none(folder, tmp_path):
    references = load_references(load(dir=folder), print)
    with pytest.raises(DataError, match=r"unknown benchmark 'bench_c', did you mean 'bench_"):
        references.align(pa.array(["a"]), ["bench_c"])
    lone = load(**parquet(tmp_path / "a.parquet", table()))
    assert load_references(lone, print).names == ()
    assert load_references(lone, print).align(lone.frame.ids) == {}


def test_damaged_reference_file(folder):
    (folder / "meta_model.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(DataError, match=r"meta_model\.parquet: the file is damaged"):
        load_references(load(dir=folder), print)
    table().to_parquet(folder / "meta_model.parquet")
    with pytest.raises(DataError, match="lacks column 'numerai_meta_model'"):
        load_references(load(dir=folder), print)
