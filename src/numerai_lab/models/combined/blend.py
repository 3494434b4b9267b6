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


class WeightFit:
    """Least squares of a target on members' gaussian ranks, every era counting equal.

    Within each era the ranks are centred and the target is centred and brought to standard
    deviation 1, as corr does; eras whose target is constant teach nothing. Only sums over
    rows are kept, so parts can be added one by one.

    Parameters
    ----------
    n_members : number of columns.

    Attributes
    ----------
    gram : float64 [n_members, n_members], sum over eras of the ranks' covariances.
    moment : float64 [n_members], sum over eras of their covariances with the target.
    """

    def __init__(self, n_members: int) -> None:
        self.gram = np.zeros((n_members, n_members))
        self.moment = np.zeros(n_members)

    def add(
        self,
        predictions: Float64,
        target: npt.NDArray[np.float32],
        offsets: npt.NDArray[np.int64],
        weight: float = 1.0,
    ) -> None:
        """Add out-of-fold predictions [n_rows, n_members] of some eras and their target.

        `weight` is how much each of these eras counts.
        """
        ranks = gaussian_rank_per_era(predictions, offsets)
        for start, stop in itertools.pairwise(offsets):
            x = _centred(ranks[start:stop])
            y = target[start:stop].astype(np.float64)
            y -= y.mean()
            spread = y.std()
            if spread > 0:
                self.gram += weight * (x.T @ x / len(y))
                self.moment += weight * (x.T @ y / (spread * len(y)))

    def add_label(self, predictions: Float64, label: Float64, weight: float = 1.0) -> None:
        """Add one era, [n_rows, n_members], with the label [n_rows] as `aimed_label` makes it.

        Its standard deviation is left as it is: it says how much the era has to tell.
        """
        x = _centred(gaussian_rank_per_era(predictions, np.array([0, len(label)])))
        self.gram += weight * (x.T @ x / len(label))
        self.moment += weight * (x.T @ label / len(label))

    def faded(self, factor: float) -> WeightFit:
        """Return a copy to which every era so far counts by this factor."""
        copy = WeightFit(len(self.moment))
        copy.gram, copy.moment = factor * self.gram, factor * self.moment
        return copy

    def join(self, world: World) -> None:
        """Add what the other workers have seen."""
        self.gram, self.moment = world.total(self.gram), world.total(self.moment)

    def correlations(self) -> Float64:
        """Return how members' ranks correlate within eras, float64 [n_members, n_members].

        NaN for a member that is constant.
        """
        spread = np.sqrt(np.diag(self.gram))
        with np.errstate(invalid="ignore", divide="ignore"):
            found: Float64 = self.gram / np.outer(spread, spread)
        return found

    def solve(self, *, prior_eras: float = 0.0, signed: bool = False) -> Float64 | None:
        """Return weights whose absolute values sum to 1, float64 [n_members]; None if all are 0.

        They are rounded to six decimals, so that sums in another order give the same.

        Parameters
        ----------
        prior_eras : so many eras the opinion counts that all members have the same weight: the
            squared distance from the best equal weights is a penalty. Members that are constant
            in every era have none.
        signed : whether weights may lie below 0.
        """
        gram, moment = self.gram, self.moment
        if prior_eras:
            varies = np.diag(gram) > 0
            if not varies.any():
                return None
            # the factor with which equal weights fit best; their opinion is never a negative one
            alike = varies.astype(np.float64)
            spread_of_sum = float(alike @ gram @ alike)
            opposed = spread_of_sum <= 1e-9 * np.trace(gram)  # members that cancel one another
            best = 0.0 if opposed else max(float(alike @ moment) / spread_of_sum, 0.0)
            gram = gram + prior_eras * np.diag(alike)
            moment = moment + prior_eras * best * alike
        # nnls wants a design matrix: any R with R'R = gram has the same solution as all rows.
        spread, axes = np.linalg.eigh(gram)
        kept = spread > spread.max(initial=0.0) * 1e-12
        if not kept.any():
            return None
        root = np.sqrt(spread[kept])
        right = axes[:, kept].T @ moment / root
        if signed:
            weights = axes[:, kept] @ (right / root)
        else:
            weights, _ = nnls(root[:, None] * axes[:, kept].T, right)
        total = np.abs(weights).sum()
        if total <= 0:
            return None
        rounded: Float64 = np.round(weights / total, _WEIGHT_DECIMALS)
        normalised: Float64 = rounded / np.abs(rounded).sum()
        return normalised


def _centred(ranks: Float64) -> Float64:
    return np.asarray(ranks - ranks.mean(axis=0))


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
