"""What predictions are aimed at: corr, or what they add to others; as a label, and as a score."""

from __future__ import annotations

import numpy as np

from numerai_lab.arrays import Float64
from numerai_lab.config import Aim
from numerai_lab.scoring.arrays import MIN_OVERLAP, FloatArray, Offsets
from numerai_lab.scoring.correlation import contribution_per_era, corr_per_era, target_beside
from numerai_lab.scoring.payout import PayoutRule


def aimed_label(
    aim: Aim, target: Float64, reference: Float64 | None, rule: PayoutRule | None
) -> Float64 | None:
    """Return the label whose mean product with gaussian ranks is what they are worth in one era.

    corr: the target with mean 0 and standard deviation 1 (corr but for its powers of 1.5). mmc,
    bmc: what is left of the target when the reference's gaussian ranks are projected out, in the
    units of `contribution_per_era`, so that the mean product is mmc or bmc itself. payout: the sum
    of corr's and mmc's labels with the multipliers of the rule.

    Parameters
    ----------
    target : float64 [n_rows] of one era, NaN where there is none.
    reference : float64 [n_rows], the meta model's or the benchmark's predictions, NaN where it has
        none; None for aim corr. rule : for aim payout.

    Returns
    -------
    float64 [n_rows], NaN where target or reference is; None where the era says nothing: the target
    is constant, or the reference is, or has fewer than 80 % of the rows with a target.
    """
    known = ~np.isnan(target)
    n_labelled = int(known.sum())
    if reference is not None:
        known &= ~np.isnan(reference)
    y = target[known]
    if len(y) == 0 or len(y) < MIN_OVERLAP * n_labelled or y.min() == y.max():
        return None
    centred = y - y.mean()
    label = centred / centred.std()
    if aim != "corr":
        assert reference is not None
        contribution = target_beside(y, reference[known])
        if np.isnan(contribution).any():
            return None
        if aim == "payout":
            assert rule is not None
            label = rule.corr_multiplier * label + rule.mmc_multiplier * contribution
        else:
            label = contribution
    found = np.full(len(target), np.nan)
    found[known] = label
    return found


def aim_per_era(
    aim: Aim,
    predictions: FloatArray,
    target: FloatArray,
    offsets: Offsets,
    reference: FloatArray | None,
    rule: PayoutRule | None,
) -> Float64:
    """Score predictions by what they are aimed at, era by era.

    Parameters
    ----------
    predictions, target, offsets : as for `corr_per_era`.
    reference : float [n_rows], the meta model (mmc, payout) or the benchmark (bmc). rule : for
        payout, whose factor and limit do not count: what is scored is linear in corr and mmc.

    Returns
    -------
    float64 [n_eras, n_columns], NaN where a score that is needed has none.
    """
    if aim == "corr":
        return corr_per_era(predictions, target, offsets)
    assert reference is not None
    added = contribution_per_era(predictions, reference, target, offsets)
    if aim != "payout":
        return added
    assert rule is not None
    corr = corr_per_era(predictions, target, offsets)
    return np.asarray(rule.corr_multiplier * corr + rule.mmc_multiplier * added)
