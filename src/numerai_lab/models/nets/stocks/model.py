"""`stock_rnn` and `stock_transformer`."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from numerai_lab.arrays import Float32
from numerai_lab.eraframe import EraFrame
from numerai_lab.models.contract import FitContext, ModelInfo, Said
from numerai_lab.models.nets.batches import tensor_of
from numerai_lab.models.nets.stocks.base import StockNet
from numerai_lab.models.nets.stocks.market import market_columns, market_statistics, usual
from numerai_lab.models.nets.stocks.params import StockRNNParams, StockTransformerParams
from numerai_lab.models.nets.stocks.recurrent import RecurrentNet
from numerai_lab.models.nets.stocks.transformer import TransformerNet


def _info(summary: str) -> ModelInfo:
    """Return what a net of stocks declares."""
    return ModelInfo(
        summary=f"{summary}, by torch; needs data.entity",
        unit="epochs",
        transductive=True,
        unlabelled=True,
        exportable=True,
        needs_entity=True,
        tolerance=1e-4,
        not_finite_hint="a smaller learning_rate is the usual way out",
    )


class StockRNN(StockNet):
    """A recurrent net over the last eras of a stock's features; see `recurrent.RecurrentNet`."""

    info: ClassVar[ModelInfo] = _info("a recurrent net along each stock's own eras")
    Params: ClassVar[type[StockRNNParams]] = StockRNNParams
    name: ClassVar[str] = "stock_rnn"

    params: StockRNNParams

    def new_net(self, n_features: int, n_outputs: int) -> nn.Module:
        """Make a net with random weights."""
        return RecurrentNet(n_features, n_outputs, self.params)


class StockTransformer(StockNet):
    """Attention along a stock's eras, then between stocks; see `transformer.TransformerNet`."""

    info: ClassVar[ModelInfo] = _info(
        "attention along each stock's own eras, then between an era's stocks"
    )
    Params: ClassVar[type[StockTransformerParams]] = StockTransformerParams
    name: ClassVar[str] = "stock_transformer"

    params: StockTransformerParams

    def new_net(self, n_features: int, n_outputs: int) -> nn.Module:
        """Make a net with random weights."""
        return TransformerNet(n_features, n_outputs, 2 * len(self.own["market"]), self.params)

    def market(self, frame: EraFrame) -> Float32:
        """Return means and deviations over each era's stocks, [n_eras, n_statistics]."""
        return market_statistics(frame, self.own["market"])

    def prepare(self, train: EraFrame, ctx: FitContext, said: Said) -> None:
        """Choose the columns that tell of the market, as every net of stocks beside."""
        super().prepare(train, ctx, said)
        gated = self.params.gate == "market"
        self.own["market"] = list(self.params.market or market_columns(train)) if gated else []

    def start(self, net: nn.Module, train: EraFrame, ctx: FitContext, said: Said) -> None:  # noqa: ARG002
        """Tell the gate what is usual, from the eras that this net is trained on alone."""
        assert isinstance(net, TransformerNet)
        if net.gate is not None:
            mean, spread = usual(self.market(train))
            net.gate.mean.copy_(tensor_of(mean))
            net.gate.spread.copy_(tensor_of(spread))
