"""Contributions of trees by the libraries' own exact tree SHAP (Lundberg et al. 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xgboost

from numerai_lab.arrays import Float32
from numerai_lab.eraframe import FeatureArray
from numerai_lab.errors import ModelError
from numerai_lab.models.contract import Contributions

if TYPE_CHECKING:  # a run of xgb does not wait for LightGBM
    import lightgbm


def xgboost_contributions(
    booster: Any, features: FeatureArray, missing: float, intercept: float = 0.0
) -> Contributions:
    """Return what features add to the margin of an XGBoost booster with one output.

    Parameters
    ----------
    missing : how a missing value is written. intercept : added to the margin.

    Raises
    ------
    ModelError : the booster has several outputs.
    """
    rows = xgboost.DMatrix(features, missing=missing)
    values = booster.predict(rows, pred_contribs=True)
    if values.ndim != 2:
        raise ModelError(
            f"the trees have {values.shape[1]} outputs, and the prediction is not their sum: there "
            "are no contributions"
        )
    raw = booster.predict(rows, output_margin=True).astype(np.float64) + intercept
    base = float(values[0, -1]) + intercept if len(values) else intercept
    return Contributions(values[:, :-1], base, raw)


def lightgbm_contributions(
    booster: lightgbm.Booster, rows: Float32, name: str, weight: float
) -> Contributions:
    """Return what features add to the raw score of a LightGBM booster.

    Parameters
    ----------
    rows : float32 [n_rows, n_features], NaN where missing. name, weight : of the member.
    """
    values = np.asarray(booster.predict(rows, pred_contrib=True))
    raw = np.asarray(booster.predict(rows, raw_score=True), dtype=np.float64)
    base = float(values[0, -1]) if len(values) else 0.0
    return Contributions(values[:, :-1].astype(np.float32), base, raw, name, weight)
