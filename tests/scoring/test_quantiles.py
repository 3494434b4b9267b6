"""The spread between ends is what pandas computes, and does not know the order of rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerai_lab.scoring.quantiles import SHARE, spread_per_era

OFFSETS = np.array([0, 50, 90])


def test_it_is_the_difference_of_means_of_fifths():
    rng = np.random.default_rng(0)
    predictions, target = rng.normal(size=90), rng.normal(size=90)
    found = spread_per_era(predictions, target, OFFSETS)[:, 0]
    for i, (first, last) in enumerate([(0, 50), (50, 90)]):
        order = np.argsort(predictions[first:last])
        k = round(SHARE * len(order))
        y = target[first:last][order]
        assert found[i] == pytest.approx(y[-k:].mean() - y[:k].mean())


@given(st.permutations(range(50)), st.integers(0, 3))
def test_rows_in_another_order_with_ties(order, decimals):
    rng = np.random.default_rng(1)
    predictions, target = rng.uniform(size=50).round(decimals), rng.normal(size=50)
    offsets = np.array([0, 50])
    there = spread_per_era(predictions, target, offsets)
    back = spread_per_era(predictions[order], target[order], offsets)
    np.testing.assert_allclose(there, back)
    np.testing.assert_allclose(spread_per_era(-predictions, target, offsets), -there)


def test_no_spread_where_all_are_equal_or_too_few_are_there():
    target = np.arange(50.0)
    offsets = np.array([0, 50])
    assert np.isnan(spread_per_era(np.ones(50), target, offsets)).all()
    few = np.where(np.arange(50) < 15, np.nan, np.arange(50.0))
    assert np.isnan(spread_per_era(few, target, offsets)).all()
    some = np.where(np.arange(50) < 5, np.nan, np.arange(50.0))
    assert spread_per_era(some, target, offsets)[0, 0] == pytest.approx(36.0)
