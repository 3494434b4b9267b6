"""What a first model predicts of training eras it has not seen, and what it is worth there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float32, Float64
from numerai_lab.eraframe import EraFrame
from numerai_lab.models.combined.runtime import standardised
from numerai_lab.models.contract import Model
from numerai_lab.splits import InnerBlock


def predict_blocks(
    train: EraFrame,
    blocks: Sequence[InnerBlock],
    fitted: Callable[[int, EraFrame, npt.NDArray[np.bool_]], Model],
) -> Float64:
    """Predict every training era from others, standardised within its era.

    Standardising makes the blocks' models, each fitted on other eras, speak on one scale.

    Parameters
    ----------
    blocks : as `splits.inner_blocks` cuts the training eras.
    fitted : returns a model fitted on some rows; it is given the number of the block, from 1, these
        rows, and which of the training rows they are, bool [n_rows].

    Returns
    -------
    float64 [n_rows].
    """
    predictions = np.empty(train.n_rows)
    for number, block in enumerate(blocks, start=1):
        mine = np.repeat(np.isin(train.eras, block.train), np.diff(train.offsets))
        model = fitted(number, train.select_eras(block.train), mine)
        judged = train.between(int(block.judged[0]), int(block.judged[-1]))
        start = int(np.searchsorted(train.row_eras, block.judged[0]))
        stop = start + judged.n_rows
        predictions[start:stop] = per_era(judged, model.predict(judged.without_targets()))
    return predictions


def per_era(frame: EraFrame, predictions: Float32) -> Float64:
    """Standardise predictions within each era of a frame, float64 [n_rows]."""
    scaled = np.empty(frame.n_rows)
    for _, rows in frame.iter_eras():
        scaled[rows] = standardised(predictions[rows])
    return scaled


def coefficient(frame: EraFrame, scaled: Float64, target: Float32) -> float:
    """Return the slope of a target on standardised predictions, within eras that count the same.

    Eras of constant predictions have no say. Least squares, and never below 0: a model that is
    wrong out of fold is left out, not turned round.
    """
    slopes = [
        float(scaled[rows] @ (target[rows] - target[rows].mean(dtype=np.float64))) / len(one)
        for _, rows in frame.iter_eras()
        if (one := scaled[rows]).any()
    ]
    return max(0.0, float(np.mean(slopes))) if slopes else 0.0
