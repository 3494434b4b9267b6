"""Self-supervised tasks: what an era's rows teach about the era without a label.

A task turns the statistics of an era into a small code. A further task is a further class
here with the three methods of `AuxiliaryTask`, and its name in `params.Adapt.task`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from numerai_lab.eraframe import EraFrame
from numerai_lab.models.xgb_ttt.params import Adapt
from numerai_lab.models.xgb_ttt.statistics import EraStatistics, era_statistics

Float64 = npt.NDArray[np.float64]
MIN_ERAS = 20
"""Fewer training eras cannot tell a direction of change from chance."""


class AuxiliaryTask(Protocol):
    """Reads a code from an era; fitted on training eras, never on labels."""

    def code(self, era: EraStatistics) -> Float64 | None:
        """Return the era's code, float64 [n_codes] within the clip; None if it has none."""
        ...

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return what was fitted, by name, for a file."""
        ...

    @classmethod
    def from_arrays(cls, arrays: dict[str, npt.NDArray[Any]], params: Adapt) -> Self:
        """Make it again from `arrays`."""
        ...


class FeatureReconstruction:
    """Rebuild the era's feature correlations from a code of at most three numbers.

    With c the correlations of an era (upper triangle), m their mean over training eras and D
    the leading principal directions of c - m, the code minimises

        ||c - m - D s||^2 + ridge ||s||^2

    over the pairs of features that vary in the era, then is divided by its standard deviation
    over the training eras and clipped.

    Parameters
    ----------
    mean : float32 [n_pairs]. directions : float32 [n_pairs, n_codes], orthonormal.
    scale : float64 [n_codes], standard deviation of the raw codes over the training eras.
    """

    def __init__(
        self,
        mean: npt.NDArray[np.float32],
        directions: npt.NDArray[np.float32],
        scale: Float64,
        params: Adapt,
    ) -> None:
        self.mean, self.directions, self.scale, self.params = mean, directions, scale, params

    def code(self, era: EraStatistics) -> Float64 | None:
        """Return the era's code, float64 [n_codes]; None if no direction can be seen in it."""
        correlations, seen = _pairs(era)
        raw = self._raw(correlations, seen)
        if raw is None:
            return None
        return np.asarray(np.clip(raw / self.scale, -self.params.clip, self.params.clip))

    def _raw(
        self, correlations: npt.NDArray[np.float32], seen: npt.NDArray[np.bool_]
    ) -> Float64 | None:
        directions = self.directions if seen.all() else self.directions * seen[:, None]
        gram = (directions.T @ directions).astype(np.float64)
        if not np.all(np.diag(gram) > 0):
            return None
        gram += self.params.ridge * np.eye(len(gram))
        right = directions.T @ (correlations - self.mean)
        return np.asarray(np.linalg.solve(gram, right.astype(np.float64)))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return mean, directions and scale."""
        return {"mean": self.mean, "directions": self.directions, "scale": self.scale}

    @classmethod
    def from_arrays(cls, arrays: dict[str, npt.NDArray[Any]], params: Adapt) -> Self:
        """Make it again from `arrays`."""
        return cls(arrays["mean"], arrays["directions"], arrays["scale"], params)


def fit_reconstruction(
    train: EraFrame, columns: npt.NDArray[np.int64], params: Adapt, seed: int
) -> tuple[FeatureReconstruction | str, dict[str, Any]]:
    """Find the directions in which the correlations of training eras move, if they do.

    The noise test: the same analysis of eras of the same sizes whose rows are drawn from all
    training eras alike; a real direction has `noise_ratio` times the largest variance found
    there.

    Parameters
    ----------
    train : training rows. columns : int64, the features to look at. seed : of the noise test.

    Returns
    -------
    The task, or the reason why there is none; and the variances compared, for the record.
    """
    rng = np.random.default_rng(seed)
    real, noise = [], []
    for _, rows in train.iter_eras():
        era = era_statistics(train.features[rows][:, columns])
        if isinstance(era, str):
            continue
        real.append(_pairs(era))
        drawn = np.sort(rng.integers(0, train.n_rows, size=rows.stop - rows.start))
        shuffled = era_statistics(train.features[drawn][:, columns])
        if not isinstance(shuffled, str):
            noise.append(_pairs(shuffled))
    if len(real) < MIN_ERAS or len(noise) < MIN_ERAS:
        reason = f"{len(real)} training eras can be read, a code needs {MIN_ERAS}"
        return reason, {"n_eras": len(real)}
    mean, deviations = _deviations(real)
    variances, vectors = _principal(deviations)
    _, chance = _deviations(noise)
    largest = float(_principal(chance)[0][0])
    found = variances[: params.codes]
    record = {
        "n_eras": len(real),
        "variances": found.tolist(),
        "largest_variance_of_noise": largest,
    }
    kept = found > max(params.noise_ratio * largest, 1e-9)
    n_kept = len(found) if kept.all() else int(np.argmin(kept))
    if n_kept == 0:
        reason = (
            f"no regime found in the features (largest variance {found[0]:.3g}, rows shuffled "
            f"between eras give {largest:.3g})"
        )
        return reason, record
    lengths = np.sqrt(variances[:n_kept] * len(real))
    directions = (deviations.T @ vectors[:, :n_kept]) / lengths
    # A code is positive where correlations are high: the sign of an eigenvector means nothing.
    directions *= np.where(directions.sum(axis=0) < 0, -1, 1)
    task = FeatureReconstruction(
        mean, directions.astype(np.float32), np.ones(n_kept, dtype=np.float64), params
    )
    raw = [code for pairs in real if (code := task._raw(*pairs)) is not None]
    task.scale = np.std(raw, axis=0)
    return task, record


def _pairs(era: EraStatistics) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Return the upper triangle of the correlations, and which pairs of features vary."""
    upper = np.triu_indices(len(era.usable), 1)
    return era.correlations()[upper], era.usable[upper[0]] & era.usable[upper[1]]


def _deviations(
    eras: Sequence[tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the mean over eras where a pair is seen, and each era's deviation, 0 where not."""
    values = np.stack([correlations for correlations, _ in eras])
    seen = np.stack([mask for _, mask in eras])
    mean = (values * seen).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    return mean.astype(np.float32), ((values - mean) * seen).astype(np.float32)


def _principal(deviations: npt.NDArray[np.float32]) -> tuple[Float64, Float64]:
    """Return variances and eigenvectors [n_eras, n_eras] over eras, the largest first."""
    gram = (deviations @ deviations.T).astype(np.float64) / len(deviations)
    values, vectors = np.linalg.eigh(gram)
    return np.maximum(values[::-1], 0), vectors[:, ::-1]
