"""Is a corr too good to be honest? Leaks of several strengths, and honest scores of all kinds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numerai_lab.config import Synthetic
from numerai_lab.data.synthetic.market import simulate
from numerai_lab.data.synthetic.reference_models import reference_predictions
from numerai_lab.errors import DataError
from numerai_lab.scoring import corr_per_era, overlap_eras, rank_per_era, suspect
from numerai_lab.scoring.suspicion import commonplace

N_ERAS = 200
ERAS = np.arange(601, 601 + N_ERAS, dtype=np.int32)


def overlapping(mean, horizon, seed, spread=0.05, n=N_ERAS):
    """Per-era scores whose neighbours share returns, as those of overlapping labels do."""
    shared = overlap_eras(horizon)
    draws = np.random.default_rng(seed).normal(size=n + shared - 1)
    return mean + spread * np.convolve(draws, np.ones(shared), "valid") / np.sqrt(shared)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.floats(-0.1, 0.19), min_size=1, max_size=4),
    st.sampled_from([20, 60]),
    st.integers(2, N_ERAS),
    st.integers(0, 5),
)
def test_a_benchmark_is_never_accused_by_the_rule_that_it_sets(means, horizon, n, seed):
    benchmarks = {
        f"b{i}": overlapping(mean, horizon, seed + i, n=n) for i, mean in enumerate(means)
    }
    for scores in benchmarks.values():
        if all(values.mean() < 0.2 for values in benchmarks.values()):
            assert not suspect(scores, ERAS[:n], horizon, benchmarks).suspicious


def test_the_limit_follows_the_best_benchmark_on_the_same_eras():
    benchmark = overlapping(0.06, 20, 0)
    late = benchmark.copy()
    late[:80] = np.nan
    found = suspect(benchmark + 0.01, ERAS, 20, {"weak": benchmark - 0.03, "late": late})
    assert (found.benchmark, found.n_eras) == ("late", 120)
    assert found.benchmark_mean == pytest.approx(benchmark[80:].mean())
    assert found.limit == pytest.approx(1.3 * benchmark[80:].mean())
    assert found.mean == pytest.approx(benchmark[80:].mean() + 0.01)
    assert not found.suspicious
    late[:120] = np.nan  # covers too little of what is judged to be compared with
    assert suspect(benchmark, ERAS, 20, {"late": late}).benchmark is None


def test_what_is_suspicious_of_20_days_is_commonplace_of_60():
    scores = overlapping(0.08, 20, 1, spread=0.03)
    assert suspect(scores, ERAS, 20, {}).suspicious
    assert not suspect(scores, ERAS, 60, {}).suspicious
    assert commonplace(60) / commonplace(20) == pytest.approx(np.sqrt(3))


def test_overlap_of_labels_makes_an_accusation_need_more():
    """The same scores prove less when neighbouring eras share most of their returns."""
    scores = overlapping(0.0, 20, 3, spread=0.04)
    apart = ERAS * 4
    scores += 0.058 - scores.mean()
    close, far = (suspect(scores, eras, 20, {}) for eras in (ERAS, apart))
    assert close.mean == far.mean
    assert close.excess_low < far.excess_low


def test_a_few_lucky_eras_are_no_leak_and_a_few_impossible_ones_are():
    assert not suspect(np.array([0.12, 0.2, 0.09]), ERAS[:3], 20, {}).suspicious
    assert not suspect(np.array([0.2]), ERAS[:1], 20, {}).suspicious
    assert suspect(np.array([0.5, 0.5, 0.5]), ERAS[:3], 20, {}).suspicious
    assert suspect(np.array([0.9]), ERAS[:1], 20, {}).suspicious
    assert suspect(np.full(5, np.nan), ERAS[:5], 20, {}) is None


def test_a_benchmark_that_holds_the_target_hides_nothing():
    leaked = overlapping(0.4, 20, 4)
    for scores in (leaked, leaked + 0.01):
        found = suspect(scores, ERAS, 20, {"leaked": leaked})
        assert found.suspicious
        assert found.benchmark is None


def test_the_reason_has_the_numbers():
    benchmark = np.full(N_ERAS, 0.06)
    reason = suspect(benchmark + 0.06, ERAS, 20, {"b": benchmark}).reason()
    assert reason.startswith("0.1200 over 200 eras (limit 0.0780: 1.3 times the 0.0600 of ")
    assert "commonplace for 60-day targets" in suspect(benchmark, ERAS, 60, {}).reason()
    assert "b, has 0.0100" in suspect(benchmark, ERAS, 20, {"b": benchmark - 0.05}).reason()


def test_scores_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="'b'"):
        suspect(np.zeros(3), ERAS[:3], 20, {"b": np.zeros(2)})


@pytest.mark.parametrize("world", ["drift", "linked_strong"])
def test_synthetic_worlds_leaks_are_caught_and_references_are_not(world):
    market = simulate(Synthetic(world=world, n_eras=120, rows_per_era=150, n_features=16, seed=5))
    benchmarks, meta = reference_predictions(market, 5)
    late = slice(50, 120)
    eras, offsets = ERAS[:70], np.arange(0, 70 * 150 + 1, 150)
    others = {name: values[late].ravel() for name, values in (*benchmarks.items(), ("meta", meta))}
    for target, horizon in (("target_ender_20", 20), ("target_ender_60", 60)):
        y = market.targets[target][late].ravel().astype(np.float64)
        base, truth = others["benchmark_ender20"], rank_per_era(y, offsets)
        leaks = {share: (1 - share) * base + share * truth for share in (0.1, 0.2, 0.5)}
        columns = np.column_stack([*others.values(), *leaks.values()])
        corr = dict(zip([*others, *leaks], corr_per_era(columns, y, offsets).T, strict=True))
        known = {name: corr[name] for name in benchmarks}
        found = {name: suspect(scores, eras, horizon, known) for name, scores in corr.items()}
        assert [name for name, one in found.items() if one.suspicious] == list(leaks), found
