"""Statistics of resampled series are those of one series, and a difference of two is signed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from numerai_lab.config import Bootstrap
from numerai_lab.scoring import (
    MEAN,
    STATISTICS,
    drawn_statistic,
    paired_by,
    statistic_of,
    summarize,
)

BOOTSTRAP = Bootstrap(samples=100)
scores = arrays(np.int64, 40, elements=st.integers(-100, 100)).map(lambda whole: whole / 1000)
ERAS = np.arange(10, 50, dtype=np.int32)


@given(scores)
def test_they_are_what_a_summary_tells(values):
    told = summarize(values, ERAS, 20, BOOTSTRAP, 0)
    for name in ("sharpe", "sharpe_hac"):
        known = getattr(told, name)
        wanted = None if known is None else pytest.approx(known)
        assert statistic_of(name, values, ERAS, 20) == wanted
    assert statistic_of("drawdown", values, ERAS, 20) == pytest.approx(-told.max_drawdown)


@given(scores, st.sampled_from([MEAN, *STATISTICS]))
def test_a_resampled_series_has_the_statistic_of_itself(values, name):
    shifted = values + 0.5 if name == MEAN else values
    drawn = drawn_statistic(name, shifted, ERAS, 20, BOOTSTRAP, 0)
    assert drawn.shape == (BOOTSTRAP.samples,)
    if name == "drawdown":
        assert (drawn <= 0).all()
    if name == MEAN:
        assert (drawn >= shifted.min() - 1e-12).all()


@given(scores, scores, st.sampled_from(list(STATISTICS)))
def test_a_difference_turns_its_sign_with_its_sides(one, two, name):
    there = paired_by(name, one, two, ERAS, 20, BOOTSTRAP, 0)
    back = paired_by(name, two, one, ERAS, 20, BOOTSTRAP, 0)
    if there.mean_difference is None:
        assert back.mean_difference is None
        return
    assert there.mean_difference == pytest.approx(-back.mean_difference)
    if there.ci_low is not None:
        assert there.ci_low == pytest.approx(-back.ci_high)


def test_a_surely_better_sharpe_is_called_so():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.01, 200)
    eras = np.arange(1, 201, dtype=np.int32)
    found = paired_by("sharpe_hac", 0.02 + noise, 0.005 + noise, eras, 20, BOOTSTRAP, 0)
    assert found.verdict == "better"
    assert found.ci_low > 0
