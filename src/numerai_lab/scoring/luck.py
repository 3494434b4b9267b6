"""The best of many trials: how much of it is luck."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from numerai_lab.arrays import Float64
from numerai_lab.scoring.bootstrap import bootstrap_means

EULER = 0.5772156649015329


def expected_best(n_trials: int, std: float) -> float:
    """Return the expected largest of independent normal draws around 0.

    Parameters
    ----------
    n_trials : how many draws; one has an expected largest of 0.
    std : their standard deviation.

    Source: Bailey and Lopez de Prado (2014), The deflated Sharpe ratio, Journal of Portfolio
    Management 40 (5), equation for the expected maximum: std * ((1 - g) Z(1 - 1 / n) + g Z(1 - 1 /
    (n e))), g Euler's constant and Z the normal quantile. It is an approximation for large n.
    """
    if n_trials < 2:
        return 0.0
    quantile = NormalDist().inv_cdf
    first, second = quantile(1 - 1 / n_trials), quantile(1 - 1 / (n_trials * math.e))
    return std * ((1 - EULER) * first + EULER * second)


def deflated_sharpe(
    sharpe: float, threshold: float, n: float, skewness: float, kurtosis: float
) -> float:
    """Return the probability that a Sharpe ratio is above the one that luck leads to expect.

    Parameters
    ----------
    sharpe : of n observations, per observation (not annualised).
    threshold : the best Sharpe ratio of as many trials without skill: `expected_best`, with the
        standard deviation of the Sharpe ratio over the trials.
    n : observations; may be an effective number, where they depend on one another.
    skewness, kurtosis : of the observations; a normal has kurtosis 3.

    Source: Bailey and Lopez de Prado (2014), The deflated Sharpe ratio, Journal of Portfolio
    Management 40 (5): Z((SR - SR0) sqrt(n - 1) / sqrt(1 - skew SR + (kurt - 1) / 4 SR^2)).

    Examples
    --------
    The paper's own: 100 trials, five years of days at an annual Sharpe ratio of 2.5, a variance of
    1/2 over trials (annual), skewness -3 and kurtosis 10.

    >>> threshold = expected_best(100, math.sqrt(0.5 / 250))
    >>> round(deflated_sharpe(2.5 / math.sqrt(250), threshold, 1250, -3, 10), 4)
    0.9004
    """
    spread = 1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2
    if spread <= 0 or n <= 1:
        return math.nan
    return NormalDist().cdf((sharpe - threshold) * math.sqrt((n - 1) / spread))


def moments(scores: Float64) -> tuple[float, float]:
    """Return skewness and kurtosis (3 for a normal) of scores, float64 [n], which must vary."""
    z = (scores - scores.mean()) / scores.std()
    return float(np.mean(z**3)), float(np.mean(z**4))


def best_of_equals(scores: Float64, block: int, samples: int, seed: int) -> Float64:
    """Draw how far the best of several trials leads where all are equally good.

    Every trial keeps its own ups and downs and is moved to a mean of 0; whole blocks of eras are
    then drawn for all trials at once, so that what they share stays shared. What the best trial is
    above the mean of all, beyond these draws, is not luck.

    Parameters
    ----------
    scores : float64 [n_trials, n_eras], no NaN, of the same eras.
    block, samples, seed : as of `bootstrap_starts`.

    Returns
    -------
    float64 [samples], the largest mean less the mean of all trials.

    Source: White (2000), A reality check for data snooping, Econometrica 68.
    """
    best, total = np.full(samples, -np.inf), np.zeros(samples)
    for row in scores:
        drawn = bootstrap_means(row - row.mean(), block, samples, seed)
        np.maximum(best, drawn, out=best)
        total += drawn
    lead: Float64 = best - total / len(scores)
    return lead
