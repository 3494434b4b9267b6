"""What a bundle reads from an era's rows: standardised features, and a task's code of them.

The fit uses the same functions. A runtime, so it imports what a bundle has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from numerai_lab.models.exports.runtime import MISSING

Array = Any
Arrays = dict[str, Any]
Settings = dict[str, Any]

FEWEST_ROWS = 20
"""An era with fewer rows says nothing certain about itself: it is predicted by frozen trees."""
AUTO = "auto"
"""Steps that end where the loss of held-out rows stops falling."""
_AUTO_SIZE, _AUTO_MOST = 0.1, 60
"""Steps of a tenth of the usual size, as one of that size may be all of the way; 60 of them are
99.8 % of it."""
_LEAF_MOST = 20
"""Steps of leaves, at most: each goes through all trees."""


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
    loss = LOSSES[model["task"]]
    gram, right = loss(values, usable, arrays)
    halves = []
    if model["steps"] == AUTO:
        if too_few_to_hold_out(len(values)):
            return None
        first = first_half(values)
        halves = [loss(values[half], usable, arrays) for half in (first, ~first)]
    raw = minimise(gram, right, model["ridge"], np.zeros(len(right)), model["steps"], halves)
    raw = None if raw is None else raw - arrays["task/offset"]
    return clipped(raw, arrays["task/scale"], model["clip"])


def clipped(raw: Array | None, scale: Array, clip: float) -> Array | None:
    """Scale a code and keep it within the clip."""
    if raw is None or not np.isfinite(raw).all():
        return None
    return np.clip(raw / scale, -clip, clip)


def minimise(
    gram: Array,
    right: Array,
    ridge: float,
    prior: Array,
    steps: int | str | None,
    halves: Sequence[tuple[Array, Array]] = (),
) -> Array | None:
    """Minimise s'Gs - 2 r's + ridge |s - prior|^2.

    Parameters
    ----------
    gram, right : G, float64 [n_codes, n_codes], and r.
    steps : gradient steps from the prior, each of 1 / (largest eigenvalue + ridge), as many as
        the loss is allowed; None is the limit of many, in closed form. `AUTO`: steps of a tenth of
        that, until the loss of held-out rows stops falling (`steps_that_help`).
    halves : G and r of either half of the rows, for `AUTO`.

    Returns
    -------
    float64 [n_codes]; None where some number of the code changes nothing in the loss.
    """
    if not np.all(np.diag(gram) > 0):
        return None
    left = gram + ridge * np.eye(len(gram))
    wanted = right + ridge * prior
    if steps is None:
        # a ridge makes it definite
        if ridge <= 0 and np.linalg.matrix_rank(left) < len(left):
            return None
        return np.linalg.solve(left, wanted)
    size = 1 / np.linalg.eigvalsh(left)[-1]
    if steps == AUTO:
        size *= _AUTO_SIZE
        steps = steps_that_help(halves, ridge, prior)
    code = prior
    for _ in range(int(steps)):
        code = code - size * (left @ code - wanted)
    return code


def steps_that_help(halves: Sequence[tuple[Array, Array]], ridge: float, prior: Array) -> int:
    """Return after how many steps on one half of the rows the loss of the other stops falling.

    Both halves are descended on, and the losses of both that are held out are added up. What one
    half shows and the other does not is chance, and is not followed.
    """
    steps = []
    for gram, right in halves:
        left = gram + ridge * np.eye(len(gram))
        largest = np.linalg.eigvalsh(left)[-1]
        steps.append((left, right + ridge * prior, _AUTO_SIZE / largest if largest > 0 else 0.0))
    codes = [prior for _ in halves]

    def held_out() -> float:
        others = zip(codes, reversed(halves), strict=True)
        return sum(float(code @ gram @ code - 2 * right @ code) for code, (gram, right) in others)

    lowest = held_out()
    for done in range(_AUTO_MOST):
        codes = [
            code - size * (left @ code - wanted)
            for code, (left, wanted, size) in zip(codes, steps, strict=True)
        ]
        loss = held_out()
        if not loss < lowest:
            return done
        lowest = loss
    return _AUTO_MOST


def own_sums(slopes: Array, residuals: Array, size: float) -> tuple[Array, Array]:
    """Return G'G / size, float64 [n_codes, n_codes], and G'r / size, [n_codes], of some rows.

    `slopes` [n_rows, n_targets, n_codes] are G, `residuals` [n_rows, n_targets] are r.
    """
    flat = slopes.reshape(-1, slopes.shape[2]).astype(np.float64)
    return flat.T @ flat / size, flat.T @ residuals.ravel().astype(np.float64) / size


def leaf_steps_that_help(leaves: Any, left: Array, first: Array) -> int:
    """Return after how many steps of leaves on one half the squares of the other stop falling.

    Parameters
    ----------
    leaves : has `means(values, among)` and `mean_over_trees(leaf values)`.
    left : float64 [n_rows], what the trees leave of the auxiliary targets. first : bool [n_rows].
    """
    among = (first, ~first)
    lefts = [left.copy(), left.copy()]

    def held_out() -> float:
        return sum(
            float(np.square(one[~half]).sum()) for one, half in zip(lefts, among, strict=True)
        )

    lowest = held_out()
    for done in range(_LEAF_MOST):
        for one, half in zip(lefts, among, strict=True):
            one -= leaves.mean_over_trees(leaves.means(one, half))
        loss = held_out()
        if not loss < lowest:
            return done
        lowest = loss
    return _LEAF_MOST


def too_few_to_hold_out(n_rows: int) -> bool:
    """Whether half of so many rows says nothing certain about an era."""
    return n_rows < 2 * FEWEST_ROWS


def first_half(values: Array) -> Array:
    """Return which rows are the first half of an era, bool [n_rows]; whatever their order is.

    Rows are dealt out in the order of a fixed mixture of their features, which means nothing; with
    sines of whole numbers, of which no sum with whole factors is 0, other rows never tie.
    """
    mixture = np.sin(np.arange(1, values.shape[1] + 1))
    keys = (values.astype(np.float64) * mixture).sum(axis=1)
    half = np.zeros(len(values), dtype=bool)
    half[np.argsort(keys, kind="stable")[::2]] = True
    return half


def pairs(n_features: int) -> Array:
    """Return which places of a matrix of features stand for a pair i < j, bool [n, n]."""
    return ~np.tri(n_features, dtype=bool)


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
    upper = pairs(len(usable))
    seen = np.outer(usable, usable)[upper]
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
