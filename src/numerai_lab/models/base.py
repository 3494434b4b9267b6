"""What a model is: the protocol, what it is told at fit, and what it reports back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from numerai_lab.eraframe import EraFrame
from numerai_lab.models.world import World

Float32 = npt.NDArray[np.float32]


LEFT_OUT = "left_out"
"""Key in a field's `json_schema_extra`: what a library does when the parameter is left out."""


class Params(BaseModel):
    """Base of every model's parameters: unknown keys rejected, strict types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @classmethod
    def hint_unknown_key(cls, name: str) -> str:  # noqa: ARG003 - for those that know
        """Return where a key that is unknown here belongs, or an empty string."""
        return ""


@dataclass(frozen=True)
class ModelInfo:
    """What a model declares about itself.

    Attributes
    ----------
    summary : one line for `numerai-lab models`.
    multi_target : trains on every loaded target, not on the main one only; the purge then
        follows the longest horizon among all of them.
    transductive : reads the whole unlabelled era at prediction.
    stateful : a prediction may depend on eras predicted before it.
    exportable : can be bundled for Numerai's model upload.
    in_parts : several workers can fit it together, each on some of the eras (`ctx.world`).
    """

    summary: str
    multi_target: bool = False
    transductive: bool = False
    stateful: bool = False
    exportable: bool = False
    in_parts: bool = False


def _silent(*_: object) -> None:
    return None


@dataclass(frozen=True)
class FitContext:
    """What the run tells a model besides the training rows.

    Attributes
    ----------
    seed : derive every use of randomness from it with `seeds.child_seed`.
    target : the main target; its NaN rows have been dropped from the training rows.
    targets : all targets this model may train on, the main one first. Others may hold NaN:
        drop those rows for that target and count them in the report's notes.
    purge_eras : era numbers between training and judged eras; inner splits need as many.
    weights : float32 [n_rows] of the training frame, or None for equal weights.
    stop : labelled, purged eras for early stopping, or None.
    stop_rounds : trees without a new best before stopping.
    device, n_threads : where to compute; 0 threads means all cores.
    progress : call with (trees done, trees in all).
    say : call with a sentence the user must see (a fall-back, a dropped column).
    world : the workers that fit this model together; the training rows are then the eras of one
        of them, `stop` is the same on each. Alone unless `info.in_parts`.
    peers : the workers that hold the same rows and share the work out, as a `MemberModel` can.
    """

    seed: int
    target: str
    targets: tuple[str, ...]
    purge_eras: int
    weights: Float32 | None = None
    stop: EraFrame | None = None
    stop_rounds: int = 0
    device: Literal["cpu", "cuda"] = "cpu"
    n_threads: int = 0
    progress: Callable[[int, int], None] = _silent
    say: Callable[[str], None] = _silent
    world: World = field(default_factory=World)
    peers: World = field(default_factory=World)


@dataclass(frozen=True)
class FitReport:
    """What a fit tells the run; stored as JSON in fit.json.

    Attributes
    ----------
    n_trees : trees kept in the end, over all members.
    library_seconds : wall time spent inside the library's own training calls.
    importance : total gain by feature name (not normalised), empty if the model has none.
    notes : sentences about what happened (dropped constant features, fall-backs).
    details : whatever else the model wants to record; must be JSON-serialisable.
    """

    n_trees: int
    library_seconds: float
    importance: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)


FROZEN = "frozen"
"""Name of the variant that does not change from era to era; the others are compared with it."""
JOINT = "joint"
"""Name of the variant trained with auxiliary targets beside the target, and not adapted."""
SHUFFLED = "shuffled"
"""Name of the control: the model changed for another era than the one it predicts."""


@dataclass(frozen=True)
class Detailed:
    """Predictions with what a model that changes itself from era to era tells about them.

    Attributes
    ----------
    predictions : float32 [n_rows], as `predict` gives them.
    variants : name -> float32 [n_rows], predictions to be judged beside them: `FROZEN`, the
        same model unchanged, `JOINT`, `SHUFFLED`, or any other. The same names for every frame.
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


@runtime_checkable
class Model(Protocol):
    """What learns. See CONTRIBUTING.md; `check_model` tests all that is promised here."""

    info: ClassVar[ModelInfo]
    Params: ClassVar[type[Params]]

    def __init__(self, params: Any) -> None:
        """Take a validated instance of `Params`; no work, no randomness."""

    def fit(self, train: EraFrame, ctx: FitContext) -> FitReport:
        """Learn from labelled rows."""
        ...

    def predict(self, frame: EraFrame) -> Float32:
        """Predict float32 [n_rows] in row order, whole eras, never NaN; targets are not there.

        Raises ModelError when the frame's features are not those trained on, in order.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write the fitted model into an existing empty folder."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; predictions are byte-equal on the same machine."""
        ...


@runtime_checkable
class DetailedModel(Protocol):
    """A model that can show more than its prediction. Optional; a run asks for it if it is there.

    A run judges the variants as further predictions, and compares the prediction and its
    variants `JOINT` and `SHUFFLED` with the variant `FROZEN`, and with each other, era by era.
    """

    def predict_in_detail(self, frame: EraFrame) -> Detailed:
        """Predict as `predict` does, and show variants and facts beside."""
        ...

    @classmethod
    def frozen_as(cls, params: Any) -> tuple[str, Params] | None:
        """Name the model and parameters whose prediction, with the same seed, is `FROZEN`.

        A run that is to be compared with it does not train it a second time. None: there is
        no such model.
        """
        ...


@runtime_checkable
class ControlledModel(DetailedModel, Protocol):
    """A detailed model whose control needs other eras, in steps that can be shared out. Optional.

    `predict_in_detail` of a frame is `predict_apart` of its eras, in parts of any size, with the
    variant `SHUFFLED` from `predict_control` of the same parts. `draw_others` in between sees
    the states of all eras. A run with workers takes these steps itself.
    """

    def predict_apart(self, frame: EraFrame) -> tuple[Detailed, list[Any]]:
        """Predict in detail without the control; also the state of each era, None for none."""
        ...

    def draw_others(self, first_era: int, states: Sequence[Any]) -> list[Any]:
        """Draw for each era the state of another one, None where it has none itself.

        `states` are those of all eras that are predicted, of which `first_era` is the first.
        """
        ...

    def predict_control(self, frame: EraFrame, apart: Detailed, others: Sequence[Any]) -> Float32:
        """Predict `SHUFFLED` with the states of other eras; `apart` is of the same frame."""
        ...


@dataclass(frozen=True)
class Exported:
    """A fitted model as plain values, for a bundle that runs where this package is not.

    Attributes
    ----------
    kind : which of the bundle's ways to predict: `trees` (one sum), `blend` (ranks of several
        sums) or `adaptive` (a sum and what the era's rows add to it).
    settings : JSON values that the kind reads.
    arrays : name -> array.
    feature_names, dtype : the features trained on, in order, and `int8` or `float32`.
    """

    kind: Literal["trees", "blend", "adaptive"]
    settings: dict[str, Any]
    arrays: dict[str, npt.NDArray[Any]]
    feature_names: tuple[str, ...]
    dtype: str


@runtime_checkable
class ExportableModel(Protocol):
    """A model that can be bundled for model upload. Optional; `info.exportable` says so."""

    def export(self) -> Exported:
        """Return the fitted model as plain values.

        Raises ModelError when these parameters have no such form.
        """
        ...


@runtime_checkable
class SizedModel(Protocol):
    """A model that knows how much memory its training takes. Optional.

    A run asks before it begins, so that an experiment that cannot fit says so at once.
    """

    def memory_needed(self, n_rows: int, n_features: int) -> int:
        """Return the bytes that training on so many rows takes at its peak, at least."""
        ...

    def ways_to_take_less(self) -> tuple[str, ...]:
        """Name settings of this model that would take less ("memory: external"), if any."""
        ...


@runtime_checkable
class MemberModel(Protocol):
    """A model of members that do not depend on one another. Optional.

    Where there are as many as workers, each trains some of them on all rows (`ctx.peers`).
    """

    def n_members(self, targets: tuple[str, ...]) -> int:
        """Return how many members it trains on these targets."""
        ...


@runtime_checkable
class ContinuableModel(Model, Protocol):
    """A model that can go on from where its fit ended. Optional.

    `numerai-lab train --continue RUN` uses it for the weekly refresh of a live model.
    """

    @property
    def n_rounds(self) -> int:
        """Boosting rounds grown so far."""
        ...

    def fit_more(self, new: EraFrame, ctx: FitContext, rounds: int) -> FitReport:
        """Learn from labelled eras after those of the fit: exactly `rounds` boosting rounds more.

        What was learnt before stays as it is. The report counts the trees that were added.

        Raises ModelError when the features are not those of the fit.
        """
        ...


@runtime_checkable
class OnlineModel(Protocol):
    """A model that goes on learning from labels as they become known. Optional.

    With `online` true a run predicts the judged eras one after another. Before era e it hands
    over those eras after the last training era that it has not handed over yet and that end
    at e - purge - 1: the labels a live model would know by then, and never a later one.
    """

    @property
    def online(self) -> bool:
        """Whether this fitted model wants labels; decided by its parameters."""
        ...

    def observe(self, resolved: EraFrame) -> None:
        """Learn from labelled eras, in order of time."""
        ...
