"""What strengths gained in eras whose labels are known, and how old the model was there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from numerai_lab.arrays import Eras, Float64
from numerai_lab.models.adapting.choices import STRENGTHS
from numerai_lab.models.adapting.trials import Trial


@dataclass
class GainHistory:
    """What each of `STRENGTHS` gained over strength 0, era by era.

    Attributes
    ----------
    eras : era numbers, increasing. trained_to : for each the last era that f had learnt from.
    gains : one row of len(STRENGTHS) corr differences an era; NaN where it has no score.
    controls : the same of the control, era -> row, of eras where the adaptation gave one.
    """

    eras: list[int] = field(default_factory=list)
    trained_to: list[int] = field(default_factory=list)
    gains: list[list[float]] = field(default_factory=list)
    controls: dict[int, list[float]] = field(default_factory=dict)

    @classmethod
    def of_trials(cls, trials: Sequence[Trial], weight: float) -> GainHistory:
        """Return what trials told about one weight of the auxiliary loss."""
        found = cls()
        for trial in trials:
            if not trial.note:
                table = np.column_stack([trial.gains[weight, a] for a in STRENGTHS])
                controls = np.full_like(table, np.nan)
                if (weight, STRENGTHS[-1]) in trial.controls:
                    controls = np.column_stack([trial.controls[weight, a] for a in STRENGTHS])
                rows = zip(table - table[:, :1], controls - table[:, :1], strict=True)
                for era, (row, control) in zip(trial.eras.tolist(), rows, strict=True):
                    known = not np.isnan(control).any()
                    found.add(era, trial.train[1], row, control if known else None)
        return found

    def add(
        self, era: int, trained_to: int, gains: Float64, control: Float64 | None = None
    ) -> None:
        """Add one era; one that is there already stays as it is."""
        place = int(np.searchsorted(self.eras, era))
        if place < len(self.eras) and self.eras[place] == era:
            return
        self.eras.insert(place, era)
        self.trained_to.insert(place, trained_to)
        self.gains.insert(place, np.asarray(gains, dtype=np.float64).tolist())
        if control is not None:
            self.controls[era] = np.asarray(control, dtype=np.float64).tolist()

    def add_all(self, other: GainHistory) -> None:
        """Add the eras of another one."""
        for era, trained_to, gains in zip(other.eras, other.trained_to, other.gains, strict=True):
            control = other.controls.get(era)
            told = None if control is None else np.asarray(control)
            self.add(era, trained_to, np.asarray(gains), told)

    def at(self, strength: float) -> tuple[Eras, Float64]:
        """Return the eras that have a score, and what this one of `STRENGTHS` gained in each."""
        table = np.asarray(self.gains, dtype=np.float64).reshape(len(self.eras), len(STRENGTHS))
        gains = table[:, STRENGTHS.index(strength)]
        known = ~np.isnan(gains)
        return np.asarray(self.eras, dtype=np.int32)[known], gains[known]

    def trials(self, weight: float) -> list[Trial]:
        """Return the eras of each fit as a trial, for `decide`."""
        eras = np.asarray(self.eras, dtype=np.int32)
        fits = np.asarray(self.trained_to, dtype=np.int64)
        table = np.asarray(self.gains, dtype=np.float64).reshape(len(eras), len(STRENGTHS))
        none = [float("nan")] * len(STRENGTHS)
        beside = np.array([self.controls.get(era, none) for era in self.eras], dtype=np.float64)
        beside = beside.reshape(table.shape)
        made = []
        for fit in np.unique(fits).tolist():
            of = fits == fit
            judged = int(eras[of][0]), int(eras[of][-1])
            gains = {(weight, a): table[of, i] for i, a in enumerate(STRENGTHS)}
            controls = {}
            if np.isfinite(beside[of]).any():
                controls = {(weight, a): beside[of, i] for i, a in enumerate(STRENGTHS)}
            made.append(Trial((0, fit), judged, eras[of], gains, controls=controls))
        return made
