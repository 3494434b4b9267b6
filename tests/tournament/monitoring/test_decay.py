"""Live corr beside validation: who is called decayed, and who is not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numerai_lab.config import Bootstrap
from numerai_lab.tournament.monitoring.bands import bands
from numerai_lab.tournament.monitoring.decay import Verdict, judge_live
from numerai_lab.tournament.monitoring.expectation import interval_of_means

RNG = np.random.default_rng(3)
ERAS = np.arange(157, 557, dtype=np.int32)


def overlapping(n_days, horizon, rng, skill=0.02, spread=0.02):
    """Scores of rounds opened day after day whose labels look `horizon` days ahead."""
    total = np.concatenate([[0.0], np.cumsum(rng.normal(0, 1, n_days + horizon))])
    sums = (total[horizon:] - total[:-horizon]) / np.sqrt(horizon)
    return skill + spread * sums[:n_days]


def verdict_of(live, validation, horizon=20, first=1000):
    rounds = list(enumerate(live, start=first))
    eras = np.arange(1, len(validation) + 1, dtype=np.int32)
    return judge_live(rounds, eras, np.asarray(validation), horizon, Bootstrap())


def judged(horizon, spread, mean=0.02):
    """Corr of 800 judged eras with just this mean and spread, and the overlap of the horizon."""
    scores = overlapping(4000, horizon, np.random.default_rng(7))[::5]
    return mean + spread * (scores - scores.mean()) / scores.std()


@pytest.mark.parametrize(
    ("horizon", "n_eras", "least"),
    [
        pytest.param(20, 400, 0.92, marks=pytest.mark.slow),
        (20, 150, 0.9),
        pytest.param(60, 400, 0.88, marks=pytest.mark.slow),
    ],
)
def test_a_model_that_holds_is_seldom_called_decayed(horizon, n_eras, least):
    """Daily rounds after weekly eras of the same process: 60 rounds are 12 weeks, not 60."""
    rng = np.random.default_rng(1)
    inside = naive = 0
    trials = 200
    for _ in range(trials):
        scores = overlapping((n_eras + 30) * 5, horizon, rng)
        validation, live = scores[: n_eras * 5 : 5], scores[n_eras * 5 + horizon :][:60]
        verdict = verdict_of(live, validation, horizon)
        inside += verdict.standing in ("holds", "low")
        # the interval of the mean over all eras, which is what scores.json shows
        low, high = interval_of_means(validation, n_eras, 4 * horizon // 5, np.inf)
        naive += low <= live.mean() <= high
    assert inside / trials >= least
    assert naive / trials < 0.75, "the interval of the long mean would be wrong"


def test_a_model_that_lost_its_skill_is_called_decayed():
    rng = np.random.default_rng(2)
    called = 0
    for _ in range(60):
        validation = overlapping(2000, 20, rng, skill=0.03, spread=0.015)[::5]
        live = overlapping(60, 20, rng, skill=-0.01, spread=0.015)
        called += verdict_of(live, validation).standing == "decayed"
    assert called >= 54


def test_the_sentence_is_plain():
    validation = 0.02 + 0.005 * np.sin(np.arange(400))
    assert (
        verdict_of(np.full(60, -0.05), validation)
        .sentence()
        .startswith("live corr -0.0500 over 60 resolved rounds (12 weeks), validation says ")
    )
    assert "the model has decayed" in verdict_of(np.full(60, -0.05), validation).sentence()
    assert "better than it was judged" in verdict_of(np.full(60, 0.3), validation).sentence()
    assert verdict_of(np.full(60, 0.02), validation).sentence().endswith("as it was judged")


def test_weeks_come_from_the_rounds_spanned_not_from_their_number():
    validation = RNG.normal(0.02, 0.03, 400)
    daily = judge_live([(n, 0.0) for n in range(60)], ERAS, validation, 20, Bootstrap())
    weekly = judge_live([(5 * n, 0.0) for n in range(60)], ERAS, validation, 20, Bootstrap())
    assert (daily.n_eras, weekly.n_eras) == (12, 59)
    assert weekly.high - weekly.low < daily.high - daily.low
    every_fourth = judge_live(
        [(5 * n, 0.0) for n in range(60)], 4 * ERAS, validation, 20, Bootstrap()
    )
    assert every_fourth.n_eras == 59


def test_the_present_is_judged_beside_the_last_year():
    """A good year hides no sudden end, a good end no year that was too low; older is forgotten."""
    validation = RNG.normal(0.02, 0.03, 400)
    sudden = verdict_of([0.03] * 190 + [-0.05] * 60, validation)
    assert (sudden.standing, sudden.n_rounds, sudden.last_round) == ("decayed", 60, 1249)
    year = verdict_of([-0.02] * 150 + [0.01] * 60, validation)
    assert (year.standing, year.n_rounds) == ("decayed", 210)
    assert year.newest_mean == pytest.approx(0.01)
    older = verdict_of([-9.0] * 40 + [0.02] * 250, validation)
    assert (older.standing, older.n_rounds) == ("holds", 60)
    # 100 judged eras do not tell how means of 42 weeks vary: so much of the year as they tell
    short = verdict_of([-0.02] * 150 + [0.01] * 60, validation[:100])
    assert (short.standing, short.n_rounds) == ("low", 107)


def test_a_year_of_a_model_that_holds_is_seldom_called_decayed():
    rng = np.random.default_rng(4)
    found = []
    for _ in range(60):
        scores = overlapping(2300, 20, rng)
        found.append(verdict_of(scores[2050:], scores[:2000:5]).standing)
    assert found.count("holds") >= 36
    assert found.count("holds") + found.count("low") >= 54


@pytest.mark.parametrize("n_rounds", [60, 120])
@pytest.mark.parametrize(("horizon", "spread"), [(20, 0.03), (60, 0.015)])
def test_low_is_neither_fine_nor_proven_and_the_rounds_told_would_prove_it(
    n_rounds, horizon, spread
):
    validation = judged(horizon, spread)
    level = -0.004
    found = verdict_of([level] * n_rounds, validation, horizon)
    assert found.standing == "low"
    assert found.low < found.mean < found.validation_mean
    more = found.more_rounds
    assert 0 < more <= 250 - n_rounds
    told = f"below validation, not yet proven; about {more} more rounds at "
    assert told in found.sentence()
    after = verdict_of([level] * (n_rounds + more), validation, horizon)
    assert after.standing == "decayed"
    before = verdict_of([level] * (n_rounds + more - 10), validation, horizon)
    assert before.standing == "low"
    assert before.more_rounds == 10


def test_more_overlap_needs_more_rounds():
    """The same spread from era to era proves less where eras share their returns."""
    shared = judged(20, 0.03)
    apart = np.random.default_rng(8).permutation(shared)
    assert verdict_of([-0.004] * 60, shared).more_rounds > 0
    assert verdict_of([-0.004] * 60, apart).standing == "decayed"


def test_a_small_lack_that_a_year_would_not_prove_says_so():
    validation = judged(20, 0.05)
    found = verdict_of([0.0] * 60, validation)
    assert (found.standing, found.more_rounds) == ("low", None)
    assert found.sentence().endswith("at this level not even a year of rounds would prove it")


def test_negative_live_corr_is_never_as_it_was_judged():
    """Even where validation is so wild that anything may come of 12 weeks."""
    validation = judged(20, 0.2)
    assert verdict_of([-0.0001] * 60, validation).standing == "low"
    assert verdict_of([0.02] * 60, validation).standing == "holds"


def test_bands_of_rounds_and_of_their_sum():
    validation = overlapping(4000, 20, np.random.default_rng(7))[::5]
    eras = np.arange(1, 801, dtype=np.int32)
    rounds = [(n, 0.01) for n in range(1000, 1060) if not 1020 <= n < 1030]
    found = bands(rounds, eras, validation, 20, Bootstrap())
    low, high = found.round
    inside = np.mean((validation > low) & (validation < high))
    assert 0.93 < inside < 0.98
    weeks = [number for number, *_ in found.cumulative]
    assert weeks == sorted(set(weeks))
    assert weeks[-1] == 1059
    _, low, mean, high = found.cumulative[-1]
    assert mean == pytest.approx(50 * validation.mean())  # ten rounds have no score
    verdict = judge_live(rounds, eras, validation, 20, Bootstrap())
    assert (low / 50, high / 50) == pytest.approx((verdict.low, verdict.high))
    # as far as the judged eras can say
    assert (
        1000 < bands(rounds, eras[:40], validation[:40], 20, Bootstrap()).cumulative[-1][0] < 1059
    )
    nothing = bands(rounds, eras[:8], validation[:8], 20, Bootstrap())
    assert (nothing.round, nothing.cumulative) == (None, ())


def test_too_little_says_so():
    validation = RNG.normal(0.02, 0.03, 400)
    assert "19 resolved rounds" in verdict_of(np.zeros(19), validation)
    assert "judged 40 eras, too few" in verdict_of(np.zeros(60), validation[:40])
    assert "judged 0 eras" in verdict_of(np.zeros(60), validation[:0])
    assert isinstance(verdict_of(np.zeros(20), validation), Verdict)


@settings(max_examples=25)
@given(st.floats(-1, 1), st.floats(0.001, 2), st.integers(1, 80))
def test_the_interval_moves_with_the_scores(shift, scale, length):
    values = np.random.default_rng(0).normal(size=200)
    low, high = interval_of_means(values, length, 16, 10.0)
    moved = interval_of_means(shift + scale * values, length, 16, 10.0)
    assert moved == pytest.approx((shift + scale * low, shift + scale * high), abs=1e-9)
    assert low < values.mean() < high
