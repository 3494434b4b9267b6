"""Permutation importance by era: what corr loses when a feature's values are shuffled in an era."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from numerai_lab.eraframe import EraFrame
from numerai_lab.explain.over_eras import Intervals
from numerai_lab.explain.shapley import Predict
from numerai_lab.scoring import corr_per_era
from numerai_lab.seeds import child_seed

MOST_ERAS = 24
"""Eras that are shuffled, spread evenly over the judged ones: each is predicted once a feature."""


def permutation(
    predict: Predict,
    frame: EraFrame,
    target: str,
    columns: Sequence[int],
    intervals: Intervals,
    seed: int,
    progress: Callable[[int, int], None],
) -> dict[str, Any]:
    """Shuffle each feature within eras and score what is predicted then.

    Parameters
    ----------
    predict : whole eras. frame : the judged eras, labelled. columns : features to be shuffled.
    progress : called with (eras done, eras in all).

    Returns
    -------
    `eras`, their number, and `features`: name, `loss` of corr with its interval, largest first.
    """
    n_eras = min(MOST_ERAS, frame.n_eras)
    eras = frame.eras[np.linspace(0, frame.n_eras - 1, n_eras).round().astype(np.int64)]
    losses = np.full((len(eras), len(columns)), np.nan)
    for i, era in enumerate(eras.tolist()):
        own = frame.between(era, era)
        whole = own.features_in_memory()
        before = _corr(predict, own, target)
        for k, column in enumerate(columns):
            rng = np.random.default_rng(child_seed(seed, "explain", "permute", era, column))
            features = whole.copy()
            features[:, column] = rng.permutation(features[:, column])
            losses[i, k] = before - _corr(predict, replace(own, features=features), target)
        progress(i + 1, len(eras))
    found: list[dict[str, Any]] = [
        {"feature": frame.feature_names[column], **intervals.of(losses[:, k], eras, "loss")}
        for k, column in enumerate(columns)
    ]
    found.sort(key=lambda one: -(one["loss"] or 0))
    return {"eras": len(eras), "features": found}


def _corr(predict: Predict, era: EraFrame, target: str) -> float:
    """Return corr of one era, NaN where it is not defined."""
    values = predict(era.without_targets()).astype(np.float64)
    return float(corr_per_era(values, era.target(target), era.offsets)[0, 0])
