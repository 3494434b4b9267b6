"""A model whose fit takes as long as its rows say, for what estimates time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from numerai_lab.models import FitReport, ModelInfo, Params, TrainedFeatures, load_meta, save_meta


class WaitingParams(Params):
    per_row: float = 2e-5  # seconds


class Waiting:
    """Sleeps in its fit, a step an era, and predicts the first feature."""

    info: ClassVar[ModelInfo] = ModelInfo(summary="sleeps", unit="eras")
    Params: ClassVar[type[Params]] = WaitingParams

    def __init__(self, params: WaitingParams) -> None:
        self.params = params
        self.trained = TrainedFeatures()

    def fit(self, train, ctx) -> FitReport:
        self.trained = TrainedFeatures.of(train)
        for done, (_, rows) in enumerate(train.iter_eras()):
            time.sleep(self.params.per_row * (rows.stop - rows.start))
            ctx.progress(done + 1, train.n_eras)
        return FitReport(size=train.n_eras, unit="eras", library_seconds=0.0)

    def predict(self, frame) -> np.ndarray:
        return frame.features_in_memory()[:, 0].astype(np.float32)

    def save(self, folder: Path) -> None:
        save_meta(folder, self.params, self.trained.facts())

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(load_meta(folder, WaitingParams)[0])
