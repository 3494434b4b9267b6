"""What features have to do with one another within eras."""

from __future__ import annotations

from typing import Any

import numpy as np

from numerai_lab.arrays import Float64
from numerai_lab.eraframe import MISSING_INT8, EraFrame
from numerai_lab.models.nets.runtime import era_bins


def correlations(frame: EraFrame) -> Float64:
    """Return those of bins within eras, float64 [n_features, n_features]; 0 of a constant.

    A missing value counts as the mean of its era.
    """
    products = np.zeros((frame.n_features, frame.n_features))
    for _, rows in frame.iter_eras():
        centred = centred_bins(era_bins(frame.features[rows]))
        products += centred.T @ centred
    deviation = np.sqrt(np.diag(products))
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    return np.asarray(products * scale * scale[:, None], dtype=np.float64)


def centred_bins(bins: Any) -> Any:
    """Return bins minus their means over the rows, float32; 0 where a value is missing."""
    known = bins != MISSING_INT8
    values = np.where(known, bins, 0).astype(np.float32)
    means = values.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(known, values - means, 0)
