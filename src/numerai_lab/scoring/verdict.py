"""Which way a difference goes: by its interval, its periods, and what it was compared among."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

LEVEL, POWER = 0.05, 0.8
"""Of a difference that counts: two-sided error level, and the power of `smallest_detectable`."""

MOST = 2 / 3
"""A difference holds in most periods when it does in more than this share of them: in all thirds.

Two thirds that agree are not enough: a stack that gained in two periods, with intervals far above
0, lost in the third.
"""


def verdict(
    low: float | None,
    high: float | None,
    periods: Sequence[float] | None = None,
    p_among: float | None = None,
    *,
    within_seed_noise: bool = False,
) -> str:
    """Say which way a difference goes.

    Parameters
    ----------
    low, high : ends of its interval.
    periods : mean difference in each period of time; None where they are not known, and the
        interval alone decides.
    p_among : its p-value among several comparisons with one baseline (`stepdown_p_values`).
    within_seed_noise : another seed alone may make as much of a difference (`noise_of_difference`).

    Returns
    -------
    `better` or `worse` when the interval is clear of 0, so are several comparisons taken together,
    and the difference goes that way in more than `MOST` of the periods; `better_so_far` or
    `worse_so_far` when only the last is not so. `identical` when the interval is 0 from end to end
    (two predictions of one ranking), else `unclear`, as within seed noise; `unknown` without an
    interval.

    Examples
    --------
    >>> verdict(0.001, 0.009, [0.006, 0.005, 0.004]), verdict(0.001, 0.009, [0.006, 0.005, -0.002])
    ('better', 'better_so_far')
    """
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return "unknown"
    if low == high == 0:
        return "identical"
    among_chance = p_among is not None and p_among > LEVEL
    if low <= 0 <= high or among_chance or within_seed_noise:
        return "unclear"
    found, sign = ("better", 1) if low > 0 else ("worse", -1)
    if periods is None:
        return found
    agree = sum(sign * mean > 0 for mean in periods)
    return found if periods and agree > MOST * len(periods) else f"{found}_so_far"


def smallest_detectable(standard_error: float) -> float:
    """Return the smallest true mean that eras like these would have told from 0 most of the time.

    The minimal detectable effect at 80 % power and a two-sided level of 5 %: (1.96 + 0.84) times
    the standard error of the mean, here that of its block bootstrap.

    Source: Bloom (1995), Minimum detectable effects, Evaluation Review 19.
    """
    normal = NormalDist()
    return (normal.inv_cdf(1 - LEVEL / 2) + normal.inv_cdf(POWER)) * standard_error
