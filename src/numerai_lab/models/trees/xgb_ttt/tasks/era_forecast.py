"""`era_forecast`: reconstruction whose code is expected where past eras lead to."""

from __future__ import annotations

from copy import copy
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float64
from numerai_lab.models.trees.xgb_ttt.statistics import EraStatistics
from numerai_lab.models.trees.xgb_ttt.tasks.feature_reconstruction import FeatureReconstruction


class EraForecast(FeatureReconstruction):
    """Forecast the code of an era from past eras, and use it as the prior of the code.

    Each number of the code follows an autoregression of order 1, fitted on training eras:
    the forecast for era e is phi^(e - l) s_l, l the last era before e that is known, which needs
    no label. Known are the training eras and those of its history (`after`).
    """

    history_eras = 26
    """phi^26 leaves little of a code; the last era is all that counts where it can be read."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.numbers = np.zeros(0, dtype=np.int64)
        self.history: Float64 = np.zeros((0, 0))
        self.phi: Float64 = np.zeros(0)

    def learn_codes(self, numbers: list[int], raw: Float64) -> None:
        """Fit the autoregression on neighbouring training eras."""
        self.numbers, self.history = np.array(numbers, dtype=np.int64), raw
        steps = np.diff(self.numbers)
        usual = int(np.median(steps))
        before, after = raw[:-1][steps == usual], raw[1:][steps == usual]
        slope = (before * after).sum(axis=0) / np.maximum((before**2).sum(axis=0), 1e-12)
        self.phi = np.clip(slope, 0, 1) ** (1 / usual)

    def prior(self, number: int) -> Float64:
        """Return the forecast of the code of era `number`; 0 where nothing earlier is known."""
        last = int(np.searchsorted(self.numbers, number, side="left")) - 1
        if last < 0:
            return np.zeros(len(self.phi))
        return np.asarray(self.phi ** (number - self.numbers[last]) * self.history[last])

    def after(self, number: int, era: EraStatistics) -> Self | None:
        """Return the task with this era in its past; None if its code cannot be read."""
        code = self.free_code(era)
        if code is None:
            return None
        if number in self.numbers:
            return self
        place = int(np.searchsorted(self.numbers, number))
        later = copy(self)
        later.numbers = np.insert(self.numbers, place, number)
        later.history = np.insert(self.history, place, code, axis=0)
        return later

    def more_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the past and the autoregression."""
        return {"numbers": self.numbers, "history": self.history, "phi": self.phi}

    def restore(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Take them back."""
        self.numbers, self.history, self.phi = (
            arrays[name] for name in ("numbers", "history", "phi")
        )


TASK = EraForecast
