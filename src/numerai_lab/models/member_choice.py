"""A member of a model that is made of other runs' predictions, as a person writes it."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, Field, SerializeAsAny, ValidationInfo, field_validator
from pydantic import model_validator as validator

from numerai_lab.config import EarlyStopping, ResidualOfRun, Weights
from numerai_lab.models.contract import Params
from numerai_lab.models.nested import ModelChoice

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_NOT_WITH_FROM = ("type", "params", "train_on", "weights", "early_stopping", "name")


def is_member_name(name: str) -> bool:
    """Whether a member may be called so: folders and columns are named after it."""
    return _NAME.fullmatch(name) is not None


class MemberChoice(ModelChoice):
    """An experiment of its own within another's parameters; what is left out is the other's.

    Either a config beside the experiment's file (`from: ridge.yaml`), or a model written inline.
    With `from`, a run fills the other fields in as the file says (`experiment.member_configs`), so
    that a resolved config needs no other file, and its hash follows that file's content.

    Attributes
    ----------
    name : under which runs of this member are kept.
    """

    from_: str | None = Field(
        None, alias="from", description="a config beside this one, as ridge.yaml"
    )
    type: str = Field("", description="name of a model (`numerai-lab models`), without `from`")
    params: SerializeAsAny[BaseModel] = Field(
        default_factory=lambda: _NOTHING_WRITTEN,
        validate_default=True,
        description="its parameters",
    )
    targets: Annotated[list[str], Field(min_length=1)] | None = Field(
        None, description="targets it trains on, the main one first; the experiment's if left out"
    )
    optional_targets: list[str] = Field(
        default_factory=list, description="more targets it trains on where the data has them"
    )
    feature_set: str | None = Field(
        None, description="features among the experiment's; all of those if left out"
    )
    features: Annotated[list[str], Field(min_length=1)] | None = Field(
        None, description="explicit list, instead of feature_set"
    )
    train_step: Annotated[int, Field(ge=1)] | None = Field(
        None, description="train on every step-th era only; as the experiment's split if left out"
    )
    train_offset: Annotated[int, Field(ge=0)] | None = Field(
        None, description="which of them: 0 .. train_step - 1"
    )
    seed: Annotated[int, Field(ge=0)] | None = Field(
        None, description="the experiment's if left out"
    )
    train_on: str | ResidualOfRun | None = Field(None, description="as in an experiment")
    weights: Weights = Field(
        default_factory=Weights, description="sample weights, as in an experiment"
    )
    early_stopping: EarlyStopping | None = Field(None, description="as in an experiment")
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")] | None = Field(
        None,
        description="name of its runs; EXPERIMENT.MEMBER if left out; with `from` the file's, plus "
        ".MEMBER where anything is changed here",
    )

    @field_validator("type")
    @classmethod
    def _known(cls, name: str) -> str:
        return super()._known(name) if name else name

    @field_validator("params", mode="before")
    @classmethod
    def _checked(cls, written: Any, info: ValidationInfo) -> Any:
        return super()._checked(written, info) if info.data.get("type") else Params()

    @validator(mode="after")
    def _either(self) -> MemberChoice:
        if self.from_ is None and not self.type:
            raise ValueError("a member needs a model's type, or `from: CONFIG.yaml`")
        if self.from_ is not None:
            taken = [name for name in _NOT_WITH_FROM if name in self.model_fields_set]
            if taken:
                raise ValueError(f"`{taken[0]}` is what the config under `from` says: write one")
        if (self.train_offset or 0) >= (self.train_step or 2**31):
            raise ValueError(
                f"train_offset {self.train_offset} must be below train_step {self.train_step}"
            )
        return self


_NOTHING_WRITTEN: Any = {}
