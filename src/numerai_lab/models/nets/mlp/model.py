"""`mlp`: residual layers on the bins of one row."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from numerai_lab.models.contract import ModelInfo
from numerai_lab.models.nets.adapting import AdaptingNet
from numerai_lab.models.nets.mlp.module import RowNet
from numerai_lab.models.nets.mlp.params import MLPParams


class MLP(AdaptingNet):
    """A net that reads one row at a time; see `module.RowNet`."""

    info: ClassVar[ModelInfo] = ModelInfo(
        summary="a net of residual layers on one row, by torch; several targets, classes, TabM",
        unit="epochs",
        exportable=True,
        tolerance=1e-4,
        not_finite_hint="a smaller learning_rate is the usual way out",
    )
    Params: ClassVar[type[MLPParams]] = MLPParams
    name: ClassVar[str] = "mlp"

    params: MLPParams

    def new_net(self, n_features: int, n_outputs: int) -> nn.Module:
        """Make a net with random weights."""
        return RowNet(n_features, n_outputs, self.params)
