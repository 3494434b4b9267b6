"""Nets that follow a stock over time: `stock_rnn` and `stock_transformer`."""

from numerai_lab.models.nets.stocks.model import StockRNN, StockTransformer
from numerai_lab.models.nets.stocks.params import (
    StockParams,
    StockRNNParams,
    StockTransformerParams,
)

__all__ = [
    "StockParams",
    "StockRNN",
    "StockRNNParams",
    "StockTransformer",
    "StockTransformerParams",
]
