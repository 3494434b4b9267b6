"""The label of a linear model: one target, or the mean of several by weight."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float32, Float64
from numerai_lab.eraframe import EraFrame
from numerai_lab.models.contract import FitContext


class Labels:
    """What each row is to be learnt as; rows that lack one of the targets are left out.

    Parameters
    ----------
    frame : labelled rows. ctx : which targets there are.
    targets : weight of each; None: the main target alone.

    Attributes
    ----------
    note : a sentence about rows that are left out, or nothing.

    Raises
    ------
    ModelError : a target is not among those that the run trains on.
    """

    def __init__(
        self, frame: EraFrame, ctx: FitContext, targets: Mapping[str, float] | None
    ) -> None:
        weights = targets or {ctx.target: 1.0}
        ctx.need_targets(weights, "model.params.targets")
        total = sum(weights.values())
        self._columns = [(frame.target(name), share / total) for name, share in weights.items()]
        self._main = frame.target(ctx.target)
        absent = frame.n_rows - sum(
            np.count_nonzero(self.of(rows)[0]) for _, rows in frame.iter_eras()
        )
        self.note = (
            f"{absent} of {frame.n_rows} training rows lack one of the targets {', '.join(weights)}"
            ": they teach nothing"
            if absent
            else ""
        )

    def of(self, rows: slice) -> tuple[npt.NDArray[np.bool_], Float64, Float32]:
        """Return the label of an era's rows.

        Returns
        -------
        there : bool, shaped as the rows: whether a row has a label.
        label : float64, of the rows that have one.
        target : float32, their main target.
        """
        label = np.zeros(rows.stop - rows.start)
        for column, share in self._columns:
            label += share * column[rows]
        there = ~np.isnan(label)
        return there, label[there], self._main[rows][there]
