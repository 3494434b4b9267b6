"""What scores would have paid: Numerai's payout rules and a simulation over eras."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np

from numerai_lab.arrays import Float64
from numerai_lab.config import Payout


@dataclass(frozen=True)
class PayoutRule:
    """clip(factor * (corr * corr_multiplier + mmc * mmc_multiplier), -limit, limit).

    Attributes
    ----------
    factor, corr_multiplier, mmc_multiplier, limit : the numbers of the formula; the result is
        a share of the stake of one round.
    stake_share : share of the whole capital that one weekly round stakes.
    """

    factor: float
    corr_multiplier: float
    mmc_multiplier: float
    limit: float
    stake_share: float


RULE_20_DAYS = PayoutRule(0.1, 0.75, 2.25, 0.05, stake_share=1.0)
"""Rounds paid on 20-day scores, up to round 1342 (August 2026): continuous staking.

The whole stake stands in every open round. The factor is min(1, 72,000 / NMR at risk), so it
moves; 0.1 stands for 720,000 NMR at risk. Source: docs.numer.ai, staking; multipliers as of
January 2026.
"""

RULE_60_DAYS = PayoutRule(1.0, 3.0, 15.0, 1.0, stake_share=1 / 13)
"""Rounds paid on 60-day scores, since round 1343 (28 August 2026): atomic staking.

The factor is 1 and the clip of 5 % is gone, but each round locks its own stake: 64 daily
rounds are open at once, which is 13 weekly ones. Source: docs.numer.ai, atomic blockchain
staking, as of autumn 2026; the rule is set per round and can change.
"""


@dataclass(frozen=True)
class PayoutSimulation:
    """One stake carried through the eras.

    Attributes
    ----------
    n_rounds : eras with a payout.
    n_nan : eras without one (no corr or no mmc).
    mean : mean payout per round, as a share of that round's stake.
    total : sum of the payouts on the capital, never reinvested (0.1 = +10 %).
    compounded : the same with every payout added to the capital at once.
    n_clipped : rounds at the limit.
    """

    n_rounds: int
    n_nan: int
    mean: float | None
    total: float | None
    compounded: float | None
    n_clipped: int

    def as_dict(self) -> dict[str, float | int | None]:
        """Return the fields, ready for JSON."""
        return asdict(self)


def payout_rule(payout: Payout, horizon_days: int) -> PayoutRule:
    """Return the rule for targets of this horizon, with what the config sets laid over it.

    Parameters
    ----------
    payout : the config; a value of "auto" is taken from Numerai's rule.
    horizon_days : horizon of the target scored, in trading days; 60 and longer are paid by
        `RULE_60_DAYS`, shorter ones by `RULE_20_DAYS`.
    """
    rule = RULE_60_DAYS if horizon_days >= 60 else RULE_20_DAYS
    given = {name: value for name, value in payout.model_dump().items() if value != "auto"}
    return replace(rule, **given)


def payout_per_era(corr: Float64, mmc: Float64 | None, rule: PayoutRule) -> Float64:
    """Return each era's payout as a share of the stake of its round.

    Parameters
    ----------
    corr : float64, any shape.
    mmc : float64, the same shape, or None where there is no meta model.
    rule : from `payout_rule`.

    Returns
    -------
    float64, shaped as corr. An era without corr or mmc is NaN: a missing mmc is unknown, not
    0; only a rule that gives mmc no weight does without it.
    """
    score = rule.corr_multiplier * corr
    if rule.mmc_multiplier != 0:
        score = score + rule.mmc_multiplier * (np.nan if mmc is None else mmc)
    return np.asarray(np.clip(rule.factor * score, -rule.limit, rule.limit), dtype=np.float64)


def simulate_payout(payouts: Float64, rule: PayoutRule) -> PayoutSimulation:
    """Carry one capital through the eras, one round an era.

    Parameters
    ----------
    payouts : float64 [n_eras] from `payout_per_era`, in order; NaN eras are left out, counted.
    rule : the same rule; `stake_share` of the capital is at stake in each round.

    Notes
    -----
    Payouts are added when their era comes, not when its round resolves weeks later, and the
    factor stays what it is: good for comparing models, not a forecast.
    """
    known = payouts[~np.isnan(payouts)]
    n, n_nan = len(known), len(payouts) - len(known)
    if n == 0:
        return PayoutSimulation(0, n_nan, None, None, None, 0)
    gains = rule.stake_share * known
    return PayoutSimulation(
        n_rounds=n,
        n_nan=n_nan,
        mean=float(known.mean()),
        total=float(gains.sum()),
        compounded=float(np.prod(1 + gains) - 1),
        n_clipped=int(np.count_nonzero(np.abs(known) >= rule.limit)),
    )
