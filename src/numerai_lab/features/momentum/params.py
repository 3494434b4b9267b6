"""What a config may write of `network_momentum`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from numerai_lab.config import SIGNALS
from numerai_lab.features.protocol import StepParams
from numerai_lab.features.runtime import MOST_BINS


class NetworkParams(StepParams):
    """Parameters of `network_momentum`."""

    bins: Annotated[int, Field(ge=2, le=MOST_BINS)] = Field(
        MOST_BINS, description="values of a column beside the missing one"
    )
    graph: Literal["learned", "correlation", "sector", "random", "unrolled"] = Field(
        "learned",
        description="learned: from smooth signals; correlation: the nearest by correlation of the "
        "signals; sector: all of one sector; random: the learned one with its nodes permuted; "
        "unrolled: the learning's steps as layers, trained on the Sharpe (needs torch)",
    )
    columns: Literal["own", "network", "both"] = Field(
        "both", description="a stock's own signals, its neighbours' mean, or both"
    )
    only: bool = Field(False, description="leave all other features out")
    degree: Annotated[int, Field(ge=1)] = Field(10, description="wished neighbours of a node")
    lookbacks_days: Annotated[list[Annotated[int, Field(ge=10)]], Field(min_length=1)] = Field(
        default_factory=lambda: [252, 504, 756, 1008, 1260],
        description="trading days of signals that a graph is learned from; graphs are averaged",
    )
    rebuild_eras: Annotated[int, Field(ge=1)] = Field(
        13, description="a graph is used for as many eras, by era number"
    )
    signals: Annotated[list[str], Field(min_length=1)] = Field(
        default_factory=lambda: list(SIGNALS), description="columns of data.side"
    )
    draw: Annotated[int, Field(ge=0)] = Field(0, description="which random graph")
    layers: Annotated[int, Field(ge=1, le=100)] = Field(20, description="unrolled: steps")
    epochs: Annotated[int, Field(ge=0)] = Field(20, description="unrolled: passes of training")
    learning_rate: Annotated[float, Field(gt=0)] = Field(0.03, description="unrolled: of Adam")
    most_graphs: Annotated[int, Field(ge=1)] = Field(
        12, description="unrolled: graphs trained on, evenly spread over the training eras"
    )
    target: str | None = Field(
        None, description="unrolled: target whose Sharpe is learnt; the main one if left out"
    )

    def n_given(self, n_features: int) -> int:
        """Those before, unless they are left out, and some for each signal."""
        columns = len(self.signals) * (2 if self.columns == "both" else 1)
        return columns + (0 if self.only else n_features)
