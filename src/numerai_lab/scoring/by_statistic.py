"""What a series of scores is compared by: its mean, Sharpe ratios, its deepest fall."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date

import numpy as np

from numerai_lab.arrays import Eras, Float64
from numerai_lab.config import Bootstrap
from numerai_lab.scoring.bootstrap import (
    block_length,
    bootstrap_means,
    overlap_eras,
    resampled,
)
from numerai_lab.scoring.paired import Paired, paired
from numerai_lab.scoring.periods import THIRDS, Period
from numerai_lab.scoring.summary import scored
from numerai_lab.scoring.verdict import smallest_detectable

MEAN = "mean"
_INTERVAL = (2.5, 97.5)
_ROUNDING = 1e-9


def _sharpe(scores: Float64, _eras: Eras, _lag_eras: int) -> Float64:
    return _ratio(scores, scores.var(axis=-1))


def _sharpe_hac(scores: Float64, eras: Eras, lag_eras: int) -> Float64:
    centred = scores - scores.mean(axis=-1, keepdims=True)
    variance = (centred**2).sum(axis=-1)
    for step in range(1, len(eras)):
        distance = eras[step:] - eras[:-step]
        if distance.min() > lag_eras:
            break
        weight = np.maximum(0, 1 - distance / (lag_eras + 1))
        variance = variance + 2 * (weight * centred[..., step:] * centred[..., :-step]).sum(axis=-1)
    return _ratio(scores, np.maximum(variance, 0) / len(eras))


def _ratio(scores: Float64, variance: Float64) -> Float64:
    """Divide a mean by a deviation; NaN where that is no more than rounding."""
    deviation = np.sqrt(variance)
    least = np.maximum(_ROUNDING * np.abs(scores).max(axis=-1), 1e-12)
    known = np.where(deviation > least, deviation, np.nan)
    found: Float64 = scores.mean(axis=-1) / known
    return found


def _drawdown(scores: Float64, _eras: Eras, _lag_eras: int) -> Float64:
    total = np.cumsum(scores, axis=-1)
    found: Float64 = (total - np.maximum.accumulate(total, axis=-1)).min(axis=-1)
    return found


STATISTICS: Mapping[str, Callable[[Float64, Eras, int], Float64]] = {
    "sharpe": _sharpe,
    "sharpe_hac": _sharpe_hac,
    "drawdown": _drawdown,
}
"""Name -> what computes it of float64 [..., n] along the last axis.

As in `Summary`; drawdown is the deepest fall of the sum as a number below 0, so that more is better
of each of them.
"""


def statistic_of(name: str, scores: Float64, eras: Eras, horizon_days: int) -> float | None:
    """Return a statistic of one series, float64 [n] without NaN; None where it means nothing."""
    if len(scores) == 0:
        return None
    if name == MEAN:
        return float(scores.mean())
    value = float(STATISTICS[name](scores, eras, 2 * overlap_eras(horizon_days)))
    return value if np.isfinite(value) else None


def drawn_statistic(
    name: str, scores: Float64, eras: Eras, horizon_days: int, bootstrap: Bootstrap, seed: int
) -> Float64:
    """Return a statistic of resampled series, float64 [samples]; NaN where it means nothing.

    Series of the same eras are resampled by the same draws, so draws of two may be subtracted. A
    resampled series stands at the eras of the real one, although its blocks come from elsewhere.
    """
    block = block_length(eras, horizon_days, bootstrap)
    if name == MEAN:
        return bootstrap_means(scores, block, bootstrap.samples, seed)
    drawn = resampled(scores, block, bootstrap.samples, seed)
    return STATISTICS[name](drawn, eras, 2 * overlap_eras(horizon_days))


def paired_by(
    name: str,
    per_era_a: Float64,
    per_era_b: Float64,
    eras: Eras,
    horizon_days: int,
    bootstrap: Bootstrap,
    seed: int,
    dates: Mapping[int, date] | None = None,
) -> Paired:
    """Compare two scores by a statistic, a minus b; by the mean it is `paired`.

    Of the others there is no difference in an era, and so no run of eras, year, or change of level:
    interval and thirds come from the same resampled blocks of both series.

    Parameters
    ----------
    name : "mean", or a key of `STATISTICS`. The others as in `paired`.
    """
    found = paired(per_era_a, per_era_b, eras, horizon_days, bootstrap, seed, dates)
    if name == MEAN:
        return found
    known = ~np.isnan(per_era_a - per_era_b)
    a, numbers = scored(np.where(known, per_era_a, np.nan), eras)
    b, _ = scored(np.where(known, per_era_b, np.nan), eras)
    how = horizon_days, bootstrap, seed
    value, low, high, drawn = _difference(name, a, b, numbers, *how)
    periods = []
    for at in np.array_split(np.arange(len(a)), THIRDS) if len(a) >= THIRDS else ():
        mean, *ends, _ = _difference(name, a[at], b[at], numbers[at], *how)
        if mean is not None:
            first, last = int(numbers[at[0]]), int(numbers[at[-1]])
            periods.append(Period(f"{first}-{last}", first, last, len(at), mean, *ends))
    spread = float(drawn.std()) if len(drawn) else 0.0
    better = float(np.mean(drawn > 0) + 0.5 * np.mean(drawn == 0)) if len(drawn) else None
    return replace(
        found,
        mean_difference=value,
        ci_low=low,
        ci_high=high,
        probability_of_improvement=better,
        sharpe_of_difference=None,
        hit_rate=None,
        smallest_detectable=smallest_detectable(spread) if spread > 0 else None,
        thirds=tuple(periods),
        years=(),
        rolling=None,
        level_change=None,
    )


def _difference(
    name: str,
    a: Float64,
    b: Float64,
    eras: Eras,
    horizon_days: int,
    bootstrap: Bootstrap,
    seed: int,
) -> tuple[float | None, float | None, float | None, Float64]:
    """Return the difference of a statistic, the ends of its interval, and what was drawn."""
    one, two = (statistic_of(name, scores, eras, horizon_days) for scores in (a, b))
    if one is None or two is None:
        return None, None, None, np.empty(0)
    if len(a) < 2:
        return one - two, None, None, np.empty(0)
    sides = (drawn_statistic(name, s, eras, horizon_days, bootstrap, seed) for s in (a, b))
    drawn = next(sides) - next(sides)
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return one - two, None, None, drawn
    low, high = np.percentile(drawn, _INTERVAL)
    return one - two, float(low), float(high), drawn
