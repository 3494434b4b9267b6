"""What a model made of other runs' predictions is given of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Eras, Float32, Float64
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.scoring import PayoutRule

BENCHMARK, META_MODEL = "benchmark", "meta_model"
"""Keys of `Members.references`."""


@dataclass(frozen=True, eq=False)
class Members:
    """Members' out-of-fold predictions of labelled eras.

    `FitContext.members` has those of earlier folds. Every prediction was made by a model of the
    member that was fitted on eras before, purged.

    Attributes
    ----------
    rows : the eras predicted, with their features and targets.
    folds : int32 [n_eras], the fold of this run in which an era is judged; 0 for one in none.
    predictions : by member, float32 [n_rows], NaN where it has none.
    purge_eras : eras left out before the first judged one: none of their labels is known then. It
        follows the longest horizon among this model's and its members' targets.
    references : what the benchmark and the meta model predicted of the rows (`BENCHMARK`,
        `META_MODEL`, those there are), float64 [n_rows], NaN where one has no prediction.
    payout : the rule by which the main target is paid; None: not known.
    """

    rows: EraFrame
    folds: npt.NDArray[np.int32]
    predictions: Mapping[str, Float32]
    purge_eras: int
    references: Mapping[str, Float64] = field(default_factory=dict)
    payout: PayoutRule | None = None

    def of(self, eras: Eras) -> Members:
        """Return those of the eras that are here, as views where they are neighbours."""
        mine = np.isin(self.rows.eras, eras)
        kept = np.repeat(mine, np.diff(self.rows.offsets))
        start, n = (int(np.argmax(kept)), int(kept.sum())) if kept.any() else (0, 0)
        together = bool(kept[start : start + n].all())
        chosen = slice(start, start + n) if together else kept
        return replace(
            self,
            rows=self.rows.select_eras(self.rows.eras[mine]),
            folds=self.folds[mine],
            predictions={name: values[chosen] for name, values in self.predictions.items()},
            references={name: values[chosen] for name, values in self.references.items()},
        )

    def predictions_of(self, rows: EraFrame) -> dict[str, Float32]:
        """Return the predictions of whole eras that are here, in the order of their rows.

        Raises ModelError when an era is not here, or has other rows here.
        """
        mine = self.of(rows.eras)
        if not mine.rows.ids.equals(rows.ids):
            raise ModelError(
                f"members' predictions are not of the rows of eras {rows.eras[0]}-{rows.eras[-1]}"
            )
        return dict(mine.predictions)
