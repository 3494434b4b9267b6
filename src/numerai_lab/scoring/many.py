"""Several comparisons with one baseline: the best of many is better than it looks alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float64
from numerai_lab.scoring.bootstrap import bootstrap_means

_ROUNDING = 1e-9


def stepdown_p_values(differences: Float64, block: int, samples: int, seed: int) -> Float64:
    """Return p-values of several mean differences, each adjusted for all of them.

    The largest studentized difference is held against the largest of all in each resampled
    series, the next one against the largest of those that are left, and so on. All differences
    are resampled by the same draws, so that what they share (the baseline) is taken into account;
    the chance of calling any difference of mean 0 different from 0 at level p is at most about p.

    Parameters
    ----------
    differences : float64 [n_series, n_eras], no NaN, over the same eras.
    block, samples, seed : as of `bootstrap_starts`.

    Returns
    -------
    float64 [n_series], two-sided; 1 for a difference of 0 in every era.

    Source: White (2000), A reality check for data snooping, Econometrica 68 (the maximum over
    the same draws); Romano and Wolf (2005), Stepwise multiple testing as formalized data
    snooping, Econometrica 73; the adjusted p-values are those of Romano and Wolf (2016),
    Efficient computation of adjusted p-values for resampling-based stepdown multiple testing.
    """
    means = differences.mean(axis=1)
    drawn = np.stack([bootstrap_means(row, block, samples, seed) for row in differences])
    return stepdown_of_draws(means, drawn, (differences != 0).any(axis=1))


def stepdown_of_draws(values: Float64, drawn: Float64, differs: npt.NDArray[np.bool_]) -> Float64:
    """Return the same p-values of any statistics, from resamples of them by the same draws.

    Parameters
    ----------
    values : float64 [n_series]. drawn : float64 [n_series, samples].
    differs : [n_series], False for series whose difference is 0 in every era.
    """
    # A difference that is the same in every era varies by rounding only, and is surely there.
    errors = np.maximum(drawn.std(axis=1), _ROUNDING * np.abs(values))
    differs = differs & (errors > 0)
    adjusted = np.ones(len(values))
    size = np.abs(values[differs]) / errors[differs]
    null = np.abs(drawn[differs] - values[differs, None]) / errors[differs, None]
    order = np.argsort(-size, kind="stable")
    found, p = np.empty(len(size)), 0.0
    for place, i in enumerate(order):
        largest = null[order[place:]].max(axis=0)
        p = max(p, (1 + np.count_nonzero(largest >= size[i])) / (1 + drawn.shape[1]))
        found[i] = p
    adjusted[differs] = found
    return adjusted
