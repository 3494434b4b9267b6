"""What fitted trees and what adapts them do with eras: predict, explain, take note of labels."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.models.adapting import Guarded, Rivals, State
from numerai_lab.models.contract import Contributions, Detailed, Float32
from numerai_lab.models.trees.xgb import XGB
from numerai_lab.models.trees.xgb_ttt.adaptation import TreeAdaptation
from numerai_lab.models.trees.xgb_ttt.explaining import adapted_contributions
from numerai_lab.models.trees.xgb_ttt.method import Trunk
from numerai_lab.models.trees.xgb_ttt.params import XGBTTTParams
from numerai_lab.models.trees.xgb_ttt.task import task_class, tasks_of

FROZEN, JOINT, SHUFFLED = "frozen", "joint", "shuffled"
"""Names of the variants."""


class AdaptedTrees:
    """Trees, and a guarded adaptation of them for each task that is tried.

    Parameters
    ----------
    base : the frozen trees. joint : those trained with the auxiliary loss; None: there are none.
    rivals : the adaptations, of which one predicts.
    """

    def __init__(
        self,
        params: XGBTTTParams,
        base: XGB,
        rivals: Rivals[TreeAdaptation],
        joint: Trunk | None = None,
    ) -> None:
        self.params = params
        self._base, self._joint, self.rivals = base, joint, rivals

    @property
    def guarded(self) -> Guarded[TreeAdaptation]:
        """The adaptation that predicts: that of the task, or of the one chosen."""
        return self.rivals.chosen

    @property
    def online(self) -> bool:
        """Whether labels that become known while predicting change later predictions."""
        return self.guarded.online

    @property
    def history_eras(self) -> int:
        """How many era numbers before the one predicted the task looks back; 0: none."""
        return max(task_class(task).history_eras for task in tasks_of(self.params))

    @property
    def ages(self) -> bool:
        """Whether a prediction depends on how far the era lies from the end of the fit."""
        return bool(self.guarded.decision.by_age) or self.online

    def predict(self, frame: EraFrame, history: EraFrame | None = None) -> Float32:
        """Predict float32 [n_rows]; an era depends on its own rows only (and on `observe`).

        A task that looks back depends on `history` as well, which it must be given.
        """
        self._base.check(frame)
        guarded = self._guarded_after(history)
        unadapted = self._adapted_trees().predict(frame)
        self.rivals.watch(frame, unadapted)
        return guarded.predict(frame, unadapted)

    def predict_in_detail(self, frame: EraFrame, history: EraFrame | None = None) -> Detailed:
        """Predict, beside the frozen trees and the control with the states of other eras.

        The control gives each era the state of another one of `frame`, or, where it is alone,
        of one of the last eras whose labels are known, or of a training era.
        """
        apart, states = self.predict_apart(frame, history)
        others = self.draw_others(int(frame.eras[0]), states)
        control = self.predict_control(frame, apart, others, history)
        return replace(apart, variants={**apart.variants, SHUFFLED: control})

    def predict_apart(
        self, frame: EraFrame, history: EraFrame | None = None
    ) -> tuple[Detailed, list[State | None]]:
        """Predict with the adapted and with the frozen trees, without the control `SHUFFLED`.

        Returns
        -------
        The prediction with variants `FROZEN` and, with jointly trained trees, `JOINT`; and the
        state that each era was adapted by (a code, or the movement of every leaf), None where it
        was not adapted.
        """
        frozen = self._base.predict(frame)
        trees = self._adapted_trees()
        unadapted = frozen if trees.frozen is not None else trees.predict(frame)
        detail, states = self._guarded_after(history).predict_apart(frame, unadapted)
        self.rivals.watch(frame, unadapted)
        if self.rivals.name != self.rivals.begun:
            said = f"read by task {self.rivals.name}, which surely gained more by then"
            told = zip(detail.remarks, states, strict=True) if detail.remarks else ()
            remarks = [said if one is None and state is not None else one for one, state in told]
            detail = replace(detail, remarks=remarks)
        joint = {JOINT: unadapted} if self.params.predicts_with_joint_trees else {}
        return replace(detail, variants={FROZEN: frozen, **joint}), states

    def draw_others(self, first_era: int, states: Sequence[State | None]) -> list[State | None]:
        """Draw for each era that has a state the one of another era."""
        return self.guarded.draw_others(first_era, states)

    def predict_control(
        self,
        frame: EraFrame,
        apart: Detailed,
        others: Sequence[State | None],
        history: EraFrame | None = None,
    ) -> Float32:
        """Predict with the states of other eras; where there is none by the unadapted trees."""
        unadapted = apart.variants.get(JOINT, apart.variants[FROZEN])
        return self._guarded_after(history).predict_control(frame, unadapted, others)

    def contributions(
        self, frame: EraFrame, rows: npt.NDArray[np.int64] | None = None
    ) -> tuple[Contributions, ...]:
        """Return what features add to the trees, and to what adapting to the era adds to them.

        The era's state depends on all of its rows, and is taken as it is: what is shared out among
        features is what they do with it. What it adds to all rows of the era alike stands beside.

        Raises
        ------
        ModelError : the features are not those trained on, or the trees are too deep for it.
        """
        self._base.check(frame)
        trees = self._adapted_trees()
        own, unadapted = trees.contributions(frame, rows), trees.predict(frame)
        adaptation = self.guarded.adaptation
        if self.guarded.strength == 0 or adaptation is None:
            return (own,)
        adapted = adapted_contributions(self.guarded, adaptation, own, frame, unadapted, rows)
        return (adapted,)

    def observe(self, resolved: EraFrame) -> None:
        """Take note of eras whose labels have become known, in order of time."""
        if self.online:
            known = self.guarded.predicted(resolved)  # as they were when they were predicted
            known = self._adapted_trees().predict(resolved) if known is None else known
            self.rivals.observe(resolved, known)

    def replay(self, rows: EraFrame) -> None:
        """Go through labelled eras after the fit as a live model would have, and note the gains."""
        self.rivals.replay(rows, self._adapted_trees().predict(rows))

    def remember(self, history: EraFrame) -> None:
        """Keep the codes of these eras, which a task that looks back needs of them."""
        if self.guarded.adaptation is not None:
            self.guarded.adaptation.remember(history)

    def support_of(self, frame: EraFrame) -> dict[str, float] | None:
        """Return how far the code of the first era lies from those of training eras.

        As `Guarded.support_of` tells it.
        """
        return self.guarded.support_of(frame, self._adapted_trees().predict)

    def _guarded_after(self, history: EraFrame | None) -> Guarded[TreeAdaptation]:
        """Return the guarded adaptation as it is after these eras."""
        if not self.history_eras:
            return self.guarded
        if history is None:
            raise ModelError(
                f"task '{self.params.auxiliary.task}' looks back on {self.history_eras} eras, and "
                "no history was given"
            )
        if self.guarded.adaptation is None:
            return self.guarded
        guarded = copy(self.guarded)
        guarded.adaptation = self.guarded.adaptation.with_past(history)
        return guarded

    def _reading_trees(self) -> Trunk:
        """Return the trees whose outputs the method works with."""
        return Trunk.plain(self._base) if self._joint is None else self._joint

    def _adapted_trees(self) -> Trunk:
        """Return the trees whose predictions are changed."""
        if self._joint is None or not self.params.predicts_with_joint_trees:
            return Trunk.plain(self._base)
        return self._joint
