"""Row groups of a parquet file: the same tables as Arrow reads from the whole, and damage told."""

import contextlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from numerai_lab.data.reading.row_groups import open_parquet, read_head
from numerai_lab.errors import DataError


def kinds(n: int) -> dict[str, pa.Array]:
    """Columns of every kind that files of features may have, nested ones among them."""
    draw = np.random.default_rng(n)
    numbers = draw.integers(0, 5, n)
    return {
        "era": pa.array([f"{i // 7:04d}" for i in range(n)]).dictionary_encode(),
        "int8": pa.array(numbers.astype(np.int8)),
        "with_null": pa.array([None if i % 3 else int(i) for i in numbers], pa.int16()),
        "half": pa.array(numbers.astype(np.float16)),
        "large": pa.array([str(i) for i in numbers], pa.large_string()),
        "nested": pa.array([{"a": [int(i)], "b": {"c": str(i)}} for i in numbers]),
        "listed": pa.array([[int(i)] * int(i) for i in numbers]),
        "mapped": pa.array([[("k", int(i))] for i in numbers], pa.map_(pa.string(), pa.int8())),
        "took": pa.array(numbers, pa.duration("s")),
        "flag": pa.array(numbers > 2),
        "decimal": pa.array(numbers).cast(pa.decimal128(30, 2)),
        "größe": pa.array(numbers.astype(np.float32)),
        **{f"feature_{i}": pa.array(np.roll(numbers, i).astype(np.int8)) for i in range(20)},
        "id": pa.array([f"n{i}" for i in range(n)]),
    }


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"version": "1.0", "compression": "none", "use_dictionary": False},
        {"write_statistics": False, "store_schema": False, "data_page_version": "2.0"},
        {"write_page_index": True, "write_page_checksum": True, "compression": "zstd"},
        {"sorting_columns": [pq.SortingColumn(1)]},
    ],
    ids=str,
)
def test_row_groups_are_what_the_whole_file_gives(tmp_path, options):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table(kinds(50)), path, row_group_size=20, **options)
    opened, head, whole = (
        open_parquet(path, dictionary=["id"]),
        read_head(path),
        pq.read_table(path),
    )
    assert opened.schema.equals(pq.read_schema(path), check_metadata=True)
    assert head.schema.equals(opened.schema, check_metadata=True)
    assert (head.n_rows, opened.n_rows) == (50, 50)
    assert head.group_rows == opened.group_rows == (20, 20, 10)
    names = opened.schema.names
    for columns in ([names[-1]], names[:1], names[3:9], names[::-1], ["feature_3", "nested"]):
        for group in range(3):
            expected = whole.select(columns).slice(20 * group, 20)
            read = opened.read(group, columns).select(columns)
            assert read.to_pydict() == expected.to_pydict()
    assert [len(batch) for batch in opened.batches(1, "int8", 8)] == [8, 8, 4]


def test_a_name_that_is_there_twice_is_seen(tmp_path):
    columns = kinds(30)
    rows = pa.table(columns)
    for name in ("nested", "int8"):
        rows = rows.append_column(name, columns[name])
    pq.write_table(rows, tmp_path / "a.parquet", row_group_size=20)
    assert read_head(tmp_path / "a.parquet").schema.names == rows.column_names
    opened = open_parquet(tmp_path / "a.parquet")
    for group in range(2):
        expected = rows.select(["half", "id"]).slice(20 * group, 20)
        assert opened.read(group, ["half", "id"]).to_pydict() == expected.to_pydict()


def test_a_file_renamed_over_an_open_one_changes_nothing(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table(kinds(30)), path)
    opened = open_parquet(path)
    pq.write_table(pa.table(kinds(90)), tmp_path / "b.parquet")
    (tmp_path / "b.parquet").replace(path)
    assert opened.read(0, ["id", "int8"]).num_rows == 30


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("row_groups") / "a.parquet"
    columns = {name: column for name, column in kinds(40).items() if name in ("int8", "era", "id")}
    pq.write_table(pa.table(columns), path, row_group_size=20)
    return path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_damaged_bytes_are_one_error_or_other_values_never_a_crash(sound: Path, tmp_path, data):
    content = bytearray(sound.read_bytes())
    length = int.from_bytes(content[-8:-4], "little")
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(len(content) - 8 - length, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.parquet"
    path.write_bytes(content)
    with contextlib.suppress(DataError):
        opened = open_parquet(path)
        for group in range(len(opened.group_rows)):
            opened.read(group, opened.schema.names[:1])


@pytest.mark.parametrize("content", [b"PAR1", b"PAR1" + b"x" * 40, b"PAR1\xff\xff\xff\x7fPAR1"])
@pytest.mark.parametrize("opened", [read_head, open_parquet])
def test_what_is_not_parquet(tmp_path, content, opened):
    path = tmp_path / "a.parquet"
    path.write_bytes(content)
    with pytest.raises(DataError, match="is damaged, cut short or not parquet"):
        opened(path)
