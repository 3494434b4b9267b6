"""Is a mean corr more than an honest model reaches? Terminal, report, compare and status ask here.

A constant cannot tell: labels of 60 days are easier to foresee than those of 20, and years, data
and targets differ. So the limit follows the horizon and what the best benchmark model reaches on
the same eras. What is called suspicious lies above the limit with the lower end of its 95 %
interval, for which the scores of neighbouring eras count as the shared returns that they are.

A leak that lifts corr by less than a third above the best benchmark is not seen by this rule; the
leak canaries of `tests/experiment/test_leak_canary.py` look for those.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from scipy.special import stdtrit

from numerai_lab.arrays import Eras, Float64
from numerai_lab.errors import DataError
from numerai_lab.scoring.bootstrap import overlap_eras
from numerai_lab.scoring.summary import long_run_std

COMMONPLACE_CORR = 0.05
"""Mean corr with a 20-day target that is never suspicious, whatever benchmarks reach.

Source: on Numerai's validation honest means lie at .01 to .03. It is also the limit where no
benchmark can be compared with; a longer horizon raises it, see `commonplace`.
"""
BENCHMARK_FACTOR = 1.3
"""How many times the best benchmark's mean corr an honest model may reach.

Source: the planted signal itself reaches 1.31 times the ridge benchmark's corr in the synthetic
world `static`. On 3,000 stocks, 226 eras, the meta model and blends of benchmarks and trees reached
at most 1.02 times the best benchmark on targets that it was trained for. On a target that no
benchmark was trained for, trees reached 2.3 times as much (.055 of 20 days, .092 of 60): there the
commonplace corr is the limit.
"""
ABSURD_FACTOR = 4.0
"""A benchmark above so many times the commonplace corr sets no limit: it may hold the target."""
COVERED = 0.5
"""Share of a prediction's eras that a benchmark must cover to be compared with."""
SPREAD = 0.05
"""Standard deviation of corr from era to era that is assumed before any era is seen.

Source: .03 to .06 for benchmarks on all targets of 3,000 stocks, 226 eras, and .04 to .05 in the
synthetic worlds.
"""
_ASSUMED_STRETCHES = 4.0
"""So many independent stretches of eras the assumed spread is worth beside those observed."""
_LEVEL = 0.975


@dataclass(frozen=True)
class Suspicion:
    """One prediction's mean corr with one target, and the limit it was held against.

    Attributes
    ----------
    suspicious : `excess_low` is above 0.
    mean : mean corr over `n_eras`, the eras scored (with `benchmark`: in both).
    limit : what an honest model may reach there.
    excess_low : lower end of the 95 % interval of mean corr minus limit.
    benchmark, benchmark_mean : the best benchmark on those eras, None where none can be compared
        with. It sets the limit where `BENCHMARK_FACTOR` times its mean is more than commonplace.
    horizon_days : of the target.
    """

    suspicious: bool
    mean: float
    n_eras: int
    limit: float
    excess_low: float
    benchmark: str | None
    benchmark_mean: float | None
    horizon_days: int

    def reason(self) -> str:
        """Say the numbers in words: `0.1200 over 226 eras (limit 0.0681: 1.3 times ...)`."""
        days = f"{self.horizon_days}-day targets"
        if self.benchmark is None or self.benchmark_mean is None:
            limit = f"what is commonplace for {days}; there is no benchmark to compare with"
        elif self.limit > commonplace(self.horizon_days):
            limit = (
                f"{BENCHMARK_FACTOR:g} times the {self.benchmark_mean:.4f} of the best benchmark, "
                f"{self.benchmark}, on the same eras"
            )
        else:
            limit = (
                f"what is commonplace for {days}; the best benchmark, {self.benchmark}, has "
                f"{self.benchmark_mean:.4f} on the same eras"
            )
        eras = f"{self.n_eras} era{'' if self.n_eras == 1 else 's'}"
        return f"{self.mean:.4f} over {eras} (limit {self.limit:.4f}: {limit})"

    def as_dict(self) -> dict[str, bool | float | int | str | None]:
        """Return the fields and the reason, ready for JSON."""
        return {**asdict(self), "reason": self.reason()}


def commonplace(horizon_days: int) -> float:
    """Return the mean corr that is never suspicious for a horizon in trading days.

    A return that goes on as foreseen adds up with the days while its noise grows with their root,
    so corr grows with the root of the horizon: 1.73 times from 20 to 60 days. Measured for the
    better of two benchmarks on four pairs of targets of 3,000 stocks: 1.70 to 1.78 times.

    Examples
    --------
    >>> commonplace(20), round(commonplace(60), 4)
    (0.05, 0.0866)
    """
    return COMMONPLACE_CORR * math.sqrt(horizon_days / 20)


def suspect(
    corr: Float64, eras: Eras, horizon_days: int, benchmarks: Mapping[str, Float64]
) -> Suspicion | None:
    """Hold a prediction's mean corr against what is honest for its horizon and eras.

    Parameters
    ----------
    corr : float64 [n_eras], per-era corr of the prediction with a target; NaN where an era has none.
    eras : int32 [n_eras], increasing era numbers.
    horizon_days : horizon of the target, in trading days.
    benchmarks : name -> float64 [n_eras], per-era corr of benchmark models with the same target.

    Returns
    -------
    None when no era is scored.

    Raises
    ------
    DataError : scores and eras differ in length.

    Notes
    -----
    A benchmark cannot exceed the limit that it sets: 1.3 times a mean above the commonplace is
    more than that mean.

    Examples
    --------
    >>> eras = np.arange(100, 200, dtype=np.int32)
    >>> benchmark = np.where(eras % 2, 0.07, 0.05)
    >>> suspect(benchmark + 0.01, eras, 20, {"b": benchmark}).suspicious
    False
    >>> suspect(benchmark + 0.04, eras, 20, {"b": benchmark}).reason()
    '0.1000 over 100 eras (limit 0.0780: 1.3 times the 0.0600 of the best benchmark, b, on the same eras)'
    """  # noqa: E501 - the line of an example is as long as what it shows
    for name, scores in (("predictions", corr), *benchmarks.items()):
        if scores.shape != (len(eras),):
            raise DataError(
                f"'{name}': scores have shape {scores.shape}, there are {len(eras)} eras"
            )
    known = ~np.isnan(corr)
    if not known.any():
        return None
    best: Suspicion | None = None
    for name, scores in benchmarks.items():
        both = known & ~np.isnan(scores)
        if both.sum() < COVERED * known.sum():
            continue
        mean = float(scores[both].mean())
        if mean > ABSURD_FACTOR * commonplace(horizon_days):
            continue
        found = _against(corr[both], eras[both], horizon_days, name, scores[both])
        if best is None or mean > (best.benchmark_mean or -math.inf):
            best = found
    return best or _against(corr[known], eras[known], horizon_days, None, None)


def _against(
    corr: Float64, eras: Eras, horizon_days: int, name: str | None, benchmark: Float64 | None
) -> Suspicion:
    limit: Float64 | float = commonplace(horizon_days)
    if benchmark is not None and BENCHMARK_FACTOR * benchmark.mean() > limit:
        limit = BENCHMARK_FACTOR * benchmark
    excess = corr - limit
    low = float(excess.mean()) - _half_width(excess, eras, horizon_days)
    return Suspicion(
        suspicious=low > 0,
        mean=float(corr.mean()),
        n_eras=len(corr),
        limit=float(np.mean(limit)),
        excess_low=low,
        benchmark=name,
        benchmark_mean=None if benchmark is None else float(benchmark.mean()),
        horizon_days=horizon_days,
    )


def _half_width(excess: Float64, eras: Eras, horizon_days: int) -> float:
    """Return half the 95 % interval of a mean over eras whose labels overlap.

    The long-run variance is Newey and West's, drawn towards that of `SPREAD` where few stretches
    of eras are independent: three eras say next to nothing about how eras vary.
    """
    n = len(excess)
    overlap = overlap_eras(horizon_days)
    distance = float(np.median(np.diff(eras))) if n > 1 else 1.0
    shared = max(1.0, overlap / distance)
    stretches = n / shared
    observed = (long_run_std(excess, eras, 2 * overlap) or 0.0) ** 2
    assumed = SPREAD**2 * shared
    total = stretches + _ASSUMED_STRETCHES
    variance = (stretches * observed + _ASSUMED_STRETCHES * assumed) / total
    return float(stdtrit(total, _LEVEL)) * math.sqrt(variance / n)


def accusation(target: str, reasons: Mapping[str, str]) -> str:
    """Return one sentence about every suspicious prediction: name -> `Suspicion.reason()`."""
    named = "; ".join(f"'{name}' {reason}" for name, reason in reasons.items())
    return (
        f"suspicious: mean corr with {target} is surely more than honest models reach: {named}; "
        "possibly a leak, check purge and features"
    )
