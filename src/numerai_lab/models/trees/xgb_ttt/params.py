"""What an experiment may write under `model.params` of `xgb_ttt`: `xgb`'s, and two sections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from numerai_lab.errors import did_you_mean
from numerai_lab.models.trees.xgb import XGBParams
from numerai_lab.models.trees.xgb.params import NonNegative, Positive, Rate, Share
from numerai_lab.models.trees.xgb_ttt.tasks import task_names

ON_TARGETS_SCALE = (
    "reg:squarederror",
    "reg:absoluteerror",
    "reg:pseudohubererror",
    "reg:logistic",
    "binary:logistic",
)
"""Objectives whose predictions are of the target's own size, as an adaptation adds to them."""

_REMOVED_METHODS = {
    "self_refresh": (
        "it gained what its own control gained (docs/research/ttt_trials.md)",
        "code_leaves",
    ),
    "online_linear": (
        "its gain was its linear part's, with twice the worst half year "
        "(docs/research/adaptation.md)",
        "nearest_eras",
    ),
}
"""Methods that there were, and why they went."""

_NOT_WITH_VECTOR_LEAVES = (
    "era_boosting",
    "monotone_constraints",
    "interaction_constraints",
    "num_parallel_tree",
    "base_score",
)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


DEFAULT_TASK = "feature_reconstruction"


def _known_task(name: str) -> str:
    names = [*task_names(), "auto"]
    if name not in names:
        raise ValueError(f"no task '{name}'{did_you_mean(name, names)} (there: {', '.join(names)})")
    return name


class Auxiliary(_Section):
    """The self-supervised task: what is learnt from features alone."""

    task: Annotated[str, AfterValidator(_known_task)] = Field(
        DEFAULT_TASK,
        description="feature_reconstruction: the era's feature correlations from a code; "
        "feature_prediction: held-out features from the others; autoencoder: noisy rows from a "
        "bottleneck; era_forecast: reconstruction, with a forecast as the code's prior; auto: that "
        "of the first three whose adaptation surely gained most so far",
    )
    weight: Literal["auto"] | NonNegative = Field(
        0.0,
        description="of the auxiliary loss in joint training, the main loss has 1; 0: the trees "
        "of xgb; auto: chosen on held-out training eras, 0 if none gains",
    )
    codes: Annotated[int, Field(ge=1, le=3)] = Field(1, description="numbers in a code, at most")
    features: list[str] | None = Field(
        None, description="features that the task reads, by name; a seeded subset"
    )
    max_features: Annotated[int, Field(ge=4)] = Field(
        200, description="size of that subset, or all features if there are fewer"
    )
    held_out: Positive = Field(
        8, description="feature_prediction: features to predict, hidden from joint trees"
    )
    bottleneck: Annotated[int, Field(ge=2, le=64)] = Field(
        8, description="autoencoder: units of the narrow layer"
    )
    noise_ratio: NonNegative = Field(
        1.5,
        description="a direction is kept if its variance is this often the largest that rows "
        "shuffled between eras give; 0 keeps all",
    )

    @model_validator(mode="after")
    def _features_once(self) -> Auxiliary:
        names = self.features or []
        if self.features is not None and len(set(names)) < 4:
            raise ValueError(f"features names {len(set(names))} features, a task reads at least 4")
        return self


class AdapterTrees(_Section):
    """The small trees whose leaves vary with the era's code (method code_leaves)."""

    num_boost_round: Positive = Field(60, description="trees of one bag")
    max_depth: Positive = Field(1, description="of a tree; deeper ones gained nothing")
    eta: NonNegative = Field(0.06, description="step size of a tree")
    lambda_: NonNegative = Field(50.0, alias="lambda", description="L2 on leaves")
    colsample_bytree: Share = Field(0.3, description="features a tree sees")
    bags: Positive = Field(
        4, description="ensembles averaged; each learns from every bags-th era and its own seed"
    )


class Adapt(_Section):
    """How the model adapts itself to the unlabelled rows of each era."""

    method: Literal["code_leaves", "leaf_refresh", "nearest_eras"] = Field(
        "code_leaves",
        description="code_leaves: leaves that vary with the era's code; leaf_refresh: leaves "
        "moved by the residuals of the auxiliary targets; nearest_eras: a ridge on the eras whose "
        "codes are nearest, also those that were resolved since the fit (refit_eras)",
    )
    code: Literal["task", "own_loss"] = Field(
        "task",
        description="code_leaves: the task's code, or the one that minimises the auxiliary loss "
        "of jointly trained trees, which then only read eras: the trees of xgb are adapted",
    )
    strength: Literal["auto"] | Rate = Field(
        "auto",
        description="0 (unadapted) to 1; auto: chosen on what earlier folds gained in their judged "
        "eras, in the first fold on held-out training eras; falls with the age of the model, 0 "
        "where no gain is sure",
    )
    refit_eras: Positive | None = Field(
        None,
        description="after so many more eras with known labels the strength is decided anew, and "
        "nearest_eras takes these eras in; left out: the trees' fit alone decides",
    )
    steps: Literal["auto"] | Positive | None = Field(
        None,
        description="update steps on an era; left out: the closed form, or one step; auto: small "
        "ones, until the auxiliary loss of a held-out half of the era's rows stops falling",
    )
    seconds_per_era: Annotated[float, Field(gt=0)] | None = Field(
        None, description="time limit for reading an era; no limit"
    )
    ridge: NonNegative = Field(
        0.1,
        description="L2 on the code's distance from its prior, and on weights that are fitted",
    )
    width: Annotated[float, Field(gt=0)] = Field(
        0.52,
        description="nearest_eras: distance of codes, a number of a code, at which an era "
        "counts 61 % of one with the same code",
    )
    floor: NonNegative = Field(0.05, description="nearest_eras: what the farthest era counts")
    clip: Annotated[float, Field(gt=0)] = Field(
        4.0, description="largest code or movement, in standard deviations over training eras"
    )
    trees: AdapterTrees = Field(default_factory=AdapterTrees, description="for code_leaves")

    @field_validator("method", mode="before")
    @classmethod
    def _method_is_there(cls, name: Any) -> Any:
        if isinstance(name, str) and name in _REMOVED_METHODS:
            why, other = _REMOVED_METHODS[name]
            raise ValueError(f"method {name} was removed: {why}; use {other}")
        return name

    @field_validator("strength", mode="before")
    @classmethod
    def _strength_is_there(cls, strength: Any) -> Any:
        if strength == "online":
            raise ValueError(
                "strength online was removed: auto follows labels as they become known, where "
                "refit_eras says how often; write auto and refit_eras: 13"
            )
        return strength

    @model_validator(mode="after")
    def _code_fits_method(self) -> Adapt:
        if self.code == "own_loss" and self.method != "code_leaves":
            raise ValueError(f"code own_loss is for method code_leaves, not {self.method}")
        return self

    @property
    def needs_joint_trees(self) -> bool:
        """Whether the method works on auxiliary outputs of the trees."""
        return self.method == "leaf_refresh" or self.code == "own_loss"


class XGBTTTParams(XGBParams):
    """Parameters of `xgb_ttt`: the trees' as in `xgb`, the task, and how eras are adapted to."""

    SPACE: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        **XGBParams.SPACE,
        "auxiliary.codes": {"tune": "int", "low": 1, "high": 3},
        "adapt.ridge": {"tune": "float", "low": 0.01, "high": 1.0, "log": True},
        "adapt.steps": {"tune": "choice", "choice": [None, "auto"]},
    }

    auxiliary: Auxiliary = Field(default_factory=Auxiliary, description="the self-supervised task")
    adapt: Adapt = Field(default_factory=Adapt, description="how eras change the predictions")

    @classmethod
    def space_for(cls, written: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        """Return `SPACE`, and the tasks to choose among: auto is one where the guard may choose."""
        auxiliary, adapt = written.get("auxiliary") or {}, written.get("adapt") or {}
        open_ = auxiliary.get("weight", 0) == 0 and adapt.get("strength", "auto") == "auto"
        tasks = {"tune": "choice", "choice": [*task_names(), *(["auto"] if open_ else [])]}
        return {**cls.SPACE, "auxiliary.task": tasks}

    @model_validator(mode="after")
    def _objective_on_targets_scale(self) -> XGBTTTParams:
        if self.objective not in ON_TARGETS_SCALE:
            raise ValueError(
                f"objective '{self.objective}' does not predict on the target's scale, which an "
                f"adaptation adds to; use one of {', '.join(ON_TARGETS_SCALE)}, or model xgb"
            )
        return self

    @model_validator(mode="after")
    def _learns_a_number(self) -> XGBTTTParams:
        self._refuse_unless(
            self.head == "regression",
            "an adaptation adds to a prediction that is a sum of trees: write head: regression, or "
            "train model xgb",
        )
        return self

    @model_validator(mode="after")
    def _the_guard_chooses_the_task(self) -> XGBTTTParams:
        if self.auxiliary.task == "auto":
            self._refuse_unless(
                self.auxiliary.weight == 0,
                "auxiliary.task auto tries tasks on the same trees, but with auxiliary.weight "
                f"{self.auxiliary.weight} each would have others: write weight: 0, or name a task",
            )
            self._refuse_unless(
                self.adapt.strength == "auto",
                "auxiliary.task auto is chosen with the strength, but adapt.strength is "
                f"{self.adapt.strength}: write strength: auto, or name a task",
            )
        return self

    @model_validator(mode="after")
    def _trees_fit_the_method(self) -> XGBTTTParams:
        joint = self.auxiliary.weight != 0
        if self.adapt.needs_joint_trees and not joint:
            what = "code own_loss" if self.adapt.code == "own_loss" else "method leaf_refresh"
            raise ValueError(
                f"{what} works on trees trained jointly with auxiliary targets, but "
                "auxiliary.weight is 0: write auto or a number above 0"
            )
        if joint:
            wants = f"auxiliary.weight {self.auxiliary.weight} needs vector leaves"
            self._refuse_unless(self.booster in (None, "gbtree"), f"{wants}, booster gbtree")
            self._refuse_unless(
                self.tree_method in (None, "auto", "hist") and self.updater is None,
                f"{wants}, which only tree_method hist grows",
            )
            self._refuse_unless(
                self.objective == "reg:squarederror", f"{wants} and objective reg:squarederror"
            )
            for name in _NOT_WITH_VECTOR_LEAVES:
                self._refuse_unless(
                    getattr(self, name) is None, f"{wants}, which do not take {name}"
                )
        return self

    @property
    def predicts_with_joint_trees(self) -> bool:
        """Whether jointly trained trees, where there are any, are the ones that are adapted."""
        return self.auxiliary.weight != 0 and self.adapt.code != "own_loss"

    def _refuse_unless(self, fine: bool, sentence: str) -> None:
        if not fine:
            raise ValueError(sentence)

    def with_task(self, name: str) -> XGBTTTParams:
        """Return the same parameters with another task."""
        auxiliary = self.auxiliary.model_copy(update={"task": name})
        return self.model_copy(update={"auxiliary": auxiliary})

    def frozen(self) -> XGBParams:
        """Return the parameters of the frozen trees, as model `xgb` takes them."""
        return XGBParams.model_validate(self._frozen_values())

    def with_rounds(self, rounds: int) -> XGBParams:
        """Return the frozen trees' parameters with another number of rounds."""
        return XGBParams.model_validate(self._frozen_values() | {"num_boost_round": rounds})

    def _frozen_values(self) -> dict[str, Any]:
        return self.model_dump(by_alias=True, exclude_none=True, exclude={"auxiliary", "adapt"})
