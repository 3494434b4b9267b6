"""What an experiment may write under `model.params` of `mtm`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from numerai_lab.models.contract import Params
from numerai_lab.models.nets.params import AdaptingParams, Count, Positive

Preset = Literal["cell", "group", "row", "suffix", "targets_hidden", "auto", "reference"]
Mode = Literal["cell", "group", "row", "suffix", "targets_hidden", "reference"]


class AdaptParams(Params):
    """What is written under `adapt`: test-time training by the masked loss."""

    what: Literal["norms", "encoder"] = Field(
        "norms",
        description="weights that move: scale and shift of the layer norms, or all but the heads",
    )
    strength: Literal["auto"] | Annotated[float, Field(ge=0)] = Field(
        "auto",
        description="how much of the change is added; auto: chosen on what earlier folds gained in "
        "their judged eras, in the first fold on held-out training eras (it fits the net twice "
        "more); 0 unless they surely gain, and more than with the state of other eras; falls with "
        "the age of the fit",
    )
    refit_eras: Count | None = Field(
        None,
        description="after so many more eras with known labels the strength is decided anew; left "
        "out: the fit alone decides",
    )
    steps: Count = Field(4, description="steps of Adam on the era's masked loss")
    rate: Positive = Field(0.003, description="of these steps")


class MTMParams(AdaptingParams):
    """Parameters of `mtm`. Those of every net are about what follows the pretraining."""

    SPACE: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "learning_rate": {"tune": "float", "low": 0.0001, "high": 0.003, "log": True},
        "dropout": {"tune": "float", "low": 0.0, "high": 0.5},
        "width": {"tune": "choice", "choice": [32, 64, 128]},
        "layers": {"tune": "int", "low": 1, "high": 3},
        "masks": {"tune": "choice", "choice": ["reference", "group", "suffix", "auto"]},
        "pretrain_epochs": {"tune": "choice", "choice": [0, 1, 3]},
    }

    SECTIONS: ClassVar[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
        **AdaptingParams.SECTIONS,
        "adapt": {
            "rate": {"tune": "float", "low": 0.0003, "high": 0.03, "log": True},
            "steps": {"tune": "int", "low": 1, "high": 8},
        },
    }

    groups: Literal["correlation"] | list[str] | dict[str, list[str]] = Field(
        "correlation",
        description="groups of features, a token each: names of sets of features.json, or {NAME: "
        "[FEATURE, ...]}; a feature in several belongs to the first, and those in none form "
        "`other`. correlation: clusters of their correlation within eras",
    )
    n_groups: Count = Field(16, description="clusters of `groups: correlation`")
    width: Count = Field(64, description="numbers of a token; a multiple of heads")
    hidden: Count = Field(128, description="numbers inside a residual block")
    layers: Count = Field(2, description="of attention between the tokens of a row")
    heads: Count = Field(4, description="of attention")
    era_layers: Annotated[int, Field(ge=0)] = Field(
        0, description="times that the rows of an era learn of each other after that, as in era_set"
    )
    points: Count = Field(16, description="learned points of the era's attention, as in era_set")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.1, description="share of numbers that is left out at random while it learns"
    )
    masks: Preset = Field(
        "reference",
        description="what is hidden in pretraining and in joint training. cell: values; group: "
        "a row's groups; row: whole rows of an era; suffix: the groups after one; targets_hidden: "
        "only the targets; auto: one of `auto_weights` for each part of an era; reference: groups, "
        "then a suffix of them, and the loss is over the shown ones, too",
    )
    hidden_share: Annotated[list[float], Field(min_length=2, max_length=2)] = Field(
        [0.0, 0.5],
        description="between which the share that is hidden is drawn, for each part of an era",
    )
    auto_weights: Annotated[dict[Mode, Positive], Field(min_length=1)] = Field(
        {"cell": 1.0, "group": 1.0, "suffix": 1.0},
        description="how often each is drawn by `masks: auto`",
    )
    pretrain_epochs: Annotated[int, Field(ge=0)] = Field(
        2, description="times that every row known before the first judged era is pretrained on"
    )
    pretrain_rate: Positive = Field(0.001, description="as learning_rate, in pretraining")
    pretrain_warm_up: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1,
        description="share of the pretraining's steps in which its rate rises; the reference's "
        "is 0.29",
    )
    reuse_earlier: bool = Field(
        False,
        description="take weights that an earlier fold has pretrained on fewer eras, if there are "
        "any, rather than pretrain again",
    )
    joint_weight: Annotated[float, Field(ge=0)] = Field(
        0.0, description="weight of the masked loss beside that of the targets, after pretraining"
    )

    adapt: AdaptParams | None = Field(
        None,
        description="adapt the net to each era's unlabelled rows before it is predicted; nothing "
        "written: no adaptation",
    )

    @property
    def modes(self) -> set[str]:
        """The masks that may be drawn."""
        return set(self.auto_weights) if self.masks == "auto" else {self.masks}

    @property
    def masked(self) -> bool:
        """Whether masks teach anything, before the targets or beside them."""
        return self.pretrain_epochs > 0 or self.joint_weight > 0

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        low, high = self.hidden_share
        if self.adapt is not None and self.fine_tune is not None:
            raise ValueError(
                "adapt and fine_tune are two ways to change a fitted net, and one guard decides on "
                "one of them: write only one"
            )
        if not 0 <= low <= high <= 1:
            raise ValueError(
                f"hidden_share: [{low:g}, {high:g}] is no range within 0 and 1, of shares that "
                "are hidden"
            )
        if self.width % self.heads:
            raise ValueError(f"width: {self.width} is not a multiple of heads: {self.heads}")
        if not self.masked:
            return self
        drawn = self.modes
        if "row" in drawn and not self.era_layers:
            raise ValueError(
                "masks: row hides whole rows, which only other rows of the era can tell of: "
                "write era_layers: 1"
            )
        if drawn == {"targets_hidden"} and self.pretrain_epochs:
            raise ValueError(
                "masks: targets_hidden hides no feature, so there is nothing to pretrain on: write "
                "pretrain_epochs: 0, or other masks"
            )
        if high == 0 and not drawn & {"suffix", "reference", "targets_hidden"}:
            raise ValueError("hidden_share: [0, 0] hides nothing: write a higher share")
        return self
