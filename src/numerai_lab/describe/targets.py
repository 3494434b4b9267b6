"""What features say of targets over training eras, and how targets overlap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from numerai_lab.arrays import Float64
from numerai_lab.eraframe import EraFrame
from numerai_lab.features import numbers
from numerai_lab.scoring import overlap_eras


def describe_signal(train: EraFrame, target: str) -> list[dict[str, Any]]:
    """Describe each feature's correlation with a target over eras, the largest mean first.

    Parameters
    ----------
    train : eras that no fold judges. Rows without the target are left out.

    Returns
    -------
    For each feature: `mean` and `std` over eras of Pearson's correlation within an era, `same_sign`
    (share of eras with the sign of the mean), and the mean of either half of the eras.
    """
    found = np.zeros((train.n_eras, train.n_features))
    label = train.target(target)
    for i, (_, rows) in enumerate(train.iter_eras()):
        there = ~np.isnan(label[rows])
        y = label[rows][there].astype(np.float64)
        values = numbers(train.features[rows])[there]
        known = ~np.isnan(values)
        mean = np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        values = np.where(known, values - mean, 0.0)
        y = y - y.mean() if len(y) else y
        scale = np.sqrt((values**2).sum(axis=0) * float((y**2).sum()))
        found[i] = np.divide(y @ values, scale, out=np.zeros(len(scale)), where=scale > 0)
    mean, half = found.mean(axis=0), train.n_eras // 2
    same = (np.sign(found) == np.sign(mean)).mean(axis=0)
    order = np.argsort(-np.abs(mean), kind="stable")
    return [
        {
            "feature": train.feature_names[i],
            "mean": float(mean[i]),
            "std": float(found[:, i].std()),
            "same_sign": float(same[i]),
            "first_half": float(found[:half, i].mean()) if half else None,
            "second_half": float(found[half:, i].mean()),
        }
        for i in order
    ]


def describe_targets(train: EraFrame, horizons: Mapping[str, int]) -> dict[str, Any]:
    """Describe the targets of training eras, and Pearson's correlation between each two."""
    names = train.target_names
    told = {}
    for name in names:
        values = train.target(name)
        known = values[~np.isnan(values)]
        days = horizons.get(name)
        told[name] = {
            "horizon_days": days,
            "overlap_eras": None if days is None else overlap_eras(days),
            "missing": 1 - len(known) / max(len(values), 1),
            "values": len(np.unique(known)),
            "mean": float(known.mean()) if len(known) else None,
        }
    return {"targets": told, "correlation": _between(train.targets)}


def _between(values: Any) -> list[list[float | None]]:
    """Correlate columns over the rows where both are known."""
    n = values.shape[1]
    found: list[list[float | None]] = [[None] * n for _ in range(n)]
    for i in range(n):
        for j in range(i, n):
            both = ~np.isnan(values[:, i]) & ~np.isnan(values[:, j])
            a, b = (values[both, k].astype(np.float64) for k in (i, j))
            if both.sum() > 1 and a.std() > 0 and b.std() > 0:
                corr: Float64 = np.corrcoef(a, b)
                found[i][j] = found[j][i] = float(corr[0, 1])
    return found
