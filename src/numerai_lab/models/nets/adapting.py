"""`AdaptingNet`: a net whose prediction is f + a change(era), behind the guard of all models.

f is the net as it was fitted. The change comes from fine-tuning on eras resolved since
(`fine_tuning`), which every net can, or from a net's own way, as `mtm` has one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

from numerai_lab.arrays import Float32
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.models.adapting import (
    NOTHING,
    Adaptation,
    Candidate,
    Choices,
    FittedTrial,
    Guarded,
    State,
    Trial,
    decide,
    run_trials,
    told_by,
)
from numerai_lab.models.contract import (
    ClassProbabilities,
    Detailed,
    Exported,
    FitContext,
    FitReport,
    ModelInfo,
    Variant,
)
from numerai_lab.models.nets.fine_tuning import REPLAYED, Base, FineTuning
from numerai_lab.models.nets.net import NetModel
from numerai_lab.models.nets.processes import Processes
from numerai_lab.seeds import child_seed

FROZEN, EARLIER = "frozen", "replayed"
VARIANTS = (
    Variant(FROZEN, "same net, not fine-tuned"),
    Variant(
        EARLIER,
        "control: tuned on earlier eras alone",
        compared_with=(FROZEN,),
        control=True,
        reading="what the newly resolved eras gain is prediction - replayed",
    ),
)
"""What a net that is fine-tuned is judged beside."""
_DECIDED_EVERY = 4
"""Eras that the strength of fine-tuning stays for, at least: one more era tells little."""
_GUARDED = "guarded"


class How(Protocol):
    """What parameters say of a change: a strength, and how often it is decided anew."""

    @property
    def strength(self) -> Any:
        """A number, or `auto`."""
        ...

    @property
    def refit_eras(self) -> int | None:
        """Eras with known labels after which the strength is decided anew; None: never."""
        ...


class NetAdapts(Adaptation, Protocol):
    """An adaptation of a net: fitted on training eras, and again on those that the net goes on to.

    `controlled` : whether it gives a control.
    """

    controlled: bool

    def fit(self, train: EraFrame) -> None:
        """Learn from training eras what it needs."""
        ...

    def go_on_from(self, base: Base, new: EraFrame) -> None:
        """Begin again from a net that has learnt these eras by itself."""
        ...


class AdaptingNet(NetModel):
    """A net that may be changed by what is known only after its fit, as far as a guard allows."""

    changed: ClassVar[str] = "net"

    def __init__(self, params: Any) -> None:
        super().__init__(params)
        self.guarded = self._new_guarded()

    @staticmethod
    def how(params: Any) -> How | None:
        """Return the section of the parameters that says how predictions are changed, if any."""
        found: How | None = params.fine_tune
        return found

    @classmethod
    def info_for(cls, params: Any) -> ModelInfo:
        """Say what stands beside the prediction, and that later folds are told what was gained."""
        info, how = super().info_for(params), cls.how(params)
        if how is None:
            return replace(info, offline=True)
        return replace(
            info,
            earlier_fits=how.strength == "auto",
            variants=(*info.variants, *(VARIANTS if how is params.fine_tune else ())),
        )

    @classmethod
    def twin_of_variant(cls, params: Any) -> tuple[str, str, Any] | None:
        """Name the same net without its section: it predicts what variant `frozen` does."""
        if cls.how(params) is None:
            return None
        return FROZEN, cls.name, cls.unchanging(params)

    @staticmethod
    def unchanging(params: Any) -> Any:
        """Return the parameters without the section: of a net that nothing changes."""
        return params.model_copy(update={"fine_tune": None})

    @property
    def online(self) -> bool:
        """Whether labels that become known while predicting change later predictions."""
        return self.guarded.online

    @property
    def ages(self) -> bool:
        """Whether a prediction depends on how far the era lies from the end of the fit."""
        return bool(self.guarded.decision.by_age) or self.online

    def fit(self, train: EraFrame, ctx: FitContext) -> FitReport:
        """Train the net, then let the guard decide how strongly it is changed.

        Raises
        ------
        ModelError : as every net, or several processes share the eras out.
        """
        self.check_alone()
        self.guarded = self._new_guarded(ctx.seed, ctx.target, ctx.purge_eras)
        return self.guard(train, ctx, super().fit(train, ctx))

    def check_alone(self) -> None:
        """Raise ModelError where predictions are changed and each process has some eras only."""
        if self.how(self.params) is not None and Processes().size > 1:
            raise ModelError(
                "trials on training eras, and what changes a prediction, need all eras, and each "
                "process has only some of them",
                where="model.params",
                fix="leave fine_tune (or adapt) out, or train in one process",
            )

    def guard(self, train: EraFrame, ctx: FitContext, report: FitReport) -> FitReport:
        """Decide the strength, on what earlier folds gained or on trials within the training eras.

        What is off may come back, so that a change whose strength is left open is followed all
        the same. Returns the report with the reason.
        """
        how = self.how(self.params)
        if how is None:
            return report
        start, trials, why_not = time.perf_counter(), list[Trial](), self.why_not()
        choices = Choices.left_open(0.0, how.strength)
        if why_not is not None:
            decision = choices.nothing_to_read(why_not)
        else:
            history, before = told_by(ctx.earlier) if choices.open else NOTHING
            if choices.open:
                trials = history.trials(0.0) or self._trials(train, ctx, choices)
            seed = child_seed(ctx.seed, self.name, "guard")
            decision = decide(trials, choices, ctx.purge_eras, seed, before)
            if decision.strength > 0 or choices.open:
                adaptation = self.new_adaptation(self, ctx)
                adaptation.controlled = self._shows_control(choices.open, ctx)
                adaptation.fit(train)
                self.guarded.begin(adaptation, decision, trials, int(train.eras[-1]))
        return replace(
            report,
            notes=(*report.notes, decision.said),
            library_seconds=report.library_seconds + time.perf_counter() - start,
            details={
                **report.details,
                "guard": decision.as_dict(),
                "strength": decision.strength,
            },
        )

    def why_not(self) -> str | None:
        """Say why nothing can change this net's predictions, None where something can."""
        return None

    def new_adaptation(self, fitted: NetModel, ctx: FitContext) -> NetAdapts:
        """Make what changes the predictions of a fitted net like this one, not fitted yet."""
        return FineTuning(_base(fitted), self.params.fine_tune, ctx.seed, ctx.target)

    def load_adaptation(self, folder: Path) -> NetAdapts:
        """Read what the adaptation of this net wrote."""
        return FineTuning.load(folder, _base(self), self.params.fine_tune)

    def _shows_control(self, open_: bool, ctx: FitContext) -> bool:  # noqa: ARG002
        """Whether a control is followed: of what goes live nobody looks at one."""
        return not ctx.alone

    def _trials(self, train: EraFrame, ctx: FitContext, choices: Choices) -> list[Trial]:
        """Fit the net on past training eras, for as long, and change it in later ones."""

        def fit(past: EraFrame, judged: EraFrame) -> FittedTrial:
            first, last = int(judged.eras[0]), int(past.eras[-1])
            known = ctx.unlabelled
            inner = replace(
                ctx.part(f"trial_{last}"),
                weights=None if ctx.weights is None else ctx.weights[: past.n_rows],
                stop=None,
                stop_patience=0,
                unlabelled=None if known is None else known.between(int(known.eras[0]), first - 1),
                earlier=(),
                progress=lambda *_: None,
                say=lambda _: None,
            )
            written = {"epochs": self.n_steps}
            one = type(self)(self.unchanging(self.params).model_copy(update=written))
            NetModel.fit(one, past, inner)
            adaptation = self.new_adaptation(one, ctx)
            adaptation.controlled = self.own_control
            adaptation.fit(past)
            f = NetModel.predict(one, judged)
            return FittedTrial(f, [Candidate(0.0, f, adaptation)])

        return run_trials(train, ctx, choices, fit)

    @property
    def own_control(self) -> bool:
        """Whether a change must gain more than its control does.

        Not that of fine-tuning: what more training gains is welcome, wherever it is from.
        """
        return False

    def fit_more(self, new: EraFrame, ctx: FitContext, amount: int) -> FitReport:
        """Note what was gained in the new eras, then train the net itself on them.

        The strength is decided anew by what is known now.
        """
        adaptation: Any = self.guarded.adaptation
        later = new.select_eras(new.eras[ctx.replayed :])
        if adaptation is not None:
            self._trained.check(new)
            self.guarded.go_on(later, NetModel.predict(self, later))
        report = super().fit_more(new, ctx, amount)
        if adaptation is None:
            return report
        adaptation.go_on_from(_base(self), later)
        decision = self.guarded.decision
        return replace(
            report,
            notes=(*report.notes, decision.said),
            details={
                **report.details,
                "guard": decision.as_dict(),
                "strength": decision.strength,
            },
        )

    def predict(self, frame: EraFrame) -> Float32:
        """Predict float32 [n_rows], changed as strongly as the guard has left on.

        Raises
        ------
        ModelError : the features are not those trained on.
        """
        return self.guarded.predict(frame, super().predict(frame))

    def predict_in_detail(self, frame: EraFrame) -> Detailed:
        """Predict, beside the net as it was fitted and the control."""
        apart, states = self.predict_apart(frame)
        name = self.info_for(self.params).control
        adaptation: Any = self.guarded.adaptation
        if name is None or not (adaptation is None or self.own_control or adaptation.controlled):
            return apart
        others = self.draw_others(int(frame.eras[0]), states)
        control = self.predict_control(frame, apart, others)
        return replace(apart, variants={**apart.variants, name: control})

    def predict_apart(self, frame: EraFrame) -> tuple[Detailed, list[State | None]]:
        """Predict, beside the net as it was fitted; also the state that each era was changed by."""
        unadapted = NetModel.predict(self, frame)
        if self.how(self.params) is None:
            return Detailed(unadapted), [None] * frame.n_eras
        detail, states = self.guarded.predict_apart(frame, unadapted)
        return replace(detail, variants={FROZEN: unadapted}), states

    def draw_others(
        self,
        first_era: int,  # noqa: ARG002 - nothing is drawn
        states: Sequence[State | None],
    ) -> list[State | None]:
        """Return for each era the state of the control: the copy that has seen no newer era."""
        return [None if state is None else REPLAYED for state in states]

    def predict_control(
        self, frame: EraFrame, apart: Detailed, others: Sequence[State | None]
    ) -> Float32:
        """Predict with the states of the control, and as the net was fitted where there is none."""
        return self.guarded.predict_control(frame, apart.variants[FROZEN], others)

    def observe(self, resolved: EraFrame) -> None:
        """Take note of eras whose labels have become known, in order of time."""
        if self.online:
            known = self.guarded.predicted(resolved)
            known = NetModel.predict(self, resolved) if known is None else known
            self.guarded.observe(resolved, known)

    def replay(self, rows: EraFrame) -> None:
        """Go through labelled eras after the fit as a live model would have."""
        self.guarded.replay(rows, NetModel.predict(self, rows))

    def predict_classes(self, frame: EraFrame, target: str) -> ClassProbabilities:
        """Return shares of classes as every net does.

        Raises
        ------
        ModelError : as every net, or its predictions are changed.
        """
        if self.guarded.strength > 0:
            raise ModelError(
                "the net changes its prediction after its fit, and classes have no probability "
                "then",
                where="model.params",
                fix="write strength: 0 (of fine_tune, or adapt) for those of the net as it was "
                "fitted",
            )
        return super().predict_classes(frame, target)

    def export(self) -> Exported:
        """Return the net, and beside it the fine-tuned copies with the strength of now.

        A bundle is never told of later labels. It knows its age by the weeks since its run began,
        and its strength falls with that.
        """
        exported, adaptation = super().export(), self.guarded.adaptation
        strength = self.guarded.strength
        if strength == 0 or not isinstance(adaptation, FineTuning) or not adaptation.tuned:
            return exported
        n = len(self.nets)
        more = {
            f"{n + seed}/{name}": weight.detach().numpy()
            for seed, net in enumerate(adaptation.tuned)
            for name, weight in net.state_dict().items()
        }
        spans = [[span["last"], span["strength"]] for span in self.guarded.decision.by_age]
        ages = {"by_age": spans, "first_age": self.guarded.first_age} if spans else {}
        return replace(
            exported,
            settings={**exported.settings, "strength": strength, **ages},
            arrays={**exported.arrays, **more},
        )

    def save(self, folder: Path) -> None:
        """Write what every net does, and `adaptation/`."""
        if self.how(self.params) is not None:
            self.own[_GUARDED] = self.guarded.save(folder)
        super().save(folder)
        self.own.pop(_GUARDED, None)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raises as every net."""
        model = super().load(folder)
        if cls.how(model.params) is not None:
            facts = model.own.pop(_GUARDED)
            told = facts["seed"], facts["target"], facts["purge_eras"]
            model.guarded = model._new_guarded(*told)
            model.guarded.restore(folder, facts, model.load_adaptation)
        return model

    def _new_guarded(
        self, seed: int = 0, target: str = "", purge_eras: int = 0
    ) -> Guarded[NetAdapts]:
        how = self.how(self.params)
        every = None if how is None else how.refit_eras
        if every is not None and how is self.params.fine_tune:
            every = max(every, _DECIDED_EVERY)
        return Guarded(self.name, self.changed, seed, target, purge_eras, every)


def _base(fitted: NetModel) -> Base:
    return Base(fitted, fitted.nets, fitted.labels, fitted.row_by_row)
