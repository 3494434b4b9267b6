"""Models that look back: how earlier eras were decides what a feature is worth in the next one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import numpy as np

from honest_model import Honest
from numerai_lab.errors import ModelError
from numerai_lab.models import FitReport, ModelInfo, Params


class PastParams(Params):
    eras: int = 8


class LooksBack(Honest):
    """Least squares, and two features times means over earlier eras: of a feature and the labels.

    Where rows have an entity, the mean of what each had in the last era is added.
    """

    info: ClassVar[ModelInfo] = ModelInfo(summary="least squares that looks back", unit="fits")
    Params: ClassVar[type[Params]] = PastParams

    def __init__(self, params):
        super().__init__(params)
        self.kept: dict[int, list[float]] = {}

    @property
    def history_eras(self) -> int:
        return self.params.eras

    def fit(self, train, ctx) -> FitReport:
        self.kept = {}
        return super().fit(train, ctx)

    def predict(self, frame, history=None):
        if history is None:
            raise ModelError("no history was given")
        (era,) = frame.eras.tolist()
        told = {
            number: sums
            for number, sums in {**self.kept, **sums_of(history)}.items()
            if era - self.params.eras <= number < era
        }
        n, value, n_labels, label = (sum(told[e][i] for e in sorted(told)) for i in range(4))
        x = self.design(frame)
        known = super().predict(frame).astype(np.float64)
        known += x[:, 0] * value / max(n, 1) + 3 * x[:, 1] * label / max(n_labels, 1)
        if frame.entity is not None:
            last = history.between(era - 1, era - 1)
            before = dict(zip(last.entity.to_pylist(), self.design(last)[:, 0], strict=True))
            known += np.array([before.get(one, 0.0) for one in frame.entity.to_pylist()])
        return known.astype(np.float32)

    def save(self, folder: Path) -> None:
        super().save(folder)
        facts = {"eras": self.params.eras, "kept": self.kept}
        (folder / "past.json").write_text(json.dumps(facts))

    @classmethod
    def load(cls, folder: Path):
        model = super().load(folder)
        facts = json.loads((folder / "past.json").read_text())
        model.params = PastParams(eras=facts["eras"])
        model.kept = {int(era): sums for era, sums in facts["kept"].items()}
        return model


class Remembers(LooksBack):
    """The same, which keeps sums of its training eras."""

    n_steps = 1

    def remember(self, history) -> None:
        self.kept = sums_of(history)

    def fit_more(self, new, ctx, amount) -> FitReport:
        """Learn nothing new, for this many steps."""
        self.trained.check(new)
        self.n_steps += amount
        return FitReport(size=amount, unit="fits", library_seconds=0.0)


def sums_of(history) -> dict[int, list[float]]:
    """Sum the third feature and the known labels of each era, with their numbers."""
    told = {}
    for era, rows in history.iter_eras():
        labels = history.targets[rows, 0]
        labels = labels[~np.isnan(labels)].astype(np.float64)
        feature = Honest.design(history.between(era, era))[:, 2]
        told[era] = [len(feature), float(feature.sum()), len(labels), float(labels.sum())]
    return told


class SeesColumns(LooksBack):
    """The same, whose predictions follow every column of the earliest era it is shown."""

    def predict(self, frame, history=None):
        found = super().predict(frame, history)
        assert history.feature_names == frame.feature_names
        first = history.between(int(history.eras[0]), int(history.eras[0]))
        return found + np.float32(self.design(first)[:, -1].mean() * self.design(frame)[:, 0])
