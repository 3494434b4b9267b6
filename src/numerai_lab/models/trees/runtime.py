"""How exported `trees` predict at Numerai: one sum of leaves, and the objective's link.

What they are made of is `arrays.Trees`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from numerai_lab.models.exports.runtime import MISSING

Array = Any
Arrays = dict[str, Any]

TREE_ARRAYS = (
    *("roots", "depths", "feature"),
    *("left", "right", "threshold", "missing_left"),
)


def predict(features: Array, settings: dict[str, Any], arrays: Arrays, _parts: list[Any]) -> Array:
    """Predict with one set of trees, float32 or float64 [n_rows] as their values are."""
    return link(tree_sums(features, arrays, "trees")[:, 0], settings["link"])


def tree_sums(features: Array, arrays: Arrays, name: str) -> Array:
    """Sum the leaves of trees, [n_rows, n_outputs], in the order of the trees."""
    value = arrays[f"{name}/value"]
    total = np.repeat(arrays[f"{name}/base"][None], len(features), axis=0)
    for node in tree_leaves(features, arrays, name):
        total += value.take(node, axis=0)
    return total


def tree_leaves(features: Array, arrays: Arrays, name: str) -> Iterator[Array]:
    """Yield for each tree the node where each row ends, int64 [n_rows]; rows walk together."""
    part = {key: arrays[f"{name}/{key}"] for key in TREE_ARRAYS}
    binned = features.dtype == np.int8
    threshold = part["threshold"]
    if binned:  # whole numbers: below t is below t rounded up
        threshold = np.clip(np.ceil(threshold), -1, 128).astype(np.int16)
    columns = np.ascontiguousarray(features.T)
    gaps = columns == MISSING if binned else np.isnan(columns)
    any_gap = bool(gaps.any())
    columns, gaps = columns.ravel(), gaps.ravel()
    n = len(features)
    rows = np.arange(n)
    first = part["feature"].astype(np.int64) * n
    children = np.column_stack([part["right"], part["left"]]).astype(np.int64).ravel()
    for root, depth in zip(part["roots"].tolist(), part["depths"].tolist(), strict=True):
        node = np.full(n, root, dtype=np.int64)
        for _ in range(depth):
            place = first.take(node)
            place += rows
            goes_left = columns.take(place) < threshold.take(node)
            if any_gap:
                goes_left = np.where(gaps.take(place), part["missing_left"].take(node), goes_left)
            node *= 2
            node += goes_left
            node = children.take(node)
        yield node


def link(total: Array, name: str) -> Array:
    """Turn the sum of leaves into the prediction."""
    if name == "sigmoid":
        return 1 / (1 + np.exp(-total))
    return np.exp(total) if name == "exp" else total
