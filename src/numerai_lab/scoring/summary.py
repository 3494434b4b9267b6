"""From one score per era to the numbers a person compares, with honest error bars."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from numerai_lab.config import Bootstrap
from numerai_lab.errors import DataError
from numerai_lab.scoring.arrays import Float64
from numerai_lab.scoring.bootstrap import block_length, bootstrap_means, overlap_eras

Eras = npt.NDArray[np.int32]

_INTERVAL = (2.5, 97.5)


@dataclass(frozen=True)
class Summary:
    """A score over eras. A number that cannot be computed is None.

    Attributes
    ----------
    mean, std : over eras with a score; std is the population's (ddof 0).
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

    def as_dict(self) -> dict[str, float | int | None]:
        """Return the fields, ready for JSON."""
        return asdict(self)


def verdict(low: float | None, high: float | None) -> str:
    """Say which way a difference goes, from its interval.

    Returns
    -------
    `better` or `worse` when the interval is clear of 0, `identical` when it is 0 from end to end
    (two predictions of one ranking), else `unclear`; `unknown` without an interval.
    """
    if low is None or high is None or not np.isfinite([low, high]).all():
        return "unknown"
    if low == high == 0:
        return "identical"
    return "better" if low > 0 else "worse" if high < 0 else "unclear"


@dataclass(frozen=True)
class Paired:
    """Score a minus score b over the eras both have. None where it cannot be computed.

    Attributes
    ----------
    mean_difference : mean of a - b.
    ci_low, ci_high : its 95 % block-bootstrap interval.
    probability_of_improvement : share of resampled means above 0 (a tie counts half).
    n_eras : eras scored in both.
    sharpe_of_difference : mean / population std of the difference.
    hit_rate : share of eras where a is above b.
    verdict : `better`, `worse`, `unclear`, `identical` or `unknown`, as `verdict` says.
    """

    mean_difference: float | None
    ci_low: float | None
    ci_high: float | None
    probability_of_improvement: float | None
    n_eras: int
    sharpe_of_difference: float | None
    hit_rate: float | None

    @property
    def verdict(self) -> str:
        """Which way the difference goes."""
        return verdict(self.ci_low, self.ci_high)

    def as_dict(self) -> dict[str, float | int | str | None]:
        """Return the fields and the verdict, ready for JSON."""
        return {**asdict(self), "verdict": self.verdict}


def summarize(
    per_era: Float64, eras: Eras, horizon_days: int, bootstrap: Bootstrap, seed: int
) -> Summary:
    """Summarise one score over eras.

    Parameters
    ----------
    per_era : float64 [n_eras], in order of the eras; NaN where an era has no score.
    eras : int32 [n_eras], increasing era numbers. Overlap counts in these, not in positions.
    horizon_days : horizon of the target scored, in trading days.
    bootstrap, seed : how the interval is drawn; the same seed gives the same interval.

    Raises
    ------
    DataError
        When the scores and the eras differ in length.
    """
    scores, numbers = _scored(per_era, eras)
    n = len(scores)
    n_nan = len(per_era) - n
    if n == 0:
        return Summary(None, None, None, None, None, None, None, None, None, None, None, 0, n_nan)
    mean, std = float(scores.mean()), _std(scores)
    low, high, _ = _interval(scores, numbers, horizon_days, bootstrap, seed)
    total = np.cumsum(scores)
    long_run = long_run_std(scores, numbers, 2 * overlap_eras(horizon_days))
    return Summary(
        mean=mean,
        std=std,
        sharpe=mean / std if std else None,
        sharpe_hac=mean / long_run if long_run else None,
        max_drawdown=float(np.max(np.maximum.accumulate(total) - total)),
        hit_rate=float(np.mean(scores > 0)),
        last_20=_last(scores, 20),
        last_50=_last(scores, 50),
        last_100=_last(scores, 100),
        ci_low=low,
        ci_high=high,
        n_eras=n,
        n_nan=n_nan,
    )


def paired(
    per_era_a: Float64,
    per_era_b: Float64,
    eras: Eras,
    horizon_days: int,
    bootstrap: Bootstrap,
    seed: int,
) -> Paired:
    """Compare two scores era by era (a minus b): shared market moves cancel out.

    Parameters
    ----------
    per_era_a, per_era_b : float64 [n_eras], aligned; an era that is NaN in one is left out.
    eras, horizon_days, bootstrap, seed : as in `summarize`.

    Raises
    ------
    DataError
        When scores and eras differ in length.
    """
    if len(per_era_a) != len(per_era_b):
        raise DataError(f"{len(per_era_a)} scores cannot be paired with {len(per_era_b)}")
    difference, numbers = _scored(per_era_a - per_era_b, eras)
    n = len(difference)
    if n == 0:
        return Paired(None, None, None, None, 0, None, None)
    mean, std = float(difference.mean()), _std(difference)
    low, high, better = _interval(difference, numbers, horizon_days, bootstrap, seed)
    return Paired(
        mean_difference=mean,
        ci_low=low,
        ci_high=high,
        probability_of_improvement=better,
        n_eras=n,
        sharpe_of_difference=mean / std if std else None,
        hit_rate=float(np.mean(difference > 0)),
    )


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
    None where the estimate is 0 (constant scores, one era).

    Source: Newey and West (1987), A simple, positive semi-definite, heteroskedasticity and
    autocorrelation consistent covariance matrix.
    """
    n = len(scores)
    if _std(scores) is None:
        return None
    centred = scores - scores.mean()
    variance = float(centred @ centred)
    for step in range(1, n):
        distance = eras[step:] - eras[:-step]
        if distance.min() > lag_eras:
            break
        weight = np.maximum(0, 1 - distance / (lag_eras + 1))
        variance += 2 * float((weight * centred[step:]) @ centred[:-step])
    return float(np.sqrt(variance / n)) if variance > 0 else None


def _scored(per_era: Float64, eras: Eras) -> tuple[Float64, Eras]:
    if per_era.shape != (len(eras),):
        raise DataError(f"scores have shape {per_era.shape}, there are {len(eras)} eras")
    known = ~np.isnan(per_era)
    return per_era[known].astype(np.float64), eras[known]


def _std(scores: Float64) -> float | None:
    """Population std; None where the scores are constant, whatever rounding says."""
    return float(scores.std()) if scores.min() != scores.max() else None


def _last(scores: Float64, k: int) -> float | None:
    return float(scores[-k:].mean()) if len(scores) >= k else None


def _interval(
    scores: Float64, eras: Eras, horizon_days: int, bootstrap: Bootstrap, seed: int
) -> tuple[float | None, float | None, float | None]:
    """Return the interval of the mean and the probability that it is above 0."""
    if len(scores) < 2:
        return None, None, None
    block = block_length(eras, horizon_days, bootstrap)
    means = bootstrap_means(scores, block, bootstrap.samples, seed)
    low, high = np.percentile(means, _INTERVAL)
    better = np.mean(means > 0) + 0.5 * np.mean(means == 0)
    return float(low), float(high), float(better)
