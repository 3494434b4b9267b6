"""The check that a frame holds the features a model was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError, did_you_mean


def check_features(names: Sequence[str], dtype: np.dtype[Any], frame: EraFrame) -> None:
    """Check that a frame holds the features a model was trained on, in their order and type.

    Parameters
    ----------
    names, dtype : feature names and array type the model was trained on.
    frame : the rows to predict.

    Raises
    ------
    ModelError
        A feature is absent, unknown, out of order, or of the other type.
    """
    if frame.feature_names != tuple(names):
        absent = [name for name in names if name not in set(frame.feature_names)]
        extra = [name for name in frame.feature_names if name not in set(names)]
        if absent:
            what = (
                f"{len(absent)} features the model was trained on are absent, first '{absent[0]}'"
            )
            what += did_you_mean(absent[0], extra)
        elif extra:
            what = f"{len(extra)} features were not there in training, first '{extra[0]}'"
        else:
            what = "features are not in the order of training"
        raise ModelError(what, fix="predict rows loaded with the feature set of the run")
    if frame.features.dtype != dtype:
        raise ModelError(
            f"features are {frame.features.dtype}, the model was trained on {dtype}",
            fix="load both from the same kind of source",
        )
