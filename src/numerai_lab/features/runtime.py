"""How added columns are computed from the rows of one era: NumPy alone, for bundles, too.

Each function takes `features` [n_rows, n_columns] (int8, -1 where missing, or float32 with NaN),
`settings` (JSON values) and `arrays`, and returns int8 [n_rows, n_added], -1 where missing. What
it gives for a row depends on the rows of the era, but not on their order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any
Settings = dict[str, Any]
Arrays = dict[str, Any]

MISSING = -1
MOST_BINS = 14
"""With the missing value at most 15 values, which LightGBM keeps in half a byte."""
_DECIMALS = 6
"""Sums of floats differ in the last digits with the order of rows; ranks must not."""
_COLUMNS_AT_ONCE, _ROWS_AT_ONCE = 256, 512


def numbers(features: Array) -> Array:
    """Return values as float64, NaN where missing."""
    if features.dtype != np.int8:
        return features.astype(np.float64)
    values = features.astype(np.float64)
    values[features == MISSING] = np.nan
    return values


def gaps_in(features: Array) -> Array:
    """Tell which values are missing, bool."""
    return features == MISSING if features.dtype == np.int8 else np.isnan(features)


def centred(features: Array) -> Array:
    """Return values less their mean over the era, float64, NaN where missing; 0 for constants."""
    values = numbers(features)
    known = ~np.isnan(values)
    total = np.where(known, values, 0.0).sum(axis=0)
    return values - total / np.maximum(known.sum(axis=0), 1)


def rank_bins(values: Array, bins: int) -> Array:
    """Return the bin in which a value's rank within the era lies, int8 [n_rows, n_columns].

    Ties are in the middle of their ranks, so a constant column is in the middle bin. NaN is -1.
    """
    found = np.full(values.shape, MISSING, dtype=np.int8)
    rounded: Array = np.round(values, _DECIMALS)
    for column in range(values.shape[1]):
        mine = rounded[:, column]
        known = np.flatnonzero(~np.isnan(mine))
        if len(known) == 0:
            continue
        there = mine[known]
        order = np.argsort(there, kind="stable")
        ordered = there[order]
        start = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        counts = np.diff(start, append=len(there))
        twice = np.empty(len(there), dtype=np.int64)
        twice[order] = np.repeat(2 * start + counts, counts)
        found[known, column] = np.minimum(bins * twice // (2 * len(there)), bins - 1)
    return found


def even_bins(values: Array, bins: int, span: float) -> Array:
    """Return which of `bins` equal parts of -span to span a value lies in, int8; NaN is -1.

    For columns whose size tells one era from another, which ranks would hide.
    """
    unit = np.clip(np.round(values, _DECIMALS) / (2 * span) + 0.5, 0.0, 1.0)
    placed = np.minimum(np.floor(np.nan_to_num(unit) * bins), bins - 1).astype(np.int8)
    return np.where(np.isnan(values), np.int8(MISSING), placed)


def noise_of(features: Array, seed: int, n: int) -> Array:
    """Return numbers that follow from a row's values and nothing they mean, uint64 [n_rows, n].

    Equal rows have equal noise, so it needs no ids and no order. Source of the mixing: splitmix64.
    """
    rng = np.random.default_rng(seed)
    weights = rng.integers(1, 2**63, features.shape[1], dtype=np.uint64) | np.uint64(1)
    rows = np.zeros(len(features), dtype=np.uint64)
    for start in range(0, features.shape[1], _COLUMNS_AT_ONCE):
        part = slice(start, start + _COLUMNS_AT_ONCE)
        some = np.ascontiguousarray(features[:, part])
        if some.dtype != np.int8:
            some = np.nan_to_num(some, nan=-1e9).view(np.uint32)
        words = some.view(np.uint8) if some.dtype == np.int8 else some
        rows += (words.astype(np.uint64) * weights[part]).sum(axis=1, dtype=np.uint64)
    steps = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = rows[:, None] + steps
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


def noise(features: Array, settings: Settings, _arrays: Arrays) -> Array:
    """Columns that mean nothing, every bin equally probable."""
    raw = features[:, : settings["n_raw"]]
    drawn = noise_of(raw, settings["seed"], settings["n"]) >> np.uint64(32)
    return ((drawn * np.uint64(settings["bins"])) >> np.uint64(32)).astype(np.int8)


def relative(features: Array, settings: Settings, _arrays: Arrays) -> Array:
    """A feature beside its group in the same row: less the group's mean, or its rank in the group.

    `settings["columns"]`: [[column, number of its group]], `groups`: [[columns]].
    """
    groups = [numbers(features[:, group]) for group in settings["groups"]]
    found = np.empty((len(features), len(settings["columns"])))
    for i, (column, group) in enumerate(settings["columns"]):
        mine, others = numbers(features[:, [column]]), groups[group]
        known = ~np.isnan(others)
        count = known.sum(axis=1)
        if settings["how"] == "deviation":
            mean = np.where(known, others, 0.0).sum(axis=1) / np.maximum(count, 1)
            found[:, i] = mine[:, 0] - mean
        else:
            below = (others < mine).sum(axis=1) + 0.5 * (others == mine).sum(axis=1)
            found[:, i] = below / np.maximum(count, 1)
        found[np.isnan(mine[:, 0]), i] = np.nan
    return rank_bins(found, settings["bins"])


def group_scores(features: Array, settings: Settings, _arrays: Arrays) -> Array:
    """Mean and spread of a row's values over each group of features, after centring in the era."""
    found = []
    for group in settings["groups"]:
        values = centred(features[:, group])
        known = ~np.isnan(values)
        count = np.where(known.any(axis=1), known.sum(axis=1), np.nan)
        filled = np.where(known, values, 0.0)
        mean = filled.sum(axis=1) / count
        if "mean" in settings["of"]:
            found.append(mean)
        if "std" in settings["of"]:
            squares = (filled**2).sum(axis=1) / count - mean**2
            found.append(np.sqrt(np.maximum(squares, 0.0)))
    return rank_bins(np.column_stack(found), settings["bins"])


def interactions(features: Array, settings: Settings, _arrays: Arrays) -> Array:
    """Products of centred features, differences, ratios of (value + 1), for pairs of columns."""
    first = [pair[0] for pair in settings["pairs"]]
    second = [pair[1] for pair in settings["pairs"]]
    found = []
    for how in settings["how"]:
        if how == "product":
            found.append(centred(features[:, first]) * centred(features[:, second]))
            continue
        a, b = numbers(features[:, first]), numbers(features[:, second])
        found.append(a - b if how == "difference" else (a + 1.0) / (b + 1.0))
    return rank_bins(np.column_stack(found), settings["bins"])


def pca(features: Array, settings: Settings, arrays: Arrays) -> Array:
    """Scores of principal components, of the features centred in the era; a missing value is 0."""
    found = []
    for i, columns in enumerate(settings["groups"]):
        axes = arrays[f"axes_{i}"]
        total = np.zeros((len(features), axes.shape[1]))
        for start in range(0, len(columns), _COLUMNS_AT_ONCE):
            part = slice(start, start + _COLUMNS_AT_ONCE)
            total += np.nan_to_num(centred(features[:, columns[part]])) @ axes[part]
        found.append(total)
    return rank_bins(np.concatenate(found, axis=1), settings["bins"])


def gated(features: Array, columns: list[int], size: Array, bins: int) -> Array:
    """Products of a number of the era with features: clip(number, -2, 2) x (value - era's mean).

    Parameters
    ----------
    size : float [n_numbers]; NaN gives a missing value. One column for each number and feature.
    """
    values = centred(features[:, columns])
    known = np.maximum((~np.isnan(values)).sum(axis=0), 1)
    unit = np.sqrt(np.nan_to_num(values**2).sum(axis=0) / known)
    values = values / np.where(unit > 0, unit, 1.0)
    products = np.clip(size, -2.0, 2.0)[None, :, None] * values[:, None, :]
    return even_bins(products.reshape(len(features), -1), bins, 4.0)


def era_numbers(features: Array, columns: list[int], names: list[str]) -> Array:
    """Numbers that tell one era from another, from its rows alone, float64 [n_names].

    correlation: mean |correlation| between the columns; first_component: the share of the first
    component in their covariance; rows: log of their number; missing: share of missing values.
    """
    values = np.nan_to_num(centred(features[:, columns]))
    covariance = values.T @ values / max(len(values), 1)
    deviation = np.sqrt(np.diag(covariance))
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    corr = covariance * scale * scale[:, None]
    k = len(columns)
    found = {
        "correlation": lambda: (np.abs(corr).sum() - np.abs(np.diag(corr)).sum()) / (k * (k - 1)),
        "first_component": lambda: (
            np.linalg.eigvalsh(covariance)[-1] / max(float(np.trace(covariance)), 1e-12)
        ),
        "rows": lambda: np.log(len(features)),
        "missing": lambda: gaps_in(features).mean(),
    }
    return np.round(np.array([found[name]() for name in names], dtype=np.float64), _DECIMALS)


def era_aggregates(features: Array, settings: Settings, _arrays: Arrays) -> Array:
    """Products of numbers of the era, standardised as over the training eras, with features."""
    n_raw = settings["n_raw"]
    found = era_numbers(features[:, :n_raw], settings["columns"], settings["of"])
    size = (found - np.array(settings["mean"])) / np.array(settings["std"])
    return gated(features, settings["columns"], size, settings["bins"])


def knn_graph(features: Array, settings: Settings, _arrays: Arrays) -> Array:
    """Mean over the k nearest rows of the era, without the row itself, ranked within the era.

    Rows as near as the k-th count, too, so that the order of rows decides nothing. Where a value is
    missing, the era's median stands for it in the distance; it counts in no mean.
    """
    near = features[:, settings["by"]]
    if near.dtype != np.int8:
        near = rank_bins(numbers(near), 5)
    near = near.astype(np.float32)
    for column in range(near.shape[1]):
        gaps = near[:, column] == MISSING
        if gaps.any():
            known = np.sort(near[~gaps, column])
            near[gaps, column] = known[len(known) // 2] if len(known) else 0.0
    values = numbers(features[:, settings["columns"]])
    there = (~np.isnan(values)).astype(np.float64)
    values = np.nan_to_num(values)
    n, k = len(near), min(settings["k"], len(near) - 1)
    found = np.full(values.shape, np.nan)
    squares = (near**2).sum(axis=1)
    for start in range(0, n if k > 0 else 0, _ROWS_AT_ONCE):
        rows = np.arange(start, min(start + _ROWS_AT_ONCE, n))
        # whole numbers, exact in float32
        apart = squares[rows, None] + squares[None] - 2 * (near[rows] @ near.T)
        apart[np.arange(len(rows)), rows] = np.inf
        reach = np.partition(apart, k - 1, axis=1)[:, k - 1 : k]
        linked = (apart <= reach).astype(np.float64)
        count = linked @ there
        found[rows] = np.where(count > 0, linked @ values / np.maximum(count, 1.0), np.nan)
    return rank_bins(found, settings["bins"])


def impute(features: Array, settings: Settings, _arrays: Arrays) -> Array:
    """Features with their missing values filled, and where they were missing (1) or not (0)."""
    taken = features[:, settings["columns"]]
    gaps = gaps_in(taken)
    if taken.dtype == np.int8:
        filled = taken.astype(np.int64)
    else:
        filled = rank_bins(numbers(taken), settings["bins"]).astype(np.int64)
    how = settings["how"]
    drawn: Array = None
    if how == "random":
        drawn = noise_of(features[:, : settings["n_raw"]], settings["seed"], taken.shape[1])
    for i in range(taken.shape[1]):
        mine = gaps[:, i]
        if not mine.any():
            continue
        known = np.sort(filled[~mine, i])
        value = settings["value"][i]
        if how == "era_median" and len(known):
            filled[mine, i] = known[(len(known) - 1) // 2]
        elif how == "random" and len(known):
            filled[mine, i] = known[(drawn[mine, i] % np.uint64(len(known))).astype(np.int64)]
        elif how == "group_mean":
            group = settings["groups"][i]
            others = numbers(features[np.ix_(mine, group)])
            seen = ~np.isnan(others)
            mean = np.where(seen, others, 0.0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
            filled[mine, i] = np.where(seen.any(axis=1), np.floor(mean + 0.5), value)
        else:
            filled[mine, i] = value
    if settings["indicator"]:
        filled = np.concatenate([filled, gaps], axis=1)
    return filled.astype(np.int8)


KINDS = {
    "noise": noise,
    "relative": relative,
    "group_scores": group_scores,
    "interactions": interactions,
    "pca": pca,
    "era_aggregates": era_aggregates,
    "knn_graph": knn_graph,
    "impute": impute,
}


def predict_with(
    more: dict[str, Any],
    features: Array,
    settings: Settings,
    arrays: Arrays,
    parts: list[Any],
    era: dict[str, Any] | None = None,
) -> Array:
    """Predict the rows of one era in a bundle: columns made, and the model given them.

    Parameters
    ----------
    more : kind -> function, of kinds of steps that are not in `KINDS`.
    settings : `steps`, as of `add_columns`, and `kept`, the columns that the model takes.
    era : what is known of the era beside its features, for steps that ask for it (`past_runtime`).
    """
    every = add_columns(features, settings["steps"], arrays, more, era)
    return parts[0](np.ascontiguousarray(every[:, settings["kept"]]))


def add_columns(
    features: Array,
    steps: list[dict[str, Any]],
    arrays: Arrays,
    more: dict[str, Any] | None = None,
    era: dict[str, Any] | None = None,
) -> Array:
    """Return the rows of one era with the columns of all steps behind their own.

    Parameters
    ----------
    steps : for each its `kind`, `settings`, and `number`, before which its arrays stand by name.
    more, era : as in `predict_with`; a step that `asks` for something is given the era.
    """
    kinds = {**KINDS, **(more or {})}
    for step in steps:
        prefix = f"{step['number']}/"
        own = {name[len(prefix) :]: arrays[name] for name in arrays if name.startswith(prefix)}
        told = (era,) if step.get("asks") else ()
        added = kinds[step["kind"]](features, step["settings"], own, *told)
        features = beside(features, added)
    return features


def beside(features: Array, added: Array) -> Array:
    """Lay int8 columns beside features, as these have their type and missing values."""
    if features.dtype != np.int8:
        added = np.where(added == MISSING, np.float32(np.nan), added.astype(np.float32))
    return np.concatenate([features, added], axis=1)
