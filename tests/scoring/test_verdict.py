"""What counts as better: the interval, most periods, and all comparisons together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerai_lab.config import Bootstrap
from numerai_lab.scoring import paired, smallest_detectable, stepdown_p_values, verdict

means = st.lists(st.floats(-1, 1), max_size=12)
MIRROR = {"better": "worse", "worse": "better"}


@given(st.floats(-1, 1), st.floats(0, 1), means, st.none() | st.floats(0, 1))
def test_better_needs_the_interval_and_most_periods(low, width, periods, p):
    high = low + width
    said = verdict(low, high, periods, p)
    above = sum(mean > 0 for mean in periods)
    clear = low > 0 and (p is None or p <= 0.05)
    most = bool(periods) and 3 * above > 2 * len(periods)
    assert (said == "better") == (clear and most)
    assert (said == "better_so_far") == (clear and not most)
    turned = verdict(-high, -low, [-mean for mean in periods], p)
    word = said.removesuffix("_so_far")
    assert turned == said.replace(word, MIRROR.get(word, word))


def test_two_of_three_are_not_most_and_three_of_four_are():
    assert verdict(0.1, 0.2, [1, 1, -1]) == "better_so_far"
    assert verdict(0.1, 0.2, [1, 1, 0]) == "better_so_far"
    assert verdict(0.1, 0.2, [1, 1, 1]) == "better"
    assert verdict(0.1, 0.2, [1, 1, -1, 1]) == "better"
    assert verdict(0.1, 0.2, []) == "better_so_far"
    assert verdict(0.1, 0.2) == "better"  # a run made before periods were judged


def test_the_smallest_detectable_difference_is_found_in_four_of_five_cases():
    error = 0.3
    draws = np.random.default_rng(0).normal(smallest_detectable(error), error, 20_000)
    assert np.mean(np.abs(draws) > 1.96 * error) == pytest.approx(0.8, abs=0.01)


def test_more_eras_tell_smaller_differences():
    noise = np.random.default_rng(0).normal(size=800)
    few, many = (
        paired(noise[:n], np.zeros(n), np.arange(1, n + 1, dtype=np.int32), 20, Bootstrap(), 0)
        for n in (200, 800)
    )
    assert many.smallest_detectable == pytest.approx(few.smallest_detectable / 2, rel=0.25)
    same = paired(noise, noise, np.arange(1, 801, dtype=np.int32), 20, Bootstrap(samples=100), 0)
    assert same.smallest_detectable is None
    assert same.verdict == "identical"


@given(st.integers(1, 5), st.integers(0, 2**31))
def test_p_values_among_several_are_never_smaller_than_alone(n, seed):
    series = np.random.default_rng(seed).normal(0.2, 1, size=(n, 40))
    among = stepdown_p_values(series, 4, 200, 0)
    alone = np.array([stepdown_p_values(row[None], 4, 200, 0)[0] for row in series])
    assert (among >= alone).all()
    assert ((among > 0) & (among <= 1)).all()
    order = np.random.default_rng(seed).permutation(n)
    np.testing.assert_array_equal(stepdown_p_values(series[order], 4, 200, 0), among[order])


def test_the_same_difference_twice_counts_once():
    one = np.random.default_rng(1).normal(0.3, 1, size=(1, 60))
    twice = stepdown_p_values(np.vstack([one, one]), 4, 500, 0)
    assert twice[0] == twice[1] == stepdown_p_values(one, 4, 500, 0)[0]


def test_no_difference_is_no_evidence_and_a_constant_one_is():
    found = stepdown_p_values(np.vstack([np.zeros(40), np.full(40, 0.01)]), 4, 200, 0)
    assert found.tolist() == [1.0, 1 / 201]


def test_the_best_of_many_without_skill_is_seldom_called_better():
    """Eight differences of mean 0: alone, one of them is significant in a third of the cases."""
    rng = np.random.default_rng(2)
    alone = together = 0
    for _ in range(60):
        series = rng.normal(size=(8, 60))
        p = stepdown_p_values(series, 1, 100, 0)
        together += p.min() <= 0.05
        alone += min(stepdown_p_values(row[None], 1, 100, 0)[0] for row in series) <= 0.05
    assert together <= 9
    assert alone > 12
