"""An adaptation as plain values, for a bundle."""

from __future__ import annotations

from dataclasses import replace

from numerai_lab.errors import ModelError
from numerai_lab.models.base import Exported
from numerai_lab.models.trees import xgboost_trees
from numerai_lab.models.xgb_ttt.adaptation import Adaptation
from numerai_lab.models.xgb_ttt.code_leaves import CodeLeaves
from numerai_lab.models.xgb_ttt.online_linear import OnlineLinear
from numerai_lab.models.xgb_ttt.tasks import FeatureReconstruction


def with_adaptation(frozen: Exported, adaptation: Adaptation | None, strength: float) -> Exported:
    """Add an adaptation to the frozen trees.

    Raises
    ------
    ModelError : a task or a method that a bundle does not know.
    """
    settings = {**frozen.settings, "strength": strength}
    if adaptation is None or strength == 0:
        settings["strength"] = 0.0
        return replace(frozen, kind="adaptive", settings=settings)
    task, method = adaptation.task, adaptation.method
    if not isinstance(task, FeatureReconstruction):
        raise _unknown("task", type(task).__name__)
    arrays = {**frozen.arrays, "columns": adaptation.columns, **task.arrays()}
    settings |= {"ridge": task.params.ridge, "clip": task.params.clip}
    if isinstance(method, CodeLeaves):
        settings |= {"method": "code_leaves", "bags": len(method.boosters)}
        for bag, booster in enumerate(method.boosters):
            arrays |= xgboost_trees(booster)[0].arrays(f"bag_{bag:02d}")
    elif isinstance(method, OnlineLinear):
        weights, std = method._weights()
        settings |= {"method": "online_linear", "weights_std": std}
        arrays["weights"] = weights
    else:
        raise _unknown("method", type(method).__name__)
    return replace(frozen, kind="adaptive", settings=settings, arrays=arrays)


def _unknown(what: str, name: str) -> ModelError:
    return ModelError(
        f"the adaptation's {what} {name} cannot be bundled for model upload",
        where="model.params.adapt",
        fix="submit its predictions with `numerai-lab submit`",
    )
