"""What a fit and a prediction tell the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numerai_lab.arrays import Float32


@dataclass(frozen=True)
class FitReport:
    """What a fit tells the run; stored as JSON in fit.json.

    Attributes
    ----------
    size : how much was learnt and kept, over all members, counted in `unit`.
    unit : the plural word for what `size` counts: "trees", "parameters".
    library_seconds : wall time spent inside the library's own training calls.
    importance : how much the model leans on each feature, by name, not normalised: the total gain
        of trees, the standard deviation of what a feature adds to a linear prediction; empty if
        the model has none.
    notes : sentences about what happened (dropped constant features, fall-backs).
    details : whatever else the model wants to record; must be JSON-serialisable.
    """

    size: int
    unit: str
    library_seconds: float
    importance: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)


def size_and_unit(facts: Mapping[str, Any]) -> tuple[int | None, str]:
    """Read `size` and `unit` of a report from fit.json, also of runs made when it said `n_trees`.

    Returns
    -------
    None and "" where the file tells of no size.
    """
    if "size" in facts:
        return facts["size"], facts.get("unit") or ""
    return (facts["n_trees"], "trees") if "n_trees" in facts else (None, "")


@dataclass(frozen=True)
class Detailed:
    """Predictions with what a model that changes itself from era to era tells about them.

    Attributes
    ----------
    predictions : float32 [n_rows], as `predict` gives them.
    variants : name -> float32 [n_rows], predictions to be judged beside them, of those that
        `info.variants` declares. The same names for every frame.
    per_era : name -> one number per era of the frame, None where there is none.
    remarks : what happened to each era of the frame, None where nothing did; empty for nothing
        at all. Said as "3 of 20 eras" and the remark.
    """

    predictions: Float32
    variants: dict[str, Float32] = field(default_factory=dict)
    per_era: dict[str, list[float | None]] = field(default_factory=dict)
    remarks: list[str | None] = field(default_factory=list)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what happened, each remark once with the number of its eras."""
        counts = Counter(remark for remark in self.remarks if remark is not None)
        return tuple(f"{n} of {len(self.remarks)} eras {remark}" for remark, n in counts.items())
