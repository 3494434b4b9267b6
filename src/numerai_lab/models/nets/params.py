"""What an experiment may write under `model.params` of every net."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from numerai_lab.models.contract import Params

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]


class GoingOnParams(Params):
    """What is written under `going_on`: how `train --continue` teaches new eras."""

    rate: Annotated[float, Field(gt=0, le=1)] = Field(
        0.1, description="highest rate, as a share of learning_rate: what was learnt shall stay"
    )
    replay: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0,
        description="share of the eras that are earlier ones, drawn anew each time; 0: new ones "
        "alone",
    )


class FineTuneParams(Params):
    """What is written under `fine_tune`: learning on from eras that have resolved since the fit."""

    refit_eras: Count = Field(
        1,
        description="newly resolved eras that are learnt at once; the strength is decided anew "
        "after as many, but not more often than every fourth",
    )
    rate: Annotated[float, Field(gt=0, le=1)] = Field(
        0.1, description="highest rate, as a share of learning_rate"
    )
    replay: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.75, description="share of the eras that are earlier ones, drawn from those kept for it"
    )
    epochs: Count = Field(1, description="times that these eras are seen")
    strength: Literal["auto"] | Annotated[float, Field(ge=0, le=1)] = Field(
        "auto",
        description="0 (the net as it was fitted) to 1 (the fine-tuned one); auto: chosen on what "
        "earlier folds gained in their judged eras, in the first fold on held-out training eras; "
        "falls with the age of the fit, 0 where no gain is sure",
    )


class NetParams(Params):
    """Parameters that all nets share: what is learnt, and how it is trained."""

    loss: Literal["mse", "corr", "cross_entropy"] = Field(
        "mse",
        description="mse: squared error of the standardised target; corr: minus the correlation "
        "within each era of a batch; cross_entropy: the values of the target (five in Numerai's) "
        "are classes, and the prediction is the expected value",
    )
    class_weight_power: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5,
        description="cross_entropy: a row weighs the frequency of its class to the power of minus "
        "this; 0: all alike, 1: all classes alike",
    )
    auxiliary_targets: Annotated[dict[str, Positive], Field(min_length=1)] | None = Field(
        None,
        description="targets learnt beside the main one, each with a head of its own, and the "
        "weight of its loss (the main target's is 1), as {target_other: 0.5}",
    )
    epochs: Literal["auto"] | Count = Field(
        "auto",
        description="times that every training row is seen; auto: 2, 4, 8, 16 and if "
        "need be 32 are tried on held-out early training eras, and all eras are trained on with "
        "the best by a smooth curve of their corr. "
        "With early_stopping: the most epochs",
    )
    learning_rate: Positive = Field(
        0.001, description="highest rate of AdamW, after a tenth of all steps; 1 % of it at the end"
    )
    weight_decay: Annotated[float, Field(ge=0)] = Field(
        0.1, description="decay of matrices by AdamW; biases and norms have none"
    )
    ema: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.99,
        description="the model is a moving average of the weights over steps with this decay; 0: "
        "the last weights",
    )
    eras_per_batch: Count = Field(4, description="parts of eras in a batch")
    rows_per_era: Literal["all"] | Count = Field(
        512, description="rows of such a part, nearly; all: a part is a whole era"
    )
    accumulate: Count = Field(
        1,
        description="pieces that a batch is computed in, one after another, so that it takes less "
        "memory; the same step but for rounding",
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="numbers that training multiplies; auto: bfloat16 where CPU or GPU multiply "
        "it faster, else float32. Predictions are always float32",
    )
    seeds: Count = Field(1, description="nets trained from other seeds, whose mean is predicted")
    going_on: GoingOnParams = Field(
        default_factory=GoingOnParams, description="how `train --continue` teaches new eras"
    )

    @model_validator(mode="after")
    def _pieces_are_parts(self) -> Self:
        if self.accumulate > self.eras_per_batch:
            raise ValueError(
                f"accumulate: {self.accumulate} is more than eras_per_batch: "
                f"{self.eras_per_batch}, and a batch is cut between parts of eras"
            )
        return self


class AdaptingParams(NetParams):
    """Parameters of nets that can be changed by what is known only after their fit."""

    SECTIONS: ClassVar[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
        "fine_tune": {
            "rate": {"tune": "float", "low": 0.03, "high": 1.0, "log": True},
            "replay": {"tune": "choice", "choice": [0.5, 0.75, 0.9]},
        },
    }
    """What is searched beside `SPACE` of a section that a config writes."""

    @classmethod
    def space_for(cls, written: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        """Return `SPACE`, and the spaces of those sections that are written."""
        more = {
            f"{section}.{key}": space
            for section, spaces in cls.SECTIONS.items()
            if written.get(section)
            for key, space in spaces.items()
        }
        return {**cls.SPACE, **more}

    fine_tune: FineTuneParams | None = Field(
        None,
        description="learn on from eras as their labels become known, beside the net as it was "
        "fitted; nothing written: not",
    )
