"""One trial: its folds one after another, and what it is worth; or why it has no worth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from numerai_lab.arrays import Eras, Float64
from numerai_lab.config import dotted
from numerai_lab.errors import ConfigError, ModelError, SplitError
from numerai_lab.experiment import Reporter, Stopwatch
from numerai_lab.scoring import long_run_std, overlap_eras, summarize
from numerai_lab.tuning.judging import judged_fold, with_tuned
from numerai_lab.tuning.plan import StudyPlan
from numerai_lab.tuning.storage import Running


def run_trial(
    plan: StudyPlan, trial: Running, reporter: Reporter, say: Callable[[str], None]
) -> str:
    """Fit and judge a trial fold by fold, keep what came of it, and return it in words.

    Values that the model refuses make a failed trial. Any other error is raised: the trial has no
    result then, and the next start runs it again.
    """
    watch, corr = Stopwatch(), np.empty(0)
    try:
        prepared = with_tuned(plan.study, {key: trial.values[dotted(key)] for key in plan.spaces})
        for done, fold in enumerate(plan.folds):
            progress = _part_of(reporter, done, len(plan.folds))
            found = judged_fold(
                prepared, fold, plan.references, progress, say, plan.how.aim, plan.beside
            )
            corr = np.concatenate([corr, found])
            if done + 1 == len(plan.folds) or not plan.how.prune:
                continue
            if trial.surely_worse(_for_pruner(plan, found, fold.judged)):
                _finish(trial, None, corr, watch)
                return (
                    f"pruned after fold {done + 1} with {plan.how.aim} {_no_gaps(corr).mean():.4f}"
                )
        score = score_of(plan, corr)
    except (ConfigError, ModelError, SplitError) as error:
        reason = str(error).splitlines()[0]
        trial.fail(reason, watch.seconds)
        say(f"trial {trial.number} failed: {reason}")
        return "failed"
    _finish(trial, score, corr, watch)
    return f"{plan.how.score} {score:.4f}"


def _part_of(reporter: Reporter, done: int, of: int) -> Callable[[int, int], None]:
    """Report the steps of one fit as a part of those of all folds."""
    return lambda step, steps: reporter.progress(done * steps + step, of * steps)


def _finish(trial: Running, score: float | None, corr: Float64, watch: Stopwatch) -> None:
    unscored = np.isnan(corr)
    listed = [None if gone else float(c) for c, gone in zip(corr, unscored, strict=True)]
    trial.finish(score, listed, int(unscored.sum()), watch.seconds)


def _no_gaps(corr: Float64) -> Float64:
    """Count an era without a corr as 0: predictions that are constant there earn nothing."""
    return np.nan_to_num(corr, nan=0.0)


def score_of(plan: StudyPlan, corr: Float64) -> float:
    """Turn corr of all judged eras, NaN where an era has none, into what trials are compared by.

    Raises
    ------
    ModelError : there is no such number, as of one prediction for all rows.
    """
    if np.isnan(corr).all():
        raise ModelError(f"no judged era has a {plan.how.aim}: the predictions are constant")
    experiment, how = plan.experiment, plan.how
    summary = summarize(
        _no_gaps(corr),
        plan.judged,
        plan.horizon_days,
        experiment.scoring.bootstrap,
        experiment.seed,
    )
    found: float | None = getattr(summary, how.score)
    if found is None:
        raise ModelError(f"there is no {how.score}: {summary.undefined[how.score]}")
    return found


def _for_pruner(plan: StudyPlan, corr: Float64, eras: Eras) -> list[tuple[int, float]]:
    """Return what a fold tells the pruner, which pairs trials by eras: (first era, value).

    The values are means over runs of as many eras as a label reaches: those of neighbouring eras
    share returns, and the signed-rank test takes its pairs for independent. Where trials are judged
    by `sharpe_hac`, they are divided by the fold's long-run deviation: their mean is a Sharpe.
    """
    values, overlap = _no_gaps(corr), overlap_eras(plan.horizon_days)
    if plan.how.score == "sharpe_hac":
        spread = long_run_std(values, eras, 2 * overlap)
        values = values / spread if spread else np.zeros_like(values)
    starts = np.flatnonzero(np.diff((eras - eras[0]) // overlap, prepend=-1))
    counts = np.diff([*starts, len(values)])
    means = np.add.reduceat(values, starts) / counts
    return list(zip(eras[starts].tolist(), means.tolist(), strict=True))
