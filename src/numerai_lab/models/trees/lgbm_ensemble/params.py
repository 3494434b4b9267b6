"""What an experiment may write under `model.params` of `lgbm_ensemble`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Self

from lightgbm.basic import _ConfigAliases
from pydantic import AfterValidator, Field, field_validator, model_validator

from numerai_lab.errors import did_you_mean
from numerai_lab.models.trees.classes import HeadParams
from numerai_lab.models.trees.lightgbm_rows import BINNING

Positive = Annotated[int, Field(ge=1)]
NonNegative = Annotated[float, Field(ge=0)]
Value = bool | int | float | str | list[int] | list[float]
Weights = Literal["nnls", "equal"] | list[NonNegative] | dict[str, NonNegative]
"""Weights of the members: how they are found, or one for each member, or for each target."""

PRESETS: dict[str, dict[str, Any]] = {
    "standard": {
        "num_iterations": 20_000,
        "learning_rate": 0.001,
        "max_depth": 6,
        "num_leaves": 2**6,
        "feature_fraction": 0.1,
    },
    "deep": {
        "num_iterations": 30_000,
        "learning_rate": 0.001,
        "max_depth": 10,
        "num_leaves": 1024,
        "feature_fraction": 0.1,
        "min_data_in_leaf": 10_000,
    },
    "example": {
        "num_iterations": 2_000,
        "learning_rate": 0.01,
        "max_depth": 5,
        "num_leaves": 2**5 - 1,
        "feature_fraction": 0.1,
    },
    "custom": {},
}
"""Numerai's published parameters, by LightGBM's first names.

`standard` and `deep` are the benchmark models' "standard large" and "deep" parameters, source:
https://docs.numer.ai/numerai-tournament/models. `example` is the model of the tutorial
https://numer.ai/tutorial/hello-numerai, a tenth of the work. `custom` starts from LightGBM's
own defaults.
"""

_SET_ELSEWHERE = {
    "seed": "write `seed` at the top of the experiment",
    "num_threads": "write `threads` at the top of the experiment",
    "device_type": "members train on the CPU, LightGBM's wheels have no CUDA",
    "early_stopping_round": "write an `early_stopping` section in the experiment",
    "early_stopping_min_delta": "early stopping is always on mean per-era corr",
    "first_metric_only": "early stopping is always on mean per-era corr",
    "metric": "early stopping is always on mean per-era corr",
    "verbosity": "the run says itself what happens",
    "deterministic": "it is always true",
    "linear_tree": "it needs a float copy of the features beside the bins",
    "num_class": "a prediction is one value a row",
    "categorical_feature": "features are ordered bins",
}
_MORE_THAN_ROWS = {
    **dict.fromkeys(
        ("lambdarank", "rank_xendcg", "xendcg", "xe_ndcg", "xe_ndcg_mart", "xendcg_mart"),
        "ranks within queries, which lgbm_ensemble does not support",
    ),
    **dict.fromkeys(
        ("multiclass", "softmax", "multiclassova", "multiclass_ova", "ova", "ovr"),
        "gives several values a row, a prediction is one (for that, write head: classes)",
    ),
    **dict.fromkeys(
        ("none", "null", "custom", "na"), "leaves LightGBM without anything to minimise"
    ),
}
"""Objectives that cannot be trained here, and why."""
_FILES_AND_CLUSTERS = frozenset(
    {"config", "task", "data", "valid", "input_model", "output_model", "output_result"}
    | {"convert_model", "convert_model_language", "snapshot_freq", "saved_feature_importance_type"}
    | {"save_binary", "header", "label_column", "weight_column", "group_column", "ignore_column"}
    | {"two_round", "pre_partition", "parser_config_file", "precise_float_parser"}
    | {"num_machines", "local_listen_port", "time_out", "machine_list_filename", "machines"}
    | {"tree_learner", "gpu_platform_id", "gpu_device_id", "gpu_use_dp", "num_gpu"}
)


@cache
def _first_names() -> dict[str, str]:
    """Map every name and alias of a LightGBM parameter to its first name."""
    table: dict[str, list[str]] = _ConfigAliases._get_all_param_aliases()
    return {alias: name for name, aliases in table.items() for alias in aliases}


def by_first_name(written: dict[str, Any]) -> dict[str, Any]:
    """Replace aliases (`colsample_bytree`) by LightGBM's first names (`feature_fraction`)."""
    return {_first_names()[name]: value for name, value in written.items()}


def _known(written: dict[str, Any]) -> dict[str, Any]:
    problems, seen = [], dict[str, str]()
    for name in written:
        first = _first_names().get(name)
        if first is None:
            problems.append(f"unknown key '{name}'" + did_you_mean(name, _first_names()))
        elif first in _SET_ELSEWHERE:
            problems.append(f"'{name}' is not a parameter here: {_SET_ELSEWHERE[first]}")
        elif first in _FILES_AND_CLUSTERS:
            problems.append(f"'{name}' is for LightGBM's command line or clusters, not for a run")
        elif first in seen:
            problems.append(f"'{name}' and '{seen[first]}' are the same parameter: give one")
        else:
            seen[first] = name
        if first == "objective" and (why := _MORE_THAN_ROWS.get(str(written[name]))):
            problems.append(f"objective '{written[name]}' {why}: choose another, as regression")
    if problems:
        raise ValueError("; ".join(problems))
    return written


LightGBMParams = Annotated[dict[str, Value], AfterValidator(_known)]


class LGBMEnsembleParams(HeadParams):
    """Parameters of `lgbm_ensemble`.

    Members are made for every target x era offset x parameter set x seed, nested in that order.
    """

    SPACE: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "n_estimators": {"tune": "int", "low": 100, "high": 1600, "log": True},
        "learning_rate": {"tune": "float", "low": 0.01, "high": 0.2, "log": True},
        "lightgbm.max_depth": {"tune": "int", "low": 3, "high": 8},
        "lightgbm.num_leaves": {"tune": "int", "low": 7, "high": 127, "log": True},
        "lightgbm.feature_fraction": {"tune": "float", "low": 0.05, "high": 1.0, "log": True},
        "lightgbm.min_data_in_leaf": {"tune": "int", "low": 20, "high": 1000, "log": True},
    }

    preset: Literal["standard", "deep", "example", "custom"] = Field(
        "standard", description="Numerai's parameters to start from; custom: LightGBM's defaults"
    )
    n_estimators: Positive | None = Field(None, description="trees a member, over the preset's")
    learning_rate: Annotated[float, Field(gt=0)] | None = Field(
        None, description="step size of a tree, over the preset's"
    )
    lightgbm: LightGBMParams = Field(
        default_factory=dict, description="any LightGBM parameters, over the preset's"
    )
    parameter_sets: Annotated[list[LightGBMParams], Field(min_length=1)] = Field(
        default_factory=lambda: [dict[str, Value]()],
        description="LightGBM parameters that differ between members, over all of the above",
    )
    targets: Annotated[list[str], Field(min_length=1)] | None = Field(
        None, description="targets members train on; all of data.targets if left out"
    )
    seeds: Positive = Field(1, description="members that differ in nothing but the seed")
    era_step: Positive = Field(1, description="a member sees every era_step-th era only")
    era_offsets: Literal["all"] | list[Annotated[int, Field(ge=0)]] = Field(
        "all", description="a member for each: eras with (number - 1) % era_step == offset"
    )
    weights: Weights = Field(
        "nnls",
        description="nnls: fitted on out-of-fold ranks of the training eras; equal; one for each "
        "member in order; or one for each target, shared by its members",
    )
    oof_folds: Positive = Field(
        2, description="walk-forward folds inside the training eras that nnls is fitted on"
    )

    @classmethod
    def hint_unknown_key(cls, name: str) -> str:
        """Say where a LightGBM parameter goes."""
        if name not in _first_names():
            return ""
        return "a LightGBM parameter goes under model.params.lightgbm"

    @field_validator("era_offsets")
    @classmethod
    def _offsets_below_step(cls, offsets: str | list[int], info: Any) -> str | list[int]:
        step = info.data.get("era_step", 1)
        if isinstance(offsets, list):
            if not offsets or len(set(offsets)) < len(offsets):
                raise ValueError(f"{offsets} must hold at least one offset, each once")
            if max(offsets) >= step:
                raise ValueError(f"offset {max(offsets)} must be below era_step {step}")
        return offsets

    @field_validator("parameter_sets")
    @classmethod
    def _one_binning(cls, sets: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for one in sets:
            shared = BINNING & set(by_first_name(one))
            if shared:
                raise ValueError(
                    f"'{min(shared)}' cannot differ between members, which share their bins: "
                    "write it under lightgbm"
                )
        return sets

    @field_validator("weights")
    @classmethod
    def _some_weight(cls, weights: Any) -> Any:
        values = weights.values() if isinstance(weights, dict) else weights
        if not isinstance(weights, str) and not sum(values) > 0:
            raise ValueError("weights must hold at least one above 0")
        return weights

    @model_validator(mode="after")
    def _classes_go_with_it(self) -> Self:
        if self.head == "classes":
            for written in (self.lightgbm, *self.parameter_sets):
                for name in ("objective", "monotone_constraints"):
                    if name in by_first_name(written):
                        raise ValueError(
                            f"head: classes learns a probability for each class: leave {name} out"
                        )
        return self

    def library_params(self, parameter_set: int, n_classes: int = 0) -> dict[str, Any]:
        """Return LightGBM's parameters of one parameter set, by their first names.

        Parameters
        ----------
        n_classes : of the target that is learnt as classes; 0: as a number.
        """
        params = dict(PRESETS[self.preset])
        if self.n_estimators is not None:
            params["num_iterations"] = self.n_estimators
        if self.learning_rate is not None:
            params["learning_rate"] = self.learning_rate
        params |= by_first_name(self.lightgbm)
        params |= by_first_name(self.parameter_sets[parameter_set])
        params.setdefault("num_iterations", 100)
        params.setdefault("objective", "regression")
        if n_classes:
            params |= {"objective": "multiclass", "num_class": n_classes}
        return params
