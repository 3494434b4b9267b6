"""The reader against pandas: order, selection, types, counts."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings

from data_files import files_and_choice, load, numerai_folder, parquet, table
from numerai_lab.eraframe import MISSING_INT8


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(case=files_and_choice())
def test_equals_pandas(case, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    paths = []
    for number, frame in enumerate(case["frames"]):
        path = folder / f"{number}.parquet"
        frame.to_parquet(path, row_group_size=case["group"], index=False)
        paths.append(path)
    expected = pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True)
    expected["era"] = expected["era"].astype(int)
    expected = expected[(expected["era"] - 1) % case["step"] == 0]
    if case["first"] is not None:
        expected = expected[expected["era"] >= case["first"]]
    if case["require_label"]:
        expected = expected[expected["target"].notna()]
    expected = expected.sort_values("era", kind="stable")
    if expected.empty:
        return
    data = load(
        source="parquet",
        files=paths,
        features=case["features"],
        eras={"step": case["step"], "from": case["first"]},
        arguments={"require_label": case["require_label"]},
    )
    frame = data.frame
    assert frame.features.dtype == np.int8
    assert frame.features.flags.c_contiguous
    wanted = expected[case["features"]].astype("Int8").fillna(MISSING_INT8).to_numpy(np.int8)
    np.testing.assert_array_equal(frame.features, wanted)
    np.testing.assert_array_equal(frame.row_eras, expected["era"])
    np.testing.assert_array_equal(frame.target("target"), expected["target"])
    assert frame.ids.to_pylist() == expected["id"].tolist()
    assert data.counts["rows"] == len(expected)


def test_blocks_and_tiles_do_not_change_what_is_read(tmp_path, monkeypatch):
    frame = table(n_eras=9, rows=7, n_features=11)
    frame = frame.sample(frac=1, random_state=1)
    frame.loc[frame.index[::5], "target"] = np.nan
    section = parquet(tmp_path / "a.parquet", frame, row_group_size=20)
    whole = load(**section).frame
    monkeypatch.setattr("numerai_lab.data.reading.values.BLOCK_BYTES", 60)
    monkeypatch.setattr("numerai_lab.data.reading.values.TILE_ROWS", 4)
    cut = load(**section).frame
    np.testing.assert_array_equal(whole.features, cut.features)
    np.testing.assert_array_equal(whole.targets, cut.targets)


def test_train_and_validation_are_one_frame_and_unlabelled_rows_are_counted(tmp_path):
    validation = table(n_eras=3, first_era=7, seed=1, data_type="validation")
    test_rows = table(n_eras=1, first_era=10, seed=2, data_type="test")
    test_rows[["target", "target_ender_60"]] = np.nan
    folder = numerai_folder(tmp_path, validation=pd.concat([validation, test_rows]))
    said = []
    data = load(said, dir=folder)
    assert data.source == "numerai"
    assert data.frame.eras.tolist() == list(range(1, 10))
    assert data.counts == {"rows_in_files": 100, "rows_without_target": 10, "rows": 90}
    assert "dropped 10 of 100 rows: no 'target'" in said
    train = folder / "train.parquet"
    assert data.files[0].sha256 == hashlib.sha256(train.read_bytes()).hexdigest()
    assert (data.files[0].rows, data.files[0].bytes) == (60, train.stat().st_size)
    unlabelled = load(dir=folder, arguments={"require_label": False}).frame
    assert unlabelled.eras.tolist() == list(range(1, 11))


def test_newest_version_folder_is_read(tmp_path):
    numerai_folder(tmp_path / "v5.2", table(n_eras=2))
    numerai_folder(tmp_path / "v5.10", table(n_eras=3))
    (tmp_path / "v6.0").mkdir()
    assert load(dir=tmp_path).folder == tmp_path / "v5.10"


@pytest.mark.parametrize(
    "eras", [[575, 575, 576], ["0575", "0575", "0576"], [575.0, 575.0, 576.0]], ids=str
)
def test_eras_as_written(tmp_path, eras):
    frame = table(n_eras=1, rows=3).assign(era=eras)
    assert load(**parquet(tmp_path / "a.parquet", frame)).frame.eras.tolist() == [575, 576]


def test_era_arguments_and_config_both_apply(tmp_path):
    section = parquet(tmp_path / "a.parquet", table(n_eras=8), row_group_size=10)
    section["eras"] = {"from": 2, "to": 7, "step": 2, "offset": 1}
    assert load(**section).frame.eras.tolist() == [2, 4, 6]
    assert load(**section, arguments={"eras": [4, 5, 6]}).frame.eras.tolist() == [4, 6]


def test_columns_of_other_names(tmp_path):
    frame = pd.DataFrame(
        {
            "stock": [10, 11, 12, 13],
            "week": [2, 2, 1, 1],
            "kind": ["train", "live", "train", "test"],
            "x1": [0.1, 0.2, 0.3, np.nan],
            "x2": [1.0, 0.0, 0.5, 0.5],
            "up": [1, 0, 1, 0],
        }
    )
    data = load(
        **parquet(tmp_path / "a.parquet", frame),
        columns={
            "id": "stock",
            "era": "week",
            "data_type": "kind",
            "keep_data_types": ["train"],
            "features": ["x2", "x1"],
            "targets": {"target_up": "up"},
        },
        targets=["target_up"],
        horizons={"target_up": 20},
    )
    assert data.frame.feature_names == ("x2", "x1")
    assert data.frame.features.dtype == np.float32
    np.testing.assert_array_equal(data.frame.features, np.float32([[0.5, 0.3], [1.0, 0.1]]))
    assert data.frame.ids.to_pylist() == ["12", "10"]
    assert data.frame.target("target_up").tolist() == [1, 1]
    assert data.horizons == {"target_up": 20}
    assert data.counts["rows_of_other_data_types"] == 2


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([0.0, 4.0, np.nan], np.int8, [0, 4, -1]),
        ([0.0, 0.25, np.nan], np.int8, [0, 1, -1]),
        ([0.0, 0.3, np.nan], np.float32, [0, 0.3, np.nan]),
        ([0.0, 5.0, np.nan], np.float32, [0, 5, np.nan]),
        ([-1.0, 1.0, np.nan], np.float32, [-1, 1, np.nan]),
    ],
)
def test_float_columns(tmp_path, values, dtype, expected):
    frame = table(n_eras=1, rows=3, n_features=1).assign(feature_0=values)
    features = load(**parquet(tmp_path / "a.parquet", frame)).frame.features
    assert features.dtype == dtype
    np.testing.assert_array_equal(features[:, 0], np.array(expected, dtype=dtype))


def test_the_type_is_decided_by_all_files(tmp_path):
    a = table(n_eras=1, rows=3, n_features=2).assign(feature_1=[0.0, 1.0, 2.0])
    b = table(n_eras=1, rows=3, n_features=2, seed=1).assign(feature_1=[0.0, 0.1, 0.2])
    a.to_parquet(tmp_path / "a.parquet")
    b.to_parquet(tmp_path / "b.parquet")
    said = []
    files = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    frame = load(said, source="parquet", files=files).frame
    assert frame.features.dtype == np.float32
    np.testing.assert_allclose(frame.features[:, 1], [0, 1, 2, 0, 0.1, 0.2], rtol=1e-6)
    assert any("float32" in line for line in said)


def test_features_none_and_listed(tmp_path):
    folder = numerai_folder(tmp_path)
    assert load(dir=folder, arguments={"features": "none"}).frame.features.shape == (60, 0)
    picked = load(dir=folder, arguments={"features": ["feature_3", "feature_0"]}).frame
    assert picked.feature_names == ("feature_3", "feature_0")
