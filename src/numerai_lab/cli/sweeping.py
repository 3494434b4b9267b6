"""train --sweep: a run for each value, and what they scored beside each other."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from numerai_lab.cli.output import SYNTHETIC, emit, kept, refresh_board_of, show, warn_on_stderr

if TYPE_CHECKING:
    from numerai_lab.config import Resolved
    from numerai_lab.experiment import Reporter, TrainOptions


def sweep_values(
    sweep: str,
    read: Callable[[str], Resolved],
    options: TrainOptions,
    reporter: Reporter,
    *,
    as_json: bool,
) -> None:
    """Train with each value of --sweep, compare each with the first, and print that."""
    from numerai_lab.experiment import compare_series, parse_sweep, read_series, train_sweep
    from numerai_lab.report import render_comparison, write_report

    wanted = parse_sweep(sweep)
    runs = train_sweep(wanted, read, options, reporter)
    for run in runs:
        write_report(run.path)
    refresh_board_of(options.runs_dir)
    kept(f"the runs are {', '.join(str(run.path) for run in runs)}")
    sides = [read_series(run, "corr") for run in runs]
    rows = compare_series(sides, "corr", warn_on_stderr, across_data=True)
    told = [
        {"value": value, "run_dir": str(run.path), "mean": float(side.scores.mean())}
        for value, run, side in zip(wanted.values, runs, sides, strict=True)
    ]
    if as_json:
        emit({"key": wanted.key, "runs": told, "comparisons": rows})
        return
    for one in told:
        where = f"{one['mean']:+.4f}, {one['run_dir']}"
        sys.stdout.write(f"{wanted.key} {one['value']}: mean corr {where}\n")
    show(render_comparison(rows))
    sys.stdout.write(
        f"the best of {len(runs)} looks better than it is: these eras chose it, so they cannot "
        "judge it\n"
    )
    if any(run.is_synthetic() for run in runs):
        sys.stdout.write(SYNTHETIC)
