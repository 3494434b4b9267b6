"""What an experiment may write under `model.params` of `stack`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from numerai_lab.config import Aim
from numerai_lab.models.contract import (
    BENCHMARK,
    META_MODEL,
    Params,
    history_eras_of,
)
from numerai_lab.models.member_choice import MemberChoice, is_member_name

EQUAL, WITHOUT = "equal", "without_"
_ONLY_AS_RUNS = ("feature_set", "early_stopping", "optional_targets", "train_on")

Share = Annotated[float, Field(ge=0)]


class StackParams(Params):
    """Parameters of `stack`."""

    SPACE: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "prior_eras": {"tune": "float", "low": 1.0, "high": 500.0, "log": True}
    }

    members: Annotated[dict[str, MemberChoice], Field(min_length=2)] = Field(
        description="by name, each `{from: ridge.yaml}` or a model with its own parameters, "
        "targets, features, era offset and seed"
    )
    weights: Literal["nnls", "ridge", "equal"] | dict[str, Share] = Field(
        "nnls",
        description="nnls: least squares without negative weights; ridge: with them; equal; or "
        "one for each member by name",
    )
    aim: Aim = Field(
        "corr",
        description="what nnls and ridge weigh members for: corr with the target; mmc or bmc, what "
        "they add to the meta model or to the benchmark; payout: corr and mmc, each with the "
        "multiplier of scoring.payout",
    )
    weights_from: Literal["earlier_folds", "inner"] = Field(
        "earlier_folds",
        description="where nnls and ridge see what members are worth: in the folds before each "
        "(members are runs of their own), or in a walk inside the training eras",
    )
    prior_eras: Annotated[float, Field(ge=0)] = Field(
        52.0, description="so many eras the opinion counts that all members weigh the same"
    )
    half_life_eras: Annotated[float, Field(gt=0)] | None = Field(
        None, description="an era counts half as much as one so many eras later; none if left out"
    )
    max_weight: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="largest share of a member"
    )
    inner_folds: Annotated[int, Field(ge=1)] = Field(
        3, description="weights_from: inner: walk-forward parts of the training eras"
    )

    @property
    def reference(self) -> str | None:
        """Whose predictions the aim looks at, a key of `Members.references`."""
        return {"mmc": META_MODEL, "payout": META_MODEL, "bmc": BENCHMARK}.get(self.aim)

    @field_validator("members")
    @classmethod
    def _names(cls, members: dict[str, MemberChoice]) -> dict[str, MemberChoice]:
        for name in members:
            if not is_member_name(name):
                raise ValueError(f"'{name}' is no name for a member: use letters, digits, _ and -")
            if name in (EQUAL, "prediction") or name.startswith(WITHOUT):
                raise ValueError(
                    f"'{name}' is the name of another column: name the member otherwise"
                )
        return members

    @model_validator(mode="after")
    def _go_together(self) -> StackParams:
        n = len(self.members)
        if isinstance(self.weights, dict):
            strangers = sorted(set(self.weights) - set(self.members))
            without = sorted(set(self.members) - set(self.weights))
            if strangers or without:
                said = [f"'{name}' is no member" for name in strangers]
                said += [f"member '{name}' has none" for name in without]
                raise ValueError(
                    f"weights: {', '.join(said)}: give each of {', '.join(sorted(self.members))} "
                    "one, 0 if it is to have none"
                )
            if not sum(self.weights.values()) > 0:
                raise ValueError("weights must hold at least one above 0")
        if self.max_weight is not None and self.max_weight * n < 1:
            raise ValueError(
                f"max_weight {self.max_weight:g} leaves {1 - self.max_weight * n:.2g} of the "
                f"weight to nobody among {n} members: give at least {1 / n:.2g}"
            )
        if self.aim != "corr" and self.weights not in ("nnls", "ridge"):
            raise ValueError(
                f"aim {self.aim} decides nothing where weights are given or equal: take nnls or "
                "ridge, or leave aim out"
            )
        if self.weights_from == "inner":
            self._check_inner()
        return self

    def _check_inner(self) -> None:
        """Refuse members that cannot be trained within a fit."""
        if self.aim != "corr":
            raise ValueError(
                f"aim {self.aim} needs what others predicted of the eras that weights are found "
                "on, which is there with weights_from: earlier_folds only"
            )
        way = "train it as a run of its own, with weights_from: earlier_folds"
        for name, member in self.members.items():
            written = [key for key in _ONLY_AS_RUNS if key in member.model_fields_set]
            if written and getattr(member, written[0]):
                raise ValueError(f"member '{name}' has {written[0]}, which only a run has: {way}")
            if member.from_ is not None and not member.type:
                continue  # its file is not read yet
            info = member.info
            if info.unlabelled or info.needs_members or history_eras_of(member.new()):
                raise ValueError(
                    f"member '{name}' ({member.type}) needs more than training rows: {way}"
                )
