"""Layers that several nets use."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from numerai_lab.eraframe import MISSING_INT8
from numerai_lab.models.nets.batches import Batch
from numerai_lab.models.nets.runtime import MIDDLE, SCALE


class Dropout(nn.Module):
    """Dropout whose random numbers cost an eighth on a CPU: a byte for each value, not a draw.

    The share that is left out is rounded to 1/256. With `nn.Dropout` drawing takes a fifth of a
    training step of `mlp` (2,048 rows x 140 features).
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.least = min(255, round(256 * share))

    def forward(self, values: Tensor) -> Tensor:
        """Leave some values out at random, and scale the others up; all stay at prediction."""
        if not self.training or self.least == 0:
            return values
        if values.is_cuda:
            return functional.dropout(values, self.share)
        words = torch.empty(-(-values.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
        drawn = words.view(torch.uint8)[: values.numel()].view(values.shape)
        # 1 from the least on, else 0; whole numbers are exact, and comparing takes torch six times
        # as long as this
        kept = (drawn.to(values.dtype) - (self.least - 1)).clamp_(0, 1)
        return values * kept.mul_(256 / (256 - self.least))


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
        return self.read(batch.bins, gaps=batch.gaps)

    def read(self, bins: Tensor, *, gaps: bool, scale: Tensor | None = None) -> Tensor:
        """Read bins, int8 [..., n_features], to [..., width].

        Parameters
        ----------
        gaps : whether a value may be missing.
        scale : float [..., n_features], by which z is multiplied; None: 1.
        """
        missing = bins == MISSING_INT8 if gaps else None
        centred = (bins if missing is None else bins.masked_fill(missing, MIDDLE)) - MIDDLE
        numbers = self._numbers(centred)  # until here int8
        if scale is not None:
            numbers = numbers * scale
        read = functional.linear(numbers, self.weight * SCALE, self.bias)
        if missing is None:
            return read
        return read + functional.linear(self._numbers(missing), self.missing)

    def _numbers(self, values: Tensor) -> Tensor:
        """Cast to what is multiplied: under autocast bfloat16, which holds them exactly."""
        device = values.device.type
        if torch.is_autocast_enabled(device):
            return values.to(torch.get_autocast_dtype(device))
        return values.to(self.weight.dtype)
