"""Weights of any models from purged out-of-fold predictions of the training eras."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from numerai_lab.arrays import Float64
from numerai_lab.eraframe import EraFrame
from numerai_lab.models.combined.blend import WeightFit
from numerai_lab.models.contract import World
from numerai_lab.scoring import corr_per_era
from numerai_lab.splits import InnerPart

PredictPart = Callable[[InnerPart, EraFrame], Float64]
"""Trains every member on the eras up to `last_train_era`, and predicts the part's rows."""


def fit_weights(
    train: EraFrame,
    target: str,
    parts: Sequence[InnerPart],
    n_members: int,
    predict_part: PredictPart,
    world: World | None = None,
) -> tuple[Float64 | None, list[float]]:
    """Walk over inner parts and fit non-negative weights on what members predict out of fold.

    Parameters
    ----------
    train : all training rows, or those of this worker. target : that the weights are fitted to.
    parts : as `splits.inner_parts` cuts them.
    predict_part : called with each part and its rows; returns float64 [n_rows, n_members].
    world : workers that hold the other training eras; None: these are all.

    Returns
    -------
    weights : float64 [n_members] that sum to 1, or None if all are 0.
    corr : mean per-era corr of each member's out-of-fold predictions with the target.
    """
    world = world or World()
    fit = WeightFit(n_members)
    scores = [np.empty((0, n_members))]
    for part in parts:
        judged = train.between(part.first, part.last)
        predictions = predict_part(part, judged)
        if judged.n_eras:  # of several workers one may have none
            fit.add(predictions, judged.target(target), judged.offsets)
            scores.append(corr_per_era(predictions, judged.target(target), judged.offsets))
    fit.join(world)
    every = np.vstack(world.from_all(np.vstack(scores)))
    # A member without a split in some part has no score in its eras: 0, as for any constant.
    return fit.solve(), np.nan_to_num(every, nan=0.0).mean(axis=0).tolist()
