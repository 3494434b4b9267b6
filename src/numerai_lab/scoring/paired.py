"""Two predictions era by era: how far apart, how surely, and whether that held over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np

from numerai_lab.arrays import Eras, Float64
from numerai_lab.config import Bootstrap
from numerai_lab.errors import DataError
from numerai_lab.scoring.bootstrap import block_length, bootstrap_means, interval_of_mean
from numerai_lab.scoring.level_change import LevelChange, level_change
from numerai_lab.scoring.periods import Period, Rolling, rolling, thirds, years
from numerai_lab.scoring.summary import is_rounding, scored
from numerai_lab.scoring.verdict import smallest_detectable, verdict


@dataclass(frozen=True)
class Paired:
    """Score a minus score b over the eras both have. None where it cannot be computed.

    Attributes
    ----------
    mean_difference : mean of a - b.
    ci_low, ci_high : its 95 % block-bootstrap interval.
    probability_of_improvement : share of resampled means above 0 (a tie counts half).
    n_eras, first_era, last_era : eras scored in both, their first and last.
    sharpe_of_difference : mean / population std of the difference.
    hit_rate : share of eras where a is above b; None, as the Sharpe, where they differ by rounding.
    smallest_detectable : the smallest true difference that these eras would have told from 0 in
        four of five cases.
    thirds, years : the difference by period; years only where eras have dates.
    rolling : the difference in every run of 52 eras.
    level_change : whether its level changed on the way.
    verdict : as `scoring.verdict` says, from the interval and the thirds.
    """

    mean_difference: float | None
    ci_low: float | None
    ci_high: float | None
    probability_of_improvement: float | None
    n_eras: int
    first_era: int | None
    last_era: int | None
    sharpe_of_difference: float | None
    hit_rate: float | None
    smallest_detectable: float | None = None
    thirds: tuple[Period, ...] = ()
    years: tuple[Period, ...] = ()
    rolling: Rolling | None = None
    level_change: LevelChange | None = None

    @property
    def verdict(self) -> str:
        """Which way the difference goes."""
        return verdict(self.ci_low, self.ci_high, [period.mean for period in self.thirds])

    def as_dict(self) -> dict[str, Any]:
        """Return the fields and the verdict, ready for JSON."""
        return {**asdict(self), "verdict": self.verdict}


def paired(
    per_era_a: Float64,
    per_era_b: Float64,
    eras: Eras,
    horizon_days: int,
    bootstrap: Bootstrap,
    seed: int,
    dates: Mapping[int, date] | None = None,
) -> Paired:
    """Compare two scores era by era (a minus b): shared market moves cancel out.

    Parameters
    ----------
    per_era_a, per_era_b : float64 [n_eras], aligned; an era that is NaN in one is left out.
    eras, horizon_days, bootstrap, seed : as in `summarize`.
    dates : era number -> its date, where eras have dates.

    Raises
    ------
    DataError
        When scores and eras differ in length.
    """
    if len(per_era_a) != len(per_era_b):
        raise DataError(f"{len(per_era_a)} scores cannot be paired with {len(per_era_b)}")
    difference, numbers = scored(per_era_a - per_era_b, eras)
    n = len(difference)
    if n == 0:
        return Paired(None, None, None, None, 0, None, None, None, None)
    both = np.concatenate([per_era_a, per_era_b])
    both = both[~np.isnan(both)]
    std = float(difference.std())
    how = horizon_days, bootstrap, seed
    low, high, better = interval_of_mean(difference, numbers, *how)
    same = is_rounding(float(np.abs(difference).max()), both)
    return Paired(
        mean_difference=float(difference.mean()),
        ci_low=low,
        ci_high=high,
        probability_of_improvement=better,
        n_eras=n,
        first_era=int(numbers[0]),
        last_era=int(numbers[-1]),
        sharpe_of_difference=None if is_rounding(std, both) else float(difference.mean()) / std,
        hit_rate=None if same else float(np.mean(difference > 0)),
        smallest_detectable=None if same else _detectable(difference, numbers, *how),
        thirds=thirds(difference, numbers, *how),
        years=years(difference, numbers, dates, *how) if dates else (),
        rolling=rolling(difference, numbers),
        level_change=None if same else level_change(difference, numbers, *how),
    )


def _detectable(
    difference: Float64, eras: Eras, horizon_days: int, bootstrap: Bootstrap, seed: int
) -> float | None:
    if len(difference) < 2:
        return None
    block = block_length(eras, horizon_days, bootstrap)
    error = float(bootstrap_means(difference, block, bootstrap.samples, seed).std())
    return smallest_detectable(error) if error > 0 else None
