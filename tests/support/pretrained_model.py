"""A tiny model with something expensive in it: least squares on features less a pretrained mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field

from honest_model import Honest
from numerai_lab.models import ModelInfo, Params

BUILT: list[str] = []
"""A line for each pretraining in this process."""


class PretrainedParams(Params):
    checkpoint: Path | None = Field(None, strict=False)
    prior: Path | None = Field(None, strict=False)
    earlier: bool = False


def pretraining(frame) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        BUILT.append(str(folder))
        np.save(folder / "means.npy", Honest.design(frame).mean(axis=0))

    return build


class Pretrained(Honest):
    info: ClassVar[ModelInfo] = ModelInfo(
        summary="least squares after pretraining", unit="fits", unlabelled=True, artefacts=True
    )
    Params: ClassVar[type[Params]] = PretrainedParams

    def fit(self, train, ctx):
        params, place = self.params, ctx.artefacts
        found = place.made_before("means", {"kind": 1}) if params.earlier else None
        if params.checkpoint is not None:
            found = place.open(params.checkpoint)
        if found is None:
            build = pretraining(ctx.unlabelled)
            found = place.make("means", {"kind": 1}, build, rows=ctx.unlabelled)
        self.means = np.load(found.path / "means.npy")
        report = super().fit(train, ctx)
        return replace(report, details={"means": self.means.tolist()})

    def values(self, frame):
        columns = self.design(frame).T
        pairs = zip(self.beta, columns, self.means, strict=True)
        return sum(b * (column - mean) for b, column, mean in pairs)

    def save(self, folder: Path):
        super().save(folder)
        np.save(folder / "means.npy", self.means)

    @classmethod
    def load(cls, folder: Path):
        model = super().load(folder)
        model.means = np.load(folder / "means.npy")
        return model
