"""From one score per era to the numbers a person compares, with honest error bars."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from numerai_lab.arrays import Eras, Float64
from numerai_lab.config import Bootstrap
from numerai_lab.errors import DataError
from numerai_lab.scoring.bootstrap import interval_of_mean, overlap_eras

_LAST = (20, 50, 100)
_GAINS = ("sharpe", "sharpe_hac", "max_drawdown", "hit_rate")
_STATISTICS = ("mean", "std", *_GAINS, *(f"last_{k}" for k in _LAST), "ci_low", "ci_high")
_ROUNDING, _ZERO = 1e-9, 1e-12
"""Scores are sums over thousands of rows, in float64: what varies by less than a billionth of its
size, or by less than 1e-12 of a correlation, differs by rounding and says nothing."""


@dataclass(frozen=True)
class Summary:
    """A score over eras. A number that cannot be computed, or would mean nothing, is None.

    Attributes
    ----------
    mean, std : over eras with a score; std is the population's (ddof 0), None of one era.
    sharpe : mean / std, per era, not annualised. Up to twice (20 days) or 3.5 times (60 days)
        too high, because neighbouring eras share returns.
    sharpe_hac : the same with the long-run standard deviation, which counts that overlap.
    max_drawdown : largest fall of the cumulative score from an earlier height, positive:
        max(running maximum of the cumulative sum - cumulative sum). The running maximum begins
        with the first era, not with 0, so a first era below 0 is no fall.
    hit_rate : share of eras above 0.
    last_20, last_50, last_100 : means of the last scored eras; None when there are fewer.
    ci_low, ci_high : 95 % block-bootstrap interval of the mean.
    n_eras, n_nan : eras with and without a score.
    first_era, last_era : the first and last era with a score.
    undefined : why each of the numbers above that is None is so, by its name.
    """

    mean: float | None
    std: float | None
    sharpe: float | None
    sharpe_hac: float | None
    max_drawdown: float | None
    hit_rate: float | None
    last_20: float | None
    last_50: float | None
    last_100: float | None
    ci_low: float | None
    ci_high: float | None
    n_eras: int
    n_nan: int
    first_era: int | None
    last_era: int | None
    undefined: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, ready for JSON."""
        return asdict(self)


def is_rounding(deviation: float, scores: Float64) -> bool:
    """Tell whether a deviation of scores is no more than rounding leaves, given their size.

    Parameters
    ----------
    deviation : a standard deviation, or the largest of several values. 0 is rounding as well.
    scores : float64 [n], n >= 1, what was computed; of a difference, both sides of it.
    """
    return deviation <= max(_ROUNDING * float(np.abs(scores).max()), _ZERO)


def sharpe(scores: Float64) -> float | None:
    """Return mean / population std of per-era scores, float64 [n] without NaN.

    None where there is no score, or where they are the same in every era: divided by what rounding
    leaves of a spread, a constant has a Sharpe of 1e16.
    """
    if len(scores) == 0 or is_rounding(float(scores.std()), scores):
        return None
    return float(scores.mean() / scores.std())


def summarize(
    per_era: Float64,
    eras: Eras,
    horizon_days: int,
    bootstrap: Bootstrap,
    seed: int,
    *,
    adds_up: bool = True,
) -> Summary:
    """Summarise one score over eras.

    Parameters
    ----------
    per_era : float64 [n_eras], in order of the eras; NaN where an era has no score.
    eras : int32 [n_eras], increasing era numbers. Overlap counts in these, not in positions.
    horizon_days : horizon of the target scored, in trading days.
    bootstrap, seed : how the interval is drawn; the same seed gives the same interval.
    adds_up : False for a level such as an exposure (see `Metric`), which has no Sharpe, drawdown
        and hit rate.

    Raises
    ------
    DataError
        When the scores and the eras differ in length.
    """
    scores, numbers = scored(per_era, eras)
    n = len(scores)
    found: dict[str, float | None] = dict.fromkeys(_STATISTICS)
    if n:
        found["mean"] = float(scores.mean())
        found |= {f"last_{k}": _last(scores, k) for k in _LAST}
    if n > 1:
        found["std"] = float(scores.std())
        found["ci_low"], found["ci_high"], _ = interval_of_mean(
            scores, numbers, horizon_days, bootstrap, seed
        )
    if n and adds_up:
        total = np.cumsum(scores)
        long_run = long_run_std(scores, numbers, 2 * overlap_eras(horizon_days))
        zero = is_rounding(float(np.abs(scores).max()), scores)
        found |= {
            "sharpe": sharpe(scores),
            "sharpe_hac": float(scores.mean()) / long_run if long_run else None,
            "max_drawdown": float(np.max(np.maximum.accumulate(total) - total)),
            "hit_rate": None if zero else float(np.mean(scores > 0)),
        }
    return Summary(
        **found,
        n_eras=n,
        n_nan=len(per_era) - n,
        first_era=int(numbers[0]) if n else None,
        last_era=int(numbers[-1]) if n else None,
        undefined={
            name: _why(name, scores, adds_up) for name, value in found.items() if value is None
        },
    )


def _why(statistic: str, scores: Float64, adds_up: bool) -> str:
    """Say why a statistic of these scores is None."""
    n = len(scores)
    if n == 0:
        return "no era has a score"
    if statistic.startswith("last_"):
        return f"fewer scored eras, {n}"
    if not adds_up and statistic in _GAINS:
        return "a level, not a gain that adds up over eras"
    if statistic == "hit_rate":
        return "every score is 0"
    if n == 1:
        return "one scored era"
    return "the same in every era, up to rounding"


def long_run_std(scores: Float64, eras: Eras, lag_eras: int) -> float | None:
    """Return the Newey-West long-run standard deviation with the Bartlett kernel.

    A pair of eras counts by the distance d of their numbers, 1 - d / (lag_eras + 1), so missing
    eras and every-fourth-era data are weighted by time. On consecutive eras this is the usual
    estimator.

    Parameters
    ----------
    scores : float64 [n], no NaN.
    eras : int32 [n], increasing era numbers.
    lag_eras : the last distance that counts, in era numbers; twice the label overlap.

    Returns
    -------
    None where the estimate is 0 up to rounding (constant scores, one era).

    Source: Newey and West (1987), A simple, positive semi-definite, heteroskedasticity and
    autocorrelation consistent covariance matrix.
    """
    n = len(scores)
    if n == 0 or is_rounding(float(scores.std()), scores):
        return None
    centred = scores - scores.mean()
    variance = float(centred @ centred)
    for step in range(1, n):
        distance = eras[step:] - eras[:-step]
        if distance.min() > lag_eras:
            break
        weight = np.maximum(0, 1 - distance / (lag_eras + 1))
        variance += 2 * float((weight * centred[step:]) @ centred[:-step])
    found = float(np.sqrt(max(variance, 0.0) / n))
    return None if is_rounding(found, scores) else found


def scored(per_era: Float64, eras: Eras) -> tuple[Float64, Eras]:
    """Leave out the eras without a score; float64 [n] and int32 [n].

    Raises
    ------
    DataError
        When the scores and the eras differ in length.
    """
    if per_era.shape != (len(eras),):
        raise DataError(f"scores have shape {per_era.shape}, there are {len(eras)} eras")
    known = ~np.isnan(per_era)
    return per_era[known].astype(np.float64), eras[known]


def _last(scores: Float64, k: int) -> float | None:
    return float(scores[-k:].mean()) if len(scores) >= k else None
