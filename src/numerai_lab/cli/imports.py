"""import: predictions that were made elsewhere become a run."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from numerai_lab.cli.options import RUNS, DataOption, Json, Quiet, RunsDir
from numerai_lab.cli.output import emit, kept, refresh_board_of, show_scores
from numerai_lab.errors import check_name


def import_(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="parquet or CSV: id, prediction, era if it has it"),
    ],
    name: Annotated[str, typer.Option("--name", help="of the experiment, as in latest:NAME")],
    config: Annotated[
        str | None,
        typer.Option("--config", help="take data, split and scoring of this experiment"),
    ] = None,
    data: DataOption = None,
    target: Annotated[
        list[str] | None, typer.Option("--target", help="judge on this; may be repeated")
    ] = None,
    column: Annotated[
        str | None, typer.Option("--column", help="judged; `prediction` or the first of numbers")
    ] = None,
    question: Annotated[str, typer.Option("--question", help="what they are to show")] = "",
    runs_dir: RunsDir = RUNS,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make a run of predictions that were made elsewhere: judged, compared, stacked, reported."""
    from numerai_lab.experiment import Reporter, TrainOptions, import_predictions
    from numerai_lab.report import write_report

    for folder in (file, runs_dir, data):
        check_name(folder)
    options = TrainOptions(
        runs_dir=runs_dir, data=data, command=shlex.join(["numerai-lab", *sys.argv[1:]])
    )
    with Reporter(quiet=quiet) as reporter:
        run = import_predictions(
            file,
            name,
            options,
            reporter,
            config=config,
            targets=tuple(target or ()),
            column=column,
            question=question,
        )
        report = write_report(run.path)
        refresh_board_of(runs_dir)
    kept(f"the run is {run.path}")
    scores = run.scores()
    if as_json:
        emit({"run_dir": str(run.path), "report": str(report), **scores})
        return
    show_scores(scores, name)
    sys.stdout.write(f"run     {run.path}\nreport  {report}\n")
