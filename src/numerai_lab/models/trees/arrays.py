"""Trees as plain arrays, taken out of XGBoost and LightGBM.

A bundle predicts with them, and `xgb_ttt` reads in them the leaves that it moves. Another version
of a library may read a model file without a word and predict something else: XGBoost 3.0.2 loads
a file of 3.2 and ignores its base_score, which is a list there and a number in 3.0. Arrays mean
the same everywhere.

Source of XGBoost's fields: its model schema, and models that XGBoost 3.1 and 3.2 wrote.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.errors import ModelError

_DEFAULT_LEFT, _MISSING_IS_ZERO, _MISSING_IS_NAN = 2, 4, 8
_LOGISTIC, _LOGARITHMIC, IDENTITY = "sigmoid", "exp", "identity"
_XGB_LINKS = {
    **dict.fromkeys(("reg:logistic", "binary:logistic"), _LOGISTIC),
    **dict.fromkeys(("count:poisson", "reg:gamma", "reg:tweedie"), _LOGARITHMIC),
    **dict.fromkeys(
        (
            "reg:squarederror",
            "reg:squaredlogerror",
            "reg:absoluteerror",
            "reg:pseudohubererror",
            "reg:quantileerror",
            "binary:logitraw",
            "multi:softprob",
            "rank:pairwise",
            "rank:ndcg",
        ),
        IDENTITY,
    ),
}
"""Objective -> from the sum of leaves to the prediction. Source: XGBoost's PredTransform."""
_LGBM_MONOTONE = (
    *("regression", "regression_l1", "huber", "fair", "quantile", "mape"),
    *("poisson", "gamma", "tweedie", "binary", "cross_entropy", "lambdarank", "rank_xendcg"),
)
"""Objectives whose predictions are in the order of the sum of leaves."""
_LGBM_CLASSES = "multiclass"
"""Its predictions follow from the sums of all classes."""


@dataclass(frozen=True)
class Trees:
    """Trees that are summed, as one array for each property of a node.

    The left and the right child of a leaf are the leaf itself, so that rows of trees of different
    depths can all take the same number of steps.

    Attributes
    ----------
    roots, depths : int32 [n_trees], first node and longest way down of each tree.
    feature : int32 [n_nodes], column looked at. left, right : int32 [n_nodes].
    threshold : float64 [n_nodes]; a row goes left when its value is smaller.
    missing_left : bool [n_nodes], whether a row without a value goes left.
    value : float32 or float64 [n_nodes, n_outputs]; 0 where there is no leaf. Sums are of the
        same type and in the order of the trees, as in the library.
    base : as value, [n_outputs]; what the sum starts from.
    mass : float64 [n_nodes], sum of the training rows' hessians; NaN for LightGBM, which does
        not tell it of every tree. No prediction needs it, so it is not among `arrays`.
    """

    roots: npt.NDArray[np.int32]
    depths: npt.NDArray[np.int32]
    feature: npt.NDArray[np.int32]
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float64]
    missing_left: npt.NDArray[np.bool_]
    value: npt.NDArray[Any]
    base: npt.NDArray[Any]
    mass: npt.NDArray[np.float64]

    @property
    def is_leaf(self) -> npt.NDArray[np.bool_]:
        """Which nodes are leaves, [n_nodes]. A leaf's number is its place among all of them."""
        return np.asarray(self.left == np.arange(len(self.left)))

    @property
    def first_leaf(self) -> npt.NDArray[np.int64]:
        """Number of each tree's first leaf, and at the end how many leaves there are."""
        ends = np.append(self.roots, len(self.left))
        return np.searchsorted(np.flatnonzero(self.is_leaf), ends)

    def arrays(self, prefix: str) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays that predict, by name with a prefix."""
        return {f"{prefix}/{name}": array for name, array in vars(self).items() if name != "mass"}


@dataclass(frozen=True)
class _Tree:
    """One tree with child numbers of its own; -1 where there is no child."""

    feature: npt.NDArray[np.int32]
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float64]
    missing_left: npt.NDArray[np.bool_]
    value: npt.NDArray[Any]
    mass: npt.NDArray[np.float64]


def xgboost_json(booster: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a fitted Booster as JSON.

    Returns
    -------
    The whole model, and within it the part that has the trees; dart keeps it one level deeper,
    and a linear booster has other things there.
    """
    whole: dict[str, Any] = json.loads(booster.save_raw("json"))
    boosted = whole["learner"]["gradient_booster"]
    return whole, boosted.get("gbtree", boosted)["model"]


def xgboost_trees(booster: Any) -> tuple[Trees, str]:
    """Take the trees out of an XGBoost booster.

    Returns
    -------
    The trees, and the link from their sum to the prediction: identity, sigmoid or exp.

    Raises
    ------
    ModelError : a linear booster, an objective whose predictions are another function, or splits on
        categories.
    """
    whole, model = xgboost_json(booster)
    learner = whole["learner"]
    objective, boosted = learner["objective"]["name"], learner["gradient_booster"]
    if boosted["name"] == "gblinear":
        raise _no_bundle("booster gblinear", "gbtree")
    if objective not in _XGB_LINKS:
        raise _no_bundle(f"objective '{objective}'", "reg:squarederror")
    if any(tree["categories"] for tree in model["trees"]):
        raise _no_bundle("a tree with categories", "ordinary trees")
    link = _XGB_LINKS[objective]
    shares = boosted.get("weight_drop", [1.0] * len(model["trees"]))
    written = json.loads(learner["learner_model_param"]["base_score"])
    base = np.array(written if isinstance(written, list) else [written], dtype=np.float32)
    base = np.array([_margin(float(value), link) for value in base], dtype=np.float32)
    trees = [
        _xgboost_tree(tree, np.float32(share), output, len(base))
        for tree, share, output in zip(model["trees"], shares, model["tree_info"], strict=True)
    ]
    return _together(trees, base), link


def _margin(score: float, link: str) -> float:
    if link == _LOGISTIC:
        return -math.log(1 / score - 1)
    return math.log(score) if link == _LOGARITHMIC else score


def _xgboost_tree(tree: dict[str, Any], share: np.float32, output: int, n_outputs: int) -> _Tree:
    """Read a tree, whose leaves say something of one output or of all."""
    left = np.array(tree["left_children"], dtype=np.int32)
    right = np.array(tree["right_children"], dtype=np.int32)
    leaf = left == -1
    threshold = np.array(tree["split_conditions"], dtype=np.float32)
    outputs = int(tree["tree_param"]["size_leaf_vector"])
    value = np.zeros((len(left), n_outputs), dtype=np.float32)
    if outputs > 1:
        # A leaf's right child is its row among the leaf vectors.
        vectors = np.array(tree["leaf_weights"], dtype=np.float32).reshape(-1, outputs)
        value[leaf] = vectors[right[leaf]]
    else:
        value[leaf, output] = threshold[leaf]
    return _Tree(
        feature=np.array(tree["split_indices"], dtype=np.int32),
        left=left,
        right=np.where(leaf, -1, right).astype(np.int32),
        threshold=threshold.astype(np.float64),
        missing_left=np.array(tree["default_left"], dtype=bool),
        value=value * share,
        mass=np.array(tree["sum_hessian"], dtype=np.float64),
    )


def lightgbm_trees(*boosters: Any) -> Trees:
    """Take the trees out of a LightGBM booster; their sum is in the order of its predictions.

    Parameters
    ----------
    boosters : one, or several of the same features and objective whose trees are all summed, as
        the raw score sums those of a forest, too.

    Raises
    ------
    ModelError : an objective that is not monotone in the sum, or splits on categories, linear
        leaves or zero as missing, which ordered bins do not have.
    """
    trees: list[_Tree] = []
    outputs = 1
    for booster in boosters:
        head, *blocks = booster.model_to_string().split("\nTree=")
        fields = _fields(head)
        objective = fields.get("objective", "regression").split(" ")[0]
        if objective not in (*_LGBM_MONOTONE, _LGBM_CLASSES):
            raise _no_bundle(f"objective '{objective}'", "regression")
        outputs = int(fields.get("num_tree_per_iteration", "1"))
        trees += [
            _lightgbm_tree(_fields(block), i % outputs, outputs) for i, block in enumerate(blocks)
        ]
    return _together(trees, np.zeros(outputs))


def _fields(block: str) -> dict[str, str]:
    lines = block.split("\nend of trees")[0].splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _lightgbm_tree(fields: dict[str, str], output: int, n_outputs: int) -> _Tree:
    if fields["num_cat"] != "0" or fields.get("is_linear", "0") != "0":
        raise _no_bundle("a tree with categories or linear leaves", "ordinary trees")
    leaves = np.array(fields["leaf_value"].split(), dtype=np.float64)
    n_splits = len(leaves) - 1
    decisions = _numbers(fields, "decision_type", np.int32, n_splits)
    if (decisions & _MISSING_IS_ZERO).any():
        raise _no_bundle("zero_as_missing", "missing values as NaN")
    thresholds = _numbers(fields, "threshold", np.float64, n_splits)
    # Where a split knows no missing value, LightGBM takes NaN for 0.
    to_left = np.where(
        decisions & _MISSING_IS_NAN, (decisions & _DEFAULT_LEFT) > 0, thresholds >= 0
    )
    children = [
        # A negative child is a leaf: -1 the first, -2 the second; they follow the splits here.
        np.where(raw < 0, n_splits - raw - 1, raw)
        for raw in (
            _numbers(fields, "left_child", np.int32, n_splits),
            _numbers(fields, "right_child", np.int32, n_splits),
        )
    ]
    none = np.full(len(leaves), -1)
    return _Tree(
        feature=np.concatenate([_numbers(fields, "split_feature", np.int32, n_splits), none * 0]),
        left=np.concatenate([children[0], none]),
        right=np.concatenate([children[1], none]),
        # `value <= t` is `value < the next number after t`
        threshold=np.concatenate([np.nextafter(thresholds, np.inf), np.zeros(len(leaves))]),
        missing_left=np.concatenate([to_left, none == 0]),
        value=np.concatenate([np.zeros(n_splits), leaves])[:, None] * np.eye(n_outputs)[output],
        mass=np.full(n_splits + len(leaves), np.nan),
    )


def _numbers(fields: dict[str, str], name: str, dtype: Any, count: int) -> npt.NDArray[Any]:
    """Read a field of a tree; a tree that is one leaf has these fields empty or not at all."""
    return np.array(fields.get(name, "").split(), dtype=dtype) if count else np.zeros(0, dtype)


def _together(trees: Sequence[_Tree], base: npt.NDArray[Any]) -> Trees:
    """Lay the trees end to end; child numbers become those of the whole."""
    sizes = np.array([len(tree.left) for tree in trees], dtype=np.int64)
    roots = np.cumsum(sizes) - sizes
    start, itself = np.repeat(roots, sizes), np.arange(sizes.sum())

    def flat(name: str, dtype: Any) -> npt.NDArray[Any]:
        parts = [np.zeros(0, dtype), *(getattr(tree, name) for tree in trees)]
        return np.concatenate(parts).astype(dtype)

    def child(name: str) -> npt.NDArray[np.int32]:
        own = flat(name, np.int64)
        return np.where(own < 0, itself, own + start).astype(np.int32)

    left, right = child("left"), child("right")
    return Trees(
        roots=roots.astype(np.int32),
        depths=_depths(roots, left, right),
        feature=flat("feature", np.int32),
        left=left,
        right=right,
        threshold=flat("threshold", np.float64),
        missing_left=flat("missing_left", np.bool_),
        value=np.concatenate([np.zeros((0, len(base)), base.dtype), *(t.value for t in trees)]),
        base=base,
        mass=flat("mass", np.float64),
    )


def _depths(
    roots: npt.NDArray[np.int64], left: npt.NDArray[np.int32], right: npt.NDArray[np.int32]
) -> npt.NDArray[np.int32]:
    """Return the longest way from each root to a leaf; all trees go down a level at a time."""
    depths, trees, nodes = np.zeros(len(roots), np.int32), np.arange(len(roots)), roots
    while len(nodes):
        inner = left[nodes] != nodes
        trees, nodes = trees[inner], nodes[inner]
        depths[trees] += 1  # once a level, however many of its nodes are inner ones
        trees, nodes = np.tile(trees, 2), np.concatenate([left[nodes], right[nodes]])
    return depths


def _no_bundle(what: str, instead: str) -> ModelError:
    return ModelError(
        f"{what} cannot be bundled for model upload",
        fix=f"submit its predictions with `numerai-lab submit`, or train with {instead}",
    )
