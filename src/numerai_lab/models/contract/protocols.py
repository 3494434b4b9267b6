"""What a model does: the one protocol, and the optional ones beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

from numerai_lab.arrays import Float32
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.models.contract.context import FitContext
from numerai_lab.models.contract.info import ModelInfo
from numerai_lab.models.contract.needs import Needs, Shape
from numerai_lab.models.contract.params import Params
from numerai_lab.models.contract.report import Detailed, FitReport


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
class VaryingModel(Model, Protocol):
    """A model whose traits depend on its parameters, as those of a stack on its members. Optional.

    `info` stays what is listed where no parameters are known.
    """

    @classmethod
    def info_for(cls, params: Any) -> ModelInfo:
        """Return what the model declares with a validated instance of `Params`."""
        ...


def info_of(model: type[Model], params: Any) -> ModelInfo:
    """Return what a model declares with these parameters: `info_for`, or `info` without it."""
    varying = getattr(model, "info_for", None)
    info: ModelInfo = model.info if varying is None else varying(params)
    return info


@runtime_checkable
class DetailedModel(Model, Protocol):
    """A model that can show more than its prediction. Optional; a run asks for it if it is there.

    A run judges the variants as further predictions, and compares them as `info.variants` says.
    """

    def predict_in_detail(self, frame: EraFrame) -> Detailed:
        """Predict as `predict` does, and show variants and facts beside."""
        ...

    @classmethod
    def twin_of_variant(cls, params: Any) -> tuple[str, str, Params] | None:
        """Name a variant, and the model and parameters that predict it with the same seed.

        A run that is to be compared with that model does not train it a second time. None:
        there is no such model.
        """
        ...


@runtime_checkable
class ControlledModel(DetailedModel, Protocol):
    """A detailed model whose control needs other eras, in steps that can be shared out. Optional.

    `predict_in_detail` of a frame is `predict_apart` of its eras, in parts of any size, with the
    variant `info.control` from `predict_control` of the same parts. `draw_others` in between sees
    the states of all eras. A run with workers takes these steps itself.
    """

    def predict_apart(self, frame: EraFrame) -> tuple[Detailed, list[Any]]:
        """Predict as `predict_in_detail`, without the control (`info.control`).

        Returns
        -------
        The prediction with its other variants, and what the model has read from each era of
        `frame` (its state), None where an era could not be read.
        """
        ...

    def draw_others(self, first_era: int, states: Sequence[Any]) -> list[Any]:
        """Draw for each era the state of another one, None where it has none itself.

        `states` are those of all eras that are predicted, of which `first_era` is the first.
        """
        ...

    def predict_control(self, frame: EraFrame, apart: Detailed, others: Sequence[Any]) -> Float32:
        """Predict the control with the states of other eras; `apart` is of the same frame."""
        ...


@runtime_checkable
class SizedModel(Protocol):
    """A model that knows how much memory its training takes. Optional.

    A run asks before it begins, so that an experiment that cannot fit says so at once.
    """

    def memory_needed(self, shape: Shape) -> Needs:
        """Return the bytes that training of this size takes, of host and device."""
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
class HistoryModel(Model, Protocol):
    """A model whose prediction of an era looks at eras before it. Optional.

    With `history_eras` above 0 a run predicts the eras one at a time and hands each its history
    (`history_before`): the features of the eras before, and targets only of those whose labels are
    known by then. A `DetailedModel` is given it likewise.

    At fit the training eras are each other's history; the eras that are none (purged, or skipped
    by `train_step`) are in `ctx.unlabelled` for a model that asks for it.
    """

    @property
    def history_eras(self) -> int:
        """How many era numbers before the one predicted it looks back; 0: a model as any other.

        Its parameters alone decide: a run asks before the fit, too.
        """
        ...

    def predict(self, frame: EraFrame, history: EraFrame | None = None) -> Float32:
        """Predict one era as a `Model` does, from its rows and earlier eras.

        Parameters
        ----------
        history : the last `history_eras` era numbers, or more, of which only those may count; eras
            may be absent, also all of them. Targets are the model's own (`ctx.targets`), NaN where
            there is none or it is not known yet.

        Raises
        ------
        ModelError : no history was given, though `history_eras` asks for it.
        """
        ...


@runtime_checkable
class RememberingModel(HistoryModel, Protocol):
    """A model with history that keeps by itself what it needs of the past. Optional.

    The final model then stores no rows of earlier eras, and can be bundled.
    """

    def remember(self, history: EraFrame) -> None:
        """Keep what later predictions need of these eras, for `save`; often sums will do.

        Called after the final fit with the last `history_eras` era numbers up to the last one of
        the fit, labels included. Predictions are given later eras only from then on, and are what
        they would be with all of them.
        """
        ...


def history_eras_of(model: Model) -> int:
    """Return how many era numbers before the one it predicts a model looks back; 0: none."""
    return model.history_eras if isinstance(model, HistoryModel) else 0


@runtime_checkable
class StackingModel(Model, Protocol):
    """A model made of what other runs predict. Optional; `info.needs_members` says so.

    The run finds or trains the members on the same rows and folds, and hands their out-of-fold
    predictions over: at fit those of earlier folds (`ctx.members`), at prediction those of the rows
    that are predicted. The final model keeps the members' final models beside it.
    """

    @classmethod
    def members(cls, params: Any) -> Mapping[str, Any]:
        """Return the members by name, each a `MemberChoice` within these parameters."""
        ...

    def predict(self, frame: EraFrame, members: Mapping[str, Float32] | None = None) -> Float32:
        """Predict as a `Model` does, from what the members predict of the same rows.

        Parameters
        ----------
        members : by name, float32 [n_rows], NaN where a member has no prediction. None only with
            parameters that need no members. A `DetailedModel` is given them likewise.
        """
        ...


def members_of(model: type[Model], params: Any) -> dict[str, Any]:
    """Return a model's members by name, none where it needs none.

    Raises ModelError when it needs members and names none.
    """
    if not info_of(model, params).needs_members:
        return {}
    named = getattr(model, "members", None)
    found = dict(named(params)) if callable(named) else {}
    if not found:
        raise ModelError(
            f"{model.__name__} declares needs_members, and names none",
            fix="give it a classmethod `members(params)` (see CONTRIBUTING.md)",
        )
    return found


@runtime_checkable
class ContinuableModel(Model, Protocol):
    """A model that can go on from where its fit ended. Optional.

    `numerai-lab train --continue RUN` uses it for the weekly refresh of a live model.
    """

    @property
    def n_steps(self) -> int:
        """Steps learnt so far, in the model's unit (`info.unit`)."""
        ...

    def fit_more(self, new: EraFrame, ctx: FitContext, amount: int) -> FitReport:
        """Learn from labelled eras after those of the fit: exactly `amount` steps more.

        Steps are in the model's unit. What was fitted before and is not learnt in steps (a
        transform of the features) stays. With `info.replay` above 0 earlier eras stand before the
        new ones (`ctx.replayed`). A model with members is handed in `ctx.members` what
        these predicted of the new eras before they went on. The report's size is what was added.

        Raises ModelError when the features are not those of the fit, or when its steps are eras,
        each learnt once, and `amount` is not their number.
        """
        ...


def cannot_go_on(model: Model, kind: str) -> str | None:
    """Say why a fitted model cannot go on from its fit (`ContinuableModel`); None: it can.

    A model made of others, which can go on only with them, has a method `cannot_go_on()` beside
    `fit_more` that says so; a class cannot know it.

    Parameters
    ----------
    kind : the model's name, as a config has it.
    """
    if not hasattr(model, "fit_more"):
        return f"model '{kind}' cannot go on from a fit"
    asked = getattr(model, "cannot_go_on", None)
    return asked() if callable(asked) else None


def steps_for(model: ContinuableModel, unit: str, n_new_eras: int, share: float) -> int:
    """Return how many steps a model goes on by: a share of those it has, and at least one.

    Parameters
    ----------
    unit : the model's (`info.unit`); where its steps are eras, it takes each new one once.
    share : new eras as a share of those it has learnt from, where it is to keep its steps an era.
    """
    return n_new_eras if unit == "eras" else max(1, round(model.n_steps * share))


@runtime_checkable
class AgeingModel(Model, Protocol):
    """A model whose prediction depends on how far an era lies from the end of its fit. Optional.

    Its final model is told the numbers of the eras it predicts, also of a live one, and goes first
    through the eras that were resolved since its fit (`replay`).
    """

    @property
    def ages(self) -> bool:
        """Whether this fitted model does; decided by its parameters and its fit."""
        ...

    def replay(self, rows: EraFrame) -> None:
        """Go through labelled eras after the fit, in order of time, as if they had been live.

        Each is predicted with labels that were known by then, a purge before it, and observed.
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
