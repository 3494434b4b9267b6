"""A tiny model made of other models, as somebody's own package may have one: the mean of ranks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field

from numerai_lab.eraframe import EraFrame
from numerai_lab.models import (
    FitContext,
    FitReport,
    Float32,
    Model,
    ModelChoice,
    ModelInfo,
    Needs,
    Params,
    Shape,
    get_model,
)
from numerai_lab.scoring import rank_per_era


class MeanOfParams(Params):
    members: Annotated[list[ModelChoice], Field(min_length=1)]


class MeanOf:
    info: ClassVar[ModelInfo] = ModelInfo(summary="mean of members' ranks", unit="members")
    Params: ClassVar[type[Params]] = MeanOfParams

    def __init__(self, params: MeanOfParams) -> None:
        self.params = params
        self.members: list[Model] = []

    @classmethod
    def info_for(cls, params: MeanOfParams) -> ModelInfo:
        return ModelInfo(
            summary=cls.info.summary,
            unit="steps",
            multi_target=any(member.info.multi_target for member in params.members),
            transductive=True,  # a rank depends on the other rows of the era
        )

    def fit(self, train: EraFrame, ctx: FitContext) -> FitReport:
        self.members = [member.new() for member in self.params.members]
        reports = [member.fit(train, ctx) for member in self.members]
        seconds = sum(report.library_seconds for report in reports)
        return FitReport(size=len(reports), unit="members", library_seconds=seconds)

    @property
    def n_steps(self) -> int:
        return max(member.n_steps for member in self.members)  # type: ignore[attr-defined]

    def fit_more(self, new: EraFrame, ctx: FitContext, amount: int) -> FitReport:
        reports = [member.fit_more(new, ctx, amount) for member in self.members]  # type: ignore[attr-defined]
        seconds = sum(report.library_seconds for report in reports)
        return FitReport(size=0, unit="members", library_seconds=seconds)

    def predict(self, frame: EraFrame) -> Float32:
        ranks = [rank_per_era(model.predict(frame), frame.offsets) for model in self.members]
        return np.mean(ranks, axis=0).astype(np.float32)

    def memory_needed(self, shape: Shape) -> Needs:
        needs = [member.new().memory_needed(shape) for member in self.params.members]  # type: ignore[attr-defined]
        on_device = 2 << 30 if shape.device == "cuda" else 0
        return Needs(max(need.host for need in needs), on_device)

    def ways_to_take_less(self) -> tuple[str, ...]:
        return ("smaller members",)

    def save(self, folder: Path) -> None:
        (folder / "params.json").write_text(json.dumps(self.params.model_dump(by_alias=True)))
        for i, member in enumerate(self.members):
            (folder / str(i)).mkdir()
            member.save(folder / str(i))

    @classmethod
    def load(cls, folder: Path) -> Self:
        params = MeanOfParams.model_validate(json.loads((folder / "params.json").read_text()))
        model = cls(params)
        for i, member in enumerate(params.members):
            model.members.append(get_model(member.type).load(folder / str(i)))
        return model
