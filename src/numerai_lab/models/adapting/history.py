"""A strength that follows the gains of eras whose labels have become known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from numerai_lab.models.adapting.choices import STRENGTHS
from numerai_lab.models.adapting.trials import MIN_ERAS, Trial, label_overlap
from numerai_lab.scoring import long_run_std


@dataclass
class GainHistory:
    """What each of `STRENGTHS` gained over strength 0 in eras with known labels.

    Attributes
    ----------
    eras : era numbers, increasing. gains : one row of len(STRENGTHS) corr differences an era; NaN
        where it has no score.
    """

    eras: list[int] = field(default_factory=list)
    gains: list[list[float]] = field(default_factory=list)

    def add_trials(self, trials: Sequence[Trial], weight: float) -> None:
        """Add what the trials told about this weight."""
        for trial in trials:
            if not trial.note:
                table = np.column_stack([trial.gains[weight, a] for a in STRENGTHS])
                self.eras += trial.eras.tolist()
                self.gains += (table - table[:, :1]).tolist()

    def strength(self, window_eras: int, purge_eras: int) -> float:
        """Choose the strength with the highest mean gain minus one standard error, or 0.

        Parameters
        ----------
        window_eras : how many of the last eras count.
        purge_eras : tells the overlap of labels, for the long-run standard error.
        """
        numbers = np.asarray(self.eras[-window_eras:], dtype=np.int32)
        table = np.asarray(self.gains[-window_eras:], dtype=np.float64)
        if len(numbers) < MIN_ERAS:
            return 0.0
        known = np.isfinite(table).all(axis=1)
        numbers, table = numbers[known], table[known]
        bounds = []
        for column in table.T:
            lag = 2 * label_overlap(purge_eras)
            std = long_run_std(column, numbers, lag) if len(column) else None
            bounds.append(column.mean() - std / np.sqrt(len(column)) if std else 0.0)
        best = int(np.argmax(bounds))
        return STRENGTHS[best] if bounds[best] > 0 else 0.0
