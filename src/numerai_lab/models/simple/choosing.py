"""A penalty chosen on purged inner parts of the training eras, in the pass that also learns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from numerai_lab.arrays import Float32, Float64
from numerai_lab.models.simple.centred import CentredRows
from numerai_lab.scoring import corr_per_era
from numerai_lab.splits import InnerPart


class InnerWalk:
    """Scores every penalty on each inner part, learnt from the eras that end a purge before it.

    Eras come in order of time. Since those that a part is learnt from have come before it, one
    pass is enough, and no sums are kept by part: `reach` takes the coefficients when the last of
    these eras has been added, `judge` scores them when the part's own eras come.

    Parameters
    ----------
    parts : as `splits.inner_parts` cuts them; empty where nothing is chosen.
    """

    def __init__(self, parts: Sequence[InnerPart]) -> None:
        self._waiting = list(parts)
        self._open: list[tuple[InnerPart, Float64]] = []
        self._scores: list[Float64] = []

    def reach(self, era: int, coefficients: Callable[[], Float64]) -> None:
        """Take coefficients [n_features, n_penalties] for the parts that `era` is too late for."""
        self._open = [(part, taken) for part, taken in self._open if part.last >= era]
        while self._waiting and era > self._waiting[0].last_train_era:
            self._open.append((self._waiting.pop(0), coefficients()))

    def judge(self, era: int, rows: CentredRows, target: Float32) -> None:
        """Score the rows of an era, whose target is float32 [n_rows]."""
        for part, coefficients in self._open:
            if part.first <= era <= part.last:
                offsets = np.array([0, len(target)])
                self._scores.append(corr_per_era(rows.project(coefficients), target, offsets)[0])

    def scores(self) -> Float64:
        """Return corr of each judged era that has one for every penalty, [n_eras, n_penalties]."""
        if not self._scores:
            return np.empty((0, 0))
        scores = np.stack(self._scores)
        return np.asarray(scores[~np.isnan(scores).any(axis=1)])
