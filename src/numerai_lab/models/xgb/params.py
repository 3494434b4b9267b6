"""What an experiment may write under `model.params` of `xgb`: XGBoost's own names.

Every training parameter of XGBoost 3 is a field here, so that a typo is an error instead of
a parameter that XGBoost ignores. Left out means XGBoost's own default, named in the text.
Source: https://xgboost.readthedocs.io/en/stable/parameter.html
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from numerai_lab.models.base import Params

Positive = Annotated[int, Field(ge=1)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, le=1)]
Rate = Annotated[float, Field(ge=0, le=1)]

_SET_ELSEWHERE = {
    "seed": "write `seed` at the top of the experiment",
    "random_state": "write `seed` at the top of the experiment",
    "nthread": "write `threads` at the top of the experiment",
    "n_jobs": "write `threads` at the top of the experiment",
    "device": "write `device` at the top of the experiment",
    "gpu_id": "write `device: cuda` at the top of the experiment",
    "eval_metric": "early stopping is always on mean per-era corr",
    "early_stopping_rounds": "write an `early_stopping` section in the experiment",
    "verbosity": "the run says itself what XGBoost warns about",
    "n_estimators": "XGBoost's own name is `num_boost_round`",
    "process_type": "there is no earlier model whose trees could be updated",
}
_NEEDED = {
    "quantile_alpha": ("reg:quantileerror", "0.5"),
    "expectile_alpha": ("reg:expectileerror", "0.5"),
    "num_class": ("multi:softmax", "5"),
}
"""Parameters without which an objective fails a check in XGBoost's C++, and an example."""
_SAME = {
    "learning_rate": "eta",
    "min_split_loss": "gamma",
    "reg_lambda": "lambda_",
    "reg_alpha": "alpha",
}


def _refuse(_: Any, info: ValidationInfo) -> None:
    raise ValueError(f"not a parameter here: {_SET_ELSEWHERE[str(info.field_name)]}")


SetElsewhere = Annotated[None, BeforeValidator(_refuse), Field(exclude=True)]
"""A name of XGBoost that something else in the experiment decides; writing it is an error."""


class EraBoosting(BaseModel):
    """More trees for the eras that the model has learnt worst."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    rounds: Positive = Field(description="trees to add, exactly")
    proportion: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.5, description="share of training eras, the worst by in-sample corr, that teach them"
    )
    every: Positive = Field(10, description="trees between two choices of the worst eras")


class XGBParams(Params):
    """Parameters of `xgb`; the booster's, the trees' and the objective's as XGBoost names them."""

    num_boost_round: Positive = Field(400, description="boosting rounds, before era boosting")
    era_boosting: EraBoosting | None = None
    memory: Literal["auto", "in_core", "external"] = Field(
        "auto",
        description="in_core: binned rows in memory; external: in pages on disk; auto: in memory "
        "if they fit",
    )

    booster: Literal["gbtree", "gblinear", "dart"] | None = Field(None, description="gbtree")
    objective: str = Field("reg:squarederror", description="what the trees minimise")
    base_score: float | None = Field(None, description="first prediction; fitted to the labels")

    eta: NonNegative | None = Field(None, description="step size of a tree; 0.3")
    learning_rate: NonNegative | None = Field(None, description="another name of eta")
    max_depth: Annotated[int, Field(ge=0)] | None = Field(None, description="of a tree; 6")
    max_leaves: Annotated[int, Field(ge=0)] | None = Field(None, description="0: no limit")
    min_child_weight: NonNegative | None = Field(None, description="hessian in a leaf; 1")
    gamma: NonNegative | None = Field(None, description="smallest gain of a split; 0")
    min_split_loss: NonNegative | None = Field(None, description="another name of gamma")
    lambda_: NonNegative | None = Field(None, alias="lambda", description="L2 on leaves; 1")
    reg_lambda: NonNegative | None = Field(None, description="another name of lambda")
    alpha: NonNegative | None = Field(None, description="L1 on leaves; 0")
    reg_alpha: NonNegative | None = Field(None, description="another name of alpha")
    max_delta_step: NonNegative | None = Field(None, description="largest leaf; 0: no limit")
    subsample: Share | None = Field(None, description="rows a tree sees; 1")
    sampling_method: Literal["uniform", "gradient_based"] | None = Field(
        None, description="uniform; gradient_based needs device cuda"
    )
    colsample_bytree: Share | None = Field(None, description="features a tree sees; 1")
    colsample_bylevel: Share | None = Field(None, description="features a level sees; 1")
    colsample_bynode: Share | None = Field(None, description="features a split sees; 1")
    tree_method: Literal["auto", "hist", "approx", "exact"] | None = Field(
        None, description="auto is hist; approx and exact need float copies of the features"
    )
    grow_policy: Literal["depthwise", "lossguide"] | None = Field(None, description="depthwise")
    max_bin: Annotated[int, Field(ge=2)] | None = Field(
        None, description="int8 features: one bin a value; float features: 256"
    )
    num_parallel_tree: Positive | None = Field(None, description="trees a round; 1")
    multi_strategy: Literal["one_output_per_tree", "multi_output_tree"] | None = None
    monotone_constraints: dict[str, Literal[-1, 0, 1]] | list[Literal[-1, 0, 1]] | None = Field(
        None, description="by feature name, or one for each feature"
    )
    interaction_constraints: list[list[str]] | None = Field(
        None, description="groups of feature names that may meet in a tree"
    )
    scale_pos_weight: NonNegative | None = Field(None, description="for binary objectives; 1")
    max_cached_hist_node: Positive | None = None
    sparse_threshold: Rate | None = None
    max_cat_to_onehot: Positive | None = None
    max_cat_threshold: Positive | None = None
    updater: str | None = Field(None, description="chosen by tree_method")
    refresh_leaf: Literal[0, 1] | None = None
    seed_per_iteration: bool | None = None
    validate_parameters: bool | None = None

    sample_type: Literal["uniform", "weighted"] | None = Field(None, description="dart")
    normalize_type: Literal["tree", "forest"] | None = Field(None, description="dart")
    rate_drop: Rate | None = Field(None, description="dart: trees dropped; 0")
    one_drop: Literal[0, 1] | None = Field(None, description="dart")
    skip_drop: Rate | None = Field(None, description="dart")

    feature_selector: Literal["cyclic", "shuffle", "random", "greedy", "thrifty"] | None = Field(
        None, description="gblinear"
    )
    top_k: Annotated[int, Field(ge=0)] | None = Field(None, description="gblinear")
    tolerance: NonNegative | None = Field(None, description="gblinear")

    num_class: Annotated[int, Field(ge=0)] | None = Field(
        None, validate_default=True, description="multi:softmax"
    )
    tweedie_variance_power: Annotated[float, Field(gt=1, lt=2)] | None = None
    huber_slope: NonNegative | None = Field(None, description="reg:pseudohubererror; 1")
    quantile_alpha: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, validate_default=True, description="reg:quantileerror"
    )
    expectile_alpha: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, validate_default=True, description="reg:expectileerror"
    )
    aft_loss_distribution: Literal["normal", "logistic", "extreme"] | None = None
    aft_loss_distribution_scale: NonNegative | None = None
    lambdarank_pair_method: Literal["topk", "mean"] | None = Field(
        None, description="rank:*, where an era is a query"
    )
    lambdarank_num_pair_per_sample: Positive | None = None
    lambdarank_normalization: bool | None = None
    lambdarank_score_normalization: bool | None = None
    lambdarank_unbiased: bool | None = None
    lambdarank_bias_norm: NonNegative | None = None
    ndcg_exp_gain: bool | None = None

    seed: SetElsewhere = None
    random_state: SetElsewhere = None
    nthread: SetElsewhere = None
    n_jobs: SetElsewhere = None
    device: SetElsewhere = None
    gpu_id: SetElsewhere = None
    eval_metric: SetElsewhere = None
    early_stopping_rounds: SetElsewhere = None
    verbosity: SetElsewhere = None
    n_estimators: SetElsewhere = None
    process_type: SetElsewhere = None

    @field_validator(*_SAME)
    @classmethod
    def _given_once(cls, value: float | None, info: ValidationInfo) -> float | None:
        other = _SAME[str(info.field_name)]
        if value is not None and info.data.get(other) is not None:
            raise ValueError(f"the same parameter as {other.rstrip('_')}: give one of them")
        return value

    @field_validator("objective")
    @classmethod
    def _learns_from_one_label(cls, objective: str) -> str:
        if objective == "survival:aft":
            raise ValueError(
                "survival:aft learns from a lower and an upper bound of each label, "
                "a target is one number: choose another, as reg:squarederror"
            )
        return objective

    @field_validator(*_NEEDED)
    @classmethod
    def _objective_has_it(cls, value: float | None, info: ValidationInfo) -> float | None:
        objective, example = _NEEDED[str(info.field_name)]
        if value is None and info.data.get("objective") == objective:
            raise ValueError(f"objective {objective} needs it, as {info.field_name}: {example}")
        return value

    def library_params(self) -> dict[str, Any]:
        """Return what was written for XGBoost itself, by XGBoost's names."""
        own = {"num_boost_round", "era_boosting", "memory"}
        own |= {"monotone_constraints", "interaction_constraints"}
        return self.model_dump(by_alias=True, exclude_none=True, exclude=own)
