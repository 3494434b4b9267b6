"""The net of `era_rnn`: from a window of past eras to the weights of an era's columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from numerai_lab.models.nets.batches import Batch
from numerai_lab.models.nets.era_rnn.params import EraRNNParams
from numerai_lab.models.nets.layers import Dropout
from numerai_lab.models.nets.mixer.module import MixerBlock


@dataclass(frozen=True, eq=False)
class EraBatch(Batch):
    """Eras, each a data point: its past, and what its rows say of its columns.

    A prediction is a sum of columns, each a number a row: what models predict, and scores of
    components. How well it fits follows from their covariances, so that no row is needed.

    Attributes
    ----------
    windows : float32 [n_eras, steps, n_numbers], as `past.Past.windows` gives them.
    moments : float32 [n_eras, n_columns], covariances of the columns with the label.
    grams : float32 [n_eras, n_columns, n_columns], those of the columns with one another.
    variances : float32 [n_eras], of the label.
    """

    windows: Tensor
    moments: Tensor
    grams: Tensor
    variances: Tensor

    def pieces(self, n: int) -> Iterator[EraBatch]:
        """Cut the batch between its eras into at most n pieces."""
        for some in np.array_split(np.arange(self.n_parts), min(n, self.n_parts)):
            own = slice(int(some[0]), int(some[-1]) + 1)
            yield replace(
                self,
                bins=self.bins[own],
                part=self.part[own] - own.start,
                offsets=tuple(range(len(some) + 1)),
                labels=self.labels[own],
                weights=self.weights[own],
                shares=self.shares[own],
                windows=self.windows[own],
                moments=self.moments[own],
                grams=self.grams[own],
                variances=self.variances[own],
            )


class EraNet(nn.Module):
    """Weights of the columns of each era.

    form: coefficients has one model and the components as columns. Their weights are s and
    s x what the head says; form: gate has two models, with weights s (1 - g) and s g, g the
    logistic function of what the head says. The head begins as 0, so that the net begins as the
    first model, or as the mean of both.

    Shape
    -----
    windows [n_eras, steps, n_numbers] -> [n_eras, n_columns].
    """

    def __init__(self, n_numbers: int, n_components: int, params: EraRNNParams) -> None:
        super().__init__()
        width = params.width
        self.gated = params.form == "gate"
        self.encoder: nn.Module
        if params.encoder == "mixer":
            self.encoder = _Mixed(n_numbers, params)
        else:
            kind = nn.GRU if params.encoder == "gru" else nn.LSTM
            self.encoder = _Recurrent(kind(n_numbers, width, params.layers, batch_first=True))
        self.dropout = Dropout(params.dropout)
        self.head = nn.Linear(width, 1 if self.gated else n_components)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, windows: Tensor) -> Tensor:
        """Read the windows."""
        said: Tensor = self.head(self.dropout(self.encoder(windows)))
        if self.gated:
            share = said.sigmoid()
            return self.scale * torch.cat([1 - share, share], dim=1)
        return self.scale * torch.cat([torch.ones_like(said[:, :1]), said], dim=1)


class _Recurrent(nn.Module):
    """What a GRU or an LSTM carries after the last point in time, [n, width]."""

    def __init__(self, layers: nn.GRU | nn.LSTM) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, windows: Tensor) -> Tensor:
        carried: Tensor = self.layers(windows)[0][:, -1]
        return carried


class _Mixed(nn.Module):
    """TSMixer along time: numbers to channels, its blocks, and a layer from all times to one."""

    def __init__(self, n_numbers: int, params: EraRNNParams) -> None:
        super().__init__()
        width = params.width
        self.input = nn.Linear(n_numbers, width)
        self.blocks = nn.ModuleList(
            MixerBlock(params.steps, width, 2 * width, "relu", params.dropout)
            for _ in range(params.layers)
        )
        self.along = nn.Linear(params.steps, 1)

    def forward(self, windows: Tensor) -> Tensor:
        read = self.input(windows)
        for block in self.blocks:
            read = block(read)
        last: Tensor = self.along(read.transpose(1, 2))
        return last[:, :, 0]


def losses(weights: Tensor, batch: EraBatch, loss: str) -> Tensor:
    """Return the loss in each era, float32 [n_eras], of a sum of columns with these weights.

    `mse`: mean of (sum - label)^2, each with its mean over the era taken out. `corr`: 1 minus
    their correlation.
    """
    both = (weights * batch.moments).sum(dim=1)
    variance = torch.einsum("ni,nij,nj->n", weights, batch.grams, weights)
    if loss == "mse":
        return variance - 2 * both + batch.variances
    return 1 - both / (variance * batch.variances + 1e-8).sqrt()
