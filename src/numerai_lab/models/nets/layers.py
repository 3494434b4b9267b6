"""Layers that several nets use."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from numerai_lab.eraframe import MISSING_INT8
from numerai_lab.models.nets.batches import Batch
from numerai_lab.models.nets.runtime import MIDDLE, SCALE


class Bins(nn.Module):
    """The layer that reads bins: Linear on z = (bin - 2) / sqrt(2), and on a mask of gaps.

    A missing value is 0 in z. Its column of the mask has weights of its own, which begin at 0 and
    are multiplied only where the rows have gaps at all.

    Shape
    -----
    batch with bins int8 [n_rows, n_features] -> float [n_rows, width].
    """

    def __init__(self, n_features: int, width: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(n_features)
        self.weight = nn.Parameter(torch.empty(width, n_features).uniform_(-bound, bound))
        self.missing = nn.Parameter(torch.zeros(width, n_features))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, batch: Batch) -> Tensor:
        """Read the bins of a batch."""
        bins = batch.bins
        if not batch.gaps:
            return functional.linear(self._numbers(bins - MIDDLE), self.weight * SCALE, self.bias)
        gaps = bins == MISSING_INT8
        centred = bins.masked_fill(gaps, MIDDLE) - MIDDLE  # still int8
        read = functional.linear(self._numbers(centred), self.weight * SCALE, self.bias)
        return read + functional.linear(self._numbers(gaps), self.missing)

    def _numbers(self, values: Tensor) -> Tensor:
        """Cast to what is multiplied: under autocast bfloat16, which holds them exactly."""
        device = values.device.type
        if torch.is_autocast_enabled(device):
            return values.to(torch.get_autocast_dtype(device))
        return values.to(self.weight.dtype)
