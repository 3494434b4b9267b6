"""Log loss, accuracy and macro-F1 of an era, from the probabilities of a target's classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from numerai_lab.scoring.arrays import FloatArray
from numerai_lab.scoring.metrics import Metric

CLASS_SCORES = (
    Metric("log_loss", "mean of minus the log of the true class's probability", adds_up=False),
    Metric("accuracy", "share of rows whose most probable class is the true one", adds_up=False),
    Metric("macro_f1", "mean over classes of the F1 score of the most probable", adds_up=False),
)
"""The scores, in the order they are shown. None is a gain of its era: no Sharpe, no drawdown."""


def class_scores(
    probabilities: FloatArray, values: Sequence[float], target: FloatArray
) -> dict[str, float]:
    """Score the probabilities of classes in one era.

    Parameters
    ----------
    probabilities : float [n_rows, n_classes], above 0 or 0; a row is brought to the sum 1.
    values : the target's value of each class, ascending.
    target : float [n_rows]; rows with NaN are left out. A value that is none of the classes was
        given no probability: it counts as a class of its own that is never predicted.

    Returns
    -------
    name of `CLASS_SCORES` -> score; NaN where no row has a label. Log loss is in nats, with
    probabilities of at least the smallest step of float64 above 1. The most probable class is the
    first of equals. F1 = 2 TP / (2 TP + FP + FN), over the classes that occur as true or as most
    probable.

    Source: `log_loss`, `accuracy_score` and `f1_score(average="macro")` of sklearn.metrics.
    """
    known = ~np.isnan(target)
    if not known.any():
        return {metric.key: np.nan for metric in CLASS_SCORES}
    shares = probabilities[known].astype(np.float64)
    shares /= shares.sum(axis=1, keepdims=True)
    labels, classes = target[known].astype(np.float32), np.array(values, dtype=np.float32)
    is_class = labels[:, None] == classes
    true = np.where(is_class, shares, 0.0).sum(axis=1)
    eps = np.finfo(np.float64).eps
    found = classes[shares.argmax(axis=1)]
    right = found == labels
    f1 = [
        2
        * np.count_nonzero(right & (labels == one))
        / (np.count_nonzero(found == one) + np.count_nonzero(labels == one))
        for one in np.union1d(found, labels)
    ]
    return {
        "log_loss": float(-np.log(np.clip(true, eps, 1 - eps)).mean()),
        "accuracy": float(right.mean()),
        "macro_f1": float(np.mean(f1)),
    }
