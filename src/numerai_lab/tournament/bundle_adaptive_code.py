"""The second part of the code inside a bundle: how model xgb_ttt adapts itself to an era.

NumPy alone, and nothing of the first part (`bundle_code.py`) but what it is handed. It does what
`models.xgb_ttt` does when it predicts; the tests and `export --check` compare them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = Any
Arrays = dict[str, Any]

MISSING = -1
FEWEST_ROWS = 20


def adapted(
    features: Array,
    frozen: Array,
    model: dict[str, Any],
    arrays: Arrays,
    tree_sums: Callable[[Array, Arrays, str], Array],
) -> Array:
    """Return what the era's unlabelled rows make of the frozen trees' predictions.

    Parameters
    ----------
    features, frozen : of one era, [n_rows, n_features] and float32 [n_rows].
    tree_sums : sums the leaves of the trees of a name.
    """
    if model["strength"] == 0:
        return frozen
    era = standardise(features[:, arrays["columns"]])
    code = None if era is None else read_code(*era, model, arrays)
    if era is None or code is None:
        return frozen
    factors = np.concatenate([[1.0], code]).astype(np.float32)
    method = model["method"]
    if method == "code_leaves":
        bags = [tree_sums(features, arrays, f"bag_{bag:02d}") for bag in range(model["bags"])]
        slopes = np.asarray(sum(bags), dtype=np.float32) / np.float32(len(bags))
        basis = np.column_stack([np.zeros_like(frozen), slopes])
    else:
        basis = linear_basis(era[0], frozen, model["weights_std"], arrays["weights"])
    if not np.isfinite(basis).all():
        return frozen
    return frozen + np.float32(model["strength"]) * (basis @ factors)


def standardise(features: Array) -> tuple[Array, Array] | None:
    """Return values with mean 0 and variance 1 over what is known, and which features vary."""
    if len(features) < FEWEST_ROWS:
        return None
    values = features.astype(np.float32)
    missing = features == MISSING if features.dtype == np.int8 else ~np.isfinite(values)
    values[missing] = 0
    known = len(features) - np.count_nonzero(missing, axis=0)
    n = np.maximum(known, 1).astype(np.float64)
    mean = values.sum(axis=0, dtype=np.float64) / n
    values -= mean.astype(np.float32)
    values[missing] = 0
    std = np.sqrt(np.einsum("ij,ij->j", values, values, dtype=np.float64) / n)
    usable = (known >= FEWEST_ROWS) & np.isfinite(std) & (std > 1e-6 * np.abs(mean))
    if np.count_nonzero(usable) < 2:
        return None
    scale = np.zeros(len(std), dtype=np.float32)
    scale[usable] = 1 / std[usable]
    values[:, ~usable] = 0
    values *= scale
    return values, usable


def read_code(values: Array, usable: Array, model: dict[str, Any], arrays: Arrays) -> Array | None:
    """Return the era's code, float64 [n_codes], or None if it cannot be seen."""
    upper = np.triu_indices(len(usable), 1)
    correlations = (values.T @ values / np.float32(len(values)))[upper]
    seen = usable[upper[0]] & usable[upper[1]]
    directions = arrays["directions"]
    directions = directions if seen.all() else directions * seen[:, None]
    gram = (directions.T @ directions).astype(np.float64)
    if not np.all(np.diag(gram) > 0):
        return None
    gram += model["ridge"] * np.eye(len(gram))
    right = directions.T @ (correlations - arrays["mean"])
    raw = np.linalg.solve(gram, right.astype(np.float64))
    return np.clip(raw / arrays["scale"], -model["clip"], model["clip"])


def linear_basis(values: Array, frozen: Array, weights_std: float, weights: Array) -> Array:
    """Return what 1 and the code multiply: a linear function of standardised features."""
    if weights_std == 0:
        return np.zeros((len(frozen), len(weights)), dtype=np.float32)
    unit = weights.T * (float(frozen.std(dtype=np.float64)) / weights_std)
    return values @ unit.astype(np.float32)
