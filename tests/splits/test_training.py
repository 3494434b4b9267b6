"""What happens inside a training window: the slice for early stopping, and sample weights."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numerai_lab.config import EarlyStopping, Weights
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import SplitError
from numerai_lab.splits import inner_slice, sample_weights


def frame_of(eras: list[int], rows: list[int]) -> EraFrame:
    n = sum(rows)
    return EraFrame(
        features=np.zeros((n, 1), np.int8),
        eras=np.array(eras, np.int32),
        offsets=np.concatenate([[0], np.cumsum(rows)]).astype(np.int64),
        ids=pa.array([f"n{i}" for i in range(n)]),
        targets=np.zeros((n, 1), np.float32),
        feature_names=("feature_a",),
        target_names=("target",),
    )


def test_the_slice_is_the_end_of_the_window_with_its_own_purge():
    train, stop = inner_slice(np.arange(1, 149, dtype=np.int32), EarlyStopping(), 20)
    assert (train[0], train[-1], stop[0], stop[-1]) == (1, 100, 109, 148)
    assert train.dtype == stop.dtype == np.int32


def test_the_slice_counts_era_numbers():
    eras = np.arange(1, 149, 4, dtype=np.int32)
    train, stop = inner_slice(eras, EarlyStopping(eras=40), 60)
    assert stop.tolist() == list(range(109, 149, 4))
    assert train[-1] == 89  # 89 + 16 < 109, and 93 + 16 is not


def test_the_slice_takes_an_explicit_purge():
    train, stop = inner_slice(
        np.arange(1, 51, dtype=np.int32), EarlyStopping(eras=10, purge_eras=2), 20
    )
    assert (train[-1], stop[0]) == (38, 41)


@pytest.mark.parametrize("n", [0, 5, 48])
def test_a_window_too_short_for_its_slice(n):
    with pytest.raises(SplitError, match="no eras"):
        inner_slice(np.arange(1, n + 1, dtype=np.int32), EarlyStopping(), 20)


def test_no_weights_are_none():
    assert sample_weights(Weights(), frame_of([1, 2], [3, 4])) is None


@settings(deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=20))
def test_era_equal_gives_every_era_the_same_sum(rows):
    frame = frame_of(list(range(1, len(rows) + 1)), rows)
    weights = sample_weights(Weights(type="era_equal"), frame)
    assert weights is not None
    assert weights.dtype == np.float32
    assert weights.shape == (frame.n_rows,)
    sums = [weights[rows_].astype(float).sum() for _, rows_ in frame.iter_eras()]
    np.testing.assert_allclose(sums, frame.n_rows / frame.n_eras, rtol=1e-5)
    assert weights.mean(dtype=float) == pytest.approx(1, rel=1e-5)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 30)), min_size=2, max_size=20),
    st.floats(0.5, 500),
)
def test_era_decay_halves_with_age_in_era_numbers(steps, half_life):
    eras = np.cumsum([step for step, _ in steps]).tolist()
    frame = frame_of(eras, [rows for _, rows in steps])
    weights = sample_weights(Weights(type="era_decay", half_life_eras=half_life), frame)
    assert weights is not None
    assert weights.mean(dtype=float) == pytest.approx(1, rel=1e-5)
    newest = float(weights[-1])
    for era, rows in frame.iter_eras():
        expected = newest * 0.5 ** ((eras[-1] - era) / half_life)
        np.testing.assert_allclose(weights[rows], expected, rtol=1e-4, atol=1e-30)
