"""Fitted Boosters written again with other leaves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost

from numerai_lab.models.trees.arrays import xgboost_json, xgboost_trees


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
    whole, grown = xgboost_json(booster)
    learner = whole["learner"]
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
    return _booster(whole)


def main_output(booster: Any) -> Any:
    """Return a Booster that predicts the first output of vector leaves, in half the time."""
    trees, _ = xgboost_trees(booster)
    values = np.split(trees.value[trees.is_leaf, 0], trees.first_leaf[1:-1])
    return with_leaf_values(booster, values, [0] * len(values))


def merged(boosters: Sequence[Any]) -> Any:
    """Return one Booster that predicts the sum of all: each call reads the features anew.

    Parameters
    ----------
    boosters : of the same kind, outputs and features, with base_score 0.
    """
    models = [xgboost_json(booster) for booster in boosters]
    whole, grown = models[0]
    trees = [tree for _, model in models for tree in model["trees"]]
    grown["trees"] = [{**tree, "id": i} for i, tree in enumerate(trees)]
    grown["tree_info"] = [0] * len(trees)
    grown["iteration_indptr"] = list(range(len(trees) + 1))
    grown["gbtree_model_param"]["num_trees"] = str(len(trees))
    return _booster(whole)


def _booster(model: dict[str, Any]) -> Any:
    booster = xgboost.Booster()
    booster.load_model(bytearray(json.dumps(model).encode()))
    return booster
