"""What an experiment may write under `model.params` of `xgb`: XGBoost's own names.

Every training parameter of XGBoost 3 is a field here, so that a typo is an error instead of
a parameter that XGBoost ignores. Left out means XGBoost's own default, shown beside it.
Source: https://xgboost.readthedocs.io/en/stable/parameter.html; defaults as `Booster.save_config`
of XGBoost 3.2 tells them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from numerai_lab.models.contract import LEFT_OUT
from numerai_lab.models.trees.classes import HeadParams

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


def _own(default: str, description: str, **more: Any) -> Any:
    """Describe a parameter of XGBoost's own; `default` is what it does when it is left out."""
    return Field(None, description=description, json_schema_extra={LEFT_OUT: default}, **more)


class EraBoosting(BaseModel):
    """More trees for the eras that the model has learnt worst."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    rounds: Positive = Field(description="trees to add, exactly")
    proportion: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.5, description="share of training eras, the worst by in-sample corr, that teach them"
    )
    every: Positive = Field(10, description="trees between two choices of the worst eras")


class XGBParams(HeadParams):
    """Parameters of `xgb`; the booster's, the trees' and the objective's as XGBoost names them."""

    SPACE: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "num_boost_round": {"tune": "int", "low": 100, "high": 1600, "log": True},
        "eta": {"tune": "float", "low": 0.01, "high": 0.2, "log": True},
        "max_depth": {"tune": "int", "low": 3, "high": 8},
        "colsample_bytree": {"tune": "float", "low": 0.05, "high": 1.0, "log": True},
        "min_child_weight": {"tune": "float", "low": 1.0, "high": 1000.0, "log": True},
    }

    num_boost_round: Positive = Field(400, description="boosting rounds, before era boosting")
    era_boosting: EraBoosting | None = Field(
        None, description="more trees for the eras learnt worst; none if left out"
    )
    memory: Literal["auto", "in_core", "external"] = Field(
        "auto",
        description="in_core: binned rows in memory; external: in pages on disk; auto: in memory "
        "if they fit, but for members and baselines that are trained from an era store",
    )

    booster: Literal["gbtree", "gblinear", "dart"] | None = _own(
        "gbtree", "trees, linear models, or trees of which some are dropped while training"
    )
    objective: str = Field("reg:squarederror", description="what the trees minimise")
    base_score: float | None = _own("fitted to the labels", "first prediction")

    eta: NonNegative | None = _own("0.3", "step size of a tree")
    learning_rate: NonNegative | None = _own("", "another name of eta")
    max_depth: Annotated[int, Field(ge=0)] | None = _own("6", "of a tree; 0: no limit")
    max_leaves: Annotated[int, Field(ge=0)] | None = _own("0", "of a tree; 0: no limit")
    min_child_weight: NonNegative | None = _own("1", "smallest sum of hessians in a leaf")
    gamma: NonNegative | None = _own("0", "smallest gain of a split")
    min_split_loss: NonNegative | None = _own("", "another name of gamma")
    lambda_: NonNegative | None = _own("1", "L2 on leaves", alias="lambda")
    reg_lambda: NonNegative | None = _own("", "another name of lambda")
    alpha: NonNegative | None = _own("0", "L1 on leaves")
    reg_alpha: NonNegative | None = _own("", "another name of alpha")
    max_delta_step: NonNegative | None = _own("0", "largest leaf; 0: no limit")
    subsample: Share | None = _own("1", "share of the rows that a tree sees")
    sampling_method: Literal["uniform", "gradient_based"] | None = _own(
        "uniform", "how these rows are drawn; gradient_based needs device cuda"
    )
    colsample_bytree: Share | None = _own("1", "share of the features that a tree sees")
    colsample_bylevel: Share | None = _own("1", "share of these that a level sees")
    colsample_bynode: Share | None = _own("1", "share of these that a split sees")
    tree_method: Literal["auto", "hist", "approx", "exact"] | None = _own(
        "auto", "auto is hist; approx and exact need float copies of the features"
    )
    grow_policy: Literal["depthwise", "lossguide"] | None = _own(
        "depthwise", "which leaf is split next: nearest to the root, or of the largest gain"
    )
    max_bin: Annotated[int, Field(ge=2)] | None = _own(
        "256", "bins of a float feature; int8 features have one bin a value"
    )
    num_parallel_tree: Positive | None = _own("1", "trees a round")
    multi_strategy: Literal["one_output_per_tree", "multi_output_tree"] | None = _own(
        "one_output_per_tree", "of several outputs (num_class): a tree each, or leaves with all"
    )
    monotone_constraints: dict[str, Literal[-1, 0, 1]] | list[Literal[-1, 0, 1]] | None = _own(
        "", "by feature name, or one for each feature: 1 rises, -1 falls, 0 is free"
    )
    interaction_constraints: list[list[str]] | None = _own(
        "", "groups of feature names that may meet in a tree"
    )
    scale_pos_weight: NonNegative | None = _own("1", "weight of label 1, binary objectives")
    max_cached_hist_node: Positive | None = _own(
        "65536, 4096 on cuda",
        "histograms of nodes that are kept while a tree grows; less saves memory",
    )
    sparse_threshold: Rate | None = _own(
        "0.2", "tree_method hist: share of present values below which a column is stored sparse"
    )
    max_cat_to_onehot: Positive | None = _own(
        "4", "categorical features only, of which there are none here: one-hot below so many"
    )
    max_cat_threshold: Positive | None = _own(
        "64", "categorical features only: most categories that a split weighs"
    )
    updater: str | None = _own("chosen by tree_method", "steps that build a tree, with commas")
    refresh_leaf: Literal[0, 1] | None = _own(
        "1", "of updater refresh: 1 renews leaves and node statistics, 0 the latter alone"
    )
    seed_per_iteration: bool | None = _own("false", "start the draws of each round from its number")
    validate_parameters: bool | None = _own("true", "XGBoost warns of names it does not know")

    sample_type: Literal["uniform", "weighted"] | None = _own(
        "uniform", "dart: trees are dropped all alike, or by their weight"
    )
    normalize_type: Literal["tree", "forest"] | None = _own(
        "tree", "dart: a new tree weighs as each dropped one, or as their sum"
    )
    rate_drop: Rate | None = _own("0", "dart: share of the trees that is dropped in a round")
    one_drop: Literal[0, 1] | None = _own("0", "dart: 1 drops at least one tree a round")
    skip_drop: Rate | None = _own("0", "dart: probability of a round that drops none")

    feature_selector: Literal["cyclic", "shuffle", "random", "greedy", "thrifty"] | None = _own(
        "cyclic", "gblinear: the order in which coefficients are updated"
    )
    top_k: Annotated[int, Field(ge=0)] | None = _own(
        "0", "gblinear, greedy and thrifty: features that are tried; 0: all"
    )
    tolerance: NonNegative | None = _own(
        "0", "gblinear: rounds end when the largest change of a coefficient is below it"
    )

    num_class: Annotated[int, Field(ge=0)] | None = _own(
        "", "multi:softmax needs it: number of classes", validate_default=True
    )
    tweedie_variance_power: Annotated[float, Field(gt=1, lt=2)] | None = _own(
        "1.5", "reg:tweedie: variance is mean to this power; near 2 is gamma, near 1 Poisson"
    )
    huber_slope: NonNegative | None = _own("1", "reg:pseudohubererror: where squared turns linear")
    quantile_alpha: Annotated[float, Field(gt=0, lt=1)] | None = _own(
        "", "reg:quantileerror needs it: the quantile", validate_default=True
    )
    expectile_alpha: Annotated[float, Field(gt=0, lt=1)] | None = _own(
        "", "reg:expectileerror needs it: the expectile", validate_default=True
    )
    aft_loss_distribution: Literal["normal", "logistic", "extreme"] | None = _own(
        "normal", "of survival:aft, which is refused: a label here is one number"
    )
    aft_loss_distribution_scale: NonNegative | None = _own("1", "as aft_loss_distribution")
    lambdarank_pair_method: Literal["topk", "mean"] | None = _own(
        "topk", "rank:*, where an era is a query: pairs with the best rows, or drawn at random"
    )
    lambdarank_num_pair_per_sample: Positive | None = _own(
        "32 with topk, 1 with mean", "rank:*: pairs a row (mean), or how many best rows (topk)"
    )
    lambdarank_normalization: bool | None = _own("true", "rank:*: scale gradients by their sum")
    lambdarank_score_normalization: bool | None = _own(
        "true", "rank:*: scale a pair's gradient by the difference of its predictions"
    )
    lambdarank_unbiased: bool | None = _own("false", "rank:*: undo the bias of clicked positions")
    lambdarank_bias_norm: NonNegative | None = _own("1", "lambdarank_unbiased: its Lp norm")
    ndcg_exp_gain: bool | None = _own(
        "true", "rank:ndcg: gain 2^label - 1 instead of the label; needs labels up to 31"
    )

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

    @model_validator(mode="after")
    def _classes_go_with_it(self) -> Self:
        if self.head == "classes":
            for name in ("objective", "num_class", "monotone_constraints"):
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise ValueError(
                        f"head: classes learns a probability for each class: leave {name} out"
                    )
            if self.booster == "gblinear":
                raise ValueError("head: classes is for trees: choose booster gbtree or dart")
        return self

    def library_params(self) -> dict[str, Any]:
        """Return what was written for XGBoost itself, by XGBoost's names."""
        own = {"num_boost_round", "era_boosting", "memory", "head", "class_weight_power"}
        own |= {"monotone_constraints", "interaction_constraints"}
        written = self.model_dump(by_alias=True, exclude_none=True, exclude=own)
        return written | ({"objective": "multi:softprob"} if self.head == "classes" else {})
