"""Directions in which statistics of eras move, and the test that they are more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float64
from numerai_lab.models.contract import Float32

_LEAST_VARIANCE = 1e-9


class Summary(NamedTuple):
    """What a task looks at in one era.

    Attributes
    ----------
    values : float32 [n], its statistics. seen : bool [n], those that the era can tell.
    parts : further arrays that the task's loss needs.
    """

    values: Float32
    seen: npt.NDArray[np.bool_]
    parts: tuple[Float32, ...] = ()


@dataclass(frozen=True)
class Directions:
    """What moves from era to era.

    Attributes
    ----------
    mean : float32 [n]. axes : float32 [n, n_codes], orthonormal; n_codes may be 0.
    record : the variances compared, ready for JSON.
    """

    mean: Float32
    axes: Float32
    record: dict[str, Any]

    @property
    def reason(self) -> str:
        """Why there is no direction, for a note."""
        return (
            f"no regime found in the features (largest variance "
            f"{self.record['variances'][0]:.3g}, rows shuffled between eras give "
            f"{self.record['largest_variance_of_noise']:.3g})"
        )


def find_directions(
    real: Sequence[Summary], noise: Sequence[Summary], n_codes: int, noise_ratio: float
) -> Directions:
    """Find the leading principal directions of eras that pass the noise test.

    Parameters
    ----------
    real : statistics of training eras. noise : the same of eras whose rows were drawn from all
        training eras alike.
    noise_ratio : a direction is kept if its variance is this often the largest in `noise`.
    """
    mean, deviations = _deviations(real)
    variances, vectors = _principal(deviations)
    _, chance = _deviations(noise)
    largest = float(_principal(chance)[0][0])
    found = variances[:n_codes]
    kept = found > max(noise_ratio * largest, _LEAST_VARIANCE)
    n_kept = len(found) if kept.all() else int(np.argmin(kept))
    lengths = np.sqrt(variances[:n_kept] * len(real))
    axes = (deviations.T @ vectors[:, :n_kept]) / lengths
    # The sign of an eigenvector means nothing; a code is positive where statistics are high.
    axes *= np.where(axes.sum(axis=0) < 0, -1, 1)
    record = {
        "n_eras": len(real),
        "variances": found.tolist(),
        "largest_variance_of_noise": largest,
    }
    return Directions(mean, axes.astype(np.float32), record)


def _deviations(eras: Sequence[Summary]) -> tuple[Float32, Float32]:
    """Return the mean over eras where a number is seen, and each era's deviation, 0 where not."""
    values = np.stack([era.values for era in eras])
    seen = np.stack([era.seen for era in eras])
    mean = (values * seen).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    return mean.astype(np.float32), ((values - mean) * seen).astype(np.float32)


def _principal(deviations: Float32) -> tuple[Float64, Float64]:
    """Return variances and eigenvectors [n_eras, n_eras] over eras, the largest first."""
    gram = (deviations @ deviations.T).astype(np.float64) / len(deviations)
    values, vectors = np.linalg.eigh(gram)
    return np.maximum(values[::-1], 0), vectors[:, ::-1]
