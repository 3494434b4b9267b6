"""The net of `era_set`: rows are embedded, learn of their era, and are read by a head."""

from __future__ import annotations

from torch import Tensor, nn

from numerai_lab.models.nets.attention import Eras, EraStage
from numerai_lab.models.nets.batches import Batch
from numerai_lab.models.nets.era_set.params import EraSetParams
from numerai_lab.models.nets.layers import Bins


class SetNet(nn.Module):
    """Outputs of all rows of an era, from the bins of all of them.

    Shape
    -----
    batch of n rows -> [n, n_outputs].
    """

    def __init__(self, n_features: int, n_outputs: int, params: EraSetParams) -> None:
        super().__init__()
        width = params.width
        self.input = Bins(n_features, width)
        self.stages = nn.ModuleList(
            EraStage(width, params.heads, params.points, params.hidden, params.dropout)
            for _ in range(params.layers)
        )
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(params.dropout)
        self.head = nn.Linear(width, n_outputs)

    def forward(self, batch: Batch) -> Tensor:
        """Compute the outputs."""
        eras = Eras(batch)
        rows = self.input(batch)
        for stage in self.stages:
            rows = stage(rows, eras)
        outputs: Tensor = self.head(self.dropout(self.norm(rows)))
        return outputs
