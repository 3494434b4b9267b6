"""The guard's choice from gains on held-out training eras."""

import numpy as np
import pytest

from numerai_lab.models.adapting import Choices, Trial, decide

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
    blocks = [trial(200, first, pair, seed=1, **more), trial(300, second, pair, seed=2, **more)]
    return decide(blocks, choices, PURGE, seed=3)


def test_a_strength_needs_the_eras_of_both_trials_together():
    decision = both(STRENGTHS, 0.003, 0.003, (0.0, 0.25))
    assert decision.strength == 0.25
    lows = [block["gains"][0]["low"] for block in decision.blocks]
    assert min(lows) < 0 < decision.together[0]["low"]  # neither trial would do alone
    assert decision.reason.startswith("strength 0.25 chosen on eras 200-299 and 300-399 (gain ")
    assert decision.reason.endswith("; +0.0030 and +0.0030 apart)")


@pytest.mark.parametrize("means", [(0.009, -0.0001), (-0.0001, 0.009)])
def test_a_strength_that_lost_in_one_trial_stays_off(means):
    decision = both(STRENGTHS, *means, (0.0, 0.25))
    assert decision.together[0]["low"] > 0
    assert decision.strength == 0
    assert "adaptation off: no strength gains for sure; 0.25 on eras 200-299" in decision.reason


def test_a_weight_needs_each_trial_by_itself():
    unsure = both(WEIGHTS, 0.003, 0.003, (0.1, 0.0))
    assert unsure.together[0]["low"] > 0
    assert (unsure.weight, unsure.strength) == (0, 0)
    sure = both(WEIGHTS, 0.006, 0.006, (0.1, 0.0))
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
    for seed, first in ((1, 200), (2, 300)):
        block = trial(first, 0.003, (0.5, 0.25), seed=seed)
        block.gains[0.1, 0.25] = block.gains[0.5, 0.25] - 0.001
        blocks.append(block)
    decision = decide(blocks, choices, PURGE, seed=3)
    assert (decision.weight, decision.strength) == (0.5, 0.25)
    assert min(row["gains"][1]["low"] for row in decision.blocks) < 0 < decision.together[1]["low"]


def test_noise_alone_is_left_off():
    assert both(STRENGTHS, 0.0005, 0.0005, (0.0, 0.25)).strength == 0


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
