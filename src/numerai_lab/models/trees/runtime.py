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
    """Predict with one set of trees, float [n_rows].

    With `settings["classes"]`, the values of classes, trees have an output for each.
    """
    sums = tree_sums(features, arrays, "trees")
    if "classes" in settings:
        return expected_value(sums, settings["classes"])
    return link(sums[:, 0], settings["link"])


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


def expected_value(sums: Array, values: Any) -> Array:
    """Weigh the values of classes by the softmax of their sums, float32 [n_rows]."""
    top = sums.max(axis=1).astype(np.float64)
    total, norm = np.zeros(len(sums)), np.zeros(len(sums))
    # Class by class: a product of matrices may round a row otherwise beside other rows.
    for output, value in zip(sums.T, values, strict=True):
        share = np.exp(output.astype(np.float64) - top)
        total += value * share
        norm += share
    return (total / norm).astype(np.float32)


def link(total: Array, name: str) -> Array:
    """Turn the sum of leaves into the prediction."""
    if name == "sigmoid":
        return 1 / (1 + np.exp(-total))
    return np.exp(total) if name == "exp" else total
