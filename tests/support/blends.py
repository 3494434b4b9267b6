"""Blends of any fitted models, blends among them, as a stack may export them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from numerai_lab.eraframe import EraFrame
from numerai_lab.models import Exported
from numerai_lab.models.combined import blend


def columns_of(frame: EraFrame, names) -> EraFrame:
    """Return some features of a frame, in the order of the names."""
    place = [frame.feature_names.index(name) for name in names]
    taken = np.ascontiguousarray(frame.features[:, place])
    return replace(frame, features=taken, feature_names=tuple(names))


@dataclass
class Member:
    """A model fitted on features of its own: some of those there, in an order of its own."""

    model: object
    names: tuple[str, ...]

    def predict(self, frame):
        return self.model.predict(columns_of(frame, self.names))

    def export(self):
        return self.model.export()


@dataclass
class Blend:
    """Members of any kind, by weighted gaussian ranks; `names` are the features that it takes."""

    members: list
    weights: list[float]
    names: tuple[str, ...]
    dtype: str

    def predict(self, frame):
        mine = columns_of(frame, self.names)
        each = np.column_stack([member.predict(mine) for member in self.members])
        weights = np.array(self.weights)
        eras = [each[rows].astype(float) for _, rows in mine.iter_eras()]
        return np.concatenate([blend(era, weights) for era in eras])

    def export(self):
        parts = tuple(member.export() for member in self.members)
        return Exported("blend", {"weights": self.weights}, {}, self.names, self.dtype, parts)
