"""Rank turnover is 1 minus Spearman's correlation of the same stocks in two eras."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerai_lab.scoring.rank_turnover import rank_turnover_per_era

ERAS = np.array([10, 11, 12, 20], dtype=np.int32)


def world(seed=0, n=40):
    """Return predictions, entities and offsets; two stocks of each era are new, two vanish."""
    rng = np.random.default_rng(seed)
    entities = np.concatenate([rng.permutation(n) + 2 * i for i in range(len(ERAS))])
    return rng.normal(size=len(entities)), entities, np.arange(len(ERAS) + 1) * n


def test_it_is_what_pandas_computes_of_those_in_both_eras():
    predictions, entities, offsets = world()
    found = rank_turnover_per_era(predictions, entities, ERAS, offsets)[:, 0]
    eras = [pd.Series(predictions[a:b], entities[a:b]) for a, b in itertools.pairwise(offsets)]
    for i in (1, 2):
        joined = pd.concat([eras[i - 1], eras[i]], axis=1, join="inner")
        assert len(joined) == 38
        assert found[i] == pytest.approx(1 - joined.corr("spearman").iloc[0, 1])
    assert np.isnan(found[[0, 3]]).all()  # the first era, and one after a gap


@given(st.integers(0, 20), st.booleans())
def test_ranks_that_stay_are_0_and_turned_over_2_in_any_order_of_rows(seed, turned):
    _, entities, offsets = world(seed)
    level = np.random.default_rng(seed).normal(size=entities.max() + 1)[entities]
    sign = np.repeat(np.where(np.arange(len(ERAS)) % 2, -1.0 if turned else 1.0, 1.0), 40)
    found = rank_turnover_per_era(level * sign, entities, ERAS, offsets)[1:3, 0]
    np.testing.assert_allclose(found, 2.0 if turned else 0.0, atol=1e-12)


def test_too_few_in_both_or_equal_ones_give_none():
    predictions, entities, offsets = world()
    few, same = predictions.copy(), predictions.copy()
    few[40:60], same[40:80] = np.nan, 1.0
    both = np.column_stack([few, same, predictions])
    found = rank_turnover_per_era(both, entities, ERAS, offsets)
    assert np.isnan(found[1:3, :2]).all()
    assert np.isfinite(found[1:3, 2]).all()
