"""The best of many: the deflated Sharpe ratio, and what the best of equal trials shows."""

import math

import numpy as np
import pytest

from numerai_lab.scoring import best_of_equals, deflated_sharpe, expected_best, moments


def test_the_deflated_sharpe_ratio_of_the_paper():
    """Bailey and Lopez de Prado (2014), their numerical example, for 100 and for 46 trials."""
    daily = 2.5 / math.sqrt(250)
    for n_trials, expected, deflated in ((100, 0.1132, 0.9004), (46, 0.1004, 0.9505)):
        threshold = expected_best(n_trials, math.sqrt(0.5 / 250))
        assert threshold == pytest.approx(expected, abs=5e-5)
        found = deflated_sharpe(daily, threshold, 1250, skewness=-3, kurtosis=10)
        assert found == pytest.approx(deflated, abs=5e-5)


def test_the_expected_best_of_normal_draws():
    rng = np.random.default_rng(0)
    for n in (5, 50, 500):
        simulated = rng.standard_normal((4000, n)).max(axis=1).mean()
        assert expected_best(n, 1.0) == pytest.approx(simulated, abs=0.06)
    assert expected_best(1, 1.0) == 0.0


def test_trials_without_skill_pass_the_deflated_sharpe_rarely():
    rng = np.random.default_rng(1)
    passed = 0
    for _ in range(300):
        scores = rng.standard_normal((20, 250))
        sharpes = scores.mean(axis=1) / scores.std(axis=1)
        best = scores[np.argmax(sharpes)]
        threshold = expected_best(20, sharpes.std(ddof=1))
        passed += deflated_sharpe(sharpes.max(), threshold, 250, *moments(best)) > 0.95
    assert passed / 300 < 0.05
    assert deflated_sharpe(0.5, threshold, 250, *moments(best)) > 0.99


def test_moments_of_a_normal():
    skewness, kurtosis = moments(np.random.default_rng(2).standard_normal(200_000))
    assert skewness == pytest.approx(0, abs=0.03)
    assert kurtosis == pytest.approx(3, abs=0.06)


def test_equal_trials_lead_by_luck_as_often_as_told():
    """Overlapping noise, shared in part: a lead that has p below .1 comes about one time in ten."""
    rng = np.random.default_rng(3)
    small = 0
    for draw in range(150):
        noise = rng.standard_normal((12, 323)) + rng.standard_normal(323)
        overlapping = np.stack([np.convolve(row, np.ones(4) / 4, "valid") for row in noise])
        lead = overlapping.mean(axis=1).max() - overlapping.mean()
        drawn = best_of_equals(overlapping, block=16, samples=200, seed=draw)
        small += np.mean(drawn >= lead) < 0.1
    assert 0.04 < small / 150 < 0.2


def test_a_trial_that_is_better_leads_by_more_than_luck():
    scores = np.random.default_rng(4).normal(0, 0.02, (12, 200))
    scores[3] += 0.02
    drawn = best_of_equals(scores, block=16, samples=500, seed=0)
    assert (drawn < scores[3].mean() - scores.mean()).all()
