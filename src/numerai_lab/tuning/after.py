"""Tuned against default on the eras after those of the study, which chose nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from numerai_lab.config import Key
from numerai_lab.experiment import Reporter, Stopwatch
from numerai_lab.scoring import paired
from numerai_lab.tuning.judging import judged_fold, with_tuned
from numerai_lab.tuning.plan import StudyPlan


def compare_after(
    plan: StudyPlan, values: Mapping[Key, Any], reporter: Reporter
) -> dict[str, Any] | None:
    """Fit both on all eras up to the study's last and compare corr on later ones, era by era.

    Returns
    -------
    None where there are no later eras. Else `paired`, tuned minus default, as `scoring.Paired`
    tells it; `train_last`, `purge_eras`; `eras` and corr of both, null where an era has none.
    """
    if plan.after is None:
        return None
    (fold,) = plan.after.plan.folds
    corr, unit = {}, plan.study.info.unit
    for name, prepared in (
        ("tuned", with_tuned(plan.after, values)),
        ("default", plan.after),
    ):
        reporter.work(f"{name}, on eras after those of the study", unit)
        watch = Stopwatch()
        found = judged_fold(
            prepared,
            fold,
            plan.references,
            reporter.progress,
            reporter.warn,
            plan.how.aim,
            plan.beside,
        )
        corr[name] = found
        reporter.done(f"mean {plan.how.aim} {np.nanmean(found):.4f}", watch.seconds)
    experiment = plan.experiment
    told = paired(
        corr["tuned"],
        corr["default"],
        fold.judged,
        plan.horizon_days,
        experiment.scoring.bootstrap,
        experiment.seed,
        plan.after.dataset.era_dates,
    )
    return {
        "train_last": int(fold.train[-1]),
        "purge_eras": fold.purge_eras,
        "first_era": int(fold.judged[0]),
        "last_era": int(fold.judged[-1]),
        "eras": fold.judged.tolist(),
        **{
            name: [None if np.isnan(value) else float(value) for value in values]
            for name, values in corr.items()
        },
        "paired": told.as_dict(),
    }
