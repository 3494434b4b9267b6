"""A tiny model made of other runs' predictions: a weighted mean of members' gaussian ranks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field

from numerai_lab.eraframe import EraFrame
from numerai_lab.models import (
    Exported,
    FitContext,
    FitReport,
    Float32,
    MemberChoice,
    ModelInfo,
    Params,
    TrainedFeatures,
    load_meta,
    save_meta,
)
from numerai_lab.scoring import gaussian_rank_per_era, rank_per_era


class WeightedParams(Params):
    members: Annotated[dict[str, MemberChoice], Field(min_length=1)]


def ranks_of(predictions: Mapping[str, Float32], offsets) -> np.ndarray:
    """Gaussian ranks [n_rows, n_members], 0 (the middle) in eras that a member lacks."""
    values = np.stack(list(predictions.values()), axis=1).astype(np.float64)
    lacks = np.isnan(values)
    return np.where(lacks, 0.0, gaussian_rank_per_era(np.where(lacks, 0.0, values), offsets))


class Weighted:
    info: ClassVar[ModelInfo] = ModelInfo(
        summary="weighted mean of members",
        unit="fits",
        transductive=True,
        exportable=True,
        needs_members=True,
    )
    Params: ClassVar[type[Params]] = WeightedParams

    def __init__(self, params: WeightedParams) -> None:
        self.params = params
        self.weights = {name: 1 / len(params.members) for name in params.members}

    @classmethod
    def members(cls, params: WeightedParams) -> Mapping[str, MemberChoice]:
        return params.members

    def fit(self, train: EraFrame, ctx: FitContext) -> FitReport:
        self.trained = TrainedFeatures.of(train)
        given = ctx.members
        assert given is not None
        eras = given.rows.eras.tolist()
        if eras:
            x = ranks_of(given.predictions, given.rows.offsets)
            y = given.rows.target(ctx.target)
            solved = np.linalg.lstsq(x, y - y.mean(), rcond=None)[0]
            self.weights = dict(zip(self.weights, solved.tolist(), strict=True))
        lacking = {n: int(np.isnan(v).sum()) for n, v in given.predictions.items()}
        details = {
            "eras": eras,
            "folds": given.folds.tolist(),
            "purge_eras": given.purge_eras,
            "lacking": lacking,
            "weights": self.weights,
        }
        return FitReport(
            size=len(self.weights), unit="weights", library_seconds=0.0, details=details
        )

    def predict(self, frame: EraFrame, members: Mapping[str, Float32] | None = None) -> Float32:
        self.trained.check(frame)
        assert members is not None
        assert list(members) == list(self.weights)
        x = ranks_of(members, frame.offsets)
        # column by column: a row's sum does not depend on the rows beside it
        columns = zip(self.weights.values(), x.T, strict=True)
        total = sum(weight * column for weight, column in columns)
        return rank_per_era(total, frame.offsets).astype(np.float32)

    def export(self, parts: Mapping[str, Exported]) -> Exported:
        return Exported(
            kind="blend",
            settings={"weights": list(self.weights.values())},
            arrays={},
            **self.trained.facts(),
            parts=tuple(parts[name] for name in self.weights),
        )

    def save(self, folder: Path) -> None:
        save_meta(folder, self.params, {"weights": self.weights, **self.trained.facts()})

    @classmethod
    def load(cls, folder: Path) -> Self:
        params, state = load_meta(folder, WeightedParams)
        model = cls(params)
        model.weights, model.trained = state["weights"], TrainedFeatures.from_facts(state)
        return model
