"""How an exported `adaptive` model predicts at Numerai: trees, adapted to the era.

It does what `xgb_ttt` does when it predicts; the tests and `export --check` compare them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from numerai_lab.models.adapting.runtime import Support
from numerai_lab.models.exports.runtime import MISSING
from numerai_lab.models.trees.runtime import link, tree_leaves, tree_sums

Array = Any
Arrays = dict[str, Any]
Settings = dict[str, Any]

FEWEST_ROWS = 20
"""An era with fewer rows says nothing certain about itself: it is predicted by frozen trees."""
FEATURE_RIDGE = 1.0
LARGEST_TARGET = 4.0
SHRINKAGE = 20.0
PIECE = 64
"""Eras whose correlations are widened to float32 at once."""


def predict(features: Array, model: Settings, arrays: Arrays, _parts: list[Any]) -> Array:
    """Predict with trees, and change that by what the era's rows say, float32 [n_rows]."""
    trees = link(tree_sums(features, arrays, "trees")[:, 0], model["link"])
    unadapted = trees + np.float32(model["intercept"])
    if model["strength"] == 0:
        return unadapted
    values, usable = standardise(features[:, arrays["columns"]])
    if values is None:
        return unadapted
    code = read_code(values, usable, model, arrays)
    if code is None:
        return unadapted
    era = Era(features, unadapted, values, code, model, arrays)
    change = METHODS[model["method"]](era)
    if change is None or not np.isfinite(change).all():
        return unadapted
    strength = np.float32(strength_now(model, time.time()) * fade(code, arrays))
    return unadapted + strength * change


def strength_now(model: Settings, seconds: float) -> float:
    """Return the strength at a time, in seconds since 1970: it falls with the model's age.

    Without the day on which its run began, it is the strength of a model that was just fitted.
    """
    if "fitted_day" not in model or not model.get("by_age"):
        return float(model["strength"])
    weeks = max(0.0, seconds / 86400 - model["fitted_day"]) // 7
    age = model["first_age"] + weeks
    return next((float(strength) for last, strength in model["by_age"] if age <= last), 0.0)


def fade(code: Array, arrays: Arrays) -> float:
    """Return by what a change is multiplied, 0 to 1: what training eras do not support fades."""
    if "support/limit" not in arrays:
        return 1.0
    names = ("eras", "codes", "limit")
    return Support.from_arrays({name: arrays[f"support/{name}"] for name in names}).factor(code)


class Era:
    """An era that could be read: what `predict` was given, standardised values and the code."""

    def __init__(
        self,
        features: Array,
        unadapted: Array,
        values: Array,
        code: Array,
        model: Settings,
        arrays: Arrays,
    ) -> None:
        self.features, self.unadapted, self.values, self.code = features, unadapted, values, code
        self.model, self.arrays = model, arrays

    def ends(self, name: str) -> Iterator[Array]:
        """Yield for each tree of a name the node where each row ends."""
        return tree_leaves(self.features, self.arrays, name)

    def sums(self, name: str) -> Array:
        """Sum the leaves of the trees of a name, [n_rows, n_outputs]."""
        return tree_sums(self.features, self.arrays, name)


def standardise(features: Array) -> tuple[Array, Array]:
    """Return values with mean 0 and variance 1 over what is known, and which features vary.

    (None, None) where an era says too little: it has too few rows, or not two features that vary.
    """
    if len(features) < FEWEST_ROWS:
        return None, None
    values = features.astype(np.float32)
    missing = features == MISSING if features.dtype == np.int8 else ~np.isfinite(values)
    values[missing] = 0
    known = len(features) - np.count_nonzero(missing, axis=0)
    n = np.maximum(known, 1).astype(np.float64)
    mean = values.sum(axis=0, dtype=np.float64) / n
    values -= mean.astype(np.float32)
    values[missing] = 0
    std = np.sqrt(np.einsum("ij,ij->j", values, values, dtype=np.float64) / n)
    # What is left of a constant float feature after taking its mean out is rounding.
    usable = (known >= FEWEST_ROWS) & np.isfinite(std) & (std > 1e-6 * np.abs(mean))
    if np.count_nonzero(usable) < 2:
        return None, None
    scale = np.zeros(len(std), dtype=np.float32)
    scale[usable] = 1 / std[usable]
    values[:, ~usable] = 0
    values *= scale
    return values, usable


def read_code(values: Array, usable: Array, model: Settings, arrays: Arrays) -> Array | None:
    """Return the era's code, float64 [n_codes], or None if it cannot be seen."""
    gram, right = LOSSES[model["task"]](values, usable, arrays)
    raw = minimise(gram, right, model["ridge"], model["steps"])
    raw = None if raw is None else raw - arrays["task/offset"]
    return clipped(raw, arrays["task/scale"], model["clip"])


def clipped(raw: Array | None, scale: Array, clip: float) -> Array | None:
    """Scale a code and keep it within the clip."""
    if raw is None or not np.isfinite(raw).all():
        return None
    return np.clip(raw / scale, -clip, clip)


def minimise(gram: Array, right: Array, ridge: float, steps: int | None) -> Array | None:
    """Minimise s'Gs - 2 r's + ridge |s|^2, at once or in gradient steps from 0."""
    if not np.all(np.diag(gram) > 0):
        return None
    left = gram + ridge * np.eye(len(gram))
    if steps is None:
        if np.linalg.matrix_rank(left) < len(left):
            return None
        return np.linalg.solve(left, right)
    size = 1 / np.linalg.eigvalsh(left)[-1]
    code = np.zeros(len(right))
    for _ in range(steps):
        code = code - size * (left @ code - right)
    return code


def correlations(values: Array) -> Array:
    """Return the era's feature correlations."""
    return values.T @ values / np.float32(len(values))


def distance_loss(statistics: Array, seen: Array, arrays: Arrays) -> tuple[Array, Array]:
    """Return G and r of the squared distance of statistics from the training mean."""
    directions = arrays["task/directions"]
    directions = directions if seen.all() else directions * seen[:, None]
    left = statistics - arrays["task/mean"]
    gram = (directions.T @ directions).astype(np.float64)
    return gram, (directions.T @ left).astype(np.float64)


def reconstruction_loss(values: Array, usable: Array, arrays: Arrays) -> tuple[Array, Array]:
    """Task feature_reconstruction: correlations of all pairs of features."""
    upper = np.triu_indices(len(usable), 1)
    seen = usable[upper[0]] & usable[upper[1]]
    return distance_loss(correlations(values)[upper], seen, arrays)


def bottleneck_loss(values: Array, _usable: Array, arrays: Arrays) -> tuple[Array, Array]:
    """Task autoencoder: second moments of the bottleneck."""
    narrow = bottleneck(values, arrays)
    moments = narrow.T @ narrow / np.float32(len(narrow))
    moments = moments[np.triu_indices(len(moments))]
    return distance_loss(moments, np.ones(len(moments), dtype=bool), arrays)


def bottleneck(values: Array, arrays: Arrays) -> Array:
    """Return the autoencoder's bottleneck of each row."""
    return np.tanh(values @ arrays["task/encoder"] + arrays["task/bias"])


def prediction_loss(values: Array, usable: Array, arrays: Arrays) -> tuple[Array, Array]:
    """Task feature_prediction: what the other features leave of the held-out ones."""
    held = arrays["task/held"]
    others = np.delete(correlations(values), held, axis=0)
    own = np.delete(others, held, axis=1).astype(np.float64)
    cross = others[:, held].astype(np.float64)
    seen = np.delete(usable, held)[:, None] & usable[held]
    moves = [move.reshape(cross.shape) * seen for move in arrays["task/directions"].T]
    left = cross - own @ (arrays["task/mean"].reshape(cross.shape) * seen)
    gram = np.array([[np.vdot(a, own @ b) for b in moves] for a in moves])
    return gram, np.array([np.vdot(move, left) for move in moves])


LOSSES: dict[str, Callable[..., Any]] = {
    "feature_reconstruction": reconstruction_loss,
    "autoencoder": bottleneck_loss,
    "feature_prediction": prediction_loss,
}


def auxiliary_targets(era: Era) -> Array:
    """Return what the trees' auxiliary outputs predict, float32 [n_rows, K]."""
    values, model, arrays = era.values, era.model, era.arrays
    if model["task"] == "feature_prediction":
        found = values[:, arrays["task/held"]]
    elif model["task"] == "autoencoder":
        found = bottleneck(values, arrays)
    else:
        upper = np.triu_indices(values.shape[1], 1)
        shares = []
        for axis in arrays["task/directions"].T:
            weights = np.zeros((values.shape[1], values.shape[1]), dtype=np.float32)
            weights[upper] = axis
            shares.append(np.einsum("ij,ij->i", values @ weights, values))
        found = np.column_stack(shares)
    scaled = (found - arrays["task/target_mean"]) / arrays["task/target_scale"]
    return np.clip(scaled, -LARGEST_TARGET, LARGEST_TARGET) * np.float32(model["unit"])


def code_leaves(era: Era) -> Array | None:
    """Leaves that are slopes on the code."""
    model, code = era.model, era.code
    total = era.sums("adapter") / np.float32(model["bags"])
    slopes = total.reshape(len(total), -1, model["n_codes"])
    own = model["own_loss"]
    if own is not None:
        left = auxiliary_targets(era) - era.sums("reading")[:, 1:]
        flat = slopes[:, 1:].reshape(-1, slopes.shape[2]).astype(np.float64)
        gram = flat.T @ flat / own["size"]
        right = flat.T @ left.ravel().astype(np.float64) / own["size"]
        raw = minimise(gram, right, model["ridge"], model["steps"])
        found = clipped(raw, np.array(own["scale"]), model["clip"])
        if found is None:
            return None
        code = found
    return (slopes[:, 0] * np.asarray(code, dtype=np.float32)).sum(axis=1)


def nearest_eras(era: Era) -> Array | None:
    """A linear function of standardised features, learnt from the eras with the nearest codes."""
    arrays = {name: era.arrays[f"eras/{name}"] for name in ("codes", "grams", "moments")}
    weights = nearest_weights(era.code, arrays, era.model)
    if weights is None:
        return None
    spread = float(era.unadapted.std(dtype=np.float64))
    return era.values @ (weights * spread).astype(np.float32)


def nearest_weights(code: Array, arrays: Arrays, settings: Settings) -> Array | None:
    """Return the weights of a ridge on eras near a code, float64 [n_features].

    They are scaled so that what they predict has variance 1 over these eras; None if all are 0.
    """
    codes, moments = arrays["codes"], arrays["moments"]
    if not len(codes):
        return None
    squares = ((codes - np.asarray(code)) ** 2).sum(axis=1) / codes.shape[1]
    near = np.exp(-squares / (2 * settings["width"] ** 2)) + settings["floor"]
    near /= near.sum()
    upper = np.triu_indices(moments.shape[1])
    flat = np.zeros(len(upper[0]))
    for start in range(0, len(near), PIECE):
        piece = arrays["grams"][start : start + PIECE].astype(np.float32)
        flat += near[start : start + PIECE].astype(np.float32) @ piece
    gram = np.zeros((moments.shape[1], moments.shape[1]))
    gram[upper] = flat
    gram += np.triu(gram, 1).T
    ridge = settings["weights_ridge"] * np.eye(len(gram))
    right = near @ moments.astype(np.float64)
    if settings["weights_ridge"] > 0:
        weights = np.linalg.solve(gram + ridge, right)
    else:  # a feature that never varied makes this singular: the smallest solution
        weights = np.linalg.lstsq(gram, right, rcond=None)[0]
    variance = float(weights @ gram @ weights)
    return weights / np.sqrt(variance) if variance > 0 else None


class Leaves:
    """Where the rows of an era fall, and means over the rows of a leaf and over trees."""

    def __init__(self, era: Era) -> None:
        self.nodes = [node.astype(np.int32) for node in era.ends("trees")]
        self.first = np.append(era.arrays["trees/roots"], len(era.arrays["trees/feature"]))
        self.rows = self.per_node(None)

    def per_node(self, weights: Array | None) -> Array:
        """Sum values over the rows of each leaf, or count them; float64 [n_nodes]."""
        return np.concatenate(
            [
                np.bincount(nodes - first, weights, minlength=stop - first)
                for nodes, first, stop in zip(
                    self.nodes, self.first[:-1], self.first[1:], strict=True
                )
            ]
        ).astype(np.float64)

    def means(self, values: Array) -> Array:
        """Return each leaf's mean, shrunk, whatever the order of the rows."""
        return self.per_node(on_exact_grid(values)) / (self.rows + SHRINKAGE)

    def sum_over_trees(self, node_values: Array) -> Array:
        """Return for each row the sum of its leaves' values, float64 [n_rows]."""
        total = np.zeros(len(self.nodes[0]))
        for nodes in self.nodes:
            total += node_values.take(nodes)
        return total

    def mean_over_trees(self, node_values: Array) -> Array:
        """Return for each row the mean of its leaves' values, float64 [n_rows]."""
        return self.sum_over_trees(node_values) / len(self.nodes)


def on_exact_grid(values: Array) -> Array:
    """Round values to a grid on which their float64 sums are exact."""
    largest = float(np.abs(values).max(initial=0.0))
    if largest < 1e-200:
        return np.zeros_like(values)
    bits = 52 - int(np.ceil(np.log2(len(values) + 1)))
    grid = np.ldexp(1.0, int(np.frexp(largest)[1]) - bits)
    return np.rint(values / grid) * grid


def leaf_refresh(era: Era) -> Array | None:
    """Leaves moved by the residuals of the auxiliary targets."""
    model, slopes = era.model, era.arrays["slopes"]
    if len(slopes) == 0:
        return None
    leaves = Leaves(era)
    left = -leaves.sum_over_trees(era.arrays["node_values"])
    for target, slope in zip(auxiliary_targets(era).T, slopes, strict=True):
        left += target * slope
    movement = leaves.means(left)
    total = movement
    for _ in range(1, model["steps"] or 1):
        left -= leaves.mean_over_trees(movement)
        movement = leaves.means(left)
        total = total + movement
    moved = np.clip(total, -model["largest"], model["largest"]).astype(np.float32)
    return (model["gain"] * leaves.mean_over_trees(moved)).astype(np.float32)


METHODS: dict[str, Callable[..., Any]] = {
    "code_leaves": code_leaves,
    "nearest_eras": nearest_eras,
    "leaf_refresh": leaf_refresh,
}
