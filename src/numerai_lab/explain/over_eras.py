"""What features add, era by era, and how steady that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Eras, Float64
from numerai_lab.config import Bootstrap
from numerai_lab.eraframe import MISSING_INT8, FeatureArray
from numerai_lab.explain.attribution import Total
from numerai_lab.scoring import interval_of_mean

WITH_INTERVAL = 50
"""Features that get intervals: those with the largest contributions."""
STABLE = 0.9
"""Share of eras in which the direction of a stable feature has one sign, at least."""


@dataclass(frozen=True)
class Intervals:
    """How means over eras get their 95 % block-bootstrap interval."""

    horizon_days: int
    bootstrap: Bootstrap
    seed: int

    def of(self, series: Float64, eras: Eras, name: str) -> dict[str, float | None]:
        """Return mean, `_low` and `_high` of a series, under a name; NaN eras are left out."""
        there = ~np.isnan(series)
        own = series[there]
        mean = float(own.mean()) if len(own) else None
        low, high, _ = interval_of_mean(
            own, eras[there], self.horizon_days, self.bootstrap, self.seed
        )
        return {name: mean, f"{name}_low": low, f"{name}_high": high}


def without_gaps(features: FeatureArray) -> tuple[Float64, npt.NDArray[np.bool_]]:
    """Return features as float64, and where they are missing."""
    gaps = features == MISSING_INT8 if features.dtype == np.int8 else np.isnan(features)
    return features.astype(np.float64), gaps


def directions(features: FeatureArray, values: Float64) -> Float64:
    """Return the slope of each feature's contribution, per standard deviation of the feature.

    Parameters
    ----------
    features : [n_rows, n_features]; missing values are left out. values : contributions, likewise.

    Returns
    -------
    float64 [n_features], covariance(feature, contribution) / standard deviation(feature); NaN where
    a feature is constant.
    """
    x, gaps = without_gaps(features)
    there = np.maximum(1, (~gaps).sum(axis=0))
    mean = np.where(gaps, 0, x).sum(axis=0) / there
    centred = np.where(gaps, 0, x - mean)
    spread = np.sqrt((centred**2).sum(axis=0) / there)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Float64 = np.where(
            spread > 0, (centred * values).sum(axis=0) / there / spread, np.nan
        )
    return found


def earned(values: Float64, raw: Float64, target: npt.NDArray[np.float32]) -> Float64:
    """Split the Pearson correlation of output and target into a share of each part of the output.

    Parameters
    ----------
    values : float64 [n_rows, n_parts], which sum to `raw` up to a constant.

    Returns
    -------
    float64 [n_parts], covariance(part, target) / (std(raw) std(target)): their sum is the
    correlation. NaN where it is not defined.
    """
    y = target.astype(np.float64) - target.mean(dtype=np.float64)
    spread = y.std() * raw.std()
    if not spread > 0:
        return np.full(values.shape[1], np.nan)
    shares: Float64 = y @ values / len(y) / spread
    return shares


class OverEras:
    """Collects what features add, era by era; `facts` summarises all eras.

    Parameters
    ----------
    names : of the features. groups : name -> column numbers, which may overlap.
    """

    def __init__(self, names: Sequence[str], groups: Mapping[str, npt.NDArray[np.int64]]) -> None:
        self._names, self._groups = tuple(names), groups
        self._eras: list[int] = []
        self._size: list[Float64] = []
        self._direction: list[Float64] = []
        self._earned: list[Float64] = []
        self._beside: dict[str, list[tuple[float, float]]] = {}
        self._grouped: list[tuple[Float64, Float64]] = []
        self._corr: list[float] = []

    def add(
        self, era: int, features: FeatureArray, target: npt.NDArray[np.float32], total: Total
    ) -> None:
        """Add the drawn rows of an era."""
        self._eras.append(era)
        self._size.append(np.abs(total.values).mean(axis=0))
        self._direction.append(directions(features, total.values))
        own = earned(total.values, total.raw, target)
        self._earned.append(own)
        whole = float(own.sum())
        for name, more in total.beside.items():
            theirs = float(earned(more[:, None], total.raw, target)[0])
            self._beside.setdefault(name, []).append((float(np.abs(more).mean()), theirs))
            whole += theirs
        self._corr.append(whole)
        sums = [total.values[:, columns].sum(axis=1) for columns in self._groups.values()]
        self._grouped.append(
            (
                np.array([np.abs(one - one.mean()).mean() for one in sums]),
                np.array([own[columns].sum() for columns in self._groups.values()]),
            )
        )

    @property
    def order(self) -> npt.NDArray[np.int64]:
        """Columns by mean size of their contributions, the largest first."""
        return np.argsort(-np.mean(self._size, axis=0), kind="stable")

    def adds(self, column: int) -> bool:
        """Whether a feature adds anything in any era."""
        return bool(np.any([row[column] for row in self._size]))

    @property
    def eras(self) -> Eras:
        """The eras that were added."""
        return np.array(self._eras, dtype=np.int32)

    def expected(self, signs: Mapping[str, int]) -> list[dict[str, Any]]:
        """Say in which eras a feature's direction is against the sign that was expected.

        `along` is its direction in each era times the sign, None where the feature is constant.
        """
        direction = np.array(self._direction)
        found = []
        for name, sign in signs.items():
            own = direction[:, self._names.index(name)]
            against = self.eras[sign * np.nan_to_num(own) < 0]
            found.append(
                {
                    "feature": name,
                    "sign": sign,
                    "eras": int(np.count_nonzero(~np.isnan(own))),
                    "violated": against.tolist(),
                    "along": [_or_none(sign * value) for value in own],
                }
            )
        return found

    def by_era(self, column: int) -> list[float | None]:
        """Return what a feature earned in each era."""
        return [_or_none(row[column]) for row in self._earned]

    def facts(self, intervals: Intervals) -> dict[str, Any]:
        """Return `features`, largest first, `beside`, `groups` and `earned` as JSON values."""
        eras = self.eras
        size, direction = np.array(self._size), np.array(self._direction)
        earned_ = np.array(self._earned)
        whole = float(size.mean(axis=0).sum()) or 1.0
        features = []
        for rank, column in enumerate(self.order.tolist()):
            told: dict[str, Any] = {
                "feature": self._names[column],
                "share": float(size[:, column].mean()) / whole,
            }
            told |= _direction_facts(direction[:, column])
            by_name = {"size": size, "direction": direction, "earned": earned_}
            for name, matrix in by_name.items():
                if rank < WITH_INTERVAL:
                    told |= intervals.of(matrix[:, column], eras, name)
                else:
                    own = matrix[:, column][~np.isnan(matrix[:, column])]
                    told[name] = float(own.mean()) if len(own) else None
            if rank < WITH_INTERVAL:
                low, high = told["direction_low"], told["direction_high"]
                clear = low is not None and high is not None and (low > 0 or high < 0)
                told["stable"] = bool(clear and (told["same_sign"] or 0) >= STABLE)
            features.append(told)
        beside: list[dict[str, Any]] = [
            {"name": name, **_both(np.array(series).T, eras, intervals)}
            for name, series in self._beside.items()
        ]
        groups: list[dict[str, Any]] = []
        for i, (name, columns) in enumerate(self._groups.items()):
            series = np.array([(size[i], share[i]) for size, share in self._grouped]).T
            told = {"group": name, "n_features": len(columns)}
            groups.append({**told, **_both(series, eras, intervals)})
        groups.sort(key=lambda group: -(group["size"] or 0))
        corr = intervals.of(np.array(self._corr), eras, "corr")
        return {"features": features, "beside": beside, "groups": groups, **corr}


def _both(series: Float64, eras: Eras, intervals: Intervals) -> dict[str, float | None]:
    """Return the facts of `size` and `earned`, float64 [2, n_eras]."""
    return intervals.of(series[0], eras, "size") | intervals.of(series[1], eras, "earned")


def _direction_facts(series: Float64) -> dict[str, float | None]:
    own = series[~np.isnan(series)]
    if not len(own):
        return {"same_sign": None}
    up = float(np.mean(own > 0))
    return {"same_sign": max(up, float(np.mean(own < 0)))}


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
