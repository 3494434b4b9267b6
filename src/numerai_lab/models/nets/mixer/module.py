"""The net of `mixer`: subsets of features as a sequence, TSMixer's blocks, a bottleneck, a head.

The block is that of TSMixer (Chen et al. 2023, "TSMixer: An All-MLP Architecture for Time Series
Forecasting", arXiv 2303.06053), which mixes along the time and then along the features of a series.
Here what is read from each subset of a row's features stands where the series has its points in
time.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from numerai_lab.models.nets.batches import Batch
from numerai_lab.models.nets.layers import Bins, Dropout
from numerai_lab.models.nets.mixer.params import MixerParams
from numerai_lab.models.nets.mixer.runtime import EPSILON


class MixerNet(nn.Module):
    """Outputs of a row from its bins.

    Shape
    -----
    batch of n rows -> [n, n_outputs].
    """

    reads: Tensor

    def __init__(self, n_features: int, n_outputs: int, params: MixerParams) -> None:
        super().__init__()
        subsets, width = params.subsets, params.width
        self.shape = (subsets, width)
        self.input = Bins(n_features, subsets * width)
        self.register_buffer("reads", draw_subsets(n_features, subsets, params.share))
        for weight in (self.input.weight, self.input.missing):
            weight.data = self._within_subsets(weight.data)
            weight.register_hook(self._within_subsets)  # without a gradient, what is 0 stays 0
        self.blocks = nn.ModuleList(
            MixerBlock(subsets, width, params.hidden, params.activation, params.dropout)
            for _ in range(params.blocks)
        )
        self.bottleneck = nn.Linear(subsets * width, params.bottleneck)
        self.head = nn.Linear(params.bottleneck, n_outputs)

    def forward(self, batch: Batch) -> Tensor:
        """Compute the outputs."""
        outputs: Tensor = self.head(functional.gelu(self.codes(batch)))
        return outputs

    def codes(self, batch: Batch) -> Tensor:
        """Compute the bottleneck of each row, [n, bottleneck]."""
        read = self.input(batch).unflatten(1, self.shape)
        for block in self.blocks:
            read = block(read)
        codes: Tensor = self.bottleneck(read.flatten(1))
        return codes

    def _within_subsets(self, weight: Tensor) -> Tensor:
        """Set to 0 what a subset's channels would read outside of it; [subsets x width, n]."""
        return weight * self.reads.repeat_interleave(self.shape[1], dim=0)


class MixerBlock(nn.Module):
    """TSMixer's block: a layer along the sequence, two along the channels, both added to what is.

    norm -> Linear along the sequence, activation, dropout, residual; norm -> Linear to `hidden`,
    activation, dropout, Linear back, dropout, residual. Norms are layer norms over sequence and
    channels together, which the published code has beside batch norms: a row stays alone.

    Shape
    -----
    [n, length, channels] -> the same.
    """

    def __init__(
        self, length: int, channels: int, hidden: int, activation: str, dropout: float
    ) -> None:
        super().__init__()
        self.norm_along = nn.LayerNorm([length, channels], eps=EPSILON)
        self.along = nn.Linear(length, length)
        self.norm_across = nn.LayerNorm([length, channels], eps=EPSILON)
        self.wide = nn.Linear(channels, hidden)
        self.back = nn.Linear(hidden, channels)
        self.activation = nn.ReLU() if activation == "relu" else nn.GELU()
        self.dropout = Dropout(dropout)

    def forward(self, read: Tensor) -> Tensor:
        """Mix along the sequence, then across the channels."""
        turned = self.activation(self.along(self.norm_along(read).transpose(1, 2)))
        read = read + self.dropout(turned.transpose(1, 2))
        wide = self.dropout(self.activation(self.wide(self.norm_across(read))))
        added: Tensor = self.dropout(self.back(wide))
        return read + added


def draw_subsets(n_features: int, n_subsets: int, share: float) -> Tensor:
    """Draw which features each subset has, bool [n_subsets, n_features], by torch's generator.

    Each is drawn first from the features that the fewest subsets before it have: two halves are
    complements, and a feature is in as many subsets as any other, give or take one. Subsets are
    larger than their share where else some feature would be in none.
    """
    size = max(round(share * n_features), -(-n_features // n_subsets))
    reads = torch.zeros(n_subsets, n_features, dtype=torch.bool)
    taken = torch.zeros(n_features)
    for own in reads:
        own[torch.argsort(taken + torch.rand(n_features))[:size]] = True
        taken += own
    return reads
