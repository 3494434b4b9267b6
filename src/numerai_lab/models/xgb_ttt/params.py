"""What an experiment may write under `model.params` of `xgb_ttt`: those of `xgb`, and `adapt`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from numerai_lab.models.xgb import XGBParams
from numerai_lab.models.xgb.params import NonNegative, Positive, Rate, Share

ON_TARGETS_SCALE = (
    "reg:squarederror",
    "reg:absoluteerror",
    "reg:pseudohubererror",
    "reg:logistic",
    "binary:logistic",
)
"""Objectives whose predictions are of the target's own size, as an adaptation adds to them."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class AdapterTrees(_Section):
    """The small trees whose leaves vary with the era's code (method code_leaves)."""

    num_boost_round: Positive = Field(120, description="trees of one bag")
    max_depth: Positive = Field(1, description="of a tree; deeper ones gained nothing")
    eta: NonNegative = Field(0.03, description="step size of a tree")
    lambda_: NonNegative = Field(50.0, alias="lambda", description="L2 on leaves")
    colsample_bytree: Share = Field(0.3, description="features a tree sees")
    bags: Positive = Field(
        4, description="ensembles averaged; each learns from every bags-th era and its own seed"
    )


class Adapt(_Section):
    """How the model adapts itself to the unlabelled rows of each era."""

    method: Literal["code_leaves", "online_linear"] = Field(
        "code_leaves",
        description="code_leaves: leaves that vary with the era's code; online_linear: a ridge on "
        "code times features, refitted on every era whose labels are known",
    )
    task: Literal["feature_reconstruction"] = Field(
        "feature_reconstruction",
        description="the self-supervised task: rebuild the era's feature correlations from a code",
    )
    strength: Literal["auto", "online"] | Rate = Field(
        "auto",
        description="0 (frozen) to 1; auto: chosen on held-out training eras, 0 if none gains; "
        "online: chosen anew on eras whose labels are known (code_leaves)",
    )
    codes: Annotated[int, Field(ge=1, le=3)] = Field(1, description="numbers in a code, at most")
    noise_ratio: NonNegative = Field(
        1.5,
        description="a direction is kept if its variance is this often the largest that rows "
        "shuffled between eras give; 0 keeps all",
    )
    ridge: NonNegative = Field(
        0.1,
        description="L2 on the code (felt where features are missing) and on online_linear's "
        "weights",
    )
    clip: Annotated[float, Field(gt=0)] = Field(
        2.0, description="largest code, in standard deviations over the training eras"
    )
    max_features: Annotated[int, Field(ge=2)] = Field(
        200, description="features the code is read from; a seeded subset if there are more"
    )
    trees: AdapterTrees = Field(default_factory=AdapterTrees, description="for code_leaves")
    window_eras: Positive = Field(
        104, description="strength online: the last eras with known labels that choose it"
    )

    @model_validator(mode="after")
    def _strength_fits_method(self) -> Adapt:
        if self.strength == "online" and self.method == "online_linear":
            raise ValueError(
                "strength online is for code_leaves; online_linear learns its weights from the "
                "same labels already: write a number, or auto"
            )
        return self


class XGBTTTParams(XGBParams):
    """Parameters of `xgb_ttt`: the frozen trees' as in `xgb`, and how they are adapted."""

    adapt: Adapt = Field(default_factory=Adapt, description="how eras change the predictions")

    @model_validator(mode="after")
    def _objective_on_targets_scale(self) -> XGBTTTParams:
        if self.objective not in ON_TARGETS_SCALE:
            raise ValueError(
                f"objective '{self.objective}' does not predict on the target's scale, which an "
                f"adaptation adds to; use one of {', '.join(ON_TARGETS_SCALE)}, or model xgb"
            )
        return self

    def frozen(self) -> XGBParams:
        """Return the parameters of the frozen trees, as model `xgb` takes them."""
        return XGBParams.model_validate(self._frozen_values())

    def with_rounds(self, rounds: int) -> XGBParams:
        """Return the frozen trees' parameters with another number of rounds."""
        return XGBParams.model_validate(self._frozen_values() | {"num_boost_round": rounds})

    def _frozen_values(self) -> dict[str, Any]:
        return self.model_dump(by_alias=True, exclude_none=True, exclude={"adapt"})
