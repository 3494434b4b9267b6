"""A model that needs to know what rows are about."""

from typing import ClassVar

import numpy as np

from honest_model import Honest
from numerai_lab.models import ModelInfo


class Follows(Honest):
    """Least squares, which predicts entities it has met higher."""

    info: ClassVar[ModelInfo] = ModelInfo(summary="follows", unit="fits", needs_entity=True)

    def fit(self, train, ctx):
        self.met = set(train.entity.to_pylist())
        return super().fit(train, ctx)

    def predict(self, frame):
        met = np.array([one in self.met for one in frame.entity.to_pylist()], dtype=np.float32)
        return super().predict(frame) + met

    @classmethod
    def load(cls, folder):
        model = super().load(folder)
        model.met = set((folder / "met").read_text().split())
        return model

    def save(self, folder):
        super().save(folder)
        (folder / "met").write_text(" ".join(sorted(self.met)))
