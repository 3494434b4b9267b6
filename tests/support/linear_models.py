"""Linear models fitted on made-up eras, and what others make of the same rows."""

import numpy as np
from sklearn.linear_model import Ridge as TheirRidge

from numerai_lab.eraframe import MISSING_INT8
from numerai_lab.models import FitContext, get_model


def context(**changes) -> FitContext:
    defaults = {"seed": 7, "target": "target", "targets": ("target",), "purge_eras": 2}
    return FitContext(**{**defaults, "n_threads": 1, **changes})


def fitted(name, frame, params, **changes):
    """Return a fitted model and the report of its fit."""
    kind = get_model(name)
    model = kind(kind.Params.model_validate(params))
    return model, model.fit(frame, context(**changes))


def centred(frame, label):
    """Return rows and labels with the means of their era taken out, missing values as 0."""
    values = frame.features_in_memory().astype(np.float64)
    if frame.features.dtype == np.int8:
        values[values == MISSING_INT8] = np.nan
    label = label.astype(np.float64)
    for _, rows in frame.iter_eras():
        values[rows] -= np.nanmean(values[rows], axis=0)
        label[rows] -= label[rows].mean()
    return np.nan_to_num(values), label


def scikit_learn(frame, label, alpha, era_weights=None):
    """Return the coefficients of scikit-learn's Ridge on the same rows, every era counting alike.

    `alpha` is a share of the mean variance of the features that vary, as in `ridge`.
    """
    values, label = centred(frame, label)
    rows = np.diff(frame.offsets)
    each = np.ones(frame.n_eras) if era_weights is None else era_weights
    weights = np.repeat(each / rows, rows)
    variances = weights @ values**2
    penalty = alpha * variances.sum() / np.count_nonzero(variances)
    theirs = TheirRidge(alpha=penalty, fit_intercept=False, solver="cholesky")
    return theirs.fit(values, label, sample_weight=weights).coef_
