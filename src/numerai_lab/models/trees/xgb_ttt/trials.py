"""What a trial of the guard fits: frozen trees, joint ones for every weight, adaptations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace

import numpy as np

from numerai_lab.eraframe import EraFrame
from numerai_lab.models.adapting import Candidate, Choices, FittedTrial
from numerai_lab.models.contract import FitContext
from numerai_lab.models.trees.xgb import XGB
from numerai_lab.models.trees.xgb_ttt.adaptation import TreeAdaptation
from numerai_lab.models.trees.xgb_ttt.joint import grow_joint
from numerai_lab.models.trees.xgb_ttt.method import Trunk
from numerai_lab.models.trees.xgb_ttt.params import XGBTTTParams
from numerai_lab.models.trees.xgb_ttt.reader import Reader

TREES_ON_ERAS = 40
"""The trees of a trial learn from every 4th era (as labels overlap, little is lost), or from more
where fewer than this many would remain."""


def choices_of(params: XGBTTTParams) -> Choices:
    """Return what the parameters leave to the guard."""
    return Choices.left_open(
        params.auxiliary.weight,
        params.adapt.strength,
        adapts_without_weight=not params.adapt.needs_joint_trees,
        weight_changes_f=params.predicts_with_joint_trees,
    )


@dataclass(frozen=True)
class TrialFit:
    """Fits on past eras what the whole fit would, with fewer eras for the trees.

    Attributes
    ----------
    ctx, params : of the whole fit. rounds : trees to grow. grown : called after each tree.
    bases : frozen trees by the last era they learnt from: tasks that are tried one after another
        share them.
    """

    ctx: FitContext
    params: XGBTTTParams
    rounds: int
    choices: Choices
    grown: Callable[[], None]
    bases: dict[int, XGB] = field(default_factory=dict)

    def with_params(self, params: XGBTTTParams) -> TrialFit:
        """Return the same for another task, with the same frozen trees."""
        return replace(self, params=params)

    def __call__(self, past: EraFrame, judged: EraFrame) -> FittedTrial | str:
        """Fit on `past`; predictions and candidates for `judged`, or why eras cannot be read."""
        weights = None if self.ctx.weights is None else self.ctx.weights[: past.n_rows]
        quiet = replace(
            self.ctx,
            weights=weights,
            stop=None,
            stop_patience=0,
            progress=lambda *_: self.grown(),
            say=lambda _: None,
        )
        reader, _ = Reader.fit(past, quiet, self.params)
        if isinstance(reader, str):
            return reader
        step = max(1, min(4, past.n_eras // TREES_ON_ERAS))
        chosen = np.repeat(np.arange(past.n_eras) % step == 0, np.diff(past.offsets))
        fewer = past.take(np.flatnonzero(chosen)) if step > 1 else past
        on_fewer = replace(quiet, weights=None if weights is None else weights[chosen])
        last = int(past.eras[-1])
        if last not in self.bases:
            self.bases[last] = XGB(self.params.with_rounds(self.rounds))
            self.bases[last].fit(fewer, on_fewer)
        base = self.bases[last]

        def candidates() -> Iterator[Candidate]:
            for weight in self.choices.weights:
                trunk = Trunk.plain(base)
                if weight > 0:
                    trunk, _ = grow_joint(
                        fewer, on_fewer, self.params, reader, weight, self.rounds, self.grown
                    )
                f = trunk if self.choices.weight_changes_f else Trunk.plain(base)
                adaptation = None
                if self.choices.adapts(weight):
                    # its own copy: what a task learns from eras that become known is not for
                    # the next weight
                    own = deepcopy(reader)
                    adaptation, _ = TreeAdaptation.fit(
                        past, quiet, self.params, own, trunk, self.grown
                    )
                    # of the eras in between, whose labels are not known, no frame is here: the
                    # first judged era is forecast from the last past one
                    adaptation = adaptation.with_past(judged)
                yield Candidate(weight, f.predict(judged), adaptation)

        return FittedTrial(base.predict(judged), candidates())
