"""Payout: the rule that belongs to a horizon, the formula, and the simulation."""

import json

import numpy as np
import pytest

from numerai_lab.config import Payout
from numerai_lab.scoring import payout_per_era, payout_rule, simulate_payout

CORR = np.array([0.02, -0.03, 0.9, -0.9, np.nan, 0.01])
MMC = np.array([0.01, 0.01, 0.5, -0.5, 0.0, np.nan])


@pytest.mark.parametrize(
    ("horizon", "expected"),
    [
        (20, [0.1 * (0.015 + 0.0225), 0.1 * (-0.0225 + 0.0225), 0.05, -0.05, np.nan, np.nan]),
        (60, [0.06 + 0.15, -0.09 + 0.15, 1, -1, np.nan, np.nan]),
    ],
)
def test_the_rule_follows_the_horizon(horizon, expected):
    rule = payout_rule(Payout(), horizon)
    np.testing.assert_allclose(payout_per_era(CORR, MMC, rule), expected, atol=1e-15)


def test_what_the_config_sets_is_laid_over_the_rule():
    rule = payout_rule(Payout(factor=0.5, mmc_multiplier=0.0), 20)
    assert (rule.factor, rule.corr_multiplier, rule.mmc_multiplier) == (0.5, 0.75, 0.0)
    assert rule.limit == 0.05


def test_without_a_meta_model_the_payout_is_unknown_not_zero():
    assert np.isnan(payout_per_era(CORR, None, payout_rule(Payout(), 60))).all()
    corr_only = payout_rule(Payout(mmc_multiplier=0.0, corr_multiplier=1.0), 60)
    np.testing.assert_allclose(payout_per_era(CORR, None, corr_only), CORR)


def test_simulation():
    rule = payout_rule(Payout(), 20)
    found = simulate_payout(np.array([0.05, np.nan, -0.02, 0.01]), rule)
    assert (found.n_rounds, found.n_nan, found.n_clipped) == (3, 1, 1)
    assert found.total == pytest.approx(0.04)
    assert found.mean == pytest.approx(0.04 / 3)
    assert found.compounded == pytest.approx(1.05 * 0.98 * 1.01 - 1)
    # 60-day rounds stand side by side: each holds a thirteenth of the capital.
    spread = simulate_payout(np.array([0.13, 0.26]), payout_rule(Payout(), 60))
    assert spread.total == pytest.approx(0.03)
    assert spread.compounded == pytest.approx(1.01 * 1.02 - 1)


def test_nothing_to_simulate():
    found = simulate_payout(np.array([np.nan]), payout_rule(Payout(), 20))
    assert found.total is None
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["n_nan"] == 1
