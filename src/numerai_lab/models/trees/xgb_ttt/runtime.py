"""How an exported `adaptive` model predicts at Numerai: trees, adapted to the era.

It does what `xgb_ttt` does when it predicts; the tests and `export --check` compare them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from numerai_lab.models.adapting.runtime import Support, strength_now
from numerai_lab.models.trees.runtime import link, tree_leaves, tree_sums
from numerai_lab.models.trees.xgb_ttt.codes.runtime import (
    AUTO,
    bottleneck,
    clipped,
    first_half,
    leaf_steps_that_help,
    minimise,
    own_sums,
    read_code,
    standardise,
)

Array = Any
Arrays = dict[str, Any]
Settings = dict[str, Any]

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
        gram, right = own_sums(slopes[:, 1:], left, own["size"])
        halves = []
        if model["steps"] == AUTO:
            first = first_half(era.values)
            halves = [own_sums(slopes[h, 1:], left[h], own["size"]) for h in (first, ~first)]
        prior = np.zeros(len(right))
        raw = minimise(gram, right, model["ridge"], prior, model["steps"], halves)
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


def triangle(n_features: int) -> Array:
    """Return which places are in a matrix's upper triangle or on its diagonal, bool [n, n].

    Read and set by it in the order of `np.triu_indices`, which takes 30 times as long to make.
    """
    return ~np.tri(n_features, k=-1, dtype=bool)


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
    upper = triangle(moments.shape[1])
    flat = np.zeros(np.count_nonzero(upper))
    for start in range(0, len(near), PIECE):
        piece = arrays["grams"][start : start + PIECE].astype(np.float32, copy=False)
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

    def means(self, values: Array, among: Array | None = None) -> Array:
        """Return each leaf's mean, shrunk, whatever the order of the rows; of some rows or all."""
        if among is None:
            return self.per_node(on_exact_grid(values)) / (self.rows + SHRINKAGE)
        sums = self.per_node(on_exact_grid(np.where(among, values, 0.0)))
        return sums / (self.per_node(among.astype(np.float64)) + SHRINKAGE)

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
    steps = model["steps"] or 1
    if steps == AUTO:
        steps = leaf_steps_that_help(leaves, left, first_half(era.values))
    total = movement = np.zeros(len(leaves.rows))
    for done in range(steps):
        if done:
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
