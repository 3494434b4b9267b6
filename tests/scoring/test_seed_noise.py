"""What the seed alone changes: simulated experiments whose noise is known."""

import numpy as np
import pytest
from scipy import stats

from numerai_lab.config import Bootstrap
from numerai_lab.scoring import noise_of_difference, seed_noise, summarize, verdict

HOW = Bootstrap(samples=500)
ERAS = np.arange(1, 157, dtype=np.int32)


def experiment(rng, n_seeds, between):
    """Scores [n_seeds, n_eras] of mean .02, noisy by era, by seed and by both."""
    eras, seeds = rng.normal(0, 0.02, len(ERAS)), rng.normal(0, between, (n_seeds, 1))
    return 0.02 + eras + seeds + rng.normal(0, 0.005, (n_seeds, len(ERAS)))


def covered(between, n=60):
    """Shares of experiments whose mean lies in the interval over seeds, and in that of one run."""
    rng, both, alone = np.random.default_rng(0), 0, 0
    for i in range(n):
        scores = experiment(rng, 5, between)
        found = seed_noise(scores, ERAS, 5, HOW, i)
        both += found.ci_low <= 0.02 <= found.ci_high
        one = summarize(scores[0], ERAS, 5, HOW, i)
        alone += one.ci_low <= 0.02 <= one.ci_high
    return both / n, alone / n


def test_the_interval_over_seeds_holds_where_that_of_one_run_does_not():
    both, alone = covered(between=0.004)
    assert both > 0.85
    assert alone < 0.7


def test_without_seed_noise_it_is_the_interval_of_one_run():
    one = np.random.default_rng(1).normal(0.02, 0.02, len(ERAS))
    found = seed_noise(np.stack([one, one, one]), ERAS, 20, HOW, 3)
    alone = summarize(one, ERAS, 20, HOW, 3)
    assert (found.std, found.another_seed) == (0.0, 0.0)
    assert (found.ci_low, found.ci_high) == pytest.approx((alone.ci_low, alone.ci_high))
    assert found.mean == pytest.approx(one.mean())


def test_an_era_without_a_score_of_one_seed_is_left_out():
    scores = experiment(np.random.default_rng(2), 3, 0.01)
    scores[1, 5] = np.nan
    found = seed_noise(scores, ERAS, 20, HOW, 0)
    rest = seed_noise(np.delete(scores, 5, axis=1), np.delete(ERAS, 5), 20, HOW, 0)
    assert found == rest
    assert found.n_eras == len(ERAS) - 1
    assert seed_noise(scores[:, 5:6], ERAS[5:6], 20, HOW, 0).mean is None


def test_how_far_two_seeds_lie_apart():
    means = [0.01, 0.02, 0.04, 0.03]
    spread = np.std(means, ddof=1)
    expected = stats.t.ppf(0.975, 3) * np.sqrt(2) * spread
    assert noise_of_difference([means]) == pytest.approx(expected)
    # as much noise on both sides, from twice as many seeds
    expected = stats.t.ppf(0.975, 6) * np.sqrt(2) * spread
    assert noise_of_difference([means, means]) == pytest.approx(expected)
    assert noise_of_difference([[0.1, 0.1]]) == 0
    rng, hit = np.random.default_rng(4), 0
    for _ in range(400):
        *seen, one, other = rng.normal(0, 1, 5)
        hit += abs(one - other) <= noise_of_difference([seen])
    assert 0.92 < hit / 400 < 0.98


def test_nothing_is_better_within_seed_noise():
    surely = 0.001, 0.009, [0.006, 0.005, 0.004]
    assert verdict(*surely) == "better"
    assert verdict(*surely, within_seed_noise=True) == "unclear"
    assert verdict(-0.009, -0.001, [-0.1, -0.1, -0.1], within_seed_noise=True) == "unclear"
    assert verdict(0, 0, within_seed_noise=True) == "identical"
