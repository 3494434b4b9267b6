"""What an experiment may write under `model.params` of `era_rnn`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from numerai_lab.models.nested import ModelChoice
from numerai_lab.models.nets.params import Count, NetParams, Positive

_OF_ROWS = ("class_weight_power", "auxiliary_targets", "rows_per_era")
"""Parameters of nets that read rows, which mean nothing where an era is one data point."""


class EraRNNParams(NetParams):
    """Parameters of `era_rnn`."""

    SPACE: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "learning_rate": {"tune": "float", "low": 0.0003, "high": 0.01, "log": True},
        "encoder": {"tune": "choice", "choice": ["gru", "lstm", "mixer"]},
        "components": {"tune": "choice", "choice": [4, 8, 16, 32]},
        "width": {"tune": "choice", "choice": [8, 16, 32]},
        "dropout": {"tune": "float", "low": 0.0, "high": 0.6},
        "steps": {"tune": "int", "low": 6, "high": 26},
    }

    form: Literal["coefficients", "gate"] = Field(
        "coefficients",
        description="coefficients: to `first` is added a linear model of `components`, whose "
        "coefficients follow from past eras; gate: the share of `second` beside `first` does",
    )
    first: ModelChoice = Field(
        default_factory=lambda: ModelChoice(type="ridge"),
        description="model that predicts every era alike",
    )
    second: ModelChoice | None = Field(
        None, description="the other model of form: gate; ridge where nothing is written"
    )
    folds: Annotated[int, Field(ge=2)] = Field(
        4,
        description="blocks of training eras: `first` and `second` predict each from the others, "
        "purged on both sides, and the net learns from that",
    )
    encoder: Literal["gru", "lstm", "mixer"] = Field(
        "gru", description="what reads the past: a recurrent net, or TSMixer's blocks along time"
    )
    components: Count = Field(
        16,
        description="leading directions in which features correlate within eras; of each era is "
        "read what each of them earned, and how far apart rows lay along it",
    )
    steps: Count = Field(13, description="points in time that the encoder reads")
    step: Count = Field(
        4,
        description="eras that are averaged to one point in time; at least data.train_step, or "
        "points are empty",
    )
    width: Count = Field(16, description="numbers that the encoder carries from era to era")
    layers: Count = Field(1, description="layers of the recurrent net, or blocks of the mixer")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.3, description="share of numbers that is left out at random while it learns"
    )
    loss: Literal["mse", "corr"] = Field(
        "mse",
        description="mse: squared error of the standardised target; corr: minus the correlation "
        "within each era",
    )
    learning_rate: Positive = Field(
        0.003, description="highest rate of AdamW, after a tenth of all steps; 1 % of it at the end"
    )
    ema: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.95,
        description="the model is a moving average of the weights over steps with this decay; 0: "
        "the last weights",
    )
    eras_per_batch: Count = Field(8, description="eras in a batch")
    precision: Literal["float32"] = Field("float32", description="numbers that training multiplies")

    @property
    def history_eras(self) -> int:
        """How many era numbers before the one predicted are read."""
        return self.steps * self.step - 1

    @property
    def models(self) -> dict[str, ModelChoice]:
        """The models that the net adds to, or chooses between, by name."""
        if self.form == "coefficients":
            return {"first": self.first}
        return {"first": self.first, "second": self.second or ModelChoice(type="ridge")}

    @field_validator("first", "second")
    @classmethod
    def _learns_from_rows_alone(cls, choice: ModelChoice | None) -> ModelChoice | None:
        more = "" if choice is None else choice.needs_beside_rows
        if choice is not None and more:
            raise ValueError(
                f"'{choice.type}' needs {more}, which a model within era_rnn is not given: "
                "choose one that learns from labelled rows alone, as ridge or xgb"
            )
        return choice

    @model_validator(mode="after")
    def _means_something(self) -> Self:
        fields = type(self).model_fields
        written = [name for name in _OF_ROWS if getattr(self, name) != fields[name].default]
        if written:
            raise ValueError(f"{written[0]} means nothing to era_rnn: leave it out")
        if self.going_on.replay:
            raise ValueError(
                "going_on.replay means nothing to era_rnn, whose models have seen earlier eras: "
                "leave it out"
            )
        if self.form == "coefficients" and self.second is not None:
            raise ValueError("second is the other model of form: gate: leave it out, or write that")
        return self
