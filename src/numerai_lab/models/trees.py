"""Trees as plain arrays, taken out of XGBoost and LightGBM: what a bundle predicts with.

Another version of a library may read a model file without a word and predict something else:
XGBoost 3.0.2 loads a file of 3.2 and ignores its base_score, which is a list there and a number
in 3.0. Arrays mean the same everywhere.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.errors import ModelError

_DEFAULT_LEFT, _MISSING_IS_ZERO, _MISSING_IS_NAN = 2, 4, 8
_LOGISTIC, _LOGARITHMIC, _IDENTITY = "sigmoid", "exp", "identity"
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
            "rank:pairwise",
            "rank:ndcg",
        ),
        _IDENTITY,
    ),
}
"""Objective -> from the sum of leaves to the prediction. Source: XGBoost's PredTransform."""
_LGBM_MONOTONE = (
    *("regression", "regression_l1", "huber", "fair", "quantile", "mape"),
    *("poisson", "gamma", "tweedie", "binary", "cross_entropy", "lambdarank", "rank_xendcg"),
)
"""Objectives whose predictions are in the order of the sum of leaves."""


@dataclass(frozen=True)
class Trees:
    """Trees that are summed, node by node; a leaf is its own child on both sides.

    Attributes
    ----------
    roots, depths : int32 [n_trees], first node and longest way down of each tree.
    feature : int32 [n_nodes], column looked at. left, right : int32 [n_nodes].
    threshold : float64 [n_nodes]; a row goes left when its value is smaller.
    missing_left : bool [n_nodes], whether a row without a value goes left.
    value : float32 or float64 [n_nodes, n_outputs]; 0 where there is no leaf. Sums are of the
        same type and in the order of the trees, as in the library.
    base : as value, [n_outputs]; what the sum starts from.
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

    def arrays(self, prefix: str) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays by name, with a prefix."""
        return {f"{prefix}/{name}": array for name, array in asdict(self).items()}


@dataclass(frozen=True)
class _Tree:
    """One tree with child numbers of its own; -1 where there is no child."""

    feature: npt.NDArray[np.int32]
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float64]
    missing_left: npt.NDArray[np.bool_]
    value: npt.NDArray[Any]


def xgboost_trees(booster: Any) -> tuple[Trees, str]:
    """Take the trees out of an XGBoost booster.

    Returns
    -------
    The trees, and the link from their sum to the prediction: identity, sigmoid or exp.

    Raises
    ------
    ModelError : a linear booster, or an objective whose predictions are another function.
    """
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    objective = learner["objective"]["name"]
    booster_json = learner["gradient_booster"]
    if booster_json["name"] == "gblinear":
        raise _no_bundle("booster gblinear", "gbtree")
    if objective not in _XGB_LINKS:
        raise _no_bundle(f"objective '{objective}'", "reg:squarederror")
    link = _XGB_LINKS[objective]
    model = booster_json.get("gbtree", booster_json)["model"]
    shares = booster_json.get("weight_drop", [1.0] * len(model["trees"]))
    written = json.loads(learner["learner_model_param"]["base_score"])
    base = np.array(written if isinstance(written, list) else [written], dtype=np.float32)
    base = np.array([_margin(float(value), link) for value in base], dtype=np.float32)
    trees = [
        _xgboost_tree(tree, np.float32(share))
        for tree, share in zip(model["trees"], shares, strict=True)
    ]
    return _together(trees, base), link


def _margin(score: float, link: str) -> float:
    if link == _LOGISTIC:
        return -math.log(1 / score - 1)
    return math.log(score) if link == _LOGARITHMIC else score


def _xgboost_tree(tree: dict[str, Any], share: np.float32) -> _Tree:
    left = np.array(tree["left_children"], dtype=np.int32)
    right = np.array(tree["right_children"], dtype=np.int32)
    leaf = left == -1
    threshold = np.array(tree["split_conditions"], dtype=np.float32)
    outputs = int(tree["tree_param"]["size_leaf_vector"])
    value = np.zeros((len(left), max(1, outputs)), dtype=np.float32)
    if outputs > 1:
        # A leaf's right child is its row among the leaf vectors.
        vectors = np.array(tree["leaf_weights"], dtype=np.float32).reshape(-1, outputs)
        value[leaf] = vectors[right[leaf]]
    else:
        value[leaf, 0] = threshold[leaf]
    return _Tree(
        feature=np.array(tree["split_indices"], dtype=np.int32),
        left=left,
        right=np.where(leaf, -1, right).astype(np.int32),
        threshold=threshold.astype(np.float64),
        missing_left=np.array(tree["default_left"], dtype=bool),
        value=value * share,
    )


def lightgbm_trees(booster: Any) -> Trees:
    """Take the trees out of a LightGBM booster; their sum is in the order of its predictions.

    Raises
    ------
    ModelError : an objective that is not monotone in the sum, or splits on categories, linear
        leaves or zero as missing, which ordered bins do not have.
    """
    text = booster.model_to_string()
    head, *blocks = text.split("\nTree=")
    objective = _fields(head).get("objective", "regression").split(" ")[0]
    if objective not in _LGBM_MONOTONE:
        raise _no_bundle(f"objective '{objective}'", "regression")
    trees = [_lightgbm_tree(_fields(block)) for block in blocks]
    return _together(trees, np.zeros(1))


def _fields(block: str) -> dict[str, str]:
    lines = block.split("\nend of trees")[0].splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _lightgbm_tree(fields: dict[str, str]) -> _Tree:
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
        value=np.concatenate([np.zeros(n_splits), leaves])[:, None],
    )


def _numbers(fields: dict[str, str], name: str, dtype: Any, count: int) -> npt.NDArray[Any]:
    """Read a field of a tree; a tree that is one leaf has these fields empty or not at all."""
    return np.array(fields.get(name, "").split(), dtype=dtype) if count else np.zeros(0, dtype)


def _together(trees: Sequence[_Tree], base: npt.NDArray[Any]) -> Trees:
    """Lay the trees end to end; child numbers become those of the whole."""
    sizes = np.array([len(tree.left) for tree in trees], dtype=np.int64)
    first = np.concatenate([[0], np.cumsum(sizes)])
    itself = [np.arange(n) for n in sizes]
    left = [
        np.where(tree.left < 0, own, tree.left) + start
        for tree, own, start in zip(trees, itself, first, strict=False)
    ]
    right = [
        np.where(tree.right < 0, own, tree.right) + start
        for tree, own, start in zip(trees, itself, first, strict=False)
    ]

    def flat(parts: Sequence[npt.NDArray[Any]], dtype: Any) -> npt.NDArray[Any]:
        joined: npt.NDArray[Any] = np.concatenate(parts).astype(dtype) if parts else np.zeros(0)
        return joined.astype(dtype)

    value = [tree.value for tree in trees]
    return Trees(
        roots=first[:-1].astype(np.int32),
        depths=np.array([_depth(tree) for tree in trees], dtype=np.int32),
        feature=flat([tree.feature for tree in trees], np.int32),
        left=flat(left, np.int32),
        right=flat(right, np.int32),
        threshold=flat([tree.threshold for tree in trees], np.float64),
        missing_left=flat([tree.missing_left for tree in trees], np.bool_),
        value=np.concatenate(value) if value else np.zeros((0, len(base)), base.dtype),
        base=base,
    )


def _depth(tree: _Tree) -> int:
    """Return the longest way from the root to a leaf."""
    level, depth = np.array([0]), -1
    while len(level):
        inner = level[tree.left[level] >= 0]
        level = np.concatenate([tree.left[inner], tree.right[inner]])
        depth += 1
    return depth


def _no_bundle(what: str, instead: str) -> ModelError:
    return ModelError(
        f"{what} cannot be bundled for model upload",
        fix=f"submit its predictions with `numerai-lab submit`, or train with {instead}",
    )
