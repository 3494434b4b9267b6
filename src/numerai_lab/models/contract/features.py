"""The features that a fitted model was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError, did_you_mean


@dataclass(frozen=True)
class TrainedFeatures:
    """The features that a model was trained on, which are all that it predicts from.

    A fit keeps `TrainedFeatures.of(train)`; `check` guards every prediction, `facts` go into
    `save_meta` and `Exported`, and `from_facts` reads what `load_meta` returns.

    Attributes
    ----------
    names : in the order of training. dtype : of their values, int8 or float32.
    """

    names: tuple[str, ...] = ()
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.int8))

    @classmethod
    def of(cls, frame: EraFrame) -> Self:
        """Return the features of a frame."""
        return cls(frame.feature_names, frame.features.dtype)

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Self:
        """Return those that `facts` told of, also after JSON; other facts may stand beside."""
        return cls(tuple(facts["feature_names"]), np.dtype(facts["dtype"]))

    def facts(self) -> dict[str, Any]:
        """Return `feature_names` and `dtype` (its name), as JSON and `Exported` have them."""
        return {"feature_names": self.names, "dtype": self.dtype.name}

    def check(self, frame: EraFrame) -> None:
        """Check that a frame holds these features, in their order and type.

        Raises
        ------
        ModelError
            A feature is absent, unknown, out of order, or of the other type.
        """
        if frame.feature_names != self.names:
            absent = [name for name in self.names if name not in set(frame.feature_names)]
            extra = [name for name in frame.feature_names if name not in set(self.names)]
            if absent:
                what = (
                    f"{len(absent)} features the model was trained on are absent, first "
                    f"'{absent[0]}'"
                )
                what += did_you_mean(absent[0], extra)
            elif extra:
                what = f"{len(extra)} features were not there in training, first '{extra[0]}'"
            else:
                what = "features are not in the order of training"
            raise ModelError(what, fix="predict rows loaded with the feature set of the run")
        if frame.features.dtype != self.dtype:
            raise ModelError(
                f"features are {frame.features.dtype}, the model was trained on {self.dtype}",
                fix="load both from the same kind of source",
            )
