"""Statistics that would mean nothing are None, with the reason, and never an absurd number."""

import json
import math
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from numerai_lab.config import Bootstrap
from numerai_lab.scoring import METRICS, Summary, paired, sharpe, summarize

QUICK = Bootstrap(samples=100)
FAST = settings(deadline=None, max_examples=60)
GAINS = ("sharpe", "sharpe_hac", "max_drawdown", "hit_rate")
LAST = {"last_20": 20, "last_50": 50, "last_100": 100}
lengths = st.integers(1, 120)
scores_of = lengths.flatmap(
    lambda n: arrays(np.float64, n, elements=st.floats(-1, 1) | st.just(float("nan")))
)


def eras_to(n):
    return np.arange(1, n + 1, dtype=np.int32)


def summary_of(scores, *, adds_up=True):
    return summarize(scores, eras_to(len(scores)), 20, QUICK, 0, adds_up=adds_up)


@FAST
@given(scores_of, st.booleans())
def test_every_number_is_finite_or_none_with_its_reason(scores, adds_up):
    found = summary_of(scores, adds_up=adds_up)
    values = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    counts = {"n_eras", "n_nan", "first_era", "last_era", "undefined"}
    numbers = {field.name for field in fields(Summary)} - counts
    assert set(found.undefined) == {name for name in numbers if values[name] is None}
    assert all(found.undefined.values())
    known = np.flatnonzero(~np.isnan(scores))
    assert (found.n_eras, found.n_nan) == (len(known), len(scores) - len(known))
    if len(known):
        assert (found.first_era, found.last_era) == (known[0] + 1, known[-1] + 1)
        assert {name for name, k in LAST.items() if values[name] is None} == {
            name for name, k in LAST.items() if len(known) < k
        }
    else:
        assert (found.first_era, found.last_era, found.mean) == (None, None, None)


@FAST
@given(scores_of)
def test_the_statistics_of_a_gain_lie_where_they_can(scores):
    found = summary_of(scores)
    assume(found.mean is not None)
    if found.sharpe is not None:
        assert abs(found.sharpe) < 1e9
        assert math.copysign(1, found.sharpe) == math.copysign(1, found.mean)
    if found.sharpe_hac is not None:
        assert abs(found.sharpe_hac) < 1e9
    if found.hit_rate is not None:
        assert 0 <= found.hit_rate <= 1
    assert found.max_drawdown >= 0


@FAST
@given(
    level=st.floats(1e-6, 1) | st.floats(-1, -1e-6),
    n=lengths,
    seed=st.integers(0, 2**31),
    rounding=st.sampled_from([0.0, 1e-16, 1e-14, 1e-13]),
)
def test_a_constant_has_no_sharpe_however_it_was_rounded(level, n, seed, rounding):
    """The correlation of a thing with itself is 1 in every era, up to the last bits."""
    noise = np.random.default_rng(seed).uniform(-1, 1, n)
    found = summary_of(level + rounding * noise)
    assert found.sharpe is None
    assert found.sharpe_hac is None
    assert found.undefined["sharpe"] in ("the same in every era, up to rounding", "one scored era")
    assert found.hit_rate == (1.0 if level > 0 else 0.0)
    assert sharpe(level + rounding * noise) is None


@FAST
@given(n=lengths, seed=st.integers(0, 2**31), rounding=st.sampled_from([0.0, 1e-17, 1e-14]))
def test_zeros_have_no_hit_rate(n, seed, rounding):
    """What a benchmark adds to itself is 0, up to the last bits, on either side."""
    found = summary_of(rounding * np.random.default_rng(seed).uniform(-1, 1, n))
    assert (found.sharpe, found.sharpe_hac, found.hit_rate) == (None, None, None)
    assert found.undefined["hit_rate"] == "every score is 0"
    assert found.mean == pytest.approx(0, abs=1e-13)


@FAST
@given(scores_of, st.floats(1e-3, 1))
def test_scores_in_another_unit_have_the_same_sharpe_and_hit_rate(scores, factor):
    known = scores[~np.isnan(scores)]
    assume(len(known) > 1)
    assume(known.std() > 1e-3)
    one, two = summary_of(scores), summary_of(scores * factor)
    assert two.sharpe == pytest.approx(one.sharpe, rel=1e-9)
    assert two.hit_rate == pytest.approx(np.mean(known * factor > 0))
    assert two.max_drawdown == pytest.approx(factor * one.max_drawdown, rel=1e-9, abs=1e-12)
    assert (summary_of(-scores).sharpe, one.sharpe) == (pytest.approx(-one.sharpe), one.sharpe)


@FAST
@given(scores_of)
def test_a_level_has_a_mean_and_a_spread_and_no_sharpe_drawdown_or_hit_rate(scores):
    level, gain = summary_of(scores, adds_up=False), summary_of(scores)
    assert [getattr(level, name) for name in GAINS] == [None] * 4
    same = {"mean", "std", "ci_low", "ci_high", *LAST}
    assert {name: getattr(level, name) for name in same} == {
        name: getattr(gain, name) for name in same
    }
    if level.n_eras:
        assert {level.undefined[name] for name in GAINS} == {
            "a level, not a gain that adds up over eras"
        }


def test_exposures_and_correlations_with_others_are_levels_and_the_rest_are_gains():
    levels = {metric.key for metric in METRICS if not metric.adds_up}
    correlations = {"benchmark_corr", "meta_model_corr"}
    assert levels == {*correlations, "exposure_max", "exposure_rms", "rank_turnover"}
    assert len({metric.key for metric in METRICS}) == len(METRICS) == 12


@FAST
@given(scores_of, st.integers(0, 2**31), st.sampled_from([0.0, 1e-17, 1e-15]))
def test_a_difference_that_is_rounding_has_no_sharpe_and_no_hit_rate(scores, seed, rounding):
    noise = rounding * np.random.default_rng(seed).uniform(-1, 1, len(scores))
    found = paired(scores + noise, scores, eras_to(len(scores)), 20, QUICK, 0)
    assert found.sharpe_of_difference is None
    assert found.hit_rate is None
    json.dumps(found.as_dict(), allow_nan=False)


def test_a_difference_names_the_eras_it_is_over():
    one, two = np.linspace(0.01, 0.05, 30), np.full(30, 0.02)
    one[:4], two[-3:] = np.nan, np.nan
    found = paired(one, two, eras_to(30), 20, QUICK, 0)
    assert (found.n_eras, found.first_era, found.last_era) == (23, 5, 27)
    nothing = paired(np.full(3, np.nan), np.zeros(3), eras_to(3), 20, QUICK, 0)
    assert (nothing.n_eras, nothing.first_era, nothing.last_era) == (0, None, None)
