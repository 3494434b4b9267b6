"""Fitted Boosters read as JSON and written again with other leaves.

Source of the fields: XGBoost's model schema, and models that XGBoost 3.1 and 3.2 wrote.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost

from numerai_lab.errors import ModelError
from numerai_lab.models.xgb_ttt.leaf_arrays import LeafArrays


def read_leaves(booster: Any) -> LeafArrays:
    """Read the trees of a fitted Booster.

    Raises
    ------
    ModelError
        It has no trees (gblinear), trees that split on categories, or several outputs in
        trees of one output each.
    """
    learner = _model(booster)["learner"]
    boosted = _boosted(learner)
    if "trees" not in boosted.get("model", {}):
        raise ModelError("a model without trees has no leaves", fix="use booster gbtree")
    trees = boosted["model"]["trees"]
    if max(boosted["model"]["tree_info"], default=0) > 0:
        raise ModelError(
            "every output has trees of its own", fix="use multi_strategy multi_output_tree"
        )
    if any(tree["categories"] for tree in trees):
        raise ModelError("trees that split on categories are not supported")
    n_nodes = [len(tree["left_children"]) for tree in trees]
    first_node = np.concatenate([[0], np.cumsum(n_nodes)]).astype(np.int64)
    tree_of_node = np.repeat(np.arange(len(trees)), n_nodes)

    def joined(name: str, dtype: Any) -> npt.NDArray[Any]:
        return np.concatenate([np.asarray(tree[name], dtype=dtype) for tree in trees])

    left, right = joined("left_children", np.int64), joined("right_children", np.int64)
    is_leaf = left == -1
    own, start = np.arange(len(left)), first_node[tree_of_node]
    children = np.column_stack(
        [np.where(is_leaf, own, left + start), np.where(is_leaf, own, right + start)]
    )
    condition = joined("split_conditions", np.float32)
    intercept = _intercept(learner)
    if len(intercept) > 1:
        values = np.concatenate([_vectors(tree, len(intercept)) for tree in trees])
    else:
        values = condition[is_leaf][:, None]
    dropped = learner["gradient_booster"].get("weight_drop")
    if dropped is not None:
        values = values * np.asarray(dropped, dtype=np.float32)[tree_of_node[is_leaf], None]
    n_leaves = np.add.reduceat(is_leaf, first_node[:-1], dtype=np.int64)
    return LeafArrays(
        first_node=first_node,
        first_leaf=np.concatenate([[0], np.cumsum(n_leaves)]).astype(np.int64),
        feature=np.where(is_leaf, 0, joined("split_indices", np.int32)).astype(np.int32),
        threshold=condition,
        children=children.astype(np.int32),
        missing_right=joined("default_left", np.int8) == 0,
        leaf_of_node=np.where(is_leaf, np.cumsum(is_leaf) - 1, -1).astype(np.int32),
        values=values.astype(np.float32),
        mass=joined("sum_hessian", np.float64)[is_leaf],
        intercept=intercept,
        depth=_depth(children, first_node[:-1]),
    )


def with_leaf_values(
    booster: Any, values: Sequence[npt.NDArray[np.floating]], output_of_tree: Sequence[int]
) -> Any:
    """Return a Booster of the same splits with other leaves; only its margins mean something.

    Parameters
    ----------
    booster : trees of one output, or vector leaves.
    values : of each tree's leaves, in the order of its nodes; float32 numbers.
    output_of_tree : to which output a tree's leaves are added.
    """
    model = _model(booster)
    learner = model["learner"]
    grown = _boosted(learner)["model"]
    for tree, of_leaves in zip(grown["trees"], values, strict=True):
        leaf = np.asarray(tree["left_children"]) == -1
        condition = np.asarray(tree["split_conditions"], dtype=np.float64)
        condition[leaf] = of_leaves
        # A leaf of a vector keeps the place of its vector where others have no right child.
        right = np.where(leaf, -1, tree["right_children"])
        tree["split_conditions"], tree["right_children"] = condition.tolist(), right.tolist()
        tree["base_weights"] = [0.0] * len(leaf)
        tree["tree_param"]["size_leaf_vector"] = "1"
        tree.pop("leaf_weights", None)
    n_outputs = max(output_of_tree) + 1
    grown["tree_info"] = list(output_of_tree)
    grown["iteration_indptr"] = [0, len(grown["trees"])]
    grown["gbtree_model_param"]["num_parallel_tree"] = "1"
    learner["gradient_booster"] = {"name": "gbtree", "model": grown}
    learner["learner_model_param"] |= {
        "num_class": str(n_outputs) if n_outputs > 1 else "0",
        "num_target": "1",
        "base_score": json.dumps([0.0] * n_outputs),
    }
    learner["objective"] = {
        "name": "reg:squarederror",
        "reg_loss_param": {"scale_pos_weight": "1"},
    }
    if n_outputs > 1:
        classes = {"num_class": str(n_outputs)}
        learner["objective"] = {"name": "multi:softprob", "softmax_multiclass_param": classes}
    return _booster(model)


def main_output(booster: Any) -> Any:
    """Return a Booster that predicts the first output of vector leaves, in half the time."""
    arrays = read_leaves(booster)
    values = np.split(arrays.values[:, 0], arrays.first_leaf[1:-1])
    return with_leaf_values(booster, values, [0] * arrays.n_trees)


def merged(boosters: Sequence[Any]) -> Any:
    """Return one Booster that predicts the sum of all: each call reads the features anew.

    Parameters
    ----------
    boosters : of the same kind, outputs and features, with base_score 0.
    """
    models = [_model(booster) for booster in boosters]
    grown = _boosted(models[0]["learner"])["model"]
    trees = [tree for model in models for tree in _boosted(model["learner"])["model"]["trees"]]
    grown["trees"] = [{**tree, "id": i} for i, tree in enumerate(trees)]
    grown["tree_info"] = [0] * len(trees)
    grown["iteration_indptr"] = list(range(len(trees) + 1))
    grown["gbtree_model_param"]["num_trees"] = str(len(trees))
    return _booster(models[0])


def _model(booster: Any) -> dict[str, Any]:
    model: dict[str, Any] = json.loads(booster.save_raw("json"))
    return model


def _booster(model: dict[str, Any]) -> Any:
    booster = xgboost.Booster()
    booster.load_model(bytearray(json.dumps(model).encode()))
    return booster


def _boosted(learner: dict[str, Any]) -> dict[str, Any]:
    """Return what was boosted; dart keeps it one level deeper."""
    boosted: dict[str, Any] = learner["gradient_booster"]
    inner: dict[str, Any] = boosted.get("gbtree", boosted)
    return inner


def _intercept(learner: dict[str, Any]) -> npt.NDArray[np.float64]:
    """Return what predictions start at, before the objective's link: `base_score` is after it."""
    start = np.array(json.loads(learner["learner_model_param"]["base_score"]), dtype=np.float64)
    if learner["objective"]["name"] in ("reg:logistic", "binary:logistic"):
        return np.asarray(np.log(start / (1 - start)))
    return start


def _vectors(tree: dict[str, Any], n_outputs: int) -> npt.NDArray[np.float32]:
    """Return the vectors of a tree's leaves, float32 [n_leaves, n_outputs]."""
    vectors = np.asarray(tree["leaf_weights"], dtype=np.float32).reshape(-1, n_outputs)
    leaf = np.asarray(tree["left_children"]) == -1
    return np.asarray(vectors[np.asarray(tree["right_children"])[leaf]])


def _depth(children: npt.NDArray[np.int64], roots: npt.NDArray[np.int64]) -> int:
    depth, nodes = 0, roots
    while True:
        inner = nodes[children[nodes, 0] != nodes]
        if len(inner) == 0:
            return depth
        nodes, depth = children[inner].ravel(), depth + 1
