"""The net of `stock_rnn`: a recurrent net along a stock's eras, and a head on what it carries."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from numerai_lab.models.nets.batches import Batch
from numerai_lab.models.nets.layers import Bins, Dropout
from numerai_lab.models.nets.stocks.batches import StockBatch
from numerai_lab.models.nets.stocks.params import StockRNNParams


class RecurrentNet(nn.Module):
    """Outputs of a row from the last eras of its stock.

    To what is read of an era is added what its age says, or eras on both sides of a gap, over which
    the state stands still, would look like neighbours.

    Shape
    -----
    batch of n rows -> [n, n_outputs].
    """

    def __init__(self, n_features: int, n_outputs: int, params: StockRNNParams) -> None:
        super().__init__()
        kind = {"gru": GRULayer, "lstm": LSTMLayer}[params.encoder]
        self.input = Bins(n_features, params.width)
        self.age = nn.Parameter(torch.zeros(params.window, params.width))
        self.layers = nn.ModuleList(kind(params.width) for _ in range(params.layers))
        self.norm = nn.LayerNorm(params.width)
        self.dropout = Dropout(params.dropout)
        self.head = nn.Linear(params.width, n_outputs)

    def forward(self, batch: Batch) -> Tensor:
        """Compute the outputs."""
        assert isinstance(batch, StockBatch)
        read = self.input.read(batch.whole, gaps=batch.gaps) + self.age
        present = batch.present
        for layer in self.layers:
            read = layer(self.dropout(read), present)
        outputs: Tensor = self.head(self.dropout(self.norm(read[:, -1])))
        return outputs


class GRULayer(nn.Module):
    """A GRU (Cho et al. 2014, the reset gate inside, as in torch) that stands still in some steps.

    Shape
    -----
    read [n, T, width], present (bool [n, T], False where the state stays as it is) -> the states,
    [n, T, width].
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.read = nn.Linear(width, 3 * width)
        self.kept = nn.Linear(width, 3 * width)

    def forward(self, read: Tensor, present: Tensor) -> Tensor:
        """Go along time."""
        asked, state, states = self.read(read), torch.zeros_like(read[:, 0]), []
        for step in range(read.shape[1]):
            reset, update, new = asked[:, step].chunk(3, dim=1)
            own_reset, own_update, own_new = self.kept(state).chunk(3, dim=1)
            kept = (update + own_update).sigmoid()
            new = (new + (reset + own_reset).sigmoid() * own_new).tanh()
            after = (1 - kept) * new + kept * state
            state = torch.where(present[:, step, None], after, state)
            states.append(state)
        return torch.stack(states, dim=1)


class LSTMLayer(nn.Module):
    """An LSTM (Hochreiter and Schmidhuber 1997, with a forget gate) that may stand still, too.

    Shape as of `GRULayer`.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.read = nn.Linear(width, 4 * width)
        self.kept = nn.Linear(width, 4 * width)

    def forward(self, read: Tensor, present: Tensor) -> Tensor:
        """Go along time."""
        asked, states = self.read(read), []
        state = cell = torch.zeros_like(read[:, 0])
        for step in range(read.shape[1]):
            inward, forget, new, outward = (asked[:, step] + self.kept(state)).chunk(4, dim=1)
            after = forget.sigmoid() * cell + inward.sigmoid() * new.tanh()
            there = present[:, step, None]
            state = torch.where(there, outward.sigmoid() * after.tanh(), state)
            cell = torch.where(there, after, cell)
            states.append(state)
        return torch.stack(states, dim=1)
