"""The net of `mlp`: a first layer that reads bins, residual blocks or plain layers, a head.

With `tabm` every layer after the first is a BatchEnsemble layer (Wen et al. 2020, as in TabM,
Gorishniy et al. 2025): members share a matrix W, and member i computes
(x * r_i) W * s_i + b_i. The first matrix, the largest, is multiplied once for all of them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from numerai_lab.models.nets.batches import Batch
from numerai_lab.models.nets.layers import Bins, Dropout
from numerai_lab.models.nets.mlp.params import MLPParams


class RowNet(nn.Module):
    """Outputs of a row from its bins.

    Shape
    -----
    batch of n rows -> [n, n_outputs], with members [n, n_members, n_outputs].
    """

    def __init__(self, n_features: int, n_outputs: int, params: MLPParams) -> None:
        super().__init__()
        width, members = params.width, params.tabm
        self.members = members
        self.input = Bins(n_features, width)
        layer = _Residual if params.form == "residual" else _Plain
        self.blocks = nn.ModuleList(layer(params) for _ in range(params.blocks))
        self.norm = nn.LayerNorm(width) if params.form == "residual" else nn.Identity()
        self.dropout = Dropout(params.dropout)
        self.plain = params.form == "plain"
        self.head = Shared(width, n_outputs, members)

    def forward(self, batch: Batch) -> Tensor:
        """Compute the outputs."""
        read = self.input(batch)
        if self.plain:
            read = self.dropout(functional.gelu(read))
        if self.members is not None:
            read = read[:, None].expand(-1, self.members, -1)
        for block in self.blocks:
            read = block(read)
        if not self.plain:
            read = self.dropout(self.norm(read))
        outputs: Tensor = self.head(read)
        return outputs


class _Residual(nn.Module):
    """x + Linear(dropout(GELU(Linear(norm(x))))), which begins as x: the last matrix is 0."""

    def __init__(self, params: MLPParams) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(params.width)
        self.wide = Shared(params.width, params.hidden, params.tabm)
        self.dropout = Dropout(params.dropout)
        self.back = Shared(params.hidden, params.width, params.tabm)
        nn.init.zeros_(self.back.weight)

    def forward(self, read: Tensor) -> Tensor:
        added: Tensor = self.back(self.dropout(functional.gelu(self.wide(self.norm(read)))))
        return read + added


class _Plain(nn.Module):
    """Dropout(GELU(Linear(x)))."""

    def __init__(self, params: MLPParams) -> None:
        super().__init__()
        self.layer = Shared(params.width, params.width, params.tabm)
        self.dropout = Dropout(params.dropout)

    def forward(self, read: Tensor) -> Tensor:
        values: Tensor = self.dropout(functional.gelu(self.layer(read)))
        return values


class Shared(nn.Module):
    """Linear; with members a scale of each member's inputs and outputs around the same matrix.

    Shape
    -----
    [..., n_in] -> [..., n_out], with members [n, n_members, n_in] -> [n, n_members, n_out].
    """

    def __init__(self, n_in: int, n_out: int, members: int | None) -> None:
        super().__init__()
        bound = n_in**-0.5
        self.weight = nn.Parameter(torch.empty(n_out, n_in).uniform_(-bound, bound))
        shape = (n_out,) if members is None else (members, n_out)
        self.bias = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        self.members = members
        if members is not None:  # signs at random, so that members differ from the start
            self.reads = nn.Parameter(torch.randint(0, 2, (members, n_in)) * 2.0 - 1)
            self.gives = nn.Parameter(torch.ones(members, n_out))

    def forward(self, values: Tensor) -> Tensor:
        """Apply the layer."""
        if self.members is None:
            return functional.linear(values, self.weight, self.bias)
        return functional.linear(values * self.reads, self.weight) * self.gives + self.bias
