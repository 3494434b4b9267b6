"""From members' predictions to one: gaussian ranks, weights, rank."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from numerai_lab.arrays import Float64
from numerai_lab.models.contract import World
from numerai_lab.scoring import gaussian_rank_per_era, rank_per_era

_WEIGHT_DECIMALS = 6


class NonNegativeFit:
    """Non-negative least squares of a target on members' gaussian ranks, every era counting equal.

    Within each era the ranks are centred and the target is centred and brought to standard
    deviation 1, as corr does; eras whose target is constant teach nothing. Only sums over
    rows are kept, so parts can be added one by one.

    Parameters
    ----------
    n_members : number of columns.
    """

    def __init__(self, n_members: int) -> None:
        self._gram = np.zeros((n_members, n_members))
        self._moment = np.zeros(n_members)

    def add(
        self,
        predictions: Float64,
        target: npt.NDArray[np.float32],
        offsets: npt.NDArray[np.int64],
    ) -> None:
        """Add out-of-fold predictions [n_rows, n_members] of some eras and their target."""
        ranks = gaussian_rank_per_era(predictions, offsets)
        for start, stop in itertools.pairwise(offsets):
            x = ranks[start:stop] - ranks[start:stop].mean(axis=0)
            y = target[start:stop].astype(np.float64)
            y -= y.mean()
            spread = y.std()
            if spread > 0:
                self._gram += x.T @ x / len(y)
                self._moment += x.T @ y / (spread * len(y))

    def join(self, world: World) -> None:
        """Add what the other workers have seen."""
        self._gram, self._moment = world.total(self._gram), world.total(self._moment)

    def solve(self) -> Float64 | None:
        """Return weights >= 0 that sum to 1, float64 [n_members]; None if all are 0.

        They are rounded to six decimals, so that sums in another order give the same.
        """
        # nnls wants a design matrix: any R with R'R = gram has the same solution as all rows.
        spread, axes = np.linalg.eigh(self._gram)
        kept = spread > spread.max(initial=0.0) * 1e-12
        if not kept.any():
            return None
        root = np.sqrt(spread[kept])
        weights, _ = nnls(root[:, None] * axes[:, kept].T, axes[:, kept].T @ self._moment / root)
        total = weights.sum()
        if total <= 0:
            return None
        rounded: Float64 = np.round(weights / total, _WEIGHT_DECIMALS)
        normalised: Float64 = rounded / rounded.sum()
        return normalised


def blend(predictions: Float64, weights: Float64) -> npt.NDArray[np.float32]:
    """Combine members' predictions of one era into one rank.

    Parameters
    ----------
    predictions : float64 [n_rows, n_members], the rows of one era.
    weights : float64 [n_members].

    Returns
    -------
    float32 [n_rows], the tie-kept rank in (0, 1) of the weighted sum of the members' gaussian
    ranks.
    """
    era = np.array([0, len(predictions)])
    ranks = gaussian_rank_per_era(predictions, era)
    total = np.zeros(len(ranks))
    # Column by column: a matrix product may round the same row otherwise beside other rows.
    for column, weight in zip(ranks.T, weights, strict=True):
        total += weight * column
    return rank_per_era(total, era).astype(np.float32)
