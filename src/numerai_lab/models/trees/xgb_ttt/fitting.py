"""The fit of what adapts the trees, for one task: trials, the guard's decision, the adaptation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numerai_lab.eraframe import EraFrame
from numerai_lab.models.adapting import Choices, Decision, Guarded, Trial, decide, run_trials
from numerai_lab.models.contract import FitContext
from numerai_lab.models.trees.xgb import XGB
from numerai_lab.models.trees.xgb_ttt.adaptation import TreeAdaptation
from numerai_lab.models.trees.xgb_ttt.earlier import Told
from numerai_lab.models.trees.xgb_ttt.joint import grow_joint
from numerai_lab.models.trees.xgb_ttt.method import Trunk
from numerai_lab.models.trees.xgb_ttt.params import XGBTTTParams
from numerai_lab.models.trees.xgb_ttt.reader import Reader
from numerai_lab.models.trees.xgb_ttt.trials import TrialFit
from numerai_lab.seeds import child_seed


@dataclass(frozen=True)
class TaskFit:
    """What was fitted for one task.

    Attributes
    ----------
    guarded : the adaptation at the strength decided; without one where nothing can be adapted.
    record : what the task found, ready for JSON.
    joint : trees trained with the auxiliary loss, where it has a weight.
    n_trees, seconds : grown beside the frozen ones, and what that took in the library.
    """

    guarded: Guarded[TreeAdaptation]
    decision: Decision
    record: dict[str, Any]
    joint: Trunk | None = None
    n_trees: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class TaskFitting:
    """Fits one task after another beside trees that are grown.

    Attributes
    ----------
    train, ctx : of the whole fit. base : the frozen trees. rounds : what of them was kept.
    choices : what is left to the guard. told : what earlier folds gained.
    from_folds : whether these decide. trials : of the first fold, which fits them; None: no trials.
    grown : called after each tree.
    """

    train: EraFrame
    ctx: FitContext
    base: XGB
    rounds: int
    choices: Choices
    told: Told
    from_folds: bool
    trials: TrialFit | None
    grown: Callable[[], None]

    def fit(self, params: XGBTTTParams, guarded: Guarded[TreeAdaptation]) -> TaskFit:
        """Fit the task that the parameters name."""
        train, ctx, choices = self.train, self.ctx, self.choices
        reader, record = Reader.fit(train, ctx, params)
        if isinstance(reader, str):
            return TaskFit(guarded, choices.nothing_to_read(reader), record)
        task, trials = params.auxiliary.task, list[Trial]()
        if self.trials is not None:
            trials = run_trials(train, ctx, choices, self.trials.with_params(params))
        elif choices.open:
            trials = self.told.history(task).trials(choices.weights[0])
        seed = child_seed(ctx.seed, "xgb_ttt", "guard")
        before = self.told.strengths.get(task)
        decision = decide(trials, choices, ctx.purge_eras, seed, before)
        # what is off may come back, and what it would have gained is to be known by then
        adapts = decision.strength > 0 or self.from_folds
        adapts = adapts and choices.adapts(decision.weight)
        joint, n_trees, seconds = None, 0, 0.0
        if decision.weight > 0 and (adapts or params.predicts_with_joint_trees):
            joint, seconds = grow_joint(
                train, ctx, params, reader, decision.weight, self.rounds, self.grown
            )
            n_trees = self.rounds
        if adapts:
            trees = Trunk.plain(self.base) if joint is None else joint
            adaptation, facts = TreeAdaptation.fit(train, ctx, params, reader, trees, self.grown)
            record |= facts
            n_trees += adaptation.method.n_trees
            seconds += adaptation.method.library_seconds
            guarded.begin(adaptation, decision, trials, int(train.eras[-1]))
        return TaskFit(guarded, decision, record, joint, n_trees, seconds)
