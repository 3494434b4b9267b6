"""Has a model decayed? The mean live corr beside what means of the same length were in validation.

A round opens on five days a week and an era is a week, so 60 rounds are 12 eras: their mean varies
far more than the mean over all validation eras, whose interval would raise an alarm most of the
time. What is compared with is the spread of means over as many eras as the live rounds span.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtrit

from numerai_lab.arrays import Float64
from numerai_lab.config import Bootstrap
from numerai_lab.scoring import block_length, overlap_eras
from numerai_lab.seeds import child_seed

ROUNDS = 60
"""Resolved rounds looked at, the newest."""
FEWEST_ROUNDS = 20
"""Fewer rounds, four weeks, say nothing."""
FEWEST_STRETCHES = 4.0
"""Validation must hold as many stretches, apart from one another, as long as the live rounds."""
ROUNDS_PER_ERA = 5
"""A round opens Tuesday to Saturday. Source: Numerai's documentation, "Rounds"."""
_SAMPLES = 4_000
_LEVEL = 0.95


@dataclass(frozen=True)
class Verdict:
    """Live corr of the last resolved rounds beside the validation's.

    Attributes
    ----------
    n_rounds, first_round, last_round : the rounds that were scored; n_eras : weeks they span.
    mean : of the live corr.
    low, high : where a mean over `n_eras` eras lies in 95 of 100 cases if live is as validation.
    validation_mean, validation_eras : of the run's judged eras.
    outside : on which side of the interval the mean is, or None.
    """

    n_rounds: int
    first_round: int
    last_round: int
    n_eras: int
    mean: float
    low: float
    high: float
    validation_mean: float
    validation_eras: int
    outside: Literal["below", "above"] | None

    def sentence(self) -> str:
        """Say it plainly."""
        weeks = f"{self.n_eras} week{'s' if self.n_eras > 1 else ''}"
        what = (
            f"live corr {self.mean:.4f} over {self.n_rounds} resolved rounds ({weeks}), validation "
            f"says {self.low:.4f} to {self.high:.4f} for as many weeks"
        )
        if self.outside == "below":
            return f"{what}: the model has decayed, or it was judged too well; train it again"
        if self.outside == "above":
            return f"{what}: better than it was judged; is this the model that was judged?"
        return f"{what}: as it was judged"


def judge_live(
    rounds: Sequence[tuple[int, float]],
    eras: npt.NDArray[np.int32],
    corr: Float64,
    horizon_days: int,
    bootstrap: Bootstrap,
) -> Verdict | str:
    """Compare live corr with a run's per-era corr.

    Parameters
    ----------
    rounds : (number, corr) of resolved rounds, in any order.
    eras, corr : int32 and float64 [n_eras], the run's judged eras in order, no NaN.
    horizon_days : of the target scored. bootstrap : the run's own setting of the blocks.

    Returns
    -------
    The verdict, or the reason why there is none.
    """
    newest = sorted(rounds)[-ROUNDS:]
    if len(newest) < FEWEST_ROUNDS:
        told = f"{len(newest)} resolved round{'' if len(newest) == 1 else 's'}"
        return f"{told}, live corr is judged from {FEWEST_ROUNDS} on"
    first, last = newest[0][0], newest[-1][0]
    spanned = max(1, round((last - first + 1) / ROUNDS_PER_ERA))
    # Eras that a run skips (data.eras.step) are skipped here: as many weeks, fewer values.
    distance = float(np.median(np.diff(eras))) if len(eras) > 1 else 1.0
    length = max(1, round(spanned / distance))
    # Means of this many eras and a label's reach apart share nothing.
    independent = len(corr) / (length + max(1.0, overlap_eras(horizon_days) / distance))
    if independent < FEWEST_STRETCHES:
        return (
            f"the run judged {len(corr)} eras, too few to say how means of {spanned} weeks vary; "
            "judge more eras"
        )
    block = block_length(eras, horizon_days, bootstrap)
    low, high = interval_of_means(corr, length, block, independent)
    mean = float(np.mean([value for _, value in newest]))
    return Verdict(
        n_rounds=len(newest),
        first_round=first,
        last_round=last,
        n_eras=spanned,
        mean=mean,
        low=low,
        high=high,
        validation_mean=float(corr.mean()),
        validation_eras=len(corr),
        outside="below" if mean < low else "above" if mean > high else None,
    )


def interval_of_means(
    values: Float64, length: int, block: int, independent: float
) -> tuple[float, float]:
    """Return where the mean of `length` further values lies in 95 of 100 cases.

    Stretches of neighbouring values are drawn from the series laid in a circle: one of `length`,
    or several of `block` where `length` is longer. To each mean the error of the series' own mean
    is added, drawn in the same way: validation knows its mean only so well. And it knows the
    spread only from so many independent stretches, so that is widened as Student's t is.

    Parameters
    ----------
    values : float64 [n], in order of time. length, block : numbers of values.
    independent : stretches of `length` in the series that share nothing, more than 1.

    Source: Politis and Romano (1992), the circular block bootstrap; the interval is that of a
    prediction, not of a mean.
    """
    rng = np.random.default_rng(child_seed(0, "decay"))
    means = _drawn_means(values, length, min(length, block), rng)
    own_error = _drawn_means(values, len(values), block, rng) - values.mean()
    tail = (1 - _LEVEL) / 2
    low, high = np.quantile(means + own_error, [tail, 1 - tail])
    middle = float(values.mean())
    wider = float(stdtrit(independent - 1, 1 - tail) / ndtri(1 - tail))
    return middle - wider * (middle - float(low)), middle + wider * (float(high) - middle)


def _drawn_means(values: Float64, length: int, block: int, rng: np.random.Generator) -> Float64:
    n = len(values)
    n_blocks = -(-length // block)
    lengths = np.full(n_blocks, block)
    lengths[-1] = length - block * (n_blocks - 1)
    starts = rng.integers(0, n, size=(_SAMPLES, n_blocks))
    running = np.concatenate([[0.0], np.cumsum(np.concatenate([values, values]))])
    means: Float64 = (running[starts + lengths] - running[starts]).sum(axis=1) / length
    return means
