"""Which rows are explained: as many in each era, drawn with the run's seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float32
from numerai_lab.eraframe import EraFrame, FeatureArray
from numerai_lab.seeds import child_seed

FEWEST_ROWS = 30
"""Fewer rows of an era would say little about it: fewer eras are taken instead."""


@dataclass(frozen=True)
class Sample:
    """Rows that are explained.

    Attributes
    ----------
    frame : all rows of the judged eras, labelled.
    eras : int32, those that rows are drawn from, spread evenly over the judged ones.
    rows : the row numbers drawn from each, within its era, increasing.
    """

    frame: EraFrame
    eras: npt.NDArray[np.int32]
    rows: tuple[npt.NDArray[np.int64], ...]

    @property
    def n_rows(self) -> int:
        """Number of rows in all."""
        return sum(map(len, self.rows))

    def each(self) -> Iterator[tuple[EraFrame, npt.NDArray[np.int64]]]:
        """Yield each era as a frame, labelled, with the numbers of the rows drawn from it."""
        for era, rows in zip(self.eras.tolist(), self.rows, strict=True):
            yield self.frame.between(era, era), rows


@dataclass(frozen=True)
class EraRows:
    """The drawn rows of one era: features [n_rows, n_features], targets and ids."""

    era: int
    features: FeatureArray
    target: Float32
    ids: list[str]

    @classmethod
    def of(cls, frame: EraFrame, rows: npt.NDArray[np.int64], target: str) -> EraRows:
        """Read the drawn rows of a frame of one era."""
        labels = frame.target(target)[rows]
        ids = [frame.ids[i].as_py() for i in rows.tolist()]
        return cls(int(frame.eras[0]), frame.features[rows], labels, ids)


def draw(frame: EraFrame, n_rows: int, seed: int) -> Sample:
    """Draw about `n_rows` rows, as many from each era that is taken, at least one.

    Parameters
    ----------
    frame : the judged eras.
    """
    n_eras = min(frame.n_eras, max(1, n_rows // FEWEST_ROWS))
    places = np.unique(np.linspace(0, frame.n_eras - 1, n_eras).round().astype(np.int64))
    sizes = np.diff(frame.offsets)[places]
    wanted = max(1, n_rows // len(places))
    rows = []
    for era, size in zip(frame.eras[places].tolist(), sizes.tolist(), strict=True):
        rng = np.random.default_rng(child_seed(seed, "explain", "rows", era))
        rows.append(np.sort(rng.choice(size, size=min(wanted, size), replace=False)))
    return Sample(frame, frame.eras[places], tuple(rows))
