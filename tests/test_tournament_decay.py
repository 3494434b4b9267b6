"""Live corr beside validation: who is called decayed, and who is not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numerai_lab.config import Bootstrap
from numerai_lab.tournament.monitoring.decay import Verdict, interval_of_means, judge_live

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


@pytest.mark.parametrize(
    ("horizon", "n_eras", "least"), [(20, 400, 0.92), (20, 150, 0.9), (60, 400, 0.88)]
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
        inside += verdict.outside is None
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
        called += verdict_of(live, validation).outside == "below"
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


def test_only_the_newest_60_rounds_count():
    validation = RNG.normal(0.02, 0.03, 400)
    rounds = [(n, -9.0) for n in range(100)] + [(n, 0.02) for n in range(100, 160)]
    verdict = judge_live(rounds, ERAS, validation, 20, Bootstrap())
    assert (verdict.first_round, verdict.last_round, verdict.n_rounds) == (100, 159, 60)
    assert verdict.outside is None


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
