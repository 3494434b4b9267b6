"""What changes an era's predictions, as the trials and a guarded model see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy.typing as npt

from numerai_lab.arrays import Float32, Float64
from numerai_lab.eraframe import EraFrame, FeatureArray
from numerai_lab.models.adapting.runtime import Support

State = npt.NDArray[Any]
"""What an adaptation has read from one era and changes its predictions by."""


@dataclass(frozen=True)
class Adapted:
    """One era that was adapted to.

    Attributes
    ----------
    change : float32 [n_rows], what strength 1 adds.
    state : what was read from the era. seconds : what reading and changing took.
    facts : numbers to keep beside the era's prediction, by name.
    remark : what happened meanwhile, None for nothing; said after "3 of 20 eras".
    control : float32 [n_rows], what strength 1 adds with the state of another era. In a trial the
        guard then wants more than this control gains; None: a gain is welcome wherever it is from.
    code : float64 [n_codes], where the era lies among others. An adaptation that has a `support`
        has its change faded where training eras had no such codes; None: as it is.
    """

    change: Float32
    state: State
    seconds: float
    facts: Mapping[str, float] = field(default_factory=dict)
    remark: str | None = None
    control: Float32 | None = None
    code: Float64 | None = None


class Adaptation(Protocol):
    """A fitted adaptation. `predictions` are float32 [n_rows], those of f on the same rows.

    It may also have a `support` (`Support`): its changes then fade where an era's code is far from
    those of training eras.
    """

    @property
    def online(self) -> bool:
        """Whether eras whose labels become known change later predictions (`observe`)."""
        ...

    @property
    def states(self) -> Sequence[State]:
        """States of training eras, of all of them if that is not too much, for the control."""
        ...

    def adapt(self, number: int, features: FeatureArray, predictions: Float32) -> Adapted | str:
        """Adapt to era `number` without labels; a text is the reason why it stays unadapted."""
        ...

    def change(
        self, number: int, features: FeatureArray, predictions: Float32, state: State
    ) -> Float32:
        """Return what strength 1 adds to an era with the state of another, float32 [n_rows]."""
        ...

    def observe(
        self, number: int, features: FeatureArray, predictions: Float32, labels: Float32
    ) -> None:
        """Learn from one era whose labels, float32 [n_rows], have become known."""

    def save(self, folder: Path) -> None:
        """Write into an existing empty folder, without f."""


@runtime_checkable
class LearningAdaptation(Adaptation, Protocol):
    """An adaptation that learns more where f goes on from its fit. Optional."""

    def learn(self, rows: EraFrame, predictions: Float32, labels: Float32) -> None:
        """Learn from eras after the fit, of which `observe` has told those it learns from live."""


@runtime_checkable
class CodedAdaptation(Adaptation, Protocol):
    """An adaptation that reads an era once for its code and a change by another state. Optional."""

    def coded_change(
        self, number: int, features: FeatureArray, predictions: Float32, state: State
    ) -> tuple[Float32, Float64 | None]:
        """Return what `change` does, and where the era lies, float64 [n_codes], None: nowhere."""
        ...


def change_by_other(
    adaptation: Adaptation, number: int, features: FeatureArray, predictions: Float32, state: State
) -> tuple[Float32, float]:
    """Return what strength 1 adds to an era with the state of another, and its own fading."""
    if isinstance(adaptation, CodedAdaptation):
        change, code = adaptation.coded_change(number, features, predictions, state)
    else:
        own = adaptation.adapt(number, features, predictions)
        code = None if isinstance(own, str) else own.code
        change = adaptation.change(number, features, predictions, state)
    return change, fading(adaptation, code)


def fading(adaptation: Adaptation, code: Float64 | None) -> float:
    """Return by what a change is multiplied for an era with this code, 0 to 1."""
    support: Support | None = getattr(adaptation, "support", None)
    return 1.0 if support is None or code is None else support.factor(code)
