"""Shapley values of trees by enumerating coalitions, for leaves that no library explains.

Source: Lundberg et al. (2020), From local explanations to global understanding with explainable AI
for trees, equation of path-dependent tree SHAP. Where a feature is not in the coalition, a row goes
both ways at its splits, in the proportions of the training rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import factorial

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float64
from numerai_lab.eraframe import MISSING_INT8, FeatureArray
from numerai_lab.errors import ModelError
from numerai_lab.models.trees.arrays import Trees

MOST_FEATURES = 10
"""On the way to a leaf: there are 2^10 coalitions of them, each for 2^10 kinds of rows."""


@dataclass(frozen=True)
class _Step:
    """A split on the way to a leaf: its node, which way leads on, and the share that takes it."""

    node: int
    left: bool
    share: float


def tree_contributions(
    trees: Trees, values: Float64, features: FeatureArray
) -> tuple[Float64, float]:
    """Return what each feature adds to a sum of trees, and what the sum is without any.

    A leaf counts for the rows that follow its path. That is a game of the few features on the path,
    a product of what each lets through, whose coalitions are all enumerated; the trees' Shapley
    values are the sums over their leaves.

    Parameters
    ----------
    trees : with the masses of their nodes. values : float64 [n_nodes], of the leaves.
    features : int8 or float32 [n_rows, n_features], missing values as in an EraFrame.

    Returns
    -------
    float64 [n_rows, n_features], and the mean over the training rows: they sum to the output.

    Raises
    ------
    ModelError : more than `MOST_FEATURES` features on a path.
    """
    gaps = features == MISSING_INT8 if features.dtype == np.int8 else np.isnan(features)
    found, base = np.zeros(features.shape), 0.0
    for root in trees.roots.tolist():
        goes_left: dict[int, npt.NDArray[np.bool_]] = {}
        for leaf, path in _paths(trees, int(root)):
            by_feature: dict[int, list[_Step]] = {}
            for step in path:
                by_feature.setdefault(int(trees.feature[step.node]), []).append(step)
            shares = np.array([np.prod([s.share for s in own]) for own in by_feature.values()])
            base += float(values[leaf] * shares.prod())
            if not values[leaf] or not by_feature:
                continue
            kinds = np.zeros(len(features), dtype=np.int64)
            for bit, (column, own) in enumerate(by_feature.items()):
                passes = np.ones(len(features), dtype=bool)
                for step in own:
                    if step.node not in goes_left:
                        lower = features[:, column] < trees.threshold[step.node]
                        stays = trees.missing_left[step.node]
                        goes_left[step.node] = np.where(gaps[:, column], stays, lower)
                    passes &= goes_left[step.node] == step.left
                kinds += passes.astype(np.int64) << bit
            found[:, list(by_feature)] += values[leaf] * _of_leaf(shares)[kinds]
    return found, base


def _paths(trees: Trees, root: int) -> list[tuple[int, list[_Step]]]:
    """Return each leaf of a tree with the splits that lead there."""
    found, open_ = [], [(root, list[_Step]())]
    while open_:
        node, path = open_.pop()
        left, right = int(trees.left[node]), int(trees.right[node])
        if left == node:
            found.append((node, path))
            continue
        whole = trees.mass[left] + trees.mass[right]
        share = float(trees.mass[left] / whole) if whole > 0 else 0.5
        open_.append((left, [*path, _Step(node, True, share)]))
        open_.append((right, [*path, _Step(node, False, 1 - share)]))
    return found


def _of_leaf(shares: Float64) -> Float64:
    """Return the Shapley values of a leaf of value 1, [2^n kinds of rows, n features].

    The kind of a row says which features let it through to the leaf, a bit each. `shares` are those
    of the training rows that features out of the coalition let through.
    """
    n = len(shares)
    if n > MOST_FEATURES:
        raise ModelError(
            f"a tree asks for {n} features on the way to a leaf, and contributions are found by "
            f"enumerating coalitions of at most {MOST_FEATURES}",
            fix="train with a smaller max_depth",
        )
    sets = np.arange(2**n)
    inside = sets[:, None] >> np.arange(n) & 1
    absent = np.where(inside, 1.0, shares).prod(axis=1)
    blocked = sets[:, None] & ~sets[None, :] > 0  # some feature of the coalition stops that kind
    game = np.where(blocked, 0.0, absent[:, None])  # [coalitions, kinds]
    values: Float64 = (_weights(n) @ game).T
    return values


@cache
def _weights(n: int) -> Float64:
    """Return how a game's 2^n values make the Shapley values of n features, [n, 2^n]."""
    sets = np.arange(2**n)
    inside = (sets >> np.arange(n)[:, None] & 1).astype(bool)
    size = inside.sum(axis=0)
    orders = np.array([factorial(k) * factorial(n - k - 1) for k in range(n)]) / factorial(n)
    joins, stays = orders[np.maximum(size - 1, 0)], orders[np.minimum(size, n - 1)]
    weights: Float64 = np.where(inside, joins, -stays)
    return weights
