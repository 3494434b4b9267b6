"""Ids in memory and in the store: any text, any order, missing ones and repeated ones."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_files import load
from data_stores import store_of, stored
from numerai_lab.errors import DataError


def rows_with_ids(path: Path, eras: list[int], ids: list[str]) -> dict:
    """Write rows of these eras and ids; return the data section that reads them."""
    rows = {"era": eras, "feature_0": np.zeros(len(ids), np.int8), "target": np.ones(len(ids))}
    pq.write_table(pa.table({**rows, "id": ids}), path, row_group_size=7)
    return {"source": "parquet", "files": [path]}


@pytest.fixture
def small_batches(monkeypatch):
    """Ids in batches of three and compared in parts of four, as millions of them are."""
    monkeypatch.setattr("numerai_lab.data.reading.ids.BATCH_ROWS", 3)
    monkeypatch.setattr("numerai_lab.data.store.ids.BATCH_ROWS", 3)
    monkeypatch.setattr("numerai_lab.data.reading.ids.PART_ROWS", 4)


@pytest.mark.usefixtures("small_batches")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(
    rows=st.lists(
        st.tuples(st.integers(1, 3), st.text(max_size=20)),
        min_size=1,
        max_size=40,
        unique_by=lambda row: row[1],
    )
)
def test_ids_of_any_text_in_any_order_of_eras(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ids")
    section = rows_with_ids(folder / "a.parquet", *map(list, zip(*rows, strict=True)))
    expected = [text for _, text in sorted(rows, key=lambda row: row[0])]
    assert load(**section).frame.ids.to_pylist() == expected
    assert stored(folder / "store", **section).frame.ids.to_pylist() == expected


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("hashed", ["well", "all equal"])
def test_repeated_ids_are_counted_and_different_ones_are_never_taken_for_equal(
    tmp_path, monkeypatch, hashed
):
    if hashed == "all equal":
        monkeypatch.setattr(
            "numerai_lab.data.reading.ids.hash_ids", lambda ids: np.zeros(len(ids), np.uint64)
        )
    ids = [f"n{i}" for i in range(30)]
    section = rows_with_ids(tmp_path / "a.parquet", [1] * 30, ids)
    assert stored(tmp_path / "store", **section).frame.n_rows == 30
    ids[11], ids[23], ids[29] = ids[4], ids[17], ids[17]
    section = rows_with_ids(tmp_path / "b.parquet", [1] * 30, ids)
    message = "b.parquet: 3 ids are there more than once, such as 'n4'"
    with pytest.raises(DataError, match=message):
        load(**section)
    with pytest.raises(DataError, match=message):
        stored(tmp_path / "other", **section)
    assert [p.name for p in store_of(tmp_path / "other").iterdir()] == [".lock"]


@pytest.mark.usefixtures("small_batches")
def test_missing_ids_are_counted_by_row_group(tmp_path):
    section = rows_with_ids(
        tmp_path / "a.parquet", [1] * 14, [None, "b", None, "d", None] + [""] * 9
    )
    with pytest.raises(DataError, match="3 rows have no id"):
        stored(tmp_path / "store", **section)
