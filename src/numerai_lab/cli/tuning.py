"""tune: from a config with spaces to a config with values."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from numerai_lab.cli.options import RUNS, Config, DataOption, Json, Quiet, RunsDir, SetOption
from numerai_lab.cli.output import SYNTHETIC, emit, kept, show
from numerai_lab.errors import check_name


def tune(
    config: Config,
    trials: Annotated[
        int | None,
        typer.Option(
            "--trials",
            min=1,
            help="trials of the study in all, earlier ones among them; 50 if no --time is given",
        ),
    ] = None,
    time: Annotated[
        str | None, typer.Option("--time", help="no trial begins after so long: 45m, 2h")
    ] = None,
    data: DataOption = None,
    overrides: SetOption = None,
    runs_dir: RunsDir = RUNS,
    studies_dir: Annotated[
        Path, typer.Option("--studies-dir", help="where studies are kept")
    ] = Path("studies"),
    out: Annotated[
        Path | None,
        typer.Option("--out", help="the tuned config; tuned/NAME.yaml beside CONFIG if left out"),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find values for a config's spaces; a study that was stopped goes on."""
    from numerai_lab.experiment import Reporter, read_experiment
    from numerai_lab.report import render_tuning, write_tuning
    from numerai_lab.tournament import parse_duration
    from numerai_lab.tuning import TuneOptions
    from numerai_lab.tuning import tune as search

    seconds = None if time is None else parse_duration(time, "--time")
    for folder in (runs_dir, studies_dir, out, data):
        check_name(folder)
    resolved = read_experiment(config, data, tuple(overrides or ()), tunable=True)
    name = f"{resolved.experiment.name}.yaml"
    target = Path(config).parent / "tuned" / name if out is None else out
    options = TuneOptions(
        studies_dir, target, trials, seconds, shlex.join(["numerai-lab", *sys.argv[1:]]), runs_dir
    )
    with Reporter(quiet=quiet) as reporter:
        found = search(resolved, options, reporter)
    if found is None:
        folder = studies_dir / resolved.experiment.name
        emit({"study": str(folder), "finished": False}) if as_json else sys.stdout.write(
            f"study   {folder}, not finished: other processes are at work on it\n"
        )
        return
    page = found.folder / "tune.html"
    write_tuning(found.facts, page)
    kept(f"the tuned config is {found.config}")
    if as_json:
        place = {"study": str(found.folder), "config": str(found.config), "report": str(page)}
        emit({**place, "finished": True, **found.facts})
        return
    show(render_tuning(found.facts))
    if found.facts["source"] == "synthetic":
        sys.stdout.write(SYNTHETIC)
    sys.stdout.write(f"study   {found.folder}\nreport  {page}\nconfig  {found.config}\n")
