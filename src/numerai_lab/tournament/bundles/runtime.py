"""The code inside a bundle: from live features to ranks with numpy, scipy and pandas alone.

This is what all bundles have in common; how a model predicts is in the runtime of its kind
(`models.exports.KINDS`). Never imported by what runs at Numerai: `bundle.py` compiles this text,
and those of the runtimes it imports, anew, so that cloudpickle carries every function by value.
What they do with numbers is what the lab does (models, data.missing, scoring); the tests and
`export --check` compare them.
"""

from __future__ import annotations

import io
import re
import time
import warnings
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from numerai_lab.models.exports.runtime import MISSING, Kind, predict_node
from numerai_lab.scoring.runtime import gaussian_ranks, unit_ranks

Array = Any

MIDDLE_BIN = 2


def make(
    settings: dict[str, Any], packed: bytes, kinds: dict[str, Kind]
) -> Callable[..., pd.DataFrame]:
    """Return `predict(live_features, live_benchmark_models=None)`.

    Parameters
    ----------
    settings : plain JSON values; see `bundle.py`.
    packed : the arrays as an .npz file.
    kinds : kind -> its `predict`, of the kinds of the model and of the models in it.
    """

    def before_ranks(live: pd.DataFrame) -> Array:
        """Return what the model says of one era, before post-processing; float32 [n_rows].

        As a run keeps it, or rows that tie there would have ranks apart here.
        """
        with np.load(io.BytesIO(packed), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        era = read_era(live, settings["asks"])
        values = predict_node(read_features(live, settings), settings["model"], arrays, kinds, era)
        return values.astype(np.float32)

    def predict_era(live: pd.DataFrame, benchmarks: pd.DataFrame | None) -> Array:
        values = before_ranks(live)
        if values.min() == values.max():
            raise ValueError(f"the predictions of {len(live)} rows are constant")
        how = settings["neutralize"]
        if how is not None:
            values = neutralized(values, live, benchmarks, settings)
        return unit_ranks(values)

    def predict(
        live_features: pd.DataFrame, live_benchmark_models: pd.DataFrame | None = None
    ) -> pd.DataFrame:
        """Predict ranks within (0, 1), era by era, in the order of the rows."""
        result = np.empty(len(live_features))
        eras = np.zeros(len(live_features), dtype=np.int64)
        if "era" in live_features.columns:
            eras = pd.factorize(live_features["era"].astype(str))[0].astype(np.int64)
        for era in np.unique(eras):
            rows = np.flatnonzero(eras == era)
            result[rows] = predict_era(live_features.iloc[rows], live_benchmark_models)
        return pd.DataFrame({"prediction": result}, index=live_features.index)

    predict.before_ranks = before_ranks  # type: ignore[attr-defined]
    return predict


def read_era(live: pd.DataFrame, asks: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what models ask of an era beside its features; see `Exported.asks`."""
    if asks is None:
        return None

    def texts(name: str) -> list[Any]:
        if name not in live.columns:
            raise ValueError(f"there is no column '{name}', which the model needs beside features")
        column = live[name].astype(object)
        return column.where(column.notna(), None).tolist()

    ids = live["id"] if "id" in live.columns else live.index
    return {
        "number": number_of(live, asks) if "next_era" in asks else None,
        "ids": [str(one) for one in ids],
        "entity": None if asks["entity"] is None else texts(asks["entity"]),
        "side": {name: np.array(texts(name), dtype=object) for name in asks["side"]},
    }


def number_of(live: pd.DataFrame, asks: dict[str, Any]) -> int:
    """Return the number of a live era: as it is written, or by the calendar.

    Weeks of dates are counted from Monday, 1900-01-01. An era after the one that follows the
    bundle's past lacks what happened between, of which it warns.
    """
    written = str(live["era"].iloc[0]).strip() if "era" in live.columns else ""
    following = asks["next_era"]
    if written.isdigit():
        number = int(written)
    elif re.match(r"\d{4}-\d\d-\d\d", written):
        number = (date.fromisoformat(written[:10]) - date(1900, 1, 1)).days // 7
    else:
        number = following + max(0, int(time.time() // 86400) - asks["known_day"]) // 7
    if number < following:
        raise ValueError(f"era {number} lies before era {following}, the first this bundle is for")
    if number > following:
        warnings.warn(
            f"stale: this bundle knows what was before era {following} and predicts era {number} "
            f"without the {number - following} between; export it anew",
            stacklevel=2,
        )
    return number


def read_features(live: pd.DataFrame, settings: dict[str, Any]) -> Array:
    """Return the features of one era as the run read them for training, [n_rows, n_features]."""
    names = settings["feature_names"]
    there = set(live.columns)
    absent = [name for name in names if name not in there]
    if absent:
        raise ValueError(f"{len(absent)} of {len(names)} features are not there: {absent[:5]}")
    frame = live[names]
    whole = all(isinstance(dtype, np.dtype) and dtype.kind in "iu" for dtype in frame.dtypes)
    values = frame.to_numpy() if whole else frame.to_numpy(dtype=np.float32, na_value=np.nan)
    if settings["dtype"] == "float32":
        return fill_missing(np.array(values, dtype=np.float32, order="C"), settings["missing"])
    if whole:
        if values.min() < 0 or values.max() > 127:
            raise ValueError("a feature is outside 0..127")
        return fill_missing(np.array(values, dtype=np.int8, order="C"), settings["missing"])
    unknown = np.isnan(values)
    for factor in (1, 4):
        bins = np.where(unknown, MISSING, values * factor).astype(np.int8)
        fits = (bins == values * factor) & (bins >= 0) & (bins <= 4)
        if (fits | unknown).all():
            return fill_missing(bins, settings["missing"])
    raise ValueError("the features are not the five bins the model was trained on")


def fill_missing(features: Array, policy: dict[str, Any]) -> Array:
    """Mark and fill missing values of one era as in training; changes `features`."""
    binned = features.dtype == np.int8
    if policy["all_twos_is_missing"] and len(features) > 1:
        features[:, (features == MIDDLE_BIN).all(axis=0)] = MISSING
    if policy["policy"] == "keep":
        return features
    for column in range(features.shape[1]):
        values = features[:, column]
        unknown = values == MISSING if binned else np.isnan(values)
        if not unknown.any():
            continue
        known = np.sort(values[~unknown])
        if policy["policy"] == "constant":
            values[unknown] = policy["value"]
        elif len(known):
            values[unknown] = known[(len(known) - 1) // 2]
        elif binned:
            values[unknown] = MIDDLE_BIN
    return features


def neutralized(
    values: Array, live: pd.DataFrame, benchmarks: pd.DataFrame | None, settings: dict[str, Any]
) -> Array:
    """Gaussian-rank, and take the part out that features or a benchmark explain."""
    how = settings["neutralize"]
    y = gaussian_ranks(values)
    if how["against"] == "features":
        features = read_features(live, settings)
        if how["columns"] is not None:
            features = features[:, how["columns"]]
        return y - how["proportion"] * explained(features, y)
    name = how["benchmark"]
    if benchmarks is None or name not in benchmarks.columns:
        raise ValueError(f"live_benchmark_models with '{name}' is needed to neutralise")
    column = benchmarks[name].reindex(live.index).to_numpy(dtype=np.float64)
    if np.isnan(column).any():
        raise ValueError(f"'{name}' does not cover {int(np.isnan(column).sum())} live rows")
    return y - how["proportion"] * explained(gaussian_ranks(column)[:, None], y)


def explained(block: Array, y: Array) -> Array:
    """Return the least-squares fit of y on the columns of block and a constant.

    A missing value counts as its column's mean. Directions whose singular value is below 1e-6
    of the largest are left out, as numerai_tools does.
    """
    missing = block == MISSING if block.dtype == np.int8 else np.isnan(block)
    x = block.astype(np.float64)
    x[missing] = 0
    known = np.maximum(len(x) - missing.sum(axis=0), 1)
    means = x.sum(axis=0) / known
    x -= means
    x[missing] = 0
    varies = np.abs(x).max(axis=0) > 1e-12 * np.maximum(np.abs(means), 1)
    x, means = x[:, varies], means[varies]
    if x.shape[1] == 0:
        return np.full(len(y), y.mean())
    spread, axes = np.linalg.eigh(x.T @ x)
    norm = spread[-1]
    kept = spread > 1e-8 * norm
    if np.any(np.abs(spread[~kept]) > 1e-13 * norm):
        # Nearly collinear columns: normal equations would lose too many digits.
        design = np.column_stack([x + means, np.ones(len(x))])
        return design @ np.linalg.lstsq(design, y, rcond=1e-6)[0]
    axes, spread = axes[:, kept], spread[kept]
    centred = y - y.mean()
    fit = np.zeros(len(y))
    for _ in range(2):  # the second round takes back what rounding cost the first
        fit += x @ (axes @ ((axes.T @ (x.T @ (centred - fit))) / spread))
    return fit + y.mean()
