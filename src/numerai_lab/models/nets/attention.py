"""Attention, and the stage in which the rows of an era learn of each other.

The stage is an induced set attention block (Lee et al. 2019, "Set Transformer"), with norms before
what they feed: a few learned points attend to all rows of an era, and the rows attend to what the
points have read. Its cost grows with the rows, not with their square, and the order of the rows
cannot matter.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from numerai_lab.models.nets.batches import Batch


class Attention(nn.Module):
    """Multi-head attention: softmax(q k' / sqrt(width of a head)) v, and a last matrix.

    Shape
    -----
    asking [..., n_asking, width], read [..., n_read, width], hidden (bool [..., n_read], True
    where nothing may be read), bias (float [heads, n_asking, n_read], added to the scores) ->
    [..., n_asking, width].
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(
        self,
        asking: Tensor,
        read: Tensor,
        hidden: Tensor | None = None,
        bias: Tensor | None = None,
    ) -> Tensor:
        """Let what asks attend to what is read."""
        query = self._by_head(self.query(asking))
        key, value = map(self._by_head, self.key_value(read).chunk(2, dim=-1))
        scores = (query @ key.transpose(-1, -2)).float() / math.sqrt(query.shape[-1])
        if hidden is not None:
            scores = scores.masked_fill(hidden[..., None, None, :], -math.inf)
        if bias is not None:
            scores = scores + bias
        found = (scores.softmax(dim=-1).to(value.dtype) @ value).transpose(-2, -3)
        given: Tensor = self.out(found.flatten(-2))
        return given

    def _by_head(self, values: Tensor) -> Tensor:
        return values.unflatten(-1, (self.heads, -1)).transpose(-2, -3)


class Wide(nn.Module):
    """Linear(dropout(GELU(Linear(norm(x))))), to be added to x; it begins as 0."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.wide = nn.Linear(width, hidden)
        self.dropout = nn.Dropout(dropout)
        self.back = nn.Linear(hidden, width)
        nn.init.zeros_(self.back.weight)

    def forward(self, values: Tensor) -> Tensor:
        """Compute what is added."""
        added: Tensor = self.back(self.dropout(functional.gelu(self.wide(self.norm(values)))))
        return added


class EraStage(nn.Module):
    """Rows of an era learn of each other through `points` learned points; eras of any size.

    It begins as x -> x: the last matrices are 0.

    Shape
    -----
    rows [n_rows, width] of a batch -> [n_rows, width].
    """

    def __init__(self, width: int, heads: int, points: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.points = nn.Parameter(torch.randn(points, width) / math.sqrt(width))
        self.norm = nn.LayerNorm(width)
        self.reading = Attention(width, heads)
        self.read_norm = nn.LayerNorm(width)
        self.giving = Attention(width, heads)
        self.dropout = nn.Dropout(dropout)
        self.wide = Wide(width, hidden, dropout)
        nn.init.zeros_(self.giving.out.weight)

    def forward(self, rows: Tensor, eras: Eras) -> Tensor:
        """Add to each row what it learns of its era."""
        normed = eras.apart(self.norm(rows))
        points = self.points.expand(len(normed), -1, -1)
        read = points + self.reading(points, normed, eras.padding)
        given = self.giving(normed, self.read_norm(read))
        rows = rows + self.dropout(eras.together(given))
        added: Tensor = self.wide(rows)
        return rows + added


class Eras:
    """How the rows of a batch lie apart by part of an era, shorter ones padded.

    Attributes
    ----------
    padding : bool [n_parts, longest], True where there is no row; None: all are equally long.
    """

    def __init__(self, batch: Batch) -> None:
        sizes = np.diff(batch.offsets)
        device = batch.part.device
        self._n, self._longest = len(sizes), int(sizes.max())
        self._place: Tensor | None = None
        self.padding: Tensor | None = None
        if (sizes != self._longest).any():
            ends = torch.from_numpy(sizes).to(device)[:, None]
            self.padding = torch.arange(self._longest, device=device) >= ends
            shift = np.arange(self._n) * self._longest - np.array(batch.offsets[:-1])
            shifts = torch.from_numpy(shift).to(device)
            self._place = torch.arange(len(batch.part), device=device) + shifts[batch.part]

    def apart(self, rows: Tensor) -> Tensor:
        """Spread [n_rows, width] to [n_parts, longest, width]; 0 where there is no row."""
        if self._place is not None:
            spread = rows.new_zeros(self._n * self._longest, rows.shape[1])
            rows = spread.index_copy(0, self._place, rows)
        return rows.unflatten(0, (self._n, self._longest))

    def together(self, spread: Tensor) -> Tensor:
        """Turn [n_parts, longest, width] back to [n_rows, width]."""
        rows = spread.flatten(0, 1)
        return rows if self._place is None else rows.index_select(0, self._place)
