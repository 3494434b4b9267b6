"""A model that looks at rows without labels: least squares of what is left of their means."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

from honest_model import Honest
from numerai_lab.models import ModelInfo


class Looks(Honest):
    """Least squares, which reports the eras it was shown without labels and what it saw there."""

    info: ClassVar[ModelInfo] = ModelInfo(summary="looks around", unit="fits", unlabelled=True)

    def fit(self, train, ctx):
        report = super().fit(train, ctx)
        seen = ctx.unlabelled
        assert seen.target_names == ()
        assert seen.feature_names == train.feature_names
        trained = seen.between(int(train.eras[0]), int(train.eras[0]))
        first = train.between(int(train.eras[0]), int(train.eras[0]))
        details = {
            "eras": seen.eras.tolist(),
            "rows": np.diff(seen.offsets).tolist(),
            "means": self.design(seen).mean(axis=0).tolist(),
            "same": bool(set(first.ids.to_pylist()) <= set(trained.ids.to_pylist())),
        }
        return replace(report, details=details)


class LooksTogether(Looks):
    """The same, which workers can fit together: each sees all rows without labels."""

    info: ClassVar[ModelInfo] = replace(Looks.info, in_parts=True)

    def fit(self, train, ctx):
        report = super().fit(train, ctx)
        same = ctx.world.from_all(report.details["means"])
        assert same == [report.details["means"]] * ctx.world.size
        return replace(report, details={**report.details, "workers": ctx.world.size})
