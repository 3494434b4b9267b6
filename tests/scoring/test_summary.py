"""Summaries: what they equal on hand-made series, and that their error bars are honest."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numerai_tools.scoring import sharpe_ratio

from numerai_lab.config import Bootstrap
from numerai_lab.errors import DataError
from numerai_lab.scoring import (
    block_length,
    long_run_std,
    overlap_eras,
    paired,
    summarize,
    verdict,
)

QUICK = Bootstrap(samples=200)


def moving_average(n, overlap, sharpe, seed):
    """Scores whose labels overlap: each era shares shocks with overlap - 1 neighbours."""
    shocks = np.random.default_rng(seed).normal(size=n + overlap - 1)
    scores = np.convolve(shocks, np.ones(overlap), "valid")
    # The long-run standard deviation is overlap; `sharpe` is the true one.
    return scores + sharpe * overlap


def eras_to(n, step=1):
    return np.arange(1, n * step + 1, step, dtype=np.int32)


def test_hand_made_series():
    scores = np.array([0.1, -0.2, 0.3, np.nan, -0.1])
    summary = summarize(scores, eras_to(5), 20, QUICK, seed=0)
    known = scores[~np.isnan(scores)]
    assert summary.mean == pytest.approx(0.025)
    assert summary.std == pytest.approx(known.std())
    assert summary.sharpe == pytest.approx(sharpe_ratio(known))
    assert summary.max_drawdown == pytest.approx(0.2)
    assert summary.hit_rate == 0.5
    assert (summary.n_eras, summary.n_nan) == (4, 1)
    assert summary.last_20 is None


def test_last_eras_are_the_last_scored_ones():
    scores = np.append(np.arange(60.0), np.nan)
    summary = summarize(scores, eras_to(61), 20, QUICK, seed=0)
    assert summary.last_20 == pytest.approx(np.arange(40, 60).mean())
    assert summary.last_50 == pytest.approx(np.arange(10, 60).mean())
    assert summary.last_100 is None
    assert summary.max_drawdown == 0


@pytest.mark.parametrize(
    ("horizon", "overlap", "true", "naive", "hac"),
    [(20, 4, 0.50, 1.00, 0.55), (60, 12, 0.29, 1.02, 0.33)],
)
def test_overlapping_labels_inflate_the_naive_sharpe_only(horizon, overlap, true, naive, hac):
    """Reproduce the simulation: 500 eras of moving-average scores."""
    found = [
        summarize(moving_average(500, overlap, true, seed), eras_to(500), horizon, QUICK, 0)
        for seed in range(60)
    ]
    assert np.mean([s.sharpe for s in found]) == pytest.approx(naive, abs=0.04)
    assert np.mean([s.sharpe_hac for s in found]) == pytest.approx(hac, abs=0.03)


def test_newey_west_on_consecutive_eras_is_the_textbook_one():
    scores = moving_average(200, 4, 0.5, 1)
    centred = scores - scores.mean()
    covariances = [centred[k:] @ centred[: 200 - k] / 200 for k in range(9)]
    weights = [1 - k / 9 for k in range(1, 9)]
    variance = covariances[0] + 2 * np.dot(weights, covariances[1:])
    assert long_run_std(scores, eras_to(200), 8) == pytest.approx(np.sqrt(variance))


def test_overlap_counts_in_era_numbers():
    scores = moving_average(400, 4, 0.5, 2)[::4]
    every_fourth = summarize(scores, eras_to(100, step=4), 20, QUICK, 0)
    as_if_consecutive = summarize(scores, eras_to(100), 20, QUICK, 0)
    # Distances of 4 and 8 still weigh a little, 12 and more nothing.
    lags = [1 - 4 / 9, 1 - 8 / 9]
    centred = scores - scores.mean()
    variance = centred @ centred + 2 * sum(
        w * (centred[k:] @ centred[:-k]) for k, w in enumerate(lags, start=1)
    )
    assert every_fourth.sharpe_hac == pytest.approx(scores.mean() / np.sqrt(variance / 100))
    assert every_fourth.sharpe_hac != as_if_consecutive.sharpe_hac
    wide, narrow = (block_length(eras_to(100, step), 20, QUICK) for step in (1, 4))
    assert (wide, narrow) == (16, 4)


def test_overlap_and_block_lengths():
    assert [overlap_eras(days) for days in (1, 5, 20, 21, 60)] == [1, 1, 4, 5, 12]
    assert block_length(eras_to(500), 60, QUICK) == 48
    assert block_length(eras_to(500), 60, Bootstrap(block_eras=10)) == 10
    assert block_length(eras_to(20), 20, QUICK) == 5  # never more than a fourth of the series
    assert block_length(eras_to(2), 20, QUICK) == 1


@pytest.mark.parametrize(
    "scores",
    [[], [np.nan], [0.01], [np.nan, 0.02, np.nan], [0.1] * 30, [0.0] * 5, [0.1, -0.1]],
)
def test_short_and_constant_series_are_summarised_in_json(scores):
    scores = np.array(scores, dtype=np.float64)
    summary = summarize(scores, eras_to(len(scores)), 20, QUICK, 0)
    text = json.dumps(summary.as_dict(), allow_nan=False)
    assert json.loads(text)["n_eras"] == np.count_nonzero(~np.isnan(scores))
    both = paired(scores, scores, eras_to(len(scores)), 20, QUICK, 0)
    json.dumps(both.as_dict(), allow_nan=False)
    if len(set(scores[~np.isnan(scores)])) < 2:
        assert summary.sharpe is None
        assert summary.sharpe_hac is None


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 80), st.integers(0, 2**31), st.integers(0, 2**31))
def test_the_interval_depends_on_the_seed_and_nothing_else(n, data_seed, seed):
    scores = np.random.default_rng(data_seed).normal(size=n)
    first, second = (summarize(scores, eras_to(n), 20, QUICK, seed) for _ in range(2))
    assert first == second
    assert scores.min() - 1e-9 <= first.ci_low <= first.ci_high <= scores.max() + 1e-9


def test_the_interval_covers_the_true_mean_of_overlapping_scores():
    """Nominal 95 %; an interval that ignored the overlap would cover about 68 %."""
    horizon, overlap, n = 20, 4, 400
    blocks, single = 0, 0
    for seed in range(150):
        scores = moving_average(n, overlap, 0.0, seed)
        s = summarize(scores, eras_to(n), horizon, QUICK, seed)
        blocks += s.ci_low <= 0 <= s.ci_high
        s = summarize(scores, eras_to(n), horizon, Bootstrap(samples=200, block_eras=1), seed)
        single += s.ci_low <= 0 <= s.ci_high
    assert 0.86 <= blocks / 150 <= 0.99
    assert single / 150 < 0.8


def test_paired_difference():
    rng = np.random.default_rng(3)
    market = rng.normal(size=200)
    worse = market + rng.normal(size=200) * 0.1
    better = worse + 0.05 + rng.normal(size=200) * 0.05
    better[5], worse[9] = np.nan, np.nan
    found = paired(better, worse, eras_to(200), 20, QUICK, 0)
    difference = (better - worse)[~np.isnan(better - worse)]
    assert found.n_eras == 198
    assert found.mean_difference == pytest.approx(difference.mean())
    assert found.sharpe_of_difference == pytest.approx(difference.mean() / difference.std())
    assert found.hit_rate == pytest.approx((difference > 0).mean())
    assert 0 < found.ci_low < found.mean_difference < found.ci_high
    assert found.probability_of_improvement == 1
    mirrored = paired(worse, better, eras_to(200), 20, QUICK, 0)
    assert mirrored.mean_difference == -found.mean_difference
    assert mirrored.probability_of_improvement == 0


def test_a_model_compared_with_itself_is_a_coin_toss():
    scores = np.random.default_rng(4).normal(size=50)
    assert paired(scores, scores, eras_to(50), 20, QUICK, 0).probability_of_improvement == 0.5


def test_lengths_that_differ_are_refused():
    with pytest.raises(DataError, match="3"):
        summarize(np.zeros(3), eras_to(4), 20, QUICK, 0)
    with pytest.raises(DataError, match="paired"):
        paired(np.zeros(3), np.zeros(4), eras_to(3), 20, QUICK, 0)


@given(st.floats(allow_nan=True, allow_infinity=True), st.floats(allow_nan=True))
def test_verdict_is_clear_only_when_the_interval_is(low, high):
    said = verdict(low, high)
    if not (math.isfinite(low) and math.isfinite(high)):
        assert said == "unknown"
    else:
        assert (said == "better") == (low > 0)
        assert (said == "worse") == (low <= 0 and high < 0)
        assert (said == "identical") == (low == 0 and high == 0)


def test_scores_that_are_the_same_in_every_era_are_identical():
    scores = np.random.default_rng(0).normal(size=40)
    eras = np.arange(1, 41, dtype=np.int32)
    assert paired(scores, scores.copy(), eras, 20, QUICK, 0).as_dict()["verdict"] == "identical"
    almost = scores.copy()
    almost[3] += 1e-12
    assert paired(scores, almost, eras, 20, QUICK, 0).verdict != "identical"
    assert paired(scores[:1], scores[:1], eras[:1], 20, QUICK, 0).verdict == "unknown"
