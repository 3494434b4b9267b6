"""What a transform promises, and what a pipeline tells it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Protocol, Self, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from numerai_lab.arrays import Int8
from numerai_lab.eraframe import EraFrame
from numerai_lab.features.runtime import MOST_BINS

State = Literal["stateless", "fitted"]


@dataclass(frozen=True)
class TransformInfo:
    """What a transform declares about itself.

    Attributes
    ----------
    summary : one line for a list.
    state : "stateless": columns follow from the rows of an era (and of those before it) alone;
        "fitted": something is learnt from training eras.
    needs_entity : follows what rows are about over time (`EraFrame.entity`).
    last : no other step may follow it.
    """

    summary: str
    state: State
    needs_entity: bool = False
    last: bool = False


class StepParams(BaseModel):
    """Base of every transform's parameters, flat beside `type`: unknown keys rejected, strict.

    Attributes
    ----------
    type : the transform's name. name : before its columns' names; the type if left out.
    bins : into how many a column's ranks within an era are cut.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    type: str = Field(description="name of a transform (docs/features.md)")
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")] | None = Field(
        None, description="what its columns' names begin with; the type if left out"
    )
    bins: Annotated[int, Field(ge=2, le=MOST_BINS)] = Field(
        5, description="values of a column beside the missing one; five as Numerai's features"
    )

    @property
    def label(self) -> str:
        """What the step is called: its name, or its type."""
        return self.name or self.type

    def n_given(self, n_features: int) -> int:
        """Return how many columns there are after this step, of so many before it.

        As far as the parameters tell, or fewer: memory is planned with it before the fit.
        """
        return n_features


@dataclass(frozen=True)
class Past:
    """What may be known of earlier eras when the columns of an era are computed.

    Attributes
    ----------
    rows : whole eras before it, with the data's own features (none that a step added), without
        targets. At most as many era numbers as the transform asked for; some may be absent.
    resolved : those of them whose labels are known by then, with targets: none within the purge.
    """

    rows: EraFrame
    resolved: EraFrame


@dataclass(frozen=True)
class StepContext:
    """What a pipeline tells a transform beside the training rows.

    Attributes
    ----------
    seed : derive every use of randomness from it with `seeds.child_seed`.
    target : the main target, which no row of the training frame lacks.
    purge_eras : era numbers between training and judged eras; inner splits need as many.
    feature_sets : sets of features by name, as features.json has them, cut to what is loaded.
    raw_names : the data's own features, which stand first in every frame.
    n_threads : 0: all cores. say : call with a sentence the user must see.
    past : (era, era numbers back) -> what may be known before it; None where there is nothing.
    """

    seed: int
    target: str
    purge_eras: int
    feature_sets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    raw_names: tuple[str, ...] = ()
    n_threads: int = 0
    say: Callable[[str], None] = lambda _: None
    past: Callable[[int, int], Past] | None = None


@runtime_checkable
class Transform(Protocol):
    """Columns added to the features. `check_transform` tests all that is promised here."""

    info: ClassVar[TransformInfo]
    Params: ClassVar[type[StepParams]]

    def __init__(self, params: Any) -> None:
        """Take a validated instance of `Params`; no work, no randomness."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, known once it is fitted: `params.label`, a dot, and more."""
        ...

    @property
    def history_eras(self) -> int:
        """How many era numbers before an era its columns look at; 0: none. Known before the fit."""
        ...

    def fit(self, train: EraFrame, ctx: StepContext) -> None:
        """Learn from labelled training eras what columns there will be.

        Parameters
        ----------
        train : the data's own features, and the columns of the steps before it behind these.

        Raises ModelError when the rows do not have what the parameters name.
        """

    def apply(self, era: EraFrame, past: Past | None) -> Int8:
        """Return the columns for the rows of one era, int8 [n_rows, len(names)], -1 where missing.

        At most 15 values with the missing one; `features.rank_bins` makes them of any numbers. A
        row's values depend on the rows of the era and of those before it, not on their order.

        Parameters
        ----------
        era : features as in `fit`, without targets. past : None where `history_eras` is 0.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write what was fitted into an existing empty folder."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; columns are the same to the byte."""
        ...


@runtime_checkable
class ChoosingTransform(Transform, Protocol):
    """A transform that leaves features out, or puts columns in their place. Optional."""

    @property
    def drops(self) -> tuple[str, ...]:
        """Names of earlier columns that the model is not given, known once it is fitted."""
        ...


@runtime_checkable
class OutOfFoldTransform(Transform, Protocol):
    """A transform that has learnt labels of its training eras. Optional.

    What it would give for these is better than it is for later ones, so that training takes other
    columns.
    """

    def apply_in_training(self, era: EraFrame, past: Past | None) -> Int8:
        """Return the columns of a training era, made without its labels and those near to it."""
        ...


@runtime_checkable
class PlaceboTransform(Transform, Protocol):
    """A transform whose placebo is not its columns permuted within the era. Optional."""

    def placebo(self, draw: int) -> Transform:
        """Return the fitted transform that stands in its place in twin number `draw`, from 1."""
        ...


@dataclass(frozen=True)
class Carried:
    """A transform's form for a bundle, with what it needs of the past.

    Attributes
    ----------
    kind, settings, arrays : as of an `ExportedTransform`; the function takes the era, too.
    asks : what the function is told of an era: "number", "ids", "entity", "side:COLUMN".
    features : names whose places it finds in `settings["columns"]`; none: it names none.
    runtime : the module with the function, and a `predict` as in `features.past_runtime`.
    """

    kind: str
    settings: dict[str, Any]
    arrays: dict[str, Any]
    asks: tuple[str, ...]
    features: tuple[str, ...] = ()
    runtime: str = "numerai_lab.features.past_runtime"


@runtime_checkable
class CarryingTransform(Transform, Protocol):
    """A transform that needs more than an era's features, and can go into a bundle. Optional."""

    def carried(self, past: Past | None, era: int) -> Carried:
        """Return its form for era number `era` and later ones, from what is known before it."""
        ...


@runtime_checkable
class ExportedTransform(Transform, Protocol):
    """A transform that can go into a bundle. Optional.

    `kind` names a function that is given `settings` and `arrays`; what it returns for an era is
    what `apply` returns. It is in `features.runtime.KINDS`, or in the module `runtime`, whose
    `predict` hands it to `features.runtime.predict_with` (see `Exported.runtime`).
    """

    kind: ClassVar[str]
    runtime: ClassVar[str]
    settings: dict[str, Any]
    arrays: dict[str, Any]
