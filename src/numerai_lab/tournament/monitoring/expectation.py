"""What validation leads one to expect of live rounds: where means over so many weeks lie."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtrit

from numerai_lab.arrays import Float64
from numerai_lab.config import Bootstrap
from numerai_lab.scoring import block_length, overlap_eras
from numerai_lab.seeds import child_seed

FEWEST_STRETCHES = 4.0
"""Validation must hold as many stretches, apart from one another, as long as the live rounds."""
_SAMPLES = 4_000


class Expectation:
    """How means of corr over some weeks vary, as the judged eras of a run tell.

    Parameters
    ----------
    eras, corr : int32 and float64 [n_eras], the run's judged eras in order, no NaN.
    horizon_days : of the target scored. bootstrap : the run's own setting of the blocks.
    """

    def __init__(
        self,
        eras: npt.NDArray[np.int32],
        corr: Float64,
        horizon_days: int,
        bootstrap: Bootstrap,
    ) -> None:
        self.eras, self.corr = eras, corr
        self.horizon_days, self.bootstrap = horizon_days, bootstrap
        # Eras that a run skips (data.eras.step) are skipped here: as many weeks, fewer values.
        self.distance = float(np.median(np.diff(eras))) if len(eras) > 1 else 1.0

    @cached_property
    def mean(self) -> float:
        """Mean corr of the judged eras."""
        return float(self.corr.mean())

    def knows(self, weeks: int) -> bool:
        """Say whether there are eras enough to tell how means of so many weeks vary."""
        return self._independent(weeks) >= FEWEST_STRETCHES

    def interval(self, weeks: int, level: float) -> tuple[float, float]:
        """Return where a mean over so many further weeks lies with a probability of `level`."""
        return interval_of_means(
            self.corr,
            self._length(weeks),
            self._block,
            self._independent(weeks),
            level,
            self._own_error,
        )

    @cached_property
    def _block(self) -> int:
        return block_length(self.eras, self.horizon_days, self.bootstrap)

    @cached_property
    def _own_error(self) -> Float64:
        return own_errors(self.corr, self._block)

    def _length(self, weeks: int) -> int:
        return max(1, round(weeks / self.distance))

    def _independent(self, weeks: int) -> float:
        # Means of this many eras and a label's reach apart share nothing.
        reach = max(1.0, overlap_eras(self.horizon_days) / self.distance)
        return len(self.corr) / (self._length(weeks) + reach)


def interval_of_means(
    values: Float64,
    length: int,
    block: int,
    independent: float,
    level: float = 0.95,
    own_error: Float64 | None = None,
) -> tuple[float, float]:
    """Return where the mean of `length` further values lies with a probability of `level`.

    Stretches of neighbouring values are drawn from the series laid in a circle: one of `length`,
    or several of `block` where `length` is longer. To each mean the error of the series' own mean
    is added, drawn in the same way: validation knows its mean only so well. And it knows the
    spread only from so many independent stretches, so that is widened as Student's t is.

    Parameters
    ----------
    values : float64 [n], in order of time. length, block : numbers of values.
    independent : stretches of `length` in the series that share nothing, more than 1.
    own_error : what `own_errors` returns, where it is known already.

    Source: Politis and Romano (1992), the circular block bootstrap; the interval is that of a
    prediction, not of a mean.
    """
    rng = np.random.default_rng(child_seed(0, "decay"))
    means = _drawn_means(values, length, min(length, block), rng)
    errors = own_errors(values, block) if own_error is None else own_error
    tail = (1 - level) / 2
    low, high = np.quantile(means + errors, [tail, 1 - tail])
    middle = float(values.mean())
    wider = float(stdtrit(independent - 1, 1 - tail) / ndtri(1 - tail))
    return middle - wider * (middle - float(low)), middle + wider * (float(high) - middle)


def own_errors(values: Float64, block: int) -> Float64:
    """Draw by how much the mean of a series may be wrong, float64 [n_draws]."""
    rng = np.random.default_rng(child_seed(0, "decay", "own error"))
    return _drawn_means(values, len(values), block, rng) - float(values.mean())


def _drawn_means(values: Float64, length: int, block: int, rng: np.random.Generator) -> Float64:
    n = len(values)
    n_blocks = -(-length // block)
    lengths = np.full(n_blocks, block)
    lengths[-1] = length - block * (n_blocks - 1)
    starts = rng.integers(0, n, size=(_SAMPLES, n_blocks))
    running = np.concatenate([[0.0], np.cumsum(np.concatenate([values, values]))])
    means: Float64 = (running[starts + lengths] - running[starts]).sum(axis=1) / length
    return means
