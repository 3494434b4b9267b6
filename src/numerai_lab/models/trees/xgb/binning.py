"""From an EraFrame to XGBoost's binned rows, without a float copy of the features."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import xgboost

from numerai_lab.eraframe import MISSING_INT8, EraFrame
from numerai_lab.errors import ModelError, did_you_mean
from numerai_lab.models.contract import Float32, World
from numerai_lab.models.trees.values import distinct_values, reference_rows
from numerai_lab.models.trees.xgb.batches import Batches

_FEWEST_BINS, _MOST_BINS = 16, 256


def missing_marker(dtype: np.dtype[Any]) -> float:
    """Return how a missing value is written in features of this type, for XGBoost."""
    return MISSING_INT8 if dtype == np.int8 else np.nan


def takes_quantile_matrix(params: dict[str, Any]) -> bool:
    """Tell whether these parameters train on a QuantileDMatrix, as only `hist` does."""
    return params.get("booster") != "gblinear" and params.get("tree_method") not in (
        "approx",
        "exact",
    )


def bin_training_rows(
    train: EraFrame,
    target: str,
    weights: Float32 | None,
    params: dict[str, Any],
    cache_prefix: str | None = None,
    world: World | None = None,
) -> tuple[Any, dict[str, Any]]:
    """Bin the training rows, by known bins where `bins_of` finds them.

    Known bins give the same model as a quantile search in less time, and 16 of them take less
    memory than 256.

    Parameters
    ----------
    train : rows with labels.
    target : which target to learn.
    weights : float32 [n_rows] or None.
    params : XGBoost parameters; `max_bin` there switches the reference off.
    cache_prefix : where to keep the binned rows on disk; None: in memory.
    world : the workers that hold the other rows; None: these are all rows.

    Returns
    -------
    The DMatrix, and the parameters to train on it with.
    """
    weight = None if weights is None else library_weights(weights, train, params)
    by_era = params["objective"].startswith("rank:")
    label = train.target(target)
    if not takes_quantile_matrix(params):
        group = np.diff(train.offsets) if by_era else None
        features = train.features_in_memory()
        missing, nthread = missing_marker(features.dtype), params["nthread"]
        rows = xgboost.DMatrix(
            features, label, weight=weight, group=group, missing=missing, nthread=nthread
        )
        return rows, params
    how, known, params = bins_of(train, params, world)
    if cache_prefix is not None:
        batches = Batches(train, label, weight, by_era=by_era, cache_prefix=cache_prefix)
        return xgboost.ExtMemQuantileDMatrix(batches, ref=known, **how), params
    if isinstance(train.features, np.ndarray):
        meta = {"label": label, "weight": weight}
        meta |= {"group": np.diff(train.offsets)} if by_era else {}
        return xgboost.QuantileDMatrix(train.features, ref=known, **meta, **how), params
    batches = Batches(train, label, weight, by_era=by_era)
    return xgboost.QuantileDMatrix(batches, ref=known, **how), params


def bins_of(
    train: EraFrame, params: dict[str, Any], world: World | None = None
) -> tuple[dict[str, Any], Any, dict[str, Any]]:
    """Find the bins of the training rows, as arguments of a QuantileDMatrix.

    int8 features take few values, so each value is given its own bin through a reference of
    a few rows; a written `max_bin`, or float features, leave it to XGBoost's quantile search.

    Parameters
    ----------
    params : XGBoost parameters. world : the workers that hold the other rows, or None.

    Returns
    -------
    The arguments, the reference (`ref`) or None, and the parameters to train on such rows with.
    """
    how: dict[str, Any] = {
        "missing": missing_marker(train.features.dtype),
        "nthread": params["nthread"],
        "max_bin": params.get("max_bin", _MOST_BINS),
    }
    if train.features.dtype != np.int8 or "max_bin" in params:
        return how, None, params
    reference = reference_rows(*distinct_values(train.features, world))
    how["max_bin"] = max(_FEWEST_BINS, len(reference))
    known = xgboost.QuantileDMatrix(reference, missing=how["missing"], max_bin=how["max_bin"])
    return how, known, {**params, "max_bin": how["max_bin"]}


def bin_judged_rows(frame: EraFrame, training: Any, params: dict[str, Any]) -> Any:
    """Bin rows that the trees are judged on while they grow, with the training rows' bins."""
    missing = missing_marker(frame.features.dtype)
    if isinstance(training, (xgboost.QuantileDMatrix, xgboost.ExtMemQuantileDMatrix)):
        stored = not isinstance(frame.features, np.ndarray)
        return xgboost.QuantileDMatrix(
            Batches(frame, None, None) if stored else frame.features,
            ref=training,
            max_bin=params.get("max_bin", _MOST_BINS),
            missing=missing,
            nthread=params["nthread"],
        )
    features = frame.features_in_memory()
    return xgboost.DMatrix(features, missing=missing, nthread=params["nthread"])


def library_weights(weights: Float32, frame: EraFrame, params: dict[str, Any]) -> Float32:
    """Return row weights as XGBoost wants them: one a row, or one an era for `rank:*`."""
    if not params["objective"].startswith("rank:"):
        return weights
    sums = np.add.reduceat(weights, frame.offsets[:-1], dtype=np.float64)
    means: Float32 = (sums / np.diff(frame.offsets)).astype(np.float32)
    return means


@contextmanager
def library_talk(say: Callable[[str], None]) -> Iterator[None]:
    """Say what XGBoost warns about, and turn its errors into a ModelError of one sentence."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        except xgboost.core.XGBoostError as error:
            raise _refusal(_plain(str(error))) from error
    for warning in caught:
        say(f"XGBoost: {_plain(str(warning.message))}")


def _refusal(text: str) -> ModelError:
    unknown = re.match("Unknown objective function: `(.*?)`", text)
    if unknown is None:
        return ModelError(f"XGBoost refuses: {text}", where="model.params")
    near = did_you_mean(unknown[1], re.findall(r"Objective candidate: (\S+)", text))
    return ModelError(
        f"XGBoost has no objective '{unknown[1]}'{near}",
        where="model.params.objective",
        fix=None if near else "choose one, as reg:squarederror or rank:pairwise",
    )


def _plain(text: str) -> str:
    """Take the time stamp, source place and stack trace out of a message of XGBoost."""
    text = text.split("Stack trace:")[0]
    if text.startswith("["):
        text = text.split("] ", 1)[-1].removeprefix("WARNING: ")
        place, separator, rest = text.partition(": ")
        text = rest if separator and "/xgboost/" in place else text
    # "Check failed: CONDITION: sentence" reads as the sentence, where there is one
    text = re.sub(r"^Check failed: [^:]*(?:::[^:]*)*: +(?=\S)", "", text.strip())
    return " ".join(text.split())
