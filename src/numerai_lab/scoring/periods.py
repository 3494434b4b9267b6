"""A score or a difference by period: thirds, years, and every run of 52 eras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Eras, Float64
from numerai_lab.config import Bootstrap
from numerai_lab.scoring.bootstrap import interval_of_mean

THIRDS = 3
WINDOW_ERAS = 52
"""A year of weekly eras: about as long as a person would bear a model that is behind."""


@dataclass(frozen=True)
class Period:
    """The mean of a score in a run of eras, with its 95 % block-bootstrap interval.

    Attributes
    ----------
    label : the year, or the eras: `157-208`.
    first_era, last_era : both included. n_eras : those with a score.
    """

    label: str
    first_era: int
    last_era: int
    n_eras: int
    mean: float
    ci_low: float | None
    ci_high: float | None


@dataclass(frozen=True)
class Rolling:
    """Means of every run of neighbouring eras of one length.

    Attributes
    ----------
    window_eras : the length in era numbers. n_windows : how many runs there are; they overlap.
    share_above : share of them with a mean above 0.
    worst : the lowest mean. worst_first, worst_last : its first and last era.
    """

    window_eras: int
    n_windows: int
    share_above: float
    worst: float
    worst_first: int
    worst_last: int


def thirds(
    scores: Float64, eras: Eras, horizon_days: int, bootstrap: Bootstrap, seed: int
) -> tuple[Period, ...]:
    """Cut the scored eras into three runs of equal length (up to one era) and average each.

    Parameters
    ----------
    scores : float64 [n], no NaN. eras : int32 [n], rising era numbers.
    horizon_days, bootstrap, seed : as in `summarize`.

    Returns
    -------
    Three periods in order of time; none where there are fewer than three eras.
    """
    if len(scores) < THIRDS:
        return ()
    parts = np.array_split(np.arange(len(scores)), THIRDS)
    return tuple(
        _period(f"{eras[at[0]]}-{eras[at[-1]]}", at, scores, eras, horizon_days, bootstrap, seed)
        for at in parts
    )


def years(
    scores: Float64,
    eras: Eras,
    dates: Mapping[int, date],
    horizon_days: int,
    bootstrap: Bootstrap,
    seed: int,
) -> tuple[Period, ...]:
    """Average each calendar year; none where the date of an era is not known.

    Parameters
    ----------
    dates : era number -> its date. The others as in `thirds`.
    """
    if any(era not in dates for era in eras.tolist()):
        return ()
    year_of = np.array([dates[era].year for era in eras.tolist()], dtype=np.int64)
    return tuple(
        _period(
            str(year),
            np.flatnonzero(year_of == year),
            scores,
            eras,
            horizon_days,
            bootstrap,
            seed,
        )
        for year in np.unique(year_of).tolist()
    )


def rolling(scores: Float64, eras: Eras, window_eras: int = WINDOW_ERAS) -> Rolling | None:
    """Average every run of `window_eras` neighbouring eras.

    The length counts era numbers: where only every fourth era is judged, 52 are 13 of them.

    Returns
    -------
    None where there are fewer eras than one run.
    """
    distance = float(np.median(np.diff(eras))) if len(eras) > 1 else 1.0
    length = max(1, round(window_eras / distance))
    if len(scores) < length:
        return None
    means = np.lib.stride_tricks.sliding_window_view(scores, length).mean(axis=1)
    at = int(np.argmin(means))
    return Rolling(
        window_eras=window_eras,
        n_windows=len(means),
        share_above=float(np.mean(means > 0)),
        worst=float(means[at]),
        worst_first=int(eras[at]),
        worst_last=int(eras[at + length - 1]),
    )


def _period(
    label: str,
    at: npt.NDArray[np.int64],
    scores: Float64,
    eras: Eras,
    horizon_days: int,
    bootstrap: Bootstrap,
    seed: int,
) -> Period:
    low, high, _ = interval_of_mean(scores[at], eras[at], horizon_days, bootstrap, seed)
    first, last, mean = int(eras[at[0]]), int(eras[at[-1]]), float(scores[at].mean())
    return Period(label, first, last, len(at), mean, low, high)
