"""How much of the best trial's score is luck: the best of many equally good trials leads, too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from numerai_lab.arrays import Float64
from numerai_lab.scoring import (
    best_of_equals,
    block_length,
    deflated_sharpe,
    expected_best,
    long_run_std,
    moments,
    overlap_eras,
    sharpe,
)
from numerai_lab.tuning.plan import StudyPlan
from numerai_lab.tuning.storage import StudyTrial


def luck_of(
    plan: StudyPlan, complete: Sequence[StudyTrial], best: StudyTrial, n_judged: int
) -> Any:
    """Return what luck explains of the best trial, in mean corr, ready for JSON.

    Parameters
    ----------
    complete : trials that were judged on all inner folds, the best among them.
    n_judged : these and the pruned ones.

    Returns
    -------
    None with fewer than two trials. Else facts about mean corr over the judged eras:

    best, mean : that of the best trial, and the mean over all complete trials.
    lead : best - mean.
    by_luck, by_luck_95 : the lead that the best of equally many trials has if all are equally
        good: its mean, and its 95th percentile.
    p : the share of draws in which such trials have a lead of at least this size.
    sharpe, sharpe_by_luck, n_effective, deflated_sharpe : see `scoring.deflated_sharpe`.
        n_effective is the number of independent eras whose mean would be as uncertain as that of
        these, whose labels overlap.
    """
    if len(complete) < 2:
        return None
    scores = np.array([_whole(trial) for trial in complete])
    own = _whole(best)
    eras, config = plan.judged, plan.experiment.scoring.bootstrap
    block = block_length(eras, plan.horizon_days, config)
    drawn = best_of_equals(scores, block, config.samples, plan.experiment.seed)
    lead = float(own.mean() - scores.mean())
    return {
        "n_trials": len(complete),
        "best": float(own.mean()),
        "mean": float(scores.mean()),
        "lead": lead,
        "by_luck": float(drawn.mean()),
        "by_luck_95": float(np.percentile(drawn, 95)),
        "p": float((1 + np.count_nonzero(drawn >= lead)) / (1 + len(drawn))),
        **_deflated(plan, scores, own, n_judged),
    }


def _deflated(plan: StudyPlan, scores: Float64, own: Float64, n_judged: int) -> dict[str, Any]:
    own_sharpe = sharpe(own)
    long_run = long_run_std(own, plan.judged, 2 * overlap_eras(plan.horizon_days))
    if own_sharpe is None or long_run is None:
        return {"deflated_sharpe": None}
    # a trial of constant scores has no Sharpe ratio: it is left out of how much these vary
    found = [value for row in scores if (value := sharpe(row)) is not None]
    threshold = expected_best(n_judged, float(np.std(found, ddof=1)) if len(found) > 1 else 0.0)
    effective = min(len(own) * (float(own.std()) / long_run) ** 2, len(own))
    deflated = deflated_sharpe(own_sharpe, threshold, effective, *moments(own))
    return {
        "n_judged": n_judged,
        "sharpe": own_sharpe,
        "sharpe_by_luck": threshold,
        "n_effective": effective,
        "deflated_sharpe": deflated if np.isfinite(deflated) else None,
    }


def _whole(trial: StudyTrial) -> Float64:
    """Return corr of each judged era, and 0 where it is not defined, as in the trial's score."""
    return np.array([0.0 if value is None else value for value in trial.corr])
