"""The guard's choice from gains on held-out training eras."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numerai_lab.models.adapting import Choices, Compared, Trial, by_age, decide, strength_at

PURGE = 8
STRENGTHS = Choices((0.0,), (0.0, 0.25), (0.0, 0.0))
LADDER = Choices((0.0,), (0.0, 0.25, 0.5, 1.0), (0.0, 0.0))
WEIGHTS = Choices((0.0, 0.1), (0.0,), (0.0, 0.0))


def trial(first, mean, pair, spread=0.03, n=100, seed=0):
    """A trial whose gain of `pair` has exactly this mean and spread over eras."""
    noise = np.random.default_rng(seed).standard_normal(n)
    gain = mean + spread * (noise - noise.mean()) / noise.std()
    eras = np.arange(first, first + n, dtype=np.int32)
    gains = {(0.0, 0.0): np.zeros(n), pair: gain}
    return Trial((1, first - PURGE - 1), (first, first + n - 1), eras, gains)


def both(choices, first, second, pair, **more):
    blocks = [trial(200, first, pair, seed=1, **more), trial(300, second, pair, seed=3, **more)]
    return decide(blocks, choices, PURGE, seed=3)


def test_a_strength_needs_the_eras_of_both_trials_together():
    decision = both(STRENGTHS, 0.0006, 0.0006, (0.0, 0.25), spread=0.006)
    assert decision.strength == 0.25
    lows = [block["gains"][0]["low"] for block in decision.blocks]
    assert min(lows) < 0 < decision.together[0]["low"]  # neither trial would do alone
    assert decision.reason.startswith("strength 0.25 chosen on eras 200-299 and 300-399 (gain ")
    assert decision.reason.endswith("; +0.0006 and +0.0006 apart)")


@pytest.mark.parametrize("means", [(0.009, -0.0001), (-0.0001, 0.009)])
def test_a_strength_that_lost_in_one_trial_stays_off(means):
    decision = both(STRENGTHS, *means, (0.0, 0.25), spread=0.003)
    assert decision.together[0]["low"] > 0
    assert decision.strength == 0
    assert "adaptation off: no strength gains for sure; 0.25 on eras 200-299" in decision.reason


def test_a_weight_needs_each_trial_by_itself():
    unsure = both(WEIGHTS, 0.0006, 0.0006, (0.1, 0.0), spread=0.006)
    assert unsure.together[0]["low"] > 0
    assert (unsure.weight, unsure.strength) == (0, 0)
    sure = both(WEIGHTS, 0.0014, 0.0014, (0.1, 0.0), spread=0.006)
    assert (sure.weight, sure.strength) == (0.1, 0)


@pytest.mark.parametrize(
    ("means", "reached"), [((3, 6, 9), 1.0), ((3, 6, 6.2), 0.5), ((3, 2, 9), 0.25)]
)
def test_a_strength_must_surely_gain_on_the_one_below(means, reached):
    """Gains in thousandths; half a strength's noise is its own, so that steps have some."""
    blocks = []
    for first in (200, 300):
        steps = np.random.default_rng(first).standard_normal((3, 100)) * 0.005
        steps -= steps.mean(axis=1, keepdims=True)
        gains = {(0.0, 0.0): np.zeros(100)}
        for a, mean, noise in zip((0.25, 0.5, 1.0), means, np.cumsum(steps, axis=0), strict=True):
            gains[0.0, a] = mean / 1000 + noise
        eras = np.arange(first, first + 100, dtype=np.int32)
        blocks.append(Trial((1, first - 9), (first, first + 99), eras, gains))
    assert decide(blocks, LADDER, PURGE, seed=3).strength == reached


def test_where_weights_only_read_eras_each_has_its_strengths_tried():
    choices = Choices(
        (0.0, 0.1, 0.5),
        (0.0, 0.25),
        (0.0, 0.0),
        adapts_without_weight=False,
        weight_changes_f=False,
    )
    assert choices.pairs() == [(0.1, 0.25), (0.5, 0.25)]
    blocks = []
    for seed, first in ((1, 200), (3, 300)):
        block = trial(first, 0.0006, (0.5, 0.25), spread=0.006, seed=seed)
        block.gains[0.1, 0.25] = block.gains[0.5, 0.25] - 0.0002
        blocks.append(block)
    decision = decide(blocks, choices, PURGE, seed=3)
    assert (decision.weight, decision.strength) == (0.5, 0.25)
    assert min(row["gains"][1]["low"] for row in decision.blocks) < 0 < decision.together[1]["low"]


def test_noise_alone_is_left_off():
    assert both(STRENGTHS, 0.0005, 0.0005, (0.0, 0.25)).strength == 0


def judged_by(trained_to, gains, first=None):
    """A trial of the only strength .25 with these gains, from the first era after the purge on."""
    first = trained_to + PURGE + 1 if first is None else first
    eras = np.arange(first, first + len(gains), dtype=np.int32)
    by_pair = {(0.0, 0.0): np.zeros(len(gains)), (0.0, 0.25): np.asarray(gains)}
    return Trial((1, trained_to), (int(eras[0]), int(eras[-1])), eras, by_pair)


def steady(n, mean=0.002, seed=0):
    return mean + 0.001 * np.random.default_rng(seed).standard_normal(n)


def test_a_bad_half_year_turns_a_sure_mean_down():
    gains = steady(200, 0.004)
    fine = decide([judged_by(100, gains)], STRENGTHS, PURGE, seed=3)
    assert fine.strength == 0.25
    gains[60:86] = -0.003
    decision = decide([judged_by(100, gains)], STRENGTHS, PURGE, seed=3)
    assert decision.together[0]["low"] > 0  # the mean is as sure as ever
    assert decision.together[0]["worst_run"] == pytest.approx(-0.003)
    assert decision.strength == 0
    assert "but lost 0.0030 on average over its worst 26 eras" in decision.reason


def test_what_lost_of_late_is_off_at_once_and_comes_back_step_by_step():
    gains = np.outer(steady(200), [0.25, 0.5, 1.0])

    def decided(late, before):
        one = gains.copy()
        one[-26:] = late
        eras = np.arange(109, 309, dtype=np.int32)
        told = {(0.0, a): one[:, i] for i, a in enumerate((0.25, 0.5, 1.0))}
        told[0.0, 0.0] = np.zeros(200)
        return decide([Trial((1, 100), (109, 308), eras, told)], LADDER, PURGE, 3, before)

    assert decided(gains[-26:], None).strength == 1
    lost = decided(-0.0001, 1.0)
    assert lost.strength == 0
    assert "turned down to 0, as it lost in the last 26 eras (-0.0001)" in lost.reason
    assert [decided(gains[-26:], before).strength for before in (0.0, 0.25, 0.5)] == [0.25, 0.5, 1]
    assert "one step above the 0 of before" in decided(gains[-26:], 0.0).reason


@settings(max_examples=12, deadline=None)
@given(st.lists(st.sampled_from([-0.004, -0.001, 0.002, 0.003]), min_size=7, max_size=7))
def test_strength_falls_with_age_and_is_0_where_nothing_is_sure(means):
    """Gains by spans of age, the model's distance from its training eras, whatever they are."""
    ends = (26, 52, 78, 104, 156, 208, 312)
    ages = np.arange(9, 313)
    gains = np.asarray(means)[np.searchsorted(ends, ages)] + steady(len(ages), 0.0, seed=5)
    compared = Compared([judged_by(100, gains)], STRENGTHS, PURGE, 3)
    spans = [span.as_dict() for span in by_age(compared, (0.0, 0.25))]
    strengths = [strength_at(spans, age) for age in range(1, 400)]
    assert all(a >= b for a, b in itertools.pairwise(strengths))
    begins = (1, *(end + 1 for end in ends))
    lost = [begin for begin, mean in zip(begins, means, strict=False) if mean < 0]
    assert [a > 0 for a in strengths] == [age < min(lost, default=313) for age in range(1, 400)]
    for span in spans:
        assert span["n_eras"] == np.count_nonzero((ages >= span["first"]) & (ages <= span["last"]))


def test_an_age_that_few_eras_tell_of_is_left_off():
    spans = by_age(Compared([judged_by(100, steady(50))], STRENGTHS, PURGE, 3), (0.0, 0.25))
    assert [(s.first, s.last, s.strength, s.n_eras) for s in spans] == [
        (1, 26, 0.25, 18),
        (27, 52, 0.25, 26),
        (53, 78, 0.0, 6),
    ]


def test_eras_without_a_score_do_not_count():
    pair = (0.0, 0.25)
    blocks = [trial(200, 0.003, pair, seed=1), trial(300, 0.003, pair, seed=2)]
    blocks[0].gains[pair][:30] = np.nan
    kept = np.concatenate([blocks[0].gains[pair][30:], blocks[1].gains[pair]])
    decision = decide(blocks, STRENGTHS, PURGE, seed=3)
    assert decision.together[0]["mean"] == pytest.approx(kept.mean())


@pytest.mark.parametrize("control", [0.006, 0.0])
def test_a_gain_that_the_control_has_too_is_none(control):
    pair = (0.0, 0.25)
    blocks = [trial(200, 0.006, pair, seed=1), trial(300, 0.006, pair, seed=2)]
    for block, seed in zip(blocks, (3, 4), strict=True):
        other = trial(200, control, pair, spread=0.01, seed=seed)
        block.controls[pair] = other.gains[pair]
    decision = decide(blocks, STRENGTHS, PURGE, seed=3)
    over = decision.together[0]["over_control"]
    assert over["mean"] == pytest.approx(0.006 - control)
    if control:
        assert over["low"] <= 0 < decision.together[0]["low"]
        assert decision.strength == 0
        said = "adaptation off: no strength gains more than its control for sure; 0.25 on eras"
        assert decision.reason.startswith(said)
    else:
        assert decision.strength == 0.25
    assert "over its control)" in decision.reason


def test_a_weight_whose_control_gains_as_much_is_not_taken():
    choices = Choices((0.0, 0.1), (0.0, 0.25), (0.0, 0.0))
    blocks = [trial(200, 0.009, (0.1, 0.25), seed=1), trial(300, 0.009, (0.1, 0.25), seed=2)]
    for block in blocks:
        block.gains.update(dict.fromkeys([(0.1, 0.0), (0.0, 0.25)], np.zeros(100)))
    assert decide(blocks, choices, PURGE, seed=3).weight == 0.1
    for block in blocks:
        block.controls[0.1, 0.25] = block.gains[0.1, 0.25]
    decision = decide(blocks, choices, PURGE, seed=3)
    assert (decision.weight, decision.strength) == (0, 0)
