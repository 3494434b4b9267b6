"""What a process that converts and reads a store needs, from the process itself."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_stores import OPEN


def open_process(source, folder):
    """In an interpreter of its own: its peak is what is looked at."""
    command = [sys.executable, "-c", OPEN, source, folder]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "n_features"), [(np.int8, 600), (np.int64, 75)])
def test_conversion_and_reading_stay_small_whatever_the_row_group(tmp_path, kind, n_features):
    """One row group of a million rows: 572 MiB in the file's types, read and converted in 500."""
    n, names = 1_000_000, [f"feature_{i}" for i in range(n_features)]
    random = np.random.default_rng(0)
    column = random.integers(0, 5, n).astype(np.int8)
    rows = {
        "era": np.repeat([f"{era:04d}" for era in range(1, 201)], n // 200),
        "target": (column / 4).astype(np.float32),
        **{name: np.roll(column, i).astype(kind) for i, name in enumerate(names)},
        "id": [f"n{i:010d}" for i in range(n)],
    }
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "train.parquet"
    pq.write_table(pa.table(rows), path, row_group_size=n, compression="zstd")
    assert pq.read_metadata(path).num_row_groups == 1
    process = open_process(tmp_path / "data", tmp_path / "store")
    out, err = process.communicate()
    assert process.returncode == 0, err
    total, peak_mb = map(int, out.split())
    assert total == n_features * int(column.astype(np.int64).sum())
    assert peak_mb < 500


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows_per_era", "n_features"), [(50_000, 3), (10, 2_000)], ids=["rows", "footers"]
)
def test_conversion_and_reading_stay_small_whatever_the_files(tmp_path, rows_per_era, n_features):
    """80 row groups: 4 M rows' ids and eras, then 160,000 columns, a kilobyte each."""
    (tmp_path / "data").mkdir()
    names = [f"feature_{i:04d}_with_a_long_name" for i in range(n_features)]
    column = np.arange(rows_per_era, dtype=np.int8) % 5
    for name, eras in {"train": range(1, 41), "validation": range(41, 81)}.items():
        writer = None
        for era in eras:
            rows = {
                "era": [f"{era:04d}"] * rows_per_era,
                "target": (column / 4).astype(np.float32),
                **dict.fromkeys(names, column),
                "id": [f"n{era:04d}{i:012d}" for i in range(rows_per_era)],
            }
            table = pa.table(rows)
            writer = writer or pq.ParquetWriter(tmp_path / "data" / f"{name}.parquet", table.schema)
            writer.write_table(table)
        writer.close()
    for _ in range(2):  # converted, then opened
        process = open_process(tmp_path / "data", tmp_path / "store")
        out, err = process.communicate()
        assert process.returncode == 0, err
        total, peak_mb = map(int, out.split())
        assert total == 80 * n_features * int(column.astype(np.int64).sum())
        assert peak_mb < (300 if n_features == 3 else 500)
