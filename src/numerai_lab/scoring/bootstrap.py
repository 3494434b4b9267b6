"""Block bootstrap of a mean over eras, and how far labels of neighbouring eras overlap."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from numerai_lab.config import Bootstrap
from numerai_lab.scoring.arrays import Float64
from numerai_lab.seeds import child_seed

TRADING_DAYS_PER_ERA = 5
"""Eras are weekly."""

_MIN_BLOCKS = 4
"""A series shorter than this many blocks gets shorter blocks: fewer would hardly vary."""


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


def bootstrap_means(values: Float64, block: int, samples: int, seed: int) -> Float64:
    """Draw means of resampled series: circular blocks of neighbouring eras, with replacement.

    Parameters
    ----------
    values : float64 [n], no NaN, n >= 1.
    block : block length in positions, 1..n; the last block is cut to the series' length.
    samples : number of resampled series.
    seed : the same seed gives the same draws for the same n and block.

    Returns
    -------
    float64 [samples].

    Source: Politis and Romano (1992), A circular block-resampling procedure for stationary data.
    """
    n = len(values)
    n_blocks = math.ceil(n / block)
    rng = np.random.default_rng(child_seed(seed, "bootstrap"))
    starts = rng.integers(0, n, size=(samples, n_blocks))
    lengths = np.full(n_blocks, block)
    lengths[-1] = n - block * (n_blocks - 1)
    # Differences of a running sum over the series laid end to end: no resampled series in memory.
    running = np.concatenate([[0.0], np.cumsum(np.concatenate([values, values]))])
    means: Float64 = (running[starts + lengths] - running[starts]).sum(axis=1) / n
    return means
