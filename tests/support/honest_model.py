"""A model that keeps every promise; tests break one at a time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import numpy as np

from numerai_lab.models import FitReport, ModelInfo, Params, TrainedFeatures


class Honest:
    """Least squares on the features, missing values as 0: keeps every promise."""

    info: ClassVar[ModelInfo] = ModelInfo(summary="least squares", unit="fits")
    Params: ClassVar[type[Params]] = Params

    def __init__(self, params):
        self.params = params

    def fit(self, train, ctx):
        self.trained = TrainedFeatures.of(train)
        x, y = self.design(train), train.target(ctx.target)
        self.beta = np.linalg.lstsq(x.T @ x, x.T @ y)[0]
        return FitReport(size=1, unit="fits", library_seconds=0.0)

    @staticmethod
    def design(frame):
        x = frame.features.astype(np.float64)
        return np.nan_to_num(np.where(frame.features == -1, np.nan, x))

    def values(self, frame):
        # Column by column, so that a row's sum does not depend on the rows beside it.
        return sum(b * column for b, column in zip(self.beta, self.design(frame).T, strict=True))

    def predict(self, frame):
        self.trained.check(frame)
        return self.values(frame).astype(np.float32)

    def save(self, folder: Path):
        state = {"beta": self.beta.tolist(), **self.trained.facts()}
        (folder / "model.json").write_text(json.dumps(state))

    @classmethod
    def load(cls, folder: Path):
        state = json.loads((folder / "model.json").read_text())
        model = cls(cls.Params())
        model.beta, model.trained = np.array(state["beta"]), TrainedFeatures.from_facts(state)
        return model


class Together(Honest):
    """The same, which workers can fit together: sums over rows are all that they exchange."""

    info: ClassVar[ModelInfo] = ModelInfo(summary="least squares", unit="fits", in_parts=True)

    def fit(self, train, ctx):
        self.trained = TrainedFeatures.of(train)
        x, y = self.design(train), train.target(ctx.target)
        self.beta = np.linalg.lstsq(ctx.world.total(x.T @ x), ctx.world.total(x.T @ y))[0]
        ctx.say(f"fitted by {ctx.world.size}")
        return FitReport(size=1, unit="fits", library_seconds=0.0)
