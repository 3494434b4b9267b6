"""Batches of stocks with their past: rows of an era, and of each the eras before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from numerai_lab.arrays import Float32, Int64
from numerai_lab.eraframe import MISSING_INT8, EraFrame
from numerai_lab.models.nets.batches import Batch, tensor_of
from numerai_lab.models.nets.runtime import MIDDLE, era_bins
from numerai_lab.models.nets.stocks.past import ABSENT, Known
from numerai_lab.seeds import child_seed


@dataclass(frozen=True, eq=False)
class StockBatch(Batch):
    """Rows of some eras, with what these stocks were before.

    Attributes
    ----------
    past : int8 [n_rows, window - 1, n_features], the oldest era first; in the middle where a stock
        was not there.
    there : bool [n_rows, window - 1], where it was.
    market : float32 [n_parts, n_statistics] of each part's era, NaN where not known.
    gaps : whether a value may be missing, now or before.
    """

    past: Tensor
    there: Tensor
    market: Tensor

    @property
    def whole(self) -> Tensor:
        """Bins of the window, the row itself last, int8 [n_rows, window, n_features]."""
        return torch.cat([self.past, self.bins[:, None]], dim=1)

    @property
    def present(self) -> Tensor:
        """Where a stock is there in the window, bool [n_rows, window]: now it always is."""
        now = torch.ones(self.n_rows, 1, dtype=torch.bool, device=self.device)
        return torch.cat([self.there, now], dim=1)

    def pieces(self, n: int) -> Iterator[StockBatch]:
        """Cut the batch between its parts into at most n pieces."""
        first = 0
        for piece in super().pieces(n):
            assert isinstance(piece, StockBatch)  # made by `replace`
            rows = slice(self.offsets[first], self.offsets[first + piece.n_parts])
            parts = slice(first, first + piece.n_parts)
            first += piece.n_parts
            yield replace(
                piece, past=self.past[rows], there=self.there[rows], market=self.market[parts]
            )


class StockBatches:
    """Batches of the eras of a frame, each row with the past of its stock; each row once an epoch.

    Eras, or parts of them, come in a seeded order; batches differ by one part at most.

    Parameters
    ----------
    frame : rows, in memory. labels : float32 [n_rows, n_targets]. weights : float32 [n_rows]; None:
        ones.
    known : rows of earlier eras. places : int64 [n_rows, window - 1], those of each row.
    market : float32 [n_eras, n_statistics].
    rows_per_era : rows of a part, nearly; None: a part is a whole era.
    """

    unit = "rows"

    def __init__(
        self,
        frame: EraFrame,
        labels: Float32,
        weights: Float32 | None,
        known: Known,
        places: Int64,
        market: Float32,
        *,
        eras_per_batch: int,
        rows_per_era: int | None,
        seed: int,
        device: torch.device,
    ) -> None:
        self._frame, self._device, self._seed = frame, device, seed
        self._rows_per_era = rows_per_era
        weights = np.ones(frame.n_rows, dtype=np.float32) if weights is None else weights
        self._labels, self._weights = tensor_of(labels), tensor_of(weights)
        bins = [era_bins(frame.features[rows]) for _, rows in frame.iter_eras()]
        self._bins = tensor_of(np.concatenate(bins))
        self._known, self._places = tensor_of(known.bins), tensor_of(places)
        self._market = tensor_of(market)
        sizes = np.diff(frame.offsets)
        n_parts = int(sum(map(self._n_parts, sizes.tolist())))
        self.n_rows = frame.n_rows
        self.n_batches = -(-n_parts // eras_per_batch)

    def epoch(self, number: int, first: int = 0) -> Iterator[StockBatch]:
        """Yield the batches of an epoch from the batch `first` on."""
        rng = np.random.default_rng(child_seed(self._seed, "order", number))
        parts = [
            (era, start + rows)
            for era, start in enumerate(self._frame.offsets[:-1].tolist())
            for rows in self._cut(int(self._frame.offsets[era + 1]) - start, rng)
        ]
        order = rng.permutation(len(parts))
        for some in np.array_split(order, self.n_batches)[first:]:
            yield self._batch([parts[i] for i in some.tolist()])

    def _n_parts(self, size: int) -> int:
        return 1 if self._rows_per_era is None else max(1, round(size / self._rows_per_era))

    def _cut(self, size: int, rng: np.random.Generator) -> list[Int64]:
        if self._rows_per_era is None:
            return [np.arange(size)]
        return list(np.array_split(rng.permutation(size), self._n_parts(size)))

    def _batch(self, parts: list[tuple[int, Int64]]) -> StockBatch:
        rows = torch.from_numpy(np.concatenate([rows for _, rows in parts]))
        eras = torch.tensor([era for era, _ in parts])
        sizes = [len(rows) for _, rows in parts]
        weights = self._weights[rows]
        batch = assembled(
            self._bins[rows],
            sizes,
            self._known,
            self._places[rows],
            self._market[eras],
            self._device,
        )
        batch = replace(
            batch,
            labels=self._labels[rows].to(self._device),
            weights=weights.to(self._device),
        )
        return replace(batch, shares=batch.sums(batch.weights) / len(rows))


def assembled(
    bins: Tensor,
    sizes: list[int],
    known: Tensor,
    places: Tensor,
    market: Tensor,
    device: torch.device,
) -> StockBatch:
    """Make a batch without labels of rows, their parts' sizes, and places in `known`."""
    there = places != ABSENT
    past = torch.full((*places.shape, bins.shape[1]), MIDDLE, dtype=torch.int8)
    past[there] = known[places[there]]
    gaps = bool((bins == MISSING_INT8).any()) or bool((past == MISSING_INT8).any())
    n = len(bins)
    return StockBatch(
        bins=bins.to(device),
        part=torch.from_numpy(np.repeat(np.arange(len(sizes)), sizes)).to(device),
        offsets=tuple(int(o) for o in np.cumsum([0, *sizes])),
        labels=torch.empty(n, 0, device=device),
        weights=torch.ones(n, device=device),
        shares=torch.ones(len(sizes), device=device),
        gaps=gaps,
        past=past.to(device),
        there=there.to(device),
        market=market.to(device),
    )
