"""report, board: pages of a run and of all runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from numerai_lab.cli.desktop import Open, open_page
from numerai_lab.cli.options import RUNS, Json, RunsDir
from numerai_lab.cli.output import emit, kept, warn_on_stderr
from numerai_lab.errors import UserError, check_name


def board(
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="instead of board.html beside the runs"),
    ] = None,
    runs_dir: RunsDir = RUNS,
    open_it: Open = False,
    as_json: Json = False,
) -> None:
    """Write a leaderboard of all runs, one HTML file; beside the runs it is kept up to date."""
    from numerai_lab.report import write_board

    check_name(runs_dir)
    if not runs_dir.is_dir():
        raise UserError("there is no such folder of runs", where=str(runs_dir))
    path = write_board(runs_dir, out)
    kept(f"the board is {path}")
    if open_it:
        open_page(path)
    emit({"board": str(path)}) if as_json else sys.stdout.write(f"{path}\n")


def report(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="run directory or experiment")
    ] = None,
    runs_dir: RunsDir = RUNS,
    open_it: Open = False,
    as_json: Json = False,
) -> None:
    """Write a run's report.html anew and print its path."""
    from numerai_lab.experiment import find_run, say_if_unverifiable
    from numerai_lab.report import write_report

    found = find_run(run, runs_dir)
    path = write_report(found.path)
    say_if_unverifiable(found, warn_on_stderr)
    kept(f"the report is {path}")
    if open_it:
        open_page(path)
    emit({"report": str(path)}) if as_json else sys.stdout.write(f"{path}\n")
