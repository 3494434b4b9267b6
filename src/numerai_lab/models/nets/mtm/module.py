"""The net of `mtm`: tokens of a row, attention between them, heads for targets and for features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from numerai_lab.eraframe import MISSING_INT8
from numerai_lab.models.nets.attention import Attention, Eras, EraStage, Wide
from numerai_lab.models.nets.batches import Batch
from numerai_lab.models.nets.mtm.masks import Mask
from numerai_lab.models.nets.mtm.params import MTMParams
from numerai_lab.models.nets.runtime import MIDDLE, N_BINS, SCALE


class MaskedNet(nn.Module):
    """Outputs of rows, and what their features may be, from tokens of groups of features.

    A row has a token of its own, one a group and one a target. What is hidden of the features is
    read as missing; a target is hidden but where a mask shows it while the net learns.

    Shape
    -----
    batch of n rows -> [n, n_outputs].
    """

    def __init__(
        self, groups: Sequence[Sequence[int]], n_targets: int, n_outputs: int, params: MTMParams
    ) -> None:
        super().__init__()
        width, n, size = params.width, len(groups), max(map(len, groups))
        n_features = sum(map(len, groups))
        columns = torch.full((n, size), n_features)  # a column that is appended, for padding
        for i, mine in enumerate(groups):
            columns[i, : len(mine)] = torch.tensor(mine)
        group_of = torch.empty(n_features, dtype=torch.int64)
        for i, mine in enumerate(groups):
            group_of[torch.tensor(mine)] = i
        self.columns: Tensor
        self.group_of: Tensor
        self.register_buffer("columns", columns, persistent=False)
        self.register_buffer("group_of", group_of, persistent=False)
        self.n_groups, self.n_targets = n, n_targets
        sizes = torch.tensor([len(mine) for mine in groups])[:, None, None]
        self.weight = nn.Parameter((torch.rand(n, size, width) * 2 - 1) * sizes**-0.5)
        self.missing = nn.Parameter(torch.zeros(n, size, width))
        self.places = nn.Parameter(torch.randn(1 + n + n_targets, width) / math.sqrt(width))
        self.shown = nn.Parameter(torch.randn(n_targets, width) / math.sqrt(width))
        self.layers = nn.ModuleList(_Layer(params) for _ in range(params.layers))
        self.stages = nn.ModuleList(
            EraStage(width, params.heads, params.points, params.hidden, params.dropout)
            for _ in range(params.era_layers)
        )
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(params.dropout)
        self.rebuilt = nn.Parameter(torch.randn(n, width, size * N_BINS) * 0.1 / math.sqrt(width))
        self.frequency = nn.Parameter(torch.zeros(n, size * N_BINS))
        self.head = nn.Linear(n_targets * width, n_outputs)

    def forward(self, batch: Batch) -> Tensor:
        """Compute the outputs; all targets are hidden, whether or not the batch has labels."""
        return self._outputs(self._encoded(batch, None))

    def masked(self, batch: Batch, mask: Mask) -> tuple[Tensor, Tensor]:
        """Read a batch behind a mask.

        Returns
        -------
        Outputs [n, n_outputs], and the cross-entropy of the features in each part, of what counts:
        never a missing value, and what is hidden or, where the mask says so, everything.
        """
        hidden = mask.groups[:, self.group_of]
        if mask.cells is not None:
            hidden = hidden | mask.cells
        bins = batch.bins.masked_fill(hidden, MISSING_INT8)
        shown = None if mask.targets.all() or not batch.labels.shape[1] else ~mask.targets
        tokens = self._encoded(replace(batch, bins=bins, gaps=True), shown)
        logits = self.logits(tokens)
        counted = (batch.bins != MISSING_INT8) & (hidden | mask.everything[:, None])
        truth = self._grouped(batch.bins.clamp_min(0)).long()
        weight = self._grouped(counted).float()
        lost = functional.cross_entropy(logits.flatten(0, 2), truth.flatten(), reduction="none")
        lost = (lost.view_as(weight) * weight).sum(dim=(1, 2))
        losses = batch.sums(lost) / batch.sums(weight.sum(dim=(1, 2))).clamp_min(1)
        return self._outputs(tokens), losses

    def rebuild(self, batch: Batch) -> Tensor:
        """Return what is expected of each feature behind what is missing, in bins [n, F]."""
        shares = self.logits(self._encoded(batch, None)).softmax(dim=-1)
        expected = shares @ torch.arange(float(N_BINS), device=shares.device)
        there = self.columns.flatten() < len(self.group_of)
        found = torch.empty(len(expected), len(self.group_of), device=shares.device)
        found[:, self.columns.flatten()[there]] = expected.flatten(1)[:, there]
        return found

    def logits(self, tokens: Tensor) -> Tensor:
        """Return what a group's token says of each of its features, float32 [n, G, S, N_BINS]."""
        own = tokens[:, 1 : 1 + self.n_groups]
        said = torch.einsum("ngd,gdk->ngk", own, self.rebuilt) + self.frequency
        return said.float().unflatten(-1, (-1, N_BINS))

    def _outputs(self, tokens: Tensor) -> Tensor:
        read: Tensor = self.head(self.dropout(tokens[:, 1 + self.n_groups :].flatten(1)))
        return read

    def _encoded(self, batch: Batch, shown: Tensor | None) -> Tensor:
        """Return the tokens after all layers, normed; `shown` are the targets that may be read."""
        bins = batch.bins
        gaps = bins == MISSING_INT8
        values = self._grouped(bins.masked_fill(gaps, MIDDLE) - MIDDLE).to(self.weight.dtype)
        read = torch.einsum("ngs,gsd->ngd", values * SCALE, self.weight)
        if batch.gaps:
            absent = self._grouped(gaps).to(self.weight.dtype)
            read = read + torch.einsum("ngs,gsd->ngd", absent, self.missing)
        tokens = self.places.expand(len(bins), -1, -1)
        target = tokens[:, 1 + self.n_groups :]
        if shown is not None:
            labels = batch.labels
            seen = torch.where(shown & ~labels.isnan(), labels, 0.0)
            target = target + seen[:, :, None] * self.shown
        own = tokens[:, 1 : 1 + self.n_groups] + read
        tokens = torch.cat([tokens[:, :1], own, target], dim=1)
        for layer in self.layers:
            tokens = layer(tokens)
        if len(self.stages):
            eras, rows = Eras(batch), tokens[:, 0]
            for stage in self.stages:
                rows = stage(rows, eras)
            tokens = tokens + (rows - tokens[:, 0])[:, None]
        normed: Tensor = self.norm(tokens)
        return normed

    def _grouped(self, values: Tensor) -> Tensor:
        """Return the columns of each group, [n, G, S]; 0 where a group has fewer."""
        padded = functional.pad(values, (0, 1))
        return padded[:, self.columns]


class _Layer(nn.Module):
    """Attention between the tokens of a row, then a residual block for each."""

    def __init__(self, params: MTMParams) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(params.width)
        self.attention = Attention(params.width, params.heads)
        self.dropout = nn.Dropout(params.dropout)
        self.wide = Wide(params.width, params.hidden, params.dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        normed = self.norm(tokens)
        tokens = tokens + self.dropout(self.attention(normed, normed))
        added: Tensor = self.wide(tokens)
        return tokens + added
