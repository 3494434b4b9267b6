"""The loss `sharpe`: what predictions earn as weights of a portfolio, era by era."""

from __future__ import annotations

import torch
from torch import Tensor

from numerai_lab.models.nets.batches import Batch

_LEAST = 1e-8


def sharpe_losses(outputs: Tensor, batch: Batch) -> Tensor:
    """Return minus the Sharpe ratio over the eras of a batch, the same for each, [n_parts].

    With x the predictions of an era less their mean over the rows with a label, y these labels:
    the weights are w = x / sum |x| (net 0, gross 1), the era earns r = sum w y, and the loss is
    -mean(r) / sqrt(var(r) + 1e-8) over eras, each counted by the mean weight of its rows. With
    labels that are returns over volatility, w y is what weights x / volatility earn, as the
    portfolios of `scoring.portfolio` are held, but for their scale. No year is made of it.

    Parameters
    ----------
    outputs : [n_rows, 1], of rows whose parts are whole eras.
    """
    label = batch.labels[:, 0]
    known = ~torch.isnan(label)
    label = torch.where(known, label, 0.0)
    x = outputs.float()[:, 0]
    n = batch.sums(known.float()).clamp_min(1)
    x = (x - (batch.sums(x * known) / n)[batch.part]) * known
    gross = batch.sums(x.abs()).clamp_min(_LEAST)
    earned = batch.sums(x * label) / gross
    share = batch.sums(batch.weights * known) / n
    share = share / share.sum().clamp_min(_LEAST)
    mean = (share * earned).sum()
    variance = (share * (earned - mean).square()).sum()
    loss: Tensor = -mean / (variance + _LEAST).sqrt()
    return loss.expand(batch.n_parts)
