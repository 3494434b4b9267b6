"""A difference by period, the runs of 52 eras, and the test for a change of level."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerai_lab.config import Bootstrap
from numerai_lab.scoring import level_change, paired, rolling, thirds, years

QUICK = Bootstrap(samples=200)


def eras_to(n, step=1):
    return np.arange(1, n * step + 1, step, dtype=np.int32)


def overlapping(n, seed, overlap=4):
    """Scores without a change whose labels overlap: long-run standard deviation 1."""
    shocks = np.random.default_rng(seed).normal(size=n + overlap - 1)
    return np.convolve(shocks, np.ones(overlap), "valid") / overlap


@given(st.integers(3, 90), st.integers(0, 2**31))
def test_thirds_hold_every_era_once(n, seed):
    scores = np.random.default_rng(seed).normal(size=n)
    found = thirds(scores, eras_to(n), 20, QUICK, 0)
    sizes = [period.n_eras for period in found]
    assert sum(sizes) == n
    assert max(sizes) - min(sizes) <= 1
    assert [p.first_era for p in found] == [1, *(p.last_era + 1 for p in found[:2])]
    assert np.average([p.mean for p in found], weights=sizes) == pytest.approx(scores.mean())
    for period in found:
        if period.n_eras > 1:
            assert period.ci_low <= period.ci_high


def test_fewer_than_three_eras_have_no_thirds():
    assert thirds(np.ones(2), eras_to(2), 20, QUICK, 0) == ()


def test_years_follow_the_dates():
    eras = eras_to(60)
    dates = {int(era): date(2019, 11, 1) + timedelta(weeks=int(era) - 1) for era in eras}
    scores = np.arange(60.0)
    found = years(scores, eras, dates, 20, QUICK, 0)
    assert [period.label for period in found] == ["2019", "2020"]
    assert [period.n_eras for period in found] == [9, 51]
    assert found[0].mean == scores[:9].mean()
    assert (found[1].first_era, found[1].last_era) == (10, 60)
    del dates[7]
    assert years(scores, eras, dates, 20, QUICK, 0) == ()


@given(st.integers(1, 70), st.integers(1, 20), st.integers(0, 2**31))
def test_rolling_windows_are_all_there_is(n, window, seed):
    scores = np.random.default_rng(seed).normal(size=n)
    found = rolling(scores, eras_to(n), window)
    means = [scores[i : i + window].mean() for i in range(n - window + 1)]
    if not means:
        assert found is None
        return
    assert found.n_windows == len(means)
    assert found.share_above == pytest.approx(np.mean(np.array(means) > 0))
    assert found.worst == pytest.approx(min(means))
    assert found.worst_last - found.worst_first == window - 1
    assert scores[found.worst_first - 1 : found.worst_last].mean() == pytest.approx(found.worst)


def test_a_window_counts_weeks_where_only_every_fourth_era_is_judged():
    found = rolling(np.arange(26.0), eras_to(26, step=4))
    assert found.n_windows == 26 - 13 + 1
    assert (found.worst_first, found.worst_last) == (1, 49)


def test_a_step_is_found_where_it_is():
    scores = overlapping(300, 3)
    scores[200:] -= 1.0
    found = level_change(scores, eras_to(300), 20, QUICK, 0)
    assert found.p_value < 0.02
    assert 190 <= found.last_era_before <= 210
    assert found.mean_before - found.mean_after == pytest.approx(1.0, abs=0.3)
    turned = level_change(-scores, eras_to(300), 20, QUICK, 0)
    assert (turned.p_value, turned.mean_before) == (found.p_value, -found.mean_before)


def test_overlapping_labels_are_no_change_of_level():
    """Nominal 5 %; without blocks, as if eras were independent, it would be far more."""
    blocks, single = (
        np.mean(
            [
                level_change(overlapping(156, seed), eras_to(156), 20, how, seed).p_value <= 0.05
                for seed in range(200)
            ]
        )
        for how in (QUICK, Bootstrap(samples=200, block_eras=1))
    )
    assert blocks < 0.1
    assert single > 0.2


def test_too_few_or_constant_scores_are_not_tested():
    assert level_change(np.arange(23.0), eras_to(23), 20, QUICK, 0) is None
    assert level_change(np.full(50, 0.1), eras_to(50), 20, QUICK, 0) is None


def test_a_gain_that_two_periods_show_and_the_third_refutes():
    """Far above 0 over all eras, and yet not simply better."""
    noise = overlapping(624, 1) * 0.004
    gain = np.repeat([0.006, 0.005, -0.002], 208) + noise
    found = paired(gain, np.zeros(624), eras_to(624), 20, QUICK, 0)
    assert found.ci_low > 0.001
    assert found.verdict == "better_so_far"
    assert [round(period.mean, 3) for period in found.thirds] == [0.006, 0.005, -0.002]
    assert found.level_change.p_value < 0.05
    assert found.rolling.worst < 0
    before = paired(gain[:416], np.zeros(416), eras_to(416), 20, QUICK, 0)
    assert before.verdict == "better"
    mirrored = paired(np.zeros(624), gain, eras_to(624), 20, QUICK, 0)
    assert mirrored.verdict == "worse_so_far"
