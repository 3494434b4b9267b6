"""What linear models keep of the eras they have seen, and the coefficients that follow from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh, lapack, solve

from numerai_lab.arrays import Float64
from numerai_lab.models.simple.centred import CentredRows

Arrays = Mapping[str, npt.NDArray[Any]]


class EraSums(ABC):
    """Means and variances of the features over eras, each era with its weight.

    Parameters
    ----------
    n_features : number of columns.

    Attributes
    ----------
    n_eras : eras added. weight : sum of their weights.
    """

    needs_gram: ClassVar[bool] = False

    def __init__(self, n_features: int) -> None:
        self.n_eras, self.weight = 0, 0.0
        self._present = np.zeros(n_features)
        self._means = np.zeros(n_features)
        self._variances = np.zeros(n_features)

    @property
    def means(self) -> Float64:
        """Mean of each feature over the eras that have it, float64 [n_features]; 0 if none has."""
        return self._means / np.where(self._present > 0, self._present, 1)

    @property
    def variances(self) -> Float64:
        """Mean variance of each feature within eras, float64 [n_features]; 0 if it is constant."""
        return self._variances / (self.weight or 1)

    def add(self, rows: CentredRows, weight: float) -> None:
        """Add an era."""
        there = np.isfinite(rows.means)
        self.n_eras += 1
        self.weight += weight
        self._present += weight * there
        self._means += weight * np.where(there, rows.means, 0)
        self._variances += weight * rows.variances

    @abstractmethod
    def coefficients(self, penalties: Sequence[float]) -> Float64:
        """Return the coefficients for each penalty, float64 [n_features, n_penalties]."""

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return everything as arrays, for saving."""
        return {
            "counts": np.array([self.n_eras, self.weight]),
            "present": self._present,
            "means": self._means,
            "variances": self._variances,
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Make what `arrays` was taken of."""
        sums = cls(len(arrays["means"]))
        n_eras, weight = arrays["counts"].tolist()
        sums.n_eras, sums.weight = int(n_eras), weight
        sums._present, sums._means = arrays["present"], arrays["means"]
        sums._variances = arrays["variances"]
        return sums


class GramSums(EraSums):
    """Sums for ridge: G, the mean covariance of features, and c, that of features and label.

    `coefficients(alpha)` solves (G + alpha tr(G)/F I) b = c; F counts the features that vary.
    """

    needs_gram: ClassVar[bool] = True

    def __init__(self, n_features: int) -> None:
        super().__init__(n_features)
        self._gram = np.zeros((n_features, n_features))
        self._moment = np.zeros(n_features)

    def add(self, rows: CentredRows, weight: float) -> None:
        """Add an era, whose `gram` is there."""
        super().add(rows, weight)
        assert rows.gram is not None
        self._gram += rows.gram if weight == 1 else weight * rows.gram
        self._moment += weight * rows.moment

    def coefficients(self, penalties: Sequence[float]) -> Float64:
        """Return the coefficients for each penalty; for several from one eigendecomposition."""
        found = np.zeros((len(self._moment), len(penalties)))
        varying = np.flatnonzero(self._variances > 0)
        if not len(varying):
            return found
        gram, moment = self._gram[np.ix_(varying, varying)], self._moment[varying]
        scale = float(np.trace(gram)) / len(varying)
        if len(penalties) == 1:
            gram[np.diag_indices_from(gram)] += penalties[0] * scale
            found[varying, 0] = solve(gram, moment, assume_a="pos", overwrite_a=True)
            return found
        spread, axes = eigh(gram, overwrite_a=True, driver="evd")
        along = (axes.T @ moment)[:, None] / (
            np.maximum(spread, 0)[:, None] + scale * np.asarray(penalties)
        )
        found[varying] = axes @ along
        return found

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return everything as arrays, of the symmetric matrix one half."""
        half = lapack.dtrttp(self._gram)[0]
        return super().arrays() | {"gram": half, "moment": self._moment}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Make what `arrays` was taken of."""
        sums = super().from_arrays(arrays)
        half = lapack.dtpttr(len(arrays["moment"]), arrays["gram"])[0]
        sums._gram = np.triu(half) + np.triu(half, 1).T
        sums._moment = arrays["moment"]
        return sums


class ReturnSums(EraSums):
    """What max_sharpe keeps: z, the covariance of each feature with the label, era by era.

    z is what a portfolio of the feature earned in the era. With m and S, its mean and covariance
    over eras, `coefficients(shrinkage)` are (S + shrinkage tr(S)/F I)^-1 m; F counts the features
    that vary. Eras whose label is constant have no z.
    """

    def __init__(self, n_features: int) -> None:
        super().__init__(n_features)
        self._returns: list[Float64] = []
        self._weights: list[float] = []

    @property
    def n_returns(self) -> int:
        """Eras that have a z."""
        return len(self._returns)

    def add(self, rows: CentredRows, weight: float) -> None:
        """Add an era."""
        super().add(rows, weight)
        if rows.label_variance > 0:
            self._returns.append(rows.moment)
            self._weights.append(weight)

    def coefficients(self, penalties: Sequence[float]) -> Float64:
        """Return the coefficients for each penalty, all from one decomposition; 0 of one era."""
        found = np.zeros((len(self._variances), len(penalties)))
        varying = np.flatnonzero(self._variances > 0)
        if self.n_returns < 2 or not len(varying):
            return found
        returns = np.stack(self._returns)[:, varying]
        weights = np.asarray(self._weights)
        weights = weights / weights.sum()
        mean = weights @ returns
        # S = A'A has at most as many axes as there are eras; on all others it is the penalty alone.
        _, spread, axes = np.linalg.svd(
            np.sqrt(weights)[:, None] * (returns - mean), full_matrices=False
        )
        penalty = np.asarray(penalties) * float(spread @ spread) / len(varying)
        if not penalty.all():  # the same in each era
            return found
        along = axes @ mean
        found[varying] = axes.T @ (along[:, None] / ((spread**2)[:, None] + penalty))
        found[varying] += (mean - axes.T @ along)[:, None] / penalty
        return found

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return everything as arrays."""
        returns = np.reshape(self._returns, (self.n_returns, len(self._variances)))
        return super().arrays() | {"returns": returns, "weights": np.asarray(self._weights)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Make what `arrays` was taken of."""
        sums = super().from_arrays(arrays)
        sums._returns, sums._weights = list(arrays["returns"]), arrays["weights"].tolist()
        return sums
