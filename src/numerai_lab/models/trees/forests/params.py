"""What an experiment may write under `model.params` of `random_forest` and `extra_trees`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from numerai_lab.models.trees.classes import HeadParams

Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]


class ForestParams(HeadParams):
    """Parameters of forests; there is no step size, because a forest is a mean of its trees."""

    SPACE: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "max_depth": {"tune": "int", "low": 3, "high": 10},
        "num_leaves": {"tune": "int", "low": 15, "high": 255, "log": True},
        "min_data_in_leaf": {"tune": "int", "low": 20, "high": 1000, "log": True},
        "feature_fraction": {"tune": "float", "low": 0.05, "high": 1.0, "log": True},
        "era_fraction": {"tune": "float", "low": 0.1, "high": 0.9},
    }

    n_estimators: Positive = Field(
        300,
        description="trees; with head: classes, of each class. More are never worse, but slower",
    )
    max_depth: Positive = Field(8, description="most splits from the root to a leaf")
    num_leaves: Annotated[int, Field(ge=2)] = Field(
        128, description="most leaves of a tree, which grows where it gains most"
    )
    min_data_in_leaf: Positive = Field(100, description="fewest training rows in a leaf")
    feature_fraction: Share = Field(
        0.3, description="share of the features that a tree may split on, drawn for each tree"
    )
    feature_fraction_bynode: Share = Field(
        1.0, description="share of a tree's features that a split may use, drawn for each split"
    )
    era_fraction: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.5, description="chance of each training era, as a whole, to be seen by a tree"
    )

    @property
    def library_params(self) -> dict[str, Any]:
        """LightGBM's parameters of the trees, but for the eras they see."""
        names = ("max_depth", "num_leaves", "min_data_in_leaf", "feature_fraction")
        own = {name: getattr(self, name) for name in (*names, "feature_fraction_bynode")}
        return {"boosting": "rf", "objective": "regression", **own}
