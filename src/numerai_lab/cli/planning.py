"""train --plan: folds, memory and time before anything is trained."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from numerai_lab.cli.output import emit, show
from numerai_lab.machine import as_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numerai_lab.config import Resolved
    from numerai_lab.experiment import Reporter, TimeOfFolds


def tell_plan(
    resolved: Resolved, data: str | None, runs_dir: Path, reporter: Reporter, *, as_json: bool
) -> None:
    """Print the folds of an experiment, and what training it will take."""
    from numerai_lab.experiment import (
        estimate_time,
        finished_run,
        fold_facts,
        memory_of_fits,
        prepare,
        seconds_of_run,
    )
    from numerai_lab.report import render_plan

    prepared = prepare(resolved, reporter, plan_only=True)
    folds = [fold_facts(fold, prepared) for fold in prepared.plan.folds]
    memory, last = memory_of_fits(prepared), finished_run(prepared.experiment, runs_dir)
    times = {} if last else estimate_time(resolved, prepared, runs_dir, data, reporter)
    twins = prepared.info.twins
    if as_json:
        known = [one.seconds for one in times.values() if one.seconds is not None]
        emit(
            {
                "folds": folds,
                "notes": list(prepared.plan.notes),
                "fits_per_fold": 1 + len(twins),
                "memory_bytes": memory,
                "seconds_of_last_run": None if last is None else seconds_of_run(last),
                "seconds_estimated": sum(known) if known else None,
                "estimates": {label or "folds": asdict(one) for label, one in times.items()},
            }
        )
        return
    show(render_plan(folds))
    lines = []
    if twins:
        others = ", ".join(twins)
        lines.append(
            f"fits    {1 + len(twins)} in each fold: the model, and to compare it with {others}"
        )
    if memory is not None:
        lines.append(f"memory  the largest fit takes {as_size(memory)} at least")
    if last is not None:
        lines.append(f"time    the folds of {last.path} took {minutes(seconds_of_run(last))}")
    lines += lines_of(times, len(folds))
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def lines_of(times: Mapping[str, TimeOfFolds], n_folds: int) -> list[str]:
    """Return what is told of estimated times: each, what it rests on, and the sum of several."""
    lines = []
    for label, one in times.items():
        what = f"{label or f'{n_folds} folds'}: "
        if one.seconds is None:
            least = "not known" if one.at_least is None else f"more than {minutes(one.at_least)}"
            lines.append(f"{what}{least}; {one.why_not}")
            continue
        share = " and ".join(f"{share:.1%}" for share in one.shares)
        which = " and ".join(str(fold) for fold in one.folds)
        every = f" of every {one.every}th era" if one.every > 1 else " of each era"
        about = "about" if len(one.shares) > 1 or one.shares == (1.0,) else "at most about"
        lines.append(
            f"{what}{about} {minutes(one.seconds)}; timed fold {which} on {share} of the rows"
            f"{every} ({one.spent:.1f} s)"
        )
    known = [one.seconds for one in times.values() if one.seconds is not None]
    if len(known) > 1:
        lines.append(f"together {minutes(sum(known))}")
    if known:
        lines.append(
            "an estimate, for this machine as busy as it is now; reading and judging come on top"
        )
    return [("time    " if place == 0 else "        ") + line for place, line in enumerate(lines)]


def minutes(seconds: float) -> str:
    """Return seconds as a person says them: "40 seconds", "3.1 minutes", "2.5 hours"."""
    if seconds < 60:
        return f"{seconds:.1f} seconds"
    return f"{seconds / 60:.1f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
