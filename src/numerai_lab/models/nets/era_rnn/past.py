"""What is kept of an era that is over, and windows of it: the past as a net reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh

from numerai_lab.arrays import Float32, Float64
from numerai_lab.eraframe import EraFrame, FeatureArray
from numerai_lab.models.combined import standardised
from numerai_lab.models.nets.runtime import era_bins
from numerai_lab.models.nets.within_eras import centred_bins, correlations

_ERAS = 60
"""Eras, evenly spread, whose correlations the components are taken from."""
_ROUNDING = 1e-6


def find_components(train: EraFrame, n: int) -> Float32:
    """Return the directions along which rows lie furthest apart within eras, no label needed.

    Returns
    -------
    float32 [n_features, n], eigenvectors of the features' correlations within eras, those with
    the largest eigenvalues first; each with the sign that makes its largest number positive.
    0 where features vary in fewer directions.
    """
    places = np.unique(np.linspace(0, train.n_eras - 1, min(_ERAS, train.n_eras)).astype(int))
    corr = correlations(train.select_eras(train.eras[places]))
    last = train.n_features - 1
    spread, axes = eigh(corr, subset_by_index=[last - n + 1, last])
    spread, axes = spread[::-1], axes[:, ::-1]
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(n)]
    axes = axes * np.where(largest < 0, -1.0, 1.0) * (spread > _ROUNDING)
    return np.ascontiguousarray(axes, dtype=np.float32)


def scores_of(features: FeatureArray, components: Float32) -> tuple[Float64, Float64]:
    """Return where the rows of one era lie along each component.

    Returns
    -------
    float64 [n_rows, n], with mean 0 and deviation 1 in the era, 0 where all rows are alike; and
    the standard deviations before, float64 [n].
    """
    raw = centred_bins(era_bins(features)) @ components
    scores = np.column_stack([standardised(column) for column in raw.T])
    return scores, np.asarray(raw.std(axis=0), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Past:
    """Eras that are over, in order of time.

    Attributes
    ----------
    numbers : int64 [n_eras].
    earned : float64 [n_eras, n], the correlation of each component's scores with the label; NaN
        where no label is known, or it is constant.
    spread : float64 [n_eras, n], log of the standard deviation along each; NaN where it is 0.
    """

    numbers: npt.NDArray[np.int64]
    earned: Float64
    spread: Float64

    @classmethod
    def of(cls, frame: EraFrame, components: Float32, target: str | None) -> Self:
        """Read the eras of a frame, their labels where there is such a target."""
        n = components.shape[1]
        earned = np.full((frame.n_eras, n), np.nan)
        spread = np.full((frame.n_eras, n), np.nan)
        labels = None
        if target is not None and target in frame.target_names:
            labels = frame.target(target)
        for i, (_, rows) in enumerate(frame.iter_eras()):
            scores, deviation = scores_of(frame.features[rows], components)
            there = deviation > _ROUNDING
            spread[i, there] = np.log(deviation[there])
            if labels is None:
                continue
            label = labels[rows].astype(np.float64)
            known = ~np.isnan(label)
            if not known.any():
                continue
            wanted = standardised(label[known])
            if wanted.any():
                own = np.column_stack([standardised(one) for one in scores[known].T])
                earned[i] = np.where(own.any(axis=0), own.T @ wanted / len(wanted), np.nan)
        return cls(frame.eras.astype(np.int64), earned, spread)

    def with_more(self, other: Past) -> Past:
        """Return both, in order of time; of eras that are in both the other's."""
        mine = ~np.isin(self.numbers, other.numbers)
        numbers = np.concatenate([self.numbers[mine], other.numbers])
        order = np.argsort(numbers, kind="stable")
        return Past(
            numbers[order],
            np.concatenate([self.earned[mine], other.earned])[order],
            np.concatenate([self.spread[mine], other.spread])[order],
        )

    def since(self, era: int) -> Past:
        """Return the eras from one on."""
        own = self.numbers >= era
        return Past(self.numbers[own], self.earned[own], self.spread[own])

    def usual(self) -> Float64:
        """Return mean and deviation of `earned`, then of `spread`, over all eras, [4, n]."""
        found = []
        for values in (self.earned, self.spread):
            known = ~np.isnan(values)
            n = np.maximum(known.sum(axis=0), 1)
            mean = np.where(known, values, 0).sum(axis=0) / n
            variance = (np.where(known, values - mean, 0) ** 2).sum(axis=0) / n
            found += [mean, np.where(variance > 0, np.sqrt(variance), 1.0)]
        return np.stack(found)

    def windows(
        self, eras: Sequence[int], usual: Float64, steps: int, step: int, purge_eras: int
    ) -> Float32:
        """Return what is known when each of some eras is predicted.

        Returns
        -------
        float32 [len(eras), steps, 2 n + 2], the oldest point in time first: `earned` and `spread`
        in deviations from what is usual, means over the `step` eras of the point, and whether
        either is known (0 where not). The last point ends with the era itself, of which
        `earned` is unknown as of all after `purge_eras` before it.
        """
        n = self.earned.shape[1]
        numbers = np.asarray(eras, dtype=np.int64)
        found = np.zeros((len(numbers), steps, 2 * n + 2), dtype=np.float32)
        scaled = (self.earned - usual[0]) / usual[1], (self.spread - usual[2]) / usual[3]
        for i, era in enumerate(numbers.tolist()):
            age = era - self.numbers
            place = steps - 1 - age // step
            for part, (values, youngest) in enumerate(
                zip(scaled, (purge_eras + 1, 0), strict=True)
            ):
                own = np.flatnonzero((age >= youngest) & (place >= 0))
                sums, counts = np.zeros((2, steps, n))
                np.add.at(sums, place[own], np.nan_to_num(values[own]))
                np.add.at(counts, place[own], ~np.isnan(values[own]))
                found[i, :, part * n : (part + 1) * n] = sums / np.maximum(counts, 1)
                found[i, :, 2 * n + part] = counts.any(axis=1)
        return found

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return everything as arrays."""
        return {"numbers": self.numbers, "earned": self.earned, "spread": self.spread}
