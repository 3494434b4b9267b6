"""Missing policy: marked, dropped, filled, always counted."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_files import load, parquet
from numerai_lab.config import Missing
from numerai_lab.data.reading.missing import apply_missing
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import DataError


def frame_of(features, sizes):
    features = np.array(features)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    n, width = features.shape
    return EraFrame(
        features=features.copy(),
        eras=np.arange(1, len(sizes) + 1, dtype=np.int32),
        offsets=offsets,
        ids=pa.array([f"n{i}" for i in range(n)]),
        targets=np.arange(n, dtype=np.float32)[:, None],
        feature_names=tuple(f"f{i}" for i in range(width)),
        target_names=("target",),
    )


def apply(features, sizes, training=None, **policy):
    said = []
    frame, counts = apply_missing(
        frame_of(features, sizes), Missing.model_validate(policy), training, said.append
    )
    return frame, dict(counts), said


def int8(rows):
    return np.array(rows, dtype=np.int8)


def test_keep_changes_nothing_and_counts():
    frame, counts, said = apply(int8([[0, -1], [4, 2]]), [2])
    np.testing.assert_array_equal(frame.features, [[0, -1], [4, 2]])
    assert counts == {"values_missing": 1}
    assert said == ["1 feature values are missing and stay so"]


def test_constant():
    frame, counts, _ = apply(int8([[0, -1], [-1, 2]]), [2], policy="constant", value=3)
    np.testing.assert_array_equal(frame.features, [[0, 3], [3, 2]])
    assert counts == {"values_filled": 2}
    with pytest.raises(DataError, match=r"0\.5 cannot be an int8"):
        apply(int8([[0]]), [1], policy="constant", value=0.5)
    floats, _, _ = apply(np.float32([[0.1], [np.nan]]), [2], policy="constant", value=0.5)
    np.testing.assert_array_equal(floats.features, np.float32([[0.1], [0.5]]))


def test_a_feature_without_a_value_in_an_era():
    rows = int8([[-1, 0], [-1, 4], [1, 1], [-1, 2]])
    frame, counts, said = apply(rows, [2, 2], policy="median_per_era")
    np.testing.assert_array_equal(frame.features, [[2, 0], [2, 4], [1, 1], [1, 2]])
    assert counts == {"values_filled": 3, "values_filled_middle": 2}
    assert len(said) == 2
    floats = np.float32([[np.nan, 0], [np.nan, 4]])
    frame, counts, _ = apply(floats, [2], policy="median_per_era")
    np.testing.assert_array_equal(frame.features, floats)
    assert counts == {"values_missing": 2}


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    seed=st.integers(0, 10_000),
    floats=st.booleans(),
)
def test_median_equals_pandas(sizes, seed, floats):
    draw = np.random.default_rng(seed)
    values = draw.integers(0, 5, (sum(sizes), 3)).astype(np.float32)
    values[draw.random(values.shape) < 0.4] = np.nan
    eras = np.repeat(np.arange(len(sizes)), sizes)
    lower = (
        pd.DataFrame(values)
        .groupby(eras)
        .transform(lambda column: column.quantile(0.5, interpolation="lower"))
    )
    expected = pd.DataFrame(values).fillna(lower).to_numpy()
    if not floats:
        expected = np.where(np.isnan(expected), 2, expected).astype(np.int8)
        values = np.where(np.isnan(values), -1, values).astype(np.int8)
    frame, _, _ = apply(values, sizes, policy="median_per_era")
    np.testing.assert_array_equal(frame.features, expected.astype(values.dtype))


def test_all_twos_is_missing_needs_more_than_one_row():
    rows = int8([[2, 2, 1], [2, 3, 1], [2, 2, 2]])
    frame, counts, _ = apply(rows, [2, 1], all_twos_is_missing=True)
    np.testing.assert_array_equal(frame.features, [[-1, 2, 1], [-1, 3, 1], [2, 2, 2]])
    assert counts == {"feature_eras_all_twos": 1, "values_missing": 2}
    with pytest.raises(DataError, match="float32"):
        apply(np.float32([[2.0]]), [1], all_twos_is_missing=True)


def test_rows_are_dropped_and_keep_their_labels():
    rows = int8([[-1, -1], [0, -1], [-1, -1], [3, 4]])
    frame, counts, _ = apply(rows, [2, 1, 1], max_row_missing=0.5)
    np.testing.assert_array_equal(frame.features, [[0, -1], [3, 4]])
    assert frame.eras.tolist() == [1, 3]
    assert frame.ids.to_pylist() == ["n1", "n3"]
    assert frame.target("target").tolist() == [1, 3]
    assert counts == {"rows_missing_dropped": 2, "values_missing": 1}
    with pytest.raises(DataError, match="every row misses more than 0%"):
        apply(int8([[-1]]), [1], max_row_missing=0.0)


def test_features_are_judged_on_training_rows_only():
    rows = int8([[0, -1, 1], [1, -1, 2], [-1, 3, 3], [-1, 4, 4]])
    training = np.array([True, True, False, False])
    frame, counts, _ = apply(rows, [2, 2], training, max_feature_missing=0.4)
    assert frame.feature_names == ("f0", "f2")
    np.testing.assert_array_equal(frame.features, rows[:, [0, 2]])
    assert counts == {"features_missing_dropped": 1, "values_missing": 2}
    frame, _, _ = apply(rows, [2, 2], None, max_feature_missing=0.4)
    assert frame.feature_names == ("f2",)
    with pytest.raises(DataError, match="every feature is missing"):
        apply(int8([[-1]]), [1], max_feature_missing=0.5)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), chunk=st.integers(1, 9))
def test_dropping_in_place_equals_dropping_a_copy(seed, chunk):
    draw = np.random.default_rng(seed)
    values = draw.integers(0, 5, (20, 6)).astype(np.int8)
    values[draw.random(values.shape) < 0.35] = -1
    values[:, 0], values[0] = 1, 1
    columns = (values == -1).mean(axis=0) <= 0.3
    kept = values[:, columns]
    rows = (kept == -1).mean(axis=1) <= 0.3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("numerai_lab.data.reading.missing.CHUNK_ROWS", chunk)
        frame, _, _ = apply(values, [8, 12], max_feature_missing=0.3, max_row_missing=0.3)
    np.testing.assert_array_equal(frame.features, kept[rows])
    assert frame.features.flags.c_contiguous
    np.testing.assert_array_equal(frame.target("target"), np.flatnonzero(rows))


def test_policy_works_through_load_data(tmp_path):
    frame = pd.DataFrame(
        {
            "id": list("abcd"),
            "era": [1, 1, 2, 2],
            "data_type": ["train", "train", "validation", "validation"],
            "feature_a": pd.array([None, None, 1, 2], dtype="Int8"),
            "feature_b": pd.array([1, None, None, None], dtype="Int8"),
            "target": [0.0, 1.0, 0.0, 1.0],
        }
    )
    data = load(
        **parquet(tmp_path / "a.parquet", frame),
        columns={"data_type": "data_type"},
        missing={"policy": "median_per_era", "max_feature_missing": 0.6},
    )
    assert data.frame.feature_names == ("feature_b",)
    np.testing.assert_array_equal(data.frame.features[:, 0], [1, 1, 2, 2])
    assert data.counts["features_missing_dropped"] == 1
    assert data.counts["values_filled_middle"] == 2
    assert data.counts["rows"] == 4
