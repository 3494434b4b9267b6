"""Bad input: one clear sentence with the place and the way out, exit code 2."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from data_files import load, numerai_folder, parquet, table
from numerai_lab.errors import DataError, MachineError


def fails(match, **section):
    with pytest.raises(DataError, match=match) as caught:
        load(**section)
    assert caught.value.exit_code == 2
    assert caught.value.fix
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_files_that_are_not_there(tmp_path):
    gone = tmp_path / "gone.parquet"
    fails("gone.parquet: there is no such file", source="parquet", files=[gone])
    fails("there is no parquet file in this folder", source="parquet", files=[tmp_path])
    fails("needs at least one file", source="parquet")
    assert "--data synthetic" in fails("has neither train.parquet", source="numerai", dir=tmp_path)
    fails("there is no such folder", source="numerai", dir=tmp_path / "no")


@pytest.mark.parametrize("keep", [0, 3, 1000, 0.5, 0.97])
def test_truncated_file(tmp_path, keep):
    folder = numerai_folder(tmp_path)
    path = folder / "train.parquet"
    content = path.read_bytes()
    path.write_bytes(content[: keep if isinstance(keep, int) else int(len(content) * keep)])
    fails("train.parquet: the file is (damaged|empty)", dir=folder)


def test_damaged_pages(tmp_path):
    frame = table(n_eras=20, rows=200)
    path = numerai_folder(tmp_path, frame) / "train.parquet"
    content = bytearray(path.read_bytes())
    content[200 : len(content) // 2] = bytes(len(content) // 2 - 200)
    path.write_bytes(content)
    fails("train.parquet: the file is damaged", dir=tmp_path)


@pytest.mark.parametrize("era", ["X", "eraX", "12.5", "", "-3", None])
def test_era_that_is_not_a_number(tmp_path, era):
    frame = table()
    frame.iloc[7, 0] = era
    fails(r"a\.parquet: era .* is not a number", **parquet(tmp_path / "a.parquet", frame))


@pytest.mark.parametrize("era", [1.5, -1.0, np.inf, np.nan, 1e12])
def test_numeric_era_that_is_no_era(tmp_path, era):
    frame = table().assign(era=1.0)
    frame.iloc[7, 0] = era
    fails("is not a number", **parquet(tmp_path / "a.parquet", frame))


def test_live_rows_can_be_left_out_by_data_type(tmp_path):
    frame = table(data_type="train")
    frame.iloc[-10:, 0] = "X"
    frame.iloc[-10:, 1] = "live"
    section = parquet(tmp_path / "a.parquet", frame)
    fails("era 'X' is not a number", **section)
    columns = {"data_type": "data_type", "keep_data_types": ["train"]}
    assert load(**section, columns=columns).frame.n_eras == 5


@pytest.mark.parametrize("same_length", [True, False])
def test_duplicate_ids(tmp_path, same_length):
    frame = table()
    ids = frame.index.tolist()
    ids[9], ids[41] = ids[3], ids[3]
    if not same_length:
        ids[20] = "short"
    frame.index = pd.Index(ids, name="id")
    section = parquet(tmp_path / "a.parquet", frame, row_group_size=7)
    fails(f"2 ids are there more than once, such as '{ids[3]}'", **section)


def test_the_same_file_twice(tmp_path):
    section = parquet(tmp_path / "a.parquet", table())
    fails("60 ids are there more than once", source="parquet", files=section["files"] * 2)


def test_missing_id(tmp_path):
    frame = table().reset_index()
    frame.loc[3, "id"] = None
    fails("1 rows have no id", **parquet(tmp_path / "a.parquet", frame))


@pytest.mark.parametrize(("value", "dtype"), [(-1, "int8"), (128, "int16"), (-300, "int64")])
def test_features_outside_int8(tmp_path, value, dtype):
    frame = table().astype({"feature_2": dtype})
    frame.iloc[30, 3] = value
    section = parquet(tmp_path / "a.parquet", frame)
    fails(rf"a\.parquet column 'feature_2': value {value} is outside", **section)


def test_features_that_are_not_numbers(tmp_path):
    frame = table().assign(feature_1="a")
    fails("column 'feature_1': values are", **parquet(tmp_path / "a.parquet", frame))
    frame = table().assign(feature_1=0.5)
    frame.iloc[3, 2] = np.inf
    fails("infinite value", **parquet(tmp_path / "b.parquet", frame))


def test_target_without_values(tmp_path):
    section = parquet(tmp_path / "a.parquet", table().assign(target=np.nan))
    fails("target column 'target' has no value on any of the 60 rows", **section)
    section = parquet(tmp_path / "b.parquet", table().assign(target_ender_60=np.nan))
    message = "target 'target_ender_60' has no value on any of the 60 rows"
    fails(message, **section, optional_targets=["target_ender_60"])


def test_nothing_selected(tmp_path):
    section = parquet(tmp_path / "a.parquet", table())
    fails("no rows are left of 60: 60 rows outside eras", **section, eras={"from": 99})
    section = parquet(tmp_path / "b.parquet", table().iloc[:0])
    fails("there are no rows", **section)


def test_too_many_rows_for_the_memory(tmp_path, monkeypatch):
    def no_memory(*_, **__):
        raise MemoryError

    section = parquet(tmp_path / "a.parquet", table())
    numpy = SimpleNamespace(**{**vars(np), "empty": no_memory})
    monkeypatch.setattr("numerai_lab.data.reading.values.np", numpy)
    with pytest.raises(MachineError, match="MiB of features do not fit into memory"):
        load(**section)


def test_columns_of_a_parquet_source_are_said_to_be_unused(tmp_path):
    said = []
    load(said, dir=numerai_folder(tmp_path), columns={"era": "week"})
    assert any("data.columns is for source: parquet only" in line for line in said)
