"""A fitted adaptation as plain values, for a bundle."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.errors import ModelError
from numerai_lab.models.contract import Exported
from numerai_lab.models.trees.arrays import xgboost_trees
from numerai_lab.models.trees.xgb_ttt.adaptation import TreeAdaptation
from numerai_lab.models.trees.xgb_ttt.code_leaves import CodeLeaves
from numerai_lab.models.trees.xgb_ttt.leaf_refresh import GAIN, LeafRefresh
from numerai_lab.models.trees.xgb_ttt.method import Trunk
from numerai_lab.models.trees.xgb_ttt.nearest_eras import NearestEras
from numerai_lab.models.trees.xgb_ttt.task import AuxiliaryTask
from numerai_lab.models.trees.xgb_ttt.tasks.autoencoder import Autoencoder
from numerai_lab.models.trees.xgb_ttt.tasks.feature_prediction import FeaturePrediction
from numerai_lab.models.trees.xgb_ttt.tasks.feature_reconstruction import FeatureReconstruction

Arrays = dict[str, npt.NDArray[Any]]

_TASKS: dict[type[AuxiliaryTask], str] = {
    FeatureReconstruction: "feature_reconstruction",
    FeaturePrediction: "feature_prediction",
    Autoencoder: "autoencoder",
}
"""Tasks that read an era from its own rows alone; a forecast needs to know which era it is."""


def with_adaptation(
    frozen: Exported, trunk: Trunk, adaptation: TreeAdaptation | None, strength: float
) -> Exported:
    """Add what adapts the trees, and put jointly trained trees in place of the frozen ones.

    A time limit (`seconds_per_era`) is not taken along: a container has ten minutes.

    Raises
    ------
    ModelError : a task or a method that a bundle does not know.
    """
    settings: dict[str, Any] = {**frozen.settings, "intercept": 0.0, "strength": 0.0}
    arrays: Arrays = dict(frozen.arrays)
    if trunk.frozen is None:
        trees, settings["link"] = xgboost_trees(trunk.booster)
        arrays = trees.arrays("trees")
        settings["intercept"] = trunk.intercept
    if adaptation is not None and strength > 0:
        task, method = adaptation.reader.task, adaptation.method
        if type(task) not in _TASKS:
            raise _unknown("task", type(task).__name__)
        options = adaptation.params.adapt
        settings |= {
            "strength": strength,
            "task": _TASKS[type(task)],
            "unit": adaptation.trunk.unit,
            "ridge": options.ridge,
            "clip": options.clip,
            "steps": options.steps,
        }
        arrays["columns"] = adaptation.reader.columns
        arrays |= {f"task/{name}": array for name, array in task.arrays().items()}
        if adaptation.support is not None:
            kept = adaptation.support.arrays()
            arrays |= {f"support/{name}": array for name, array in kept.items()}
        _add_method(method, settings, arrays)
        if isinstance(method, CodeLeaves) and method.own_loss:
            arrays |= xgboost_trees(adaptation.trunk.booster)[0].arrays("reading")
    return replace(frozen, kind="adaptive", settings=settings, arrays=arrays)


def _add_method(method: Any, settings: dict[str, Any], arrays: Arrays) -> None:
    if isinstance(method, CodeLeaves):
        settings |= {"method": "code_leaves", **method.export_settings()}
        arrays |= xgboost_trees(method.booster)[0].arrays("adapter")
    elif isinstance(method, NearestEras):
        settings |= {"method": "nearest_eras", **method.settings()}
        arrays |= {f"eras/{name}": array for name, array in method.arrays().items()}
    elif isinstance(method, LeafRefresh):
        slopes, largest = method.fitted()
        settings |= {"method": "leaf_refresh", "gain": GAIN, "largest": largest}
        arrays["slopes"] = slopes
        arrays["node_values"] = (arrays["trees/value"][:, 1:] @ slopes).astype(np.float32)
    else:
        raise _unknown("method", type(method).__name__)


def _unknown(what: str, name: str) -> ModelError:
    return ModelError(
        f"the adaptation's {what} {name} cannot be bundled for model upload",
        where="model.params",
        fix="submit its predictions with `numerai-lab submit`",
    )
