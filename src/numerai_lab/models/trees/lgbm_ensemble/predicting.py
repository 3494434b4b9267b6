"""What members predict: numbers, or how probable the classes of their target are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float64
from numerai_lab.eraframe import EraFrame, FeatureArray
from numerai_lab.models.contract import ClassProbabilities
from numerai_lab.models.trees.classes import Classes, classes_of
from numerai_lab.models.trees.lightgbm_rows import as_float


def predict_rows(
    boosters: Sequence[lightgbm.Booster],
    classes: Sequence[Classes | None],
    features: FeatureArray,
) -> Float64:
    """Predict rows with each booster, float64 [n_rows, n_boosters]."""
    rows = as_float(features)
    return np.column_stack(
        [
            booster.predict(rows)
            if own is None
            else own.expected(booster.predict(rows, raw_score=True))
            for booster, own in zip(boosters, classes, strict=True)
        ]
    ).astype(np.float64, copy=False)


def predict_each(
    boosters: Iterator[lightgbm.Booster], classes: list[Classes | None], frame: EraFrame
) -> Float64:
    """Predict with one booster after another as they are trained, era by era."""
    predictions = np.empty((frame.n_rows, len(classes)))
    for i, booster in enumerate(boosters):
        for _, rows in frame.iter_eras():
            one = predict_rows([booster], classes[i : i + 1], frame.features[rows])
            predictions[rows, i] = one[:, 0]
    return predictions


def pooled_classes(
    boosters: Sequence[lightgbm.Booster],
    classes: Sequence[Classes | None],
    shares: Float64,
    frame: EraFrame,
) -> ClassProbabilities:
    """Return the mean of members' probabilities, each with its share, of one target's classes.

    Raises ModelError where a member learnt a number.
    """

    def sums(booster: lightgbm.Booster, rows: slice) -> npt.NDArray[Any]:
        return np.asarray(booster.predict(as_float(frame.features[rows]), raw_score=True))

    total = np.zeros(1, dtype=np.float32)
    for booster, own, share in zip(boosters, classes, shares.tolist(), strict=True):
        told = classes_of(own, partial(sums, booster), frame.n_rows, 4 * frame.n_features)
        total = total + np.float32(share) * told.probabilities
    return ClassProbabilities(told.values, total)
