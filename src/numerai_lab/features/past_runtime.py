"""Columns that need more than an era's features, from what is carried of the past, for bundles.

`numerai_lab.features.runtime` has the kinds of steps that follow from the features of an era. Those
here are given the era as well, of which the bundle (or the transform) tells

    number    of the era
    ids, entity    texts, one a row; entity where rows can be followed
    side      name -> texts, one a row, None where there is none

and each function takes (features, settings, arrays, era).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from numerai_lab.features.runtime import era_numbers, gated, numbers, predict_with, rank_bins

Array = Any
Settings = dict[str, Any]
Arrays = dict[str, Any]
Era = dict[str, Any]
Series = dict[int, Array]

FEWEST = 2
"""Earlier eras that a mean is taken of, at least; else it is missing."""


def predict(
    features: Array, settings: Settings, arrays: Arrays, parts: list[Any], era: Era
) -> Array:
    """Predict the rows of one era, as a `transformed` does with these kinds of steps."""
    return predict_with(KINDS, features, settings, arrays, parts, era)


def mean_of(series: Series, first: int, last: int, k: int) -> Array:
    """Return the mean over the eras from `first` to `last` that are there, float64 [k]."""
    mine = [series[era] for era in sorted(series) if first <= era <= last]
    least = min(FEWEST, last - first + 1)
    return np.mean(mine, axis=0) if len(mine) >= least else np.full(k, np.nan)


def lags_of_eras(series: Series, era: int, lags: list[int], k: int) -> Array:
    """Return the mean of an era's numbers over each window, float64 [n_lags, k]."""
    return np.array([mean_of(series, era - lag, era - 1, k) for lag in lags])


def trend_of_eras(
    series: Series, era: int, how: Settings, k: int, now: Array | None = None
) -> Array:
    """Return the mean over `how["window"]`, and what is above it, float64 [2, k].

    Where the era's own numbers are not known yet, the newest `how["recent"]` ones stand for them.
    """
    trend = mean_of(series, era - how["window"], era - 1, k)
    if now is None:
        newest = max(series, default=era)
        latest = [one for e, one in series.items() if e > newest - how["recent"]]
        now = np.mean(latest, axis=0) if latest else np.full(k, np.nan)
    return np.array([trend, now - trend])


def gates_of(features: Array, columns: list[int], sizes: Array, settings: Settings) -> Array:
    """Return gates, int8 [n_rows, n_parts x n_columns], of numbers [n_parts, 1 or n_columns]."""
    sizes = (sizes - np.array(settings["mean"])) / np.array(settings["unit"])
    bins = settings["bins"]
    if sizes.shape[1] == 1:  # one number an era: a gate of every feature
        return gated(features, columns, sizes[:, 0], bins)
    # a number a feature: each is the gate of its own
    made = [gated(features, [c], sizes[:, j], bins) for j, c in enumerate(columns)]
    return np.concatenate([block[:, [p]] for p in range(len(sizes)) for block in made], axis=1)


def over_eras(features: Array, settings: Settings, arrays: Arrays, era: Era) -> Array:
    """`lags` and `decompose` of an era's numbers, whose series up to now is carried."""
    first, number = era["number"] - settings["history_eras"], era["number"]
    series = {
        e: one
        for e, one in zip(arrays["eras"].tolist(), arrays["series"], strict=True)
        if first <= e < number
    }
    columns, k, now = settings["columns"], arrays["series"].shape[1], None
    if settings["of"] == "correlation":
        now = era_numbers(features, columns, ["correlation"])
    if "lags" in settings:
        sizes = lags_of_eras(series, number, settings["lags"], k)
    else:
        sizes = trend_of_eras(series, number, settings, k, now)
    return gates_of(features, columns, sizes, settings)


def lags_of_stock(own: Array, before: Callable[[int], Array], era: int, how: Settings) -> Array:
    """Return each entity's values `lags` eras before, or the change since.

    Parameters
    ----------
    own : float64 [n_rows, k]. before : era -> the same of an earlier era, NaN where it has none.
    """
    blocks = [before(era - lag) for lag in how["lags"]]
    return np.concatenate([own - b if how["change"] else b for b in blocks], axis=1)


def trend_of_stock(own: Array, before: Callable[[int], Array], eras: list[int]) -> Array:
    """Return the mean over those eras in which an entity has a value, and what is above it."""
    total, count = np.zeros(own.shape), np.zeros(own.shape)
    for one in eras:
        earlier = before(one)
        known = ~np.isnan(earlier)
        total += np.where(known, earlier, 0.0)
        count += known
    trend = np.where(count >= FEWEST, total / np.maximum(count, 1), np.nan)
    return np.concatenate([trend, own - trend], axis=1)


def over_stock(features: Array, settings: Settings, arrays: Arrays, era: Era) -> Array:
    """`lags` and `decompose` of a stock's features, whose earlier values are carried."""
    number, own = era["number"], numbers(features[:, settings["columns"]])
    place = {name: i for i, name in enumerate(settings["entities"])}
    at = np.array([place.get(name, -1) for name in era["entity"]], dtype=np.int64)
    eras = {e: i for i, e in enumerate(arrays["eras"].tolist())}

    def before(one: int) -> Array:
        found = np.full(own.shape, np.nan)
        if one in eras:
            there = at >= 0
            found[there] = numbers(arrays["values"][eras[one]][at[there]])
        return found

    if "lags" in settings:
        made = lags_of_stock(own, before, number, settings)
    else:
        inside = [e for e in eras if number - settings["window"] <= e < number]
        made = trend_of_stock(own, before, inside)
    return rank_bins(made, settings["bins"])


def beside_alike(values: Array, texts: Array, how: str) -> Array:
    """Set rows beside those with the same text, [n_rows, n_columns]; NaN where there is none.

    deviation: less their mean; rank: the share of them below, ties half.
    """
    found = np.full(values.shape, np.nan)
    named = pd.Series(texts, dtype=object)
    for text in sorted(named.dropna().unique()):
        rows = (named == text).to_numpy(dtype=bool)
        mine = values[rows]
        known = ~np.isnan(mine)
        count = np.maximum(known.sum(axis=0), 1)
        if how == "deviation":
            found[rows] = mine - np.where(known, mine, 0.0).sum(axis=0) / count
        else:
            ranks = pd.DataFrame(mine).rank(method="average").to_numpy(np.float64)
            found[rows] = (ranks - 0.5) / count
    return found


def relative_by(features: Array, settings: Settings, _arrays: Arrays, era: Era) -> Array:
    """`relative` by a column beside the features."""
    values = numbers(features[:, settings["columns"]])
    made = beside_alike(values, era["side"][settings["by"]], settings["how"])
    return rank_bins(made, settings["bins"])


def joined(features: Array, settings: Settings, arrays: Arrays, era: Era) -> Array:
    """`join`: values of a file as it was when the bundle was made."""
    number, by = era["number"], settings["by"]
    values = arrays["values"]
    if by in ("era", "date"):
        at = np.flatnonzero(arrays["eras"] == number)
        one = values[at[0]] if len(at) else np.full(values.shape[1], np.nan)
        size = (one - settings["mean"]) / np.array(settings["std"])
        return gated(features, settings["columns"], size, settings["bins"])
    texts = list(era["ids"] if by == "id" else era["entity"])
    rows: dict[str, int] = {}
    order = np.argsort(arrays["known_from"], kind="stable").tolist()
    for i in order:  # of several the one that became known last
        if arrays["known_from"][i] <= number and arrays["eras"][i] in (-1, number):
            rows[settings["keys"][i]] = i
    at = np.array([rows.get(text, -1) for text in texts], dtype=np.int64)
    found = np.where(at[:, None] >= 0, values[at], np.nan)
    return rank_bins(found, settings["bins"])


KINDS = {
    "over_eras": over_eras,
    "over_stock": over_stock,
    "relative_by": relative_by,
    "joined": joined,
}
