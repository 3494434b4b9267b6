"""`xgb_ttt`: XGBoost with test-time training, and the same trees frozen beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Self

from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.models.adapting import Decision, Guarded, Rivals, trial_parts
from numerai_lab.models.contract import (
    Exported,
    FitContext,
    FitReport,
    ModelInfo,
    Variant,
    load_meta,
    save_meta,
)
from numerai_lab.models.trees.xgb import XGB, XGBParams
from numerai_lab.models.trees.xgb_ttt.adaptation import TreeAdaptation
from numerai_lab.models.trees.xgb_ttt.adapted_trees import FROZEN, JOINT, SHUFFLED, AdaptedTrees
from numerai_lab.models.trees.xgb_ttt.earlier import Told, told_by
from numerai_lab.models.trees.xgb_ttt.export import with_adaptation
from numerai_lab.models.trees.xgb_ttt.fitting import TaskFitting
from numerai_lab.models.trees.xgb_ttt.joint import load_trunk, save_trunk
from numerai_lab.models.trees.xgb_ttt.params import XGBTTTParams
from numerai_lab.models.trees.xgb_ttt.progress import TreeCount
from numerai_lab.models.trees.xgb_ttt.task import tasks_of
from numerai_lab.models.trees.xgb_ttt.trials import TrialFit, choices_of
from numerai_lab.seeds import child_seed


class XGBTTT(AdaptedTrees):
    """XGBoost f, and what an era's unlabelled rows add to it.

    An era's prediction is f + a change(era, state): the state is where the self-supervised
    loss of the era leads the method to, a the strength. f is model `xgb` with the same
    parameters and seed, or, where the auxiliary loss has a weight, trees trained jointly on
    both losses; with `code: own_loss` the latter only read eras. With a = 0, or where an era
    cannot be read, the prediction is exactly f.
    """

    info: ClassVar[ModelInfo] = ModelInfo(
        summary="XGBoost that adapts itself to each era's unlabelled rows (test-time training)",
        unit="rounds",
        transductive=True,
        stateful=False,
        exportable=True,
        variants=(
            Variant(FROZEN, "same trees, not adapted"),
            Variant(JOINT, "trained with auxiliary targets, not adapted", compared_with=(FROZEN,)),
            Variant(
                SHUFFLED,
                "control: adapted to other eras",
                compared_with=(FROZEN,),
                control=True,
                reading="what the era's own state gains is prediction - shuffled",
            ),
        ),
        not_finite_hint="a smaller learning rate (eta) is the usual way out",
    )
    Params: ClassVar[type[XGBTTTParams]] = XGBTTTParams

    def __init__(self, params: XGBTTTParams) -> None:
        super().__init__(params, XGB(params.frozen()), _new_rivals(params))

    @classmethod
    def info_for(cls, params: XGBTTTParams) -> ModelInfo:
        """Return what it declares: with a strength left open, folds learn from those before."""
        return replace(cls.info, earlier_fits=cls.learns_from_folds(params))

    @staticmethod
    def learns_from_folds(params: XGBTTTParams) -> bool:
        """Whether what an earlier fold gained decides on the strength of a later one."""
        adapt = params.adapt
        open_weight = params.auxiliary.weight == "auto"
        return adapt.strength == "auto" and not open_weight and not adapt.needs_joint_trees

    def fit(self, train: EraFrame, ctx: FitContext) -> FitReport:
        """Grow the frozen trees, let the guard decide, and fit what it leaves on."""
        self._joint = None
        self.rivals = _new_rivals(self.params, ctx.seed, ctx.target, ctx.purge_eras)
        choices, tasks = choices_of(self.params), [*self.rivals.all]
        from_folds = self.learns_from_folds(self.params)
        told = told_by(ctx.earlier) if from_folds else Told()
        fits_trials = choices.open and not told.knows
        n_trials = len(trial_parts(train.eras, ctx.purge_eras)) if fits_trials else 0
        count = TreeCount(ctx, self.params, choices, n_trials, len(tasks))
        report = self._base.fit(train, replace(ctx, progress=count.base))
        rounds = self._rounds(report)
        # where the frozen trees fell back to, once and said, the others go at once
        ctx = replace(ctx, device=report.details["device"])
        trials = TrialFit(ctx, self.params, rounds, choices, count.grown) if fits_trials else None
        fitting = TaskFitting(
            train, ctx, self._base, rounds, choices, told, from_folds, trials, count.grown
        )
        found = {
            task: fitting.fit(self.params.with_task(task), self.rivals.all[task]) for task in tasks
        }
        self._joint = found[tasks[0]].joint
        if len(tasks) > 1:
            self.rivals.choose(told.task)
        mine = found[self.rivals.name]
        notes = [*report.notes, self._said(mine.decision)]
        without = mine.record.get("eras_without_code")
        if without:
            notes.append(f"{without} training eras have no code: the adaptation left them out")
        details = {
            **report.details,
            "code": {"task": self.rivals.name, **mine.record},
            "guard": mine.decision.as_dict(),
            "strength": mine.decision.strength,
            "weight": mine.decision.weight,
        }
        if len(tasks) > 1:
            details["tasks"] = self.rivals.told()
        return replace(
            report,
            size=report.size + sum(one.n_trees for one in found.values()),
            library_seconds=report.library_seconds + sum(one.seconds for one in found.values()),
            notes=tuple(notes),
            details=details,
        )

    @property
    def n_steps(self) -> int:
        """Rounds of the frozen trees."""
        return self._base.n_steps

    def cannot_go_on(self) -> str | None:
        """Say why it cannot go on; None: it can."""
        if self._joint is not None:
            return "trees that were trained jointly with auxiliary targets cannot go on"
        return None

    def fit_more(self, new: EraFrame, ctx: FitContext, amount: int) -> FitReport:
        """Grow the frozen trees by `amount` rounds, and let the adaptation learn the new eras.

        Before they grow, the trees that are there go through the new eras as they would have, live:
        what adapting gained there decides on the strength. `nearest_eras` takes the new eras in;
        the small trees of `code_leaves`, the task and its noise test stay as they were fitted.

        Raises
        ------
        ModelError
            The features are not those trained on, or XGBoost refuses the rows.
        """
        self._base.check(new)
        self.rivals.go_on(new, self._adapted_trees().predict(new))
        report = self._base.fit_more(new, ctx, amount)
        decision = self.guarded.decision
        details = {**report.details, "guard": decision.as_dict(), "strength": decision.strength}
        details["weight"] = decision.weight
        notes = (*report.notes, self._said(decision))
        return replace(report, notes=notes, details=details)

    def _said(self, decision: Decision) -> str:
        """Say what the guard decided, and where it chose the task, why that one."""
        if len(self.rivals.all) == 1:
            return decision.said
        gains = []
        for name, one in self.rivals.all.items():
            gain = f"{self.rivals.gain(name)} at {one.strength:g}" if one.strength > 0 else "off"
            gains.append(f"{name} ({gain})")
        return f"task {self.rivals.name} of {', '.join(gains)}; {decision.said}"

    @classmethod
    def twin_of_variant(cls, params: XGBTTTParams) -> tuple[str, str, XGBParams]:
        """Name model `xgb` with the frozen trees' parameters."""
        return FROZEN, "xgb", params.frozen()

    def save(self, folder: Path) -> None:
        """Write the frozen trees as model `xgb` does in `frozen`, and the rest beside."""
        (folder / "frozen").mkdir()
        self._base.save(folder / "frozen")
        if self._joint is not None:
            (folder / "joint").mkdir()
            save_trunk(self._joint, folder / "joint")
        save_meta(folder, self.params, self.rivals.save(folder))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        params, meta = load_meta(folder, cls.Params)
        if "decision" not in meta:
            raise ModelError(
                "was made when the guard knew neither support nor age, and cannot be read any more",
                where=str(folder),
                fix="train it again",
            )
        model = cls(params)
        model._base = XGB.load(folder / "frozen")
        if (folder / "joint").exists():
            model._joint = load_trunk(folder / "joint")
        trees = model._reading_trees()
        model.rivals = _new_rivals(params, meta["seed"], meta["target"], meta["purge_eras"])
        model.rivals.restore(
            folder,
            meta,
            lambda task, own: TreeAdaptation.load(own, params.with_task(task), trees),
        )
        return model

    def export(self) -> Exported:
        """Return the trees and the adaptation as arrays, with the strength of now.

        A bundle is never told of later labels: what `observe` would change stays as it is. It knows
        its age by the weeks since its run began, and its strength falls with that.
        """
        exported = with_adaptation(
            self._base.export(),
            self._adapted_trees(),
            self.guarded.adaptation,
            self.guarded.strength,
        )
        spans = [[span["last"], span["strength"]] for span in self.guarded.decision.by_age]
        if not spans or exported.settings["strength"] == 0:
            return exported
        ages = {"by_age": spans, "first_age": self.guarded.first_age}
        return replace(exported, settings={**exported.settings, **ages})

    def _rounds(self, report: FitReport) -> int:
        """Return the rounds that early stopping kept, without those of era boosting."""
        rounds = report.size // (self.params.num_parallel_tree or 1)
        boosting = self.params.era_boosting
        return rounds - (boosting.rounds if boosting else 0)


def _new_rivals(
    params: XGBTTTParams, seed: int = 0, target: str = "", purge_eras: int = 0
) -> Rivals[TreeAdaptation]:
    refit_eras = params.adapt.refit_eras
    guards: dict[str, Guarded[TreeAdaptation]] = {
        task: Guarded("xgb_ttt", "trees", seed, target, purge_eras, refit_eras)
        for task in tasks_of(params)
    }
    return Rivals(guards, child_seed(seed, "xgb_ttt"), purge_eras)
