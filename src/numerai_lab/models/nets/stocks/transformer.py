"""The net of `stock_transformer`: a market's gate, attention along time, then between stocks.

After MASTER (Li et al. 2024, "MASTER: Market-Guided Stock Transformer for Stock Price Forecasting",
arXiv:2312.15235): features are weighed by what the market is like, a stock's eras attend to one
another, stocks attend to one another, and a stock's eras are drawn together by what its last one
asks. There stocks attend to one another at every point in time before eras are drawn together, each
to each; here once, of the era predicted, through a few learned points, so that the cost grows with
the stocks and not with their square.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from numerai_lab.models.nets.attention import Attention, Eras, EraStage, Wide
from numerai_lab.models.nets.batches import Batch
from numerai_lab.models.nets.layers import Bins, Dropout
from numerai_lab.models.nets.stocks.batches import StockBatch
from numerai_lab.models.nets.stocks.params import StockTransformerParams

FURTHEST = 3.0
"""Deviations from what is usual beyond which an era's statistic counts as no further."""


class TransformerNet(nn.Module):
    """Outputs of all stocks of an era from their last eras.

    Shape
    -----
    batch of n rows -> [n, n_outputs].
    """

    def __init__(
        self, n_features: int, n_outputs: int, n_statistics: int, params: StockTransformerParams
    ) -> None:
        super().__init__()
        width, hidden = params.width, 2 * params.width
        self.gate = Gate(n_statistics, n_features, params.temperature) if n_statistics else None
        self.input = Bins(n_features, width)
        self.age = nn.Parameter(torch.randn(params.window, width) * 0.02)
        self.along = nn.ModuleList(
            TimeBlock(width, params.heads, hidden, params.dropout) for _ in range(params.layers)
        )
        self.gather_norm = nn.LayerNorm(width)
        self.gather = Attention(width, params.heads)
        self.across = nn.ModuleList(
            EraStage(width, params.heads, params.points, hidden, params.dropout)
            for _ in range(params.across_layers)
        )
        self.norm = nn.LayerNorm(width)
        self.dropout = Dropout(params.dropout)
        self.head = nn.Linear(width, n_outputs)

    def forward(self, batch: Batch) -> Tensor:
        """Compute the outputs."""
        assert isinstance(batch, StockBatch)
        scale = None if self.gate is None else self.gate(batch.market)[batch.part][:, None]
        eras = self.input.read(batch.whole, gaps=batch.gaps, scale=scale) + self.age
        hidden = ~batch.present
        for block in self.along:
            eras = block(eras, hidden)
        normed = self.gather_norm(eras)
        rows = eras[:, -1] + self.gather(normed[:, -1:], normed, hidden)[:, 0]
        apart = Eras(batch)
        for stage in self.across:
            rows = stage(rows, apart)
        outputs: Tensor = self.head(self.dropout(self.norm(rows)))
        return outputs


class Gate(nn.Module):
    """How much each feature counts in an era: n_features x softmax((W m + b) / temperature).

    m are the era's statistics in deviations from what is usual over training eras, at most 3, 0
    where not known. It begins as 1 for all.

    Shape
    -----
    statistics [n_parts, n_statistics] -> [n_parts, n_features], with mean 1.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, n_statistics: int, n_features: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.register_buffer("mean", torch.zeros(n_statistics))
        self.register_buffer("spread", torch.ones(n_statistics))
        self.weigh = nn.Linear(n_statistics, n_features)
        nn.init.zeros_(self.weigh.weight)
        nn.init.zeros_(self.weigh.bias)

    def forward(self, statistics: Tensor) -> Tensor:
        """Weigh the features."""
        apart = ((statistics - self.mean) / self.spread).clamp(-FURTHEST, FURTHEST)
        asked = self.weigh(torch.where(apart.isnan(), 0.0, apart)).float() / self.temperature
        shares: Tensor = asked.softmax(dim=1)
        return shares * shares.shape[1]


class TimeBlock(nn.Module):
    """A stock's eras attend to one another, then each goes through a residual block.

    Shape
    -----
    eras [n, T, width], hidden (bool [n, T], where a stock was not there) -> [n, T, width].
    """

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.dropout = Dropout(dropout)
        self.wide = Wide(width, hidden, dropout)

    def forward(self, eras: Tensor, hidden: Tensor) -> Tensor:
        """Let the eras attend."""
        normed = self.norm(eras)
        eras = eras + self.dropout(self.attention(normed, normed, hidden))
        added: Tensor = self.wide(eras)
        return eras + added
