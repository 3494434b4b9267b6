"""Batches of eras: bins as int8, which become numbers on the device only.

Eras come in a seeded order, in windows of `WINDOW`; each is cut at random into parts of nearly
`rows_per_era` rows, or is one part, and the parts of a window are dealt to batches, of which all
epochs have equally many. So every row is in one batch an epoch, rows on disk are read an era at a
time, and the order does not depend on where they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from numerai_lab.arrays import Float32
from numerai_lab.eraframe import MISSING_INT8, EraFrame
from numerai_lab.models.nets.processes import Processes
from numerai_lab.models.nets.runtime import era_bins
from numerai_lab.seeds import child_seed

WINDOW = 16
"""Eras whose parts are mixed, and that are read at once."""
_ROOM = 0.5
"""The share of a GPU's free memory that rows may take."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows of some eras.

    Attributes
    ----------
    bins : int8 [n_rows, n_features], -1 where a value is missing.
    part : int64 [n_rows], the part (of an era) that a row is in: 0, 1, ...; rows of a part are
        together. n_parts : how many there are.
    offsets : where each part begins, and n_rows.
    labels : float32 [n_rows, n_targets], NaN where there is none; n_targets is 0 without labels.
    weights : float32 [n_rows].
    shares : float32 [n_parts]: the loss of a batch is the sum of shares x losses of the parts.
    gaps : whether a value may be missing.
    """

    bins: Tensor
    part: Tensor
    offsets: tuple[int, ...]
    labels: Tensor
    weights: Tensor
    shares: Tensor
    gaps: bool

    @property
    def n_parts(self) -> int:
        """Number of parts of eras."""
        return len(self.offsets) - 1

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.bins)

    @property
    def device(self) -> torch.device:
        """Where the rows are."""
        return self.bins.device

    def sums(self, values: Tensor) -> Tensor:
        """Sum values [n_rows, ...] over the rows of each part, [n_parts, ...]."""
        return values.new_zeros(self.n_parts, *values.shape[1:]).index_add(0, self.part, values)

    def pieces(self, n: int) -> Iterator[Batch]:
        """Cut the batch between its parts into at most n pieces."""
        for some in np.array_split(np.arange(self.n_parts), min(n, self.n_parts)):
            first, stop = int(some[0]), int(some[-1]) + 1
            rows = slice(self.offsets[first], self.offsets[stop])
            yield replace(
                self,
                bins=self.bins[rows],
                part=self.part[rows] - first,
                offsets=tuple(o - rows.start for o in self.offsets[first : stop + 1]),
                labels=self.labels[rows],
                weights=self.weights[rows],
                shares=self.shares[first:stop],
            )


def tensor_of(array: npt.NDArray[Any]) -> Tensor:
    """Return an array as a tensor, which shares its memory where that may be written."""
    array = np.ascontiguousarray(array)
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def unlabelled_batch(bins: Any, offsets: Sequence[int], device: torch.device) -> Batch:
    """Make a batch of whole eras to predict from their bins, int8 [n_rows, n_features]."""
    sizes, n = np.diff(offsets), len(bins)
    return Batch(
        bins=tensor_of(bins).to(device),
        part=torch.from_numpy(np.repeat(np.arange(len(sizes)), sizes)).to(device),
        offsets=tuple(int(o) for o in offsets),
        labels=torch.empty(n, 0, device=device),
        weights=torch.ones(n, device=device),
        shares=torch.ones(len(sizes), device=device),
        gaps=bool((bins == MISSING_INT8).any()),
    )


@dataclass(frozen=True)
class _Part:
    """Rows of an era: its place among the eras of all processes, and rows counted within it."""

    era: int
    rows: npt.NDArray[np.int64]


class EraBatches:
    """Batches of the eras of a frame.

    Parameters
    ----------
    frame : rows, in memory or on disk; no float copy of all is made.
    labels : float32 [n_rows, n_targets]; None: none. weights : float32 [n_rows]; None: ones.
    rows_per_era : rows of a part, nearly; None: a part is a whole era.
    seed : of the order.
    processes : those that train one net together, each on eras of its own.
    """

    unit = "rows"

    def __init__(
        self,
        frame: EraFrame,
        labels: Float32 | None,
        weights: Float32 | None,
        *,
        eras_per_batch: int,
        rows_per_era: int | None,
        seed: int,
        device: torch.device,
        processes: Processes,
    ) -> None:
        n = frame.n_rows
        self._frame, self._device, self._seed = frame, device, seed
        self._eras_per_batch, self._rows_per_era = eras_per_batch, rows_per_era
        labels = np.empty((n, 0), dtype=np.float32) if labels is None else labels
        weights = np.ones(n, dtype=np.float32) if weights is None else weights
        self._labels = tensor_of(labels).to(device)
        self._weights = tensor_of(weights).to(device)
        self._source = _source(frame, device)
        eras = processes.gathered(
            list(zip(frame.eras.tolist(), np.diff(frame.offsets).tolist(), strict=True))
        )
        every = sorted((era, rows, rank) for rank, some in enumerate(eras) for era, rows in some)
        self._sizes = [rows for _, rows, _ in every]
        mine = np.searchsorted(frame.eras, [era for era, _, rank in every])
        self._own = [
            int(place) if rank == processes.rank else None
            for place, (_, _, rank) in zip(mine, every, strict=True)
        ]
        self.n_rows = sum(self._sizes)
        """Rows of all processes."""
        self.n_batches = sum(1 for _, some in self._windows(0) for _ in some)
        """Batches of an epoch."""

    def epoch(self, number: int, first: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch from the batch `first` on, each as this process has it.

        A process that has no row of a batch is given one without rows.
        """
        skipped = 0
        windows = []
        for eras, batches in self._windows(number):
            left = batches[max(0, first - skipped) :]
            skipped += len(batches)
            if left:
                windows.append((eras, left))
        mine = [
            sorted(o for era in eras if (o := self._own[era]) is not None) for eras, _ in windows
        ]
        for (_, batches), opened in zip(windows, self._source.opened(mine), strict=True):
            for parts in batches:
                yield self._batch(parts, opened)

    def _windows(self, epoch: int) -> list[tuple[list[int], list[list[_Part]]]]:
        """Plan an epoch: for each window its eras, and its batches of parts."""
        rng = np.random.default_rng(child_seed(self._seed, "order", epoch))
        order = rng.permutation(len(self._sizes))
        windows = []
        for start in range(0, len(order), WINDOW):
            eras = order[start : start + WINDOW].tolist()
            parts = [part for era in eras for part in self._parts(era, rng)]
            windows.append((eras, [parts[i] for i in rng.permutation(len(parts))]))
        numbers = _dealt([len(mixed) for _, mixed in windows], self._eras_per_batch)
        return [
            (eras, [[mixed[i] for i in some] for some in np.array_split(np.arange(len(mixed)), n)])
            for (eras, mixed), n in zip(windows, numbers, strict=True)
        ]

    def _parts(self, era: int, rng: np.random.Generator) -> list[_Part]:
        size = self._sizes[era]
        if self._rows_per_era is None:
            return [_Part(era, np.arange(size))]
        n = max(1, round(size / self._rows_per_era))
        return [_Part(era, rows) for rows in np.array_split(rng.permutation(size), n)]

    def _batch(self, parts: list[_Part], opened: _Opened) -> Batch:
        n_all = sum(len(part.rows) for part in parts)
        mine = [(own, part.rows) for part in parts if (own := self._own[part.era]) is not None]
        starts = self._frame.offsets
        rows = [torch.from_numpy(starts[own] + rows).to(self._device) for own, rows in mine]
        place = torch.cat([*rows, torch.empty(0, dtype=torch.int64, device=self._device)])
        shift = [opened.start[own] - int(starts[own]) for own, _ in mine]
        sizes = [len(rows) for _, rows in mine]
        part = torch.from_numpy(np.repeat(np.arange(len(mine)), sizes)).to(self._device)
        in_window = place + torch.tensor(shift, device=self._device, dtype=torch.int64)[part]
        weights = self._weights[place]
        batch = Batch(
            bins=opened.bins[in_window],
            part=part,
            offsets=tuple(int(o) for o in np.cumsum([0, *sizes])),
            labels=self._labels[place],
            weights=weights,
            shares=weights,
            gaps=opened.gaps,
        )
        return replace(batch, shares=batch.sums(weights) / n_all)


def _dealt(parts: Sequence[int], per_batch: int) -> list[int]:
    """Return how many batches each window is cut into, so that all epochs have equally many.

    Eras differ in size, so windows of other eras have other numbers of parts; their sum stays.
    The next batch always goes to the window with the most parts a batch.
    """
    numbers = [1] * len(parts)
    for _ in range(-(-sum(parts) // per_batch) - len(parts)):
        most = max(range(len(parts)), key=lambda i: parts[i] / numbers[i])
        numbers[most] += 1
    return numbers


@dataclass(frozen=True, eq=False)
class _Opened:
    """Eras that are at hand: bins of their rows, and where each era (by its place) begins."""

    bins: Tensor
    start: dict[int, int]
    gaps: bool


class _Whole:
    """All rows at hand, on the device."""

    def __init__(self, frame: EraFrame, device: torch.device) -> None:
        bins = frame.features_in_memory()
        if bins.dtype != np.int8:
            bins = np.concatenate([era_bins(bins[rows]) for _, rows in frame.iter_eras()])
        gaps = any(bool(bins[rows].min() == MISSING_INT8) for _, rows in frame.iter_eras())
        start = {i: int(o) for i, o in enumerate(frame.offsets[:-1])}
        self._all = _Opened(tensor_of(bins).to(device), start, gaps)

    def opened(self, windows: list[list[int]]) -> Iterator[_Opened]:
        for _ in windows:
            yield self._all


class _Reading:
    """Rows that are read a window at a time, the next one while this one is trained on."""

    def __init__(self, frame: EraFrame, device: torch.device) -> None:
        self._frame, self._device = frame, device

    def opened(self, windows: list[list[int]]) -> Iterator[_Opened]:
        with ThreadPoolExecutor(1) as reader:
            next_one: Future[_Opened] | None = None
            for i, eras in enumerate(windows):
                this = self._read(eras) if next_one is None else next_one.result()
                later = windows[i + 1 : i + 2]
                next_one = reader.submit(self._read, later[0]) if later else None
                yield this

    def _read(self, eras: list[int]) -> _Opened:
        offsets, features = self._frame.offsets, self._frame.features
        sizes = np.diff(offsets)[eras]
        bins = torch.empty(
            int(sizes.sum()),
            self._frame.n_features,
            dtype=torch.int8,
            pin_memory=self._device.type == "cuda",
        )
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        for era, start, stop in zip(eras, starts[:-1], starts[1:], strict=True):
            rows = slice(int(offsets[era]), int(offsets[era + 1]))
            bins[int(start) : int(stop)] = tensor_of(era_bins(features[rows]))
        gaps = bool((bins == MISSING_INT8).any())
        start = dict(zip(eras, starts[:-1].tolist(), strict=True))
        return _Opened(bins.to(self._device, non_blocking=True), start, gaps)


def _source(frame: EraFrame, device: torch.device) -> _Whole | _Reading:
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        fits = frame.n_rows * frame.n_features <= _ROOM * free
    else:
        fits = isinstance(frame.features, np.ndarray)
    return _Whole(frame, device) if fits else _Reading(frame, device)
