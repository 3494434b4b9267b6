"""Types as pandas, polars, DuckDB, Spark, dask and fastparquet write them, read alike everywhere.

What each writer gives was looked at in files of polars 2.1, DuckDB 2.0, fastparquet 2026.9, dask
2026.8 and pandas 3.1; here pyarrow alone makes the same physical and logical types.
"""

import json
import uuid
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_files import load
from numerai_lab.config import Columns, Missing
from numerai_lab.data import load_references, load_unlabelled
from numerai_lab.errors import DataError
from numerai_lab.experiment.records.predictions import read_predictions

N = 24
TEXT = [f"{i:04d}" for i in range(N)]
WHOLE = np.arange(N) % 5
UUIDS = [uuid.UUID(int=7**i * 12345678901234567890 % 2**128) for i in range(N)]

IDS = {
    "DuckDB, Spark: string": (pa.array(TEXT), TEXT),
    "pandas, polars: large_string": (pa.array(TEXT, pa.large_string()), TEXT),
    "string_view": (pa.array(TEXT, pa.string_view()), TEXT),
    "pandas, polars Categorical": (pa.array(TEXT).dictionary_encode(), TEXT),
    "polars: uint32 indices": (
        pa.DictionaryArray.from_arrays(pa.array(range(N), pa.uint32()), pa.array(TEXT)),
        TEXT,
    ),
    "Spark binaryAsString: binary": (pa.array(TEXT, pa.binary()), TEXT),
    "polars: large_binary": (pa.array(TEXT, pa.large_binary()), TEXT),
    "binary_view": (pa.array(TEXT, pa.binary_view()), TEXT),
    "binary in a dictionary": (pa.array(TEXT, pa.binary()).dictionary_encode(), TEXT),
    "numpy S4: fixed_size_binary": (pa.array(TEXT, pa.binary(4)), TEXT),
    "DuckDB: uuid": (pa.array([u.bytes for u in UUIDS], pa.uuid()), [str(u) for u in UUIDS]),
    "int64": (pa.array(range(N)), [str(i) for i in range(N)]),
    "uint8": (pa.array(range(N), pa.uint8()), [str(i) for i in range(N)]),
    "Spark: decimal(20, 0)": (
        pa.array([Decimal(10**19 + i) for i in range(N)], pa.decimal128(20, 0)),
        [str(10**19 + i) for i in range(N)],
    ),
}

NUMBERS = {
    **{str(kind): pa.array(WHOLE, kind) for kind in (pa.int8(), pa.uint8(), pa.uint64())},
    **{str(kind): pa.array(WHOLE / 4, kind) for kind in (pa.float16(), pa.float32())},
    "nullable Int8": pa.array([None if i % 7 == 3 else int(x) for i, x in enumerate(WHOLE)]),
    "double": pa.array([None if i % 7 == 3 else x / 4 for i, x in enumerate(WHOLE)]),
    "bool": pa.array([None if i % 7 == 3 else bool(x % 2) for i, x in enumerate(WHOLE)]),
    **{
        f"DuckDB: {kind}": pa.array([Decimal(int(x)) / 4 for x in WHOLE], kind)
        for kind in (pa.decimal128(4, 2), pa.decimal128(18, 2), pa.decimal256(50, 2))
    },
    "polars: decimal64": pa.array([Decimal(int(x)) / 4 for x in WHOLE], pa.decimal64(10, 2)),
    "decimal of whole numbers": pa.array([Decimal(int(x)) for x in WHOLE], pa.decimal128(9, 0)),
    "bool8": pa.array(WHOLE % 2, pa.int8()).cast(pa.bool8()),
}


def write(path, *, ids=None, feature=None, target=None, **more):
    columns = {
        "id": pa.array(TEXT) if ids is None else ids,
        "era": [f"{1 + i // 6:04d}" for i in range(N)],
        "feature_0": pa.array(WHOLE, pa.int8()) if feature is None else feature,
        "target": pa.array(WHOLE / 4) if target is None else target,
        **more,
    }
    pq.write_table(pa.table(columns), path, row_group_size=10)
    return {"source": "parquet", "files": [path]}


def in_memory_and_stored(tmp_path, section, **more):
    store = {"dir": tmp_path / "store"}
    return (
        load(**section, **more, store=store | {"use": use}).frame for use in ("never", "always")
    )


def unlabelled(path, dtype="int8"):
    return load_unlabelled(
        path,
        features=["feature_0"],
        dtype=dtype,
        columns=Columns(),
        missing=Missing(),
        say=lambda _: None,
    ).frame


@pytest.mark.parametrize("kind", IDS)
def test_ids_are_the_same_text_in_every_reader(tmp_path, kind):
    ids, expected = IDS[kind]
    path = tmp_path / "a.parquet"
    section = write(path, ids=ids, prediction=pa.array(WHOLE / 4))
    memory, stored = in_memory_and_stored(tmp_path, section)
    assert memory.ids.to_pylist() == expected
    assert stored.ids.to_pylist() == expected
    some = load(**section, eras={"step": 2}).frame
    assert some.ids.to_pylist() == expected[:6] + expected[12:18]
    assert unlabelled(path).ids.to_pylist() == expected
    assert read_predictions(path).ids.to_pylist() == expected
    folder = tmp_path / "numerai"
    folder.mkdir()
    path.rename(folder / "train.parquet")
    bench = pa.table({"id": ids, "b": WHOLE / 4})
    pq.write_table(bench, folder / "train_benchmark_models.parquet", row_group_size=7)
    data = load(dir=folder)
    aligned = load_references(data, print).align(data.frame.ids)
    np.testing.assert_array_equal(aligned["b"], WHOLE / 4)


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_of_every_type(tmp_path, kind):
    column = NUMBERS[kind]
    plain = column.storage if kind == "bool8" else column
    expected = np.array([np.nan if x is None else float(x) for x in plain.to_pylist()])
    path = tmp_path / "a.parquet"
    section = write(path, feature=column, target=column)
    frame = load(**section, arguments={"require_label": False}).frame
    np.testing.assert_array_equal(frame.target("target"), expected.astype(np.float32))
    labelled = load(**section).frame
    np.testing.assert_array_equal(labelled.target("target"), expected[~np.isnan(expected)])
    assert frame.features.dtype == np.int8
    quarters = np.nanmax(expected % 1) > 0
    bins = np.where(np.isnan(expected), -1, expected * (4 if quarters else 1))
    np.testing.assert_array_equal(frame.features[:, 0], bins)
    np.testing.assert_array_equal(unlabelled(path).features[:, 0], bins)
    if pa.types.is_integer(plain.type) or pa.types.is_boolean(plain.type):
        a, b = in_memory_and_stored(tmp_path, section)
        np.testing.assert_array_equal(a.features, b.features_in_memory())
        np.testing.assert_array_equal(a.targets, b.targets)
    else:
        with pytest.raises(DataError, match="a store holds int8"):
            list(in_memory_and_stored(tmp_path, section))


def test_a_column_of_nulls_alone(tmp_path):
    """polars and DuckDB give it a type of its own."""
    path = tmp_path / "a.parquet"
    section = write(path, feature=pa.nulls(N))
    assert (load(**section).frame.features == -1).all()
    assert np.isnan(unlabelled(path, "float32").features).all()
    with pytest.raises(DataError, match="'target' has no value on any of the 24 rows"):
        load(**write(path, target=pa.nulls(N)))


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (pa.array(TEXT), "values are string, they must be numbers"),
        (pa.array(TEXT).dictionary_encode(), "values are dictionary"),
        (pa.array([0] * N, pa.date32()), r"values are date32\[day\], they must be numbers"),
        (pa.array([1e300] * N), r"value 1e\+300 is too large for float32"),
    ],
)
def test_what_are_no_numbers(tmp_path, column, says):
    path = tmp_path / "a.parquet"
    with pytest.raises(DataError, match=rf"column 'feature_0': {says}"):
        load(**write(path, feature=column))
    with pytest.raises(DataError, match=f"column 'feature_0': {says}"):
        unlabelled(path, "float32")
    with pytest.raises(DataError, match=f"column 'target': {says.replace('they', 'a target')}"):
        load(**write(path, target=column))


INDEX = {"pandas": "__index_level_0__", "dask": "__null_dask_index__", "fastparquet": "index"}


def with_index(path, name, index):
    note = {"index_columns": [name], "columns": [{"name": None, "field_name": name}]}
    section = write(path, prediction=WHOLE / 4)
    rows = pq.read_table(path).drop_columns("id").append_column(name, index)
    pq.write_table(rows.replace_schema_metadata({"pandas": json.dumps(note)}), path)
    return section


@pytest.mark.parametrize("writer", INDEX)
def test_an_index_without_a_name(tmp_path, writer):
    path = tmp_path / "a.parquet"
    section = with_index(path, INDEX[writer], pa.array(TEXT, pa.large_string()))
    for frame in in_memory_and_stored(tmp_path, section):
        assert frame.ids.to_pylist() == TEXT
    assert unlabelled(path).ids.to_pylist() == TEXT
    read = read_predictions(path)
    assert read.ids.to_pylist() == TEXT
    assert INDEX[writer] not in read.columns


@pytest.mark.parametrize("writer", INDEX)
def test_an_index_that_only_counts_rows_is_no_id(tmp_path, writer):
    path = tmp_path / "a.parquet"
    section = with_index(path, INDEX[writer], pa.array(range(N)))
    with pytest.raises(DataError, match="lacks column 'id'"):
        load(**section)
    named = load(**section, columns={"id": INDEX[writer]}).frame
    assert named.ids.to_pylist() == [str(i) for i in range(N)]
    with pytest.raises(DataError, match="no column 'id'"):
        read_predictions(path)
    rows = pq.read_table(path).append_column("id", pa.array(TEXT))
    pq.write_table(rows, path)
    read = read_predictions(path)
    assert read.ids.to_pylist() == TEXT
    assert INDEX[writer] not in read.columns


def test_notes_of_pandas_that_cannot_be_read(tmp_path):
    path = tmp_path / "a.parquet"
    section = write(path)
    rows = pq.read_table(path)
    for note in ("{", "[]", '{"index_columns": null, "columns": null}'):
        pq.write_table(rows.replace_schema_metadata({"pandas": note}), path)
        assert load(**section).frame.n_rows == N
