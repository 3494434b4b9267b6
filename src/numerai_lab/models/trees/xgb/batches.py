"""Features on disk to XGBoost: batches of rows, so that no copy of all of them is ever made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost

from numerai_lab.eraframe import EraFrame
from numerai_lab.models.contract import Float32

BATCH_BYTES = 32 << 20
"""Rows read at a time. Also the size of a page when training from disk, of which XGBoost holds a
few at once: 32 MiB instead of 64 took 84 MiB less at the peak, and not more time (n = 1)."""


class Batches(xgboost.DataIter):  # type: ignore[misc]  # XGBoost is untyped
    """Hands whole eras to XGBoost, about `batch_bytes` at a time.

    Parameters
    ----------
    frame : rows to hand over.
    label : float32 [n_rows], or None for rows that are only judged.
    weight : float32, one a row, or one an era with `by_era`; or None.
    by_era : eras are groups of a ranking objective.
    cache_prefix : where XGBoost keeps its own pages of the rows, for training from disk.
    """

    def __init__(
        self,
        frame: EraFrame,
        label: npt.NDArray[np.float32] | None,
        weight: Float32 | None,
        *,
        by_era: bool = False,
        cache_prefix: str | None = None,
        batch_bytes: int = BATCH_BYTES,
    ) -> None:
        self._frame, self._label, self._weight, self._by_era = frame, label, weight, by_era
        self._spans = list(_spans(frame, batch_bytes))
        self._at = 0
        super().__init__(cache_prefix=cache_prefix)

    def reset(self) -> None:
        """Begin anew: XGBoost reads the rows several times."""
        self._at = 0

    def next(self, input_data: Callable[..., None]) -> bool:
        """Hand over the next batch; False when there is none."""
        if self._at == len(self._spans):
            return False
        eras = self._spans[self._at]
        self._at += 1
        offsets = self._frame.offsets
        rows = slice(int(offsets[eras.start]), int(offsets[eras.stop]))
        batch: dict[str, Any] = {"data": self._frame.features[rows]}
        if self._label is not None:
            batch["label"] = self._label[rows]
        if self._by_era:
            sizes = np.diff(offsets[eras.start : eras.stop + 1])
            batch["qid"] = np.repeat(np.arange(eras.start, eras.stop), sizes)
        if self._weight is not None:
            batch["weight"] = self._weight[eras if self._by_era else rows]
        input_data(**batch)
        return True


def _spans(frame: EraFrame, batch_bytes: int) -> Iterator[slice]:
    """Yield runs of eras (positions) of at most `batch_bytes`, at least one era each."""
    limit = batch_bytes // max(1, frame.n_features * frame.features.itemsize)
    first = 0
    for era in range(1, frame.n_eras + 1):
        last = era == frame.n_eras
        if last or frame.offsets[era + 1] - frame.offsets[first] > limit:
            yield slice(first, era)
            first = era
