"""explain: what the model of a run looks at."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from numerai_lab.cli.options import RUNS, Json, Quiet, RunsDir
from numerai_lab.cli.output import SYNTHETIC, emit, kept, show


def explain(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="run directory or experiment")
    ] = None,
    fold: Annotated[
        int | None, typer.Option("--fold", help="whose model; the last one if left out")
    ] = None,
    final: Annotated[
        bool, typer.Option("--final", help="the final model, on live rows without labels")
    ] = False,
    features: Annotated[
        Path | None,
        typer.Option("--features", help="rows for --final; the live file beside the run's data"),
    ] = None,
    rows: Annotated[
        int, typer.Option("--rows", min=1, help="how many judged rows are explained")
    ] = 3000,
    permute: Annotated[
        int, typer.Option("--permute", min=0, help="how many features are shuffled, era by era")
    ] = 20,
    ids: Annotated[
        list[str] | None, typer.Option("--id", help="explain this row; may be repeated")
    ] = None,
    eras: Annotated[
        list[int] | None,
        typer.Option("--era", help="share this era's score out; may be repeated"),
    ] = None,
    expect: Annotated[
        list[str] | None,
        typer.Option(
            "--expect", metavar="FEATURE=+1", help="find eras against it; may be repeated"
        ),
    ] = None,
    interactions: Annotated[
        bool,
        typer.Option("--interactions", help="pairs among the 20 largest features, of 200 rows"),
    ] = False,
    runs_dir: RunsDir = RUNS,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Explain a run's model: what features add, how steadily, and what shuffling them costs."""
    from numerai_lab.experiment import Reporter
    from numerai_lab.explain import ExplainOptions, expectations
    from numerai_lab.explain import explain as run_explanation
    from numerai_lab.report import render_explanation, write_explanation_page, write_report

    options = ExplainOptions(
        runs_dir,
        fold,
        rows,
        permute,
        tuple(dict.fromkeys(ids or ())),
        tuple(dict.fromkeys(eras or ())),
        interactions,
        expectations(expect or ()),
        final,
        features,
    )
    with Reporter(quiet=quiet) as reporter:
        found = run_explanation(run, options, reporter)
        page = write_explanation_page(found.run.path)
        write_report(found.run.path)
    kept(f"the explanation is {page}")
    if as_json:
        place = {"run_dir": str(found.run.path), "page": str(page), "table": str(found.table)}
        emit({**place, **found.facts})
        return
    show(*render_explanation(found.facts))
    if found.facts["source"] == "synthetic":
        sys.stdout.write(SYNTHETIC)
    sys.stdout.write(f"page    {page}\ntable   {found.table}\n")
