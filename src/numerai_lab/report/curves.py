"""Lines over eras for the charts, from the per-era scores of the main target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from numerai_lab.report.record import Record


@dataclass(frozen=True)
class Curve:
    """A value per era: eras int64 [n] rising, values float64 [n] without NaN."""

    eras: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.eras)

    def between(self, first: int, last: int) -> Curve:
        """Return the part from one era to another, both included."""
        inside = (self.eras >= first) & (self.eras <= last)
        return Curve(self.eras[inside], self.values[inside])


EMPTY = Curve(np.empty(0, dtype=np.int64), np.empty(0))


def per_era(record: Record, name: str, metric: str = "corr") -> Curve:
    """Return one score of one prediction by era; eras without that score are left out."""
    data = record.per_era
    rows = (data["prediction"] == name) & (data["target"] == record.scores.target)
    if metric not in data:
        rows = np.zeros_like(rows)
    rows = rows & np.isfinite(data.get(metric, data["corr"]))
    order = np.argsort(data["era"][rows], kind="stable")
    values = data[metric][rows][order] if metric in data else np.empty(0)
    return Curve(data["era"][rows][order].astype(np.int64), values.astype(np.float64))


def told(facts: Sequence[Mapping[str, Sequence[float | None]]], name: str) -> Curve:
    """Return what the fits told of each era under a name; eras without a value are left out."""
    pairs = [
        (int(era), float(value))
        for fold in facts
        for era, value in zip(fold["era"], fold.get(name, ()), strict=False)
        if era is not None and value is not None
    ]
    eras, values = zip(*sorted(pairs), strict=True) if pairs else ((), ())
    return Curve(np.array(eras, dtype=np.int64), np.array(values, dtype=np.float64))


def difference(curve: Curve, other: Curve) -> Curve:
    """Return `curve - other` on the eras that both have."""
    eras, mine, theirs = np.intersect1d(curve.eras, other.eras, return_indices=True)
    return Curve(eras, curve.values[mine] - other.values[theirs])


def cumulative(curve: Curve) -> Curve:
    """Return the running sum."""
    return Curve(curve.eras, np.cumsum(curve.values))


def alongside(own: Curve, other: Curve) -> Curve:
    """Return another prediction's running sum as it goes beside one's own, on the eras both have.

    It begins at the height of one's own line, so that from there on the distance between the two is
    what one gained on the other in the eras that both were scored in, and in no others.
    """
    gained = cumulative(difference(other, own))
    mine = cumulative(own)
    return Curve(gained.eras, mine.values[np.isin(mine.eras, gained.eras)] + gained.values)


def common(own: Curve, other: Curve) -> Curve:
    """Return the part of another curve in eras that one's own has, too."""
    there = np.isin(other.eras, own.eras)
    return Curve(other.eras[there], other.values[there])


def drawdown(curve: Curve) -> Curve:
    """Return how far the running sum lies below its highest point so far: 0 or negative."""
    total = np.cumsum(curve.values)
    return Curve(curve.eras, total - np.maximum.accumulate(total))


def rolling(curve: Curve, window_eras: int) -> Curve:
    """Return the mean of the last `window_eras` scored eras, from the first full window on."""
    if len(curve) < window_eras:
        return Curve(curve.eras[:0], curve.values[:0])
    windows = np.lib.stride_tricks.sliding_window_view(curve.values, window_eras)
    return Curve(curve.eras[window_eras - 1 :], windows.mean(axis=1))


def fold_starts(record: Record) -> list[tuple[int, int]]:
    """Return (fold, first judged era) of each fold that was judged, in order of eras."""
    return sorted(
        ((f.fold, f.judged.first) for f in record.manifest.folds if f.judged.first is not None),
        key=lambda pair: pair[1],
    )
