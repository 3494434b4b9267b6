"""Weights from purged out-of-fold predictions of the training eras."""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm
import numpy as np

from numerai_lab.arrays import Float64
from numerai_lab.eraframe import EraFrame, FeatureArray
from numerai_lab.errors import ModelError
from numerai_lab.models.contract.world import World
from numerai_lab.models.lgbm_ensemble.binned import as_float
from numerai_lab.models.lgbm_ensemble.blend import NonNegativeFit
from numerai_lab.models.lgbm_ensemble.members import Member, Trainer
from numerai_lab.scoring import corr_per_era


@dataclass(frozen=True)
class InnerPart:
    """Training eras `first`..`last`, predicted by members trained up to `last_train_era`."""

    first: int
    last: int
    last_train_era: int


def inner_parts(
    train: EraFrame, folds: int, purge_eras: int, world: World | None = None
) -> list[InnerPart]:
    """Cut the training eras into folds + 1 equal parts and walk forward over them.

    Parameters
    ----------
    train : all training rows.
    folds : parts to predict, each from all eras before it.
    purge_eras : era numbers left out before each predicted part.
    world : workers that hold the other training eras; None: these are all.

    Raises
    ------
    ModelError
        The training eras are too few for that.
    """
    eras = np.sort(np.concatenate((world or World()).from_all(train.eras)))
    parts = np.array_split(eras, folds + 1)
    if len(parts[-1]) == 0 or parts[0][0] > parts[1][0] - purge_eras - 1:
        raise ModelError(
            f"weights: nnls cuts the {len(eras)} training eras into {folds + 1} parts, and a "
            f"purge of {purge_eras} eras leaves nothing of the first to train on",
            where="model.params.weights",
            fix="give more training eras, or write weights: equal",
        )
    return [
        InnerPart(int(part[0]), int(part[-1]), int(part[0]) - purge_eras - 1) for part in parts[1:]
    ]


def predict_members(boosters: list[lightgbm.Booster], features: FeatureArray) -> Float64:
    """Predict rows with each booster, float64 [n_rows, n_boosters]."""
    rows = as_float(features)
    return np.column_stack([booster.predict(rows) for booster in boosters])


def fit_weights(
    trainer: Trainer, members: list[Member], n_trees: list[int], parts: list[InnerPart]
) -> tuple[Float64 | None, list[float]]:
    """Fit non-negative weights of the members on the parts' out-of-fold predictions.

    Every member is trained anew for each part with as many trees as it has in the ensemble.

    Returns
    -------
    weights : float64 [n_members] that sum to 1, or None if all are 0.
    corr : mean per-era corr of each member's out-of-fold predictions with the main target.
    """
    train, target = trainer.train, trainer.ctx.target
    fit = NonNegativeFit(len(members))
    scores = [np.empty((0, len(members)))]
    for part in parts:
        judged = train.between(part.first, part.last)
        predictions = np.empty((judged.n_rows, len(members)))
        boosters = trainer.fit(members, last_era=part.last_train_era, n_trees=n_trees)
        for i, booster in enumerate(boosters):
            for _, rows in judged.iter_eras():
                predictions[rows, i] = predict_members([booster], judged.features[rows])[:, 0]
        if judged.n_eras:  # of several workers one may have none
            fit.add(predictions, judged.target(target), judged.offsets)
            scores.append(corr_per_era(predictions, judged.target(target), judged.offsets))
    fit.join(trainer.ctx.world)
    every = np.vstack(trainer.ctx.world.from_all(np.vstack(scores)))
    # A member without a split in some part has no score in its eras: 0, as for any constant.
    return fit.solve(), np.nan_to_num(every, nan=0.0).mean(axis=0).tolist()
