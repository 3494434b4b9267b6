"""The training eras of `era_rnn`, in batches: each era is one data point."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from numerai_lab.arrays import Float32, Float64
from numerai_lab.eraframe import EraFrame
from numerai_lab.models.nets.era_rnn.ground import Ground
from numerai_lab.models.nets.era_rnn.module import EraBatch
from numerai_lab.seeds import child_seed


class EraSeries:
    """Batches of eras in a seeded order; each era once an epoch.

    Parameters
    ----------
    frame : labelled rows. ground : whose past has the eras of the frame, too.
    predicted : float64 [n_rows, n_models], of rows that the models have not seen.
    labels : float32 [n_rows], standardised; NaN: none. weights : float32 [n_rows]; None: ones.
    """

    unit = "rows"

    def __init__(
        self,
        frame: EraFrame,
        ground: Ground,
        predicted: Float64,
        labels: Float32,
        weights: Float32 | None,
        *,
        eras_per_batch: int,
        seed: int,
        device: torch.device,
    ) -> None:
        moments, grams, variances, shares = [], [], [], []
        for _, rows in frame.iter_eras():
            label = labels[rows].astype(np.float64)
            known = ~np.isnan(label)
            weight = np.ones(len(label)) if weights is None else weights[rows].astype(np.float64)
            weight = weight * known
            shares.append(weight.sum())
            share = weight / (weight.sum() or 1.0)
            columns = ground.columns(frame, rows, predicted)
            columns = columns - share @ columns
            label = np.where(known, label, 0.0)
            label = label - share @ label
            moments.append(columns.T @ (share * label))
            grams.append((columns * share[:, None]).T @ columns)
            variances.append(share @ label**2)
        self._eras_per_batch, self._seed, self._device = eras_per_batch, seed, device
        self._windows = torch.from_numpy(ground.windows(frame.eras)).to(device)
        self._moments, self._grams, self._variances, self._weights = (
            torch.from_numpy(np.stack(values).astype(np.float32)).to(device)
            for values in (moments, grams, variances, shares)
        )
        self._n = frame.n_eras
        self.n_rows = frame.n_rows
        self.n_batches = -(-self._n // eras_per_batch)

    def epoch(self, number: int, first: int = 0) -> Iterator[EraBatch]:
        """Yield the batches of an epoch from the batch `first` on."""
        rng = np.random.default_rng(child_seed(self._seed, "order", number))
        batches = np.array_split(rng.permutation(self._n), self.n_batches)
        for chosen in batches[first:]:
            yield self._batch(torch.from_numpy(chosen).to(self._device))

    def _batch(self, chosen: torch.Tensor) -> EraBatch:
        n = len(chosen)
        weights = self._weights[chosen]
        return EraBatch(
            bins=torch.empty(n, 0, dtype=torch.int8, device=self._device),
            part=torch.arange(n, device=self._device),
            offsets=tuple(range(n + 1)),
            labels=torch.empty(n, 0, device=self._device),
            weights=weights,
            shares=weights / weights.sum().clamp_min(1e-12),
            gaps=False,
            windows=self._windows[chosen],
            moments=self._moments[chosen],
            grams=self._grams[chosen],
            variances=self._variances[chosen],
        )
