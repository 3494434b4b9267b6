"""What a stack has seen of its members, kept with it so that weights can be fitted again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from numerai_lab.arrays import Float64
from numerai_lab.models.combined.blend import WeightFit


@dataclass(frozen=True)
class Evidence:
    """What eras have said of members so far: sums, so that later eras can be added.

    Attributes
    ----------
    fit : sums over the eras that teach weights, each era weighed as seen from era `at`.
    corr_sums, corr_counts : float64 [n_members], of each member's own corr per era.
    eras : those that teach weights: how many, the first and the last. folds : they are judged in.
    """

    fit: WeightFit
    at: int
    corr_sums: Float64
    corr_counts: Float64
    n_eras: int
    first: int | None
    last: int | None
    folds: tuple[int, ...]

    @classmethod
    def none(cls, n_members: int) -> Self:
        """Return what is known before any era."""
        zeros = np.zeros(n_members)
        return cls(WeightFit(n_members), 0, zeros, zeros, 0, None, None, ())

    def facts(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        told = {key: getattr(self, key) for key in ("at", "n_eras", "first", "last", "folds")}
        sums = {"gram": self.fit.gram, "moment": self.fit.moment}
        sums |= {"corr_sums": self.corr_sums, "corr_counts": self.corr_counts}
        return {**told, **{key: values.tolist() for key, values in sums.items()}}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Self:
        """Read what `facts` returned."""
        fit = WeightFit(len(facts["moment"]))
        fit.gram, fit.moment = np.array(facts["gram"]), np.array(facts["moment"])
        return cls(
            fit=fit,
            at=facts["at"],
            corr_sums=np.array(facts["corr_sums"]),
            corr_counts=np.array(facts["corr_counts"]),
            n_eras=facts["n_eras"],
            first=facts["first"],
            last=facts["last"],
            folds=tuple(facts["folds"]),
        )
