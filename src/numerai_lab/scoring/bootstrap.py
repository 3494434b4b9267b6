"""Block bootstrap of a mean over eras, and how far labels of neighbouring eras overlap."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Eras, Float64
from numerai_lab.config import Bootstrap
from numerai_lab.seeds import child_seed

TRADING_DAYS_PER_ERA = 5
"""Eras are weekly."""

_MIN_BLOCKS = 4
"""A series shorter than this many blocks gets shorter blocks: fewer would hardly vary."""

_INTERVAL = (2.5, 97.5)


def overlap_eras(horizon_days: int) -> int:
    """Return over how many weekly eras a label reaches: ceil(horizon_days / 5).

    Examples
    --------
    >>> overlap_eras(20), overlap_eras(60)
    (4, 12)
    """
    return math.ceil(horizon_days / TRADING_DAYS_PER_ERA)


def block_length(eras: npt.NDArray[np.int32], horizon_days: int, config: Bootstrap) -> int:
    """Return the block length in positions of `eras` (not in era numbers).

    `block_eras` counts era numbers (auto: four times the label overlap) and is divided by the
    usual distance between neighbouring eras, so every fourth era gives blocks a fourth as long.
    It is at most a fourth of the series.
    """
    wanted = config.block_eras
    number = 4 * overlap_eras(horizon_days) if wanted == "auto" else wanted
    distance = float(np.median(np.diff(eras))) if len(eras) > 1 else 1.0
    return max(1, min(math.ceil(number / distance), len(eras) // _MIN_BLOCKS))


def bootstrap_starts(n: int, block: int, samples: int, seed: int) -> npt.NDArray[np.int64]:
    """Draw where the blocks of resampled series begin: circular blocks, with replacement.

    Parameters
    ----------
    n : length of the series, at least 1.
    block : block length in positions, 1..n; the last block is cut to the series' length.
    samples : number of resampled series.
    seed : the same seed gives the same draws for the same n and block.

    Returns
    -------
    int64 [samples, ceil(n / block)], positions of the series.

    Source: Politis and Romano (1992), A circular block-resampling procedure for stationary data.
    """
    rng = np.random.default_rng(child_seed(seed, "bootstrap"))
    return rng.integers(0, n, size=(samples, math.ceil(n / block)))


def bootstrap_means(values: Float64, block: int, samples: int, seed: int) -> Float64:
    """Draw means of resampled series.

    Parameters
    ----------
    values : float64 [n], no NaN, n >= 1.
    block, samples, seed : as of `bootstrap_starts`.

    Returns
    -------
    float64 [samples].
    """
    n = len(values)
    starts = bootstrap_starts(n, block, samples, seed)
    lengths = np.full(starts.shape[1], block)
    lengths[-1] = n - block * (starts.shape[1] - 1)
    # Differences of a running sum over the series laid end to end: no resampled series in memory.
    running = np.concatenate([[0.0], np.cumsum(np.concatenate([values, values]))])
    means: Float64 = (running[starts + lengths] - running[starts]).sum(axis=1) / n
    return means


def resampled(values: Float64, block: int, samples: int, seed: int) -> Float64:
    """Draw whole resampled series, float64 [samples, n]; parameters as of `bootstrap_means`."""
    n = len(values)
    starts = bootstrap_starts(n, block, samples, seed)
    positions = (starts[:, :, None] + np.arange(block)).reshape(samples, -1)[:, :n] % n
    drawn: Float64 = values[positions]
    return drawn


def interval_of_mean(
    scores: Float64, eras: Eras, horizon_days: int, bootstrap: Bootstrap, seed: int
) -> tuple[float | None, float | None, float | None]:
    """Return both ends of the 95 % interval of a mean, and the probability that it is above 0.

    Parameters
    ----------
    scores : float64 [n], no NaN. eras : int32 [n]. A tie with 0 counts half.

    Returns
    -------
    None for all three where there are fewer than two scores.
    """
    if len(scores) < 2:
        return None, None, None
    block = block_length(eras, horizon_days, bootstrap)
    means = bootstrap_means(scores, block, bootstrap.samples, seed)
    low, high = np.percentile(means, _INTERVAL)
    better = np.mean(means > 0) + 0.5 * np.mean(means == 0)
    return float(low), float(high), float(better)
