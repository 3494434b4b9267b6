"""One era's sums are those of plain NumPy on the centred rows, whatever way they are taken."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from numerai_lab.eraframe import MISSING_INT8
from numerai_lab.models.simple.centred import centred_rows


@st.composite
def eras(draw):
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    n, n_features = draw(st.integers(1, 40)), draw(st.integers(1, 6))
    block = rng.integers(0, draw(st.sampled_from([2, 5, 100])), (n, n_features)).astype(np.int8)
    block[:, rng.random(n_features) < 0.2] = 3
    absent = rng.random((n, n_features)) < draw(st.sampled_from([0, 0, 0.3, 1]))
    if draw(st.booleans()):
        block = np.where(absent, np.nan, block / 4).astype(np.float32)
    else:
        block = np.where(absent, MISSING_INT8, block).astype(np.int8)
    weights = rng.random(n) + 0.1 if draw(st.booleans()) else None
    return block, rng.integers(0, 5, n) / 4, weights


@given(eras())
def test_sums_equal_those_of_the_centred_rows(era):
    block, labels, weights = era
    found = centred_rows(block, labels, weights)
    share = np.full(len(block), 1 / len(block)) if weights is None else weights / weights.sum()
    values = block.astype(np.float64)
    if block.dtype == np.int8:
        values[block == MISSING_INT8] = np.nan
    there = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        means = share @ np.nan_to_num(values) / (share @ there)
    values = np.nan_to_num(values - means)
    label = labels - share @ labels
    exact = {"rtol": 1e-11, "atol": 1e-11}
    np.testing.assert_allclose(found.means, means, **exact)
    np.testing.assert_allclose(found.gram, values.T @ (values * share[:, None]), **exact)
    np.testing.assert_allclose(found.variances, share @ values**2, **exact)
    np.testing.assert_allclose(found.moment, values.T @ (label * share), **exact)
    np.testing.assert_allclose(found.label_variance, share @ label**2, atol=1e-12)
    assert found.n_missing == np.count_nonzero(~there)
    coefficients = np.linspace(-1, 1, values.shape[1])[:, None]
    shift = found.project(coefficients)[:, 0] - values @ coefficients[:, 0]
    np.testing.assert_allclose(shift, shift[0], atol=1e-4)


@given(eras())
def test_what_is_constant_in_an_era_is_exactly_0(era):
    block, labels, weights = era
    block[:, 0] = block[0, 0]
    found = centred_rows(block, labels, weights)
    assert found.variances[0] == found.moment[0] == 0
    assert not found.gram[0].any()
