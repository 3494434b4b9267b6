"""How far a fit has come, counted in boosting rounds."""

from __future__ import annotations

from numerai_lab.models.adapting import Choices
from numerai_lab.models.contract import FitContext
from numerai_lab.models.trees.xgb_ttt.params import XGBTTTParams


class TreeCount:
    """Progress over the frozen trees, the joint ones, the adapter's and those of the trials."""

    def __init__(
        self,
        ctx: FitContext,
        params: XGBTTTParams,
        choices: Choices,
        n_trials: int,
        n_tasks: int = 1,
    ) -> None:
        self._report = ctx.progress
        base = params.num_boost_round
        base += params.era_boosting.rounds if params.era_boosting else 0
        trees = params.adapt.trees
        adapter = n_tasks * trees.bags * trees.num_boost_round
        adapter = adapter if params.adapt.method == "code_leaves" else 0
        joint = params.num_boost_round * sum(weight > 0 for weight in choices.weights)
        trial = base + joint + adapter * len(choices.weights)
        self._total = base + min(joint, params.num_boost_round) + adapter + n_trials * trial
        self._done = 0

    def base(self, done: int, _total: int) -> None:
        """Count the frozen trees of the whole fit."""
        self._done = done
        self._report(done, self._total)

    def grown(self) -> None:
        """Count one more tree of any other kind."""
        self._done += 1
        self._report(min(self._done, self._total), self._total)
