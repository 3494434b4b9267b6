"""What an experiment may write under `model.params` of `mlp`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from numerai_lab.models.nets.params import AdaptingParams, Count


class MLPParams(AdaptingParams):
    """Parameters of `mlp`."""

    SPACE: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "learning_rate": {"tune": "float", "low": 0.0003, "high": 0.01, "log": True},
        "dropout": {"tune": "float", "low": 0.0, "high": 0.6},
        "width": {"tune": "choice", "choice": [64, 128, 256]},
        "blocks": {"tune": "int", "low": 1, "high": 4},
        "weight_decay": {"tune": "float", "low": 0.01, "high": 1.0, "log": True},
    }

    form: Literal["residual", "plain"] = Field(
        "residual",
        description="residual: blocks of norm, Linear to `hidden`, GELU, dropout, Linear back, "
        "added to what they read; plain: layers of Linear, GELU, dropout",
    )
    width: Count = Field(128, description="numbers that the first layer makes of a row")
    hidden: Count = Field(256, description="numbers inside a residual block")
    blocks: Count = Field(1, description="residual blocks, or plain layers after the first one")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.3, description="share of numbers that is left out at random while it learns"
    )
    tabm: Annotated[int, Field(ge=2)] | None = Field(
        None,
        description="so many members in one net, which share matrices and differ by a scale of "
        "what each layer after the first reads and gives (TabM); their mean is predicted",
    )
