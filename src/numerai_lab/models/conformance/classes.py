"""Probabilities of classes, checked: part of `check_model`."""

from __future__ import annotations

import numpy as np

from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.models.contract import ClassModel

_ROUNDING = 1e-5


def problem_of_classes(model: ClassModel, frame: EraFrame, target: str) -> str:
    """Say what is wrong with a model's probabilities of classes; nothing if all is well.

    Parameters
    ----------
    frame : eras without targets. target : the main one of the fit.
    """
    try:
        told = model.predict_classes(frame, target)
    except ModelError:  # these parameters have none
        return ""
    if len(told.values) < 2 or (np.diff(told.values) <= 0).any():
        return f"the classes' values are not ascending: {told.values}"
    shape = (frame.n_rows, len(told.values))
    if told.probabilities.shape != shape or told.probabilities.dtype != np.float32:
        kind = f"{told.probabilities.dtype} {told.probabilities.shape}"
        return f"probabilities are {kind}, not float32 {shape}"
    if not (told.probabilities >= 0).all():
        return "probabilities are not 0 or above everywhere"
    if not np.allclose(told.probabilities.sum(axis=1), 1, rtol=0, atol=_ROUNDING):
        return "probabilities of a row do not sum to 1"
    return ""
