"""`era_set`: attention between the rows of an era, through a few learned points."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from numerai_lab.models.contract import ModelInfo
from numerai_lab.models.nets.adapting import AdaptingNet
from numerai_lab.models.nets.era_set.module import SetNet
from numerai_lab.models.nets.era_set.params import EraSetParams


class EraSet(AdaptingNet):
    """A net that reads an era as a set of rows, of any size; see `module.SetNet`."""

    info: ClassVar[ModelInfo] = ModelInfo(
        summary="a net of attention between the rows of an era, by torch; several targets, classes",
        unit="epochs",
        transductive=True,
        exportable=True,
        tolerance=1e-4,
        not_finite_hint="a smaller learning_rate is the usual way out",
    )
    Params: ClassVar[type[EraSetParams]] = EraSetParams
    name: ClassVar[str] = "era_set"
    row_by_row: ClassVar[bool] = False

    params: EraSetParams

    def new_net(self, n_features: int, n_outputs: int) -> nn.Module:
        """Make a net with random weights."""
        return SetNet(n_features, n_outputs, self.params)
