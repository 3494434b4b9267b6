"""runs: the list of them, in any order; tags, notes, and the way out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from numerai_lab.cli.options import RUNS, STATE, Json, RunsDir, StateDir
from numerai_lab.cli.output import emit, refresh_board_of, show, warn_on_stderr
from numerai_lab.errors import UserError

if TYPE_CHECKING:
    from numerai_lab.experiment import Labels, RunDir

app = typer.Typer(invoke_without_command=True)
RunName = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="its directory, or the end of it: EXPERIMENT/FOLDER; EXPERIMENT: its newest finished",
    ),
]


@app.callback()
def runs(
    context: typer.Context,
    metric: Annotated[
        str, typer.Option("--metric", help="show this score: corr, mmc, bmc, fnc, payout ...")
    ] = "corr",
    sort: Annotated[
        str | None,
        typer.Option("--sort", metavar="KEY", help="best first: mmc, sharpe_hac, created ..."),
    ] = None,
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            metavar="CONDITION",
            help="e.g. name=xgb*, corr>.02, max_depth=5, tag=keep; may be repeated",
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option("--columns", metavar="A,B", help="these instead: scores, settings, facts"),
    ] = None,
    group: Annotated[
        str | None, typer.Option("--group", help="by experiment, data, model, or none")
    ] = None,
    runs_dir: RunsDir = RUNS,
    as_json: Json = False,
) -> None:
    """List runs with numbers, eras, data, labels, and the settings that tell them apart."""
    if context.invoked_subcommand is not None:
        return
    from numerai_lab.experiment import Choice, choose, list_runs
    from numerai_lab.report import render_runs

    wanted = tuple(filter(None, (columns or "").split(",")))
    choice = Choice(metric, sort, tuple(filters or ()), wanted, group)
    found = list_runs(runs_dir, settings=bool(sort or filters or wanted))
    rows = choose(found, choice)
    if as_json:
        left_out = ("settings", "shown")
        emit({"runs": [{k: v for k, v in row.items() if k not in left_out} for row in rows]})
    elif found and not rows:
        wished = " and ".join(filters or ())
        sys.stdout.write(f"none of the {len(found)} runs in {runs_dir} has {wished}\n")
    else:
        show(render_runs(rows, metric))
    for row in rows:
        for key in ("damage", "labels_damage"):
            if key in row:
                warn_on_stderr(row[key])
    unknown = [Path(row["run"]).name for row in rows if row.get("verifiable") is False]
    if unknown:
        warn_on_stderr(
            f"not verifiable, made before runs kept checksums: {', '.join(unknown)}; a file of "
            "these that has changed since would not be noticed"
        )


@app.command()
def tag(
    run: RunName,
    tags: Annotated[list[str], typer.Argument(metavar="TAG ...", help="as many as you like")],
    remove: Annotated[bool, typer.Option("--remove", help="take them away")] = False,
    runs_dir: RunsDir = RUNS,
    as_json: Json = False,
) -> None:
    """Give a run tags, which `runs --filter tag=TAG` finds; no number changes."""
    from numerai_lab.experiment import Labels, change_labels

    def change(labels: Labels) -> Labels:
        absent = sorted(set(tags) - set(labels.tags))
        if remove and absent:
            raise UserError(f"the run has no tag {', '.join(absent)}", where=run)
        kept = set(labels.tags) - set(tags) if remove else {*labels.tags, *tags}
        return Labels(tuple(kept), labels.note)

    found = _labelled(run, runs_dir)
    labels = change_labels(found, change)
    refresh_board_of(runs_dir)
    _tell(found, labels, f"tags: {', '.join(labels.tags) or 'none'}", as_json=as_json)


@app.command()
def note(
    run: RunName,
    text: Annotated[str, typer.Argument(help='what to remember; "" takes it away')],
    runs_dir: RunsDir = RUNS,
    as_json: Json = False,
) -> None:
    """Write a note beside a run, in place of the one it has; `runs` shows it."""
    from numerai_lab.experiment import Labels, change_labels

    found = _labelled(run, runs_dir)
    labels = change_labels(found, lambda before: Labels(before.tags, text))
    refresh_board_of(runs_dir)
    _tell(found, labels, f"note: {labels.note or 'none'}", as_json=as_json)


def _labelled(spec: str, runs_dir: Path) -> RunDir:
    """Find a run directory, finished or not; an experiment means its newest finished run."""
    from numerai_lab.experiment import find_run, named_run

    is_experiment = Path(spec).name == spec and any((runs_dir / spec).glob("*/manifest.json"))
    if is_experiment or spec.startswith("latest:"):
        return find_run(spec, runs_dir)
    return named_run(spec, runs_dir)


def _tell(found: RunDir, labels: Labels, said: str, *, as_json: bool) -> None:
    if as_json:
        emit({"run_dir": str(found.path), "tags": list(labels.tags), "note": labels.note})
    else:
        sys.stdout.write(f"{found.path}  {said}\n")


@app.command()
def remove(
    run: Annotated[
        list[str],
        typer.Argument(metavar="RUN ...", help="directories, or their ends: EXPERIMENT/FOLDER"),
    ],
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    config: Annotated[
        Path | None, typer.Option("--config", help="slots  [default: configs/submit.yaml]")
    ] = None,
    runs_dir: RunsDir = RUNS,
    state_dir: StateDir = STATE,
    as_json: Json = False,
) -> None:
    """Remove runs for good; refused while another run, or a slot of submit.yaml, needs one."""
    from numerai_lab.experiment import check_unneeded, locked, named_run, remove_run
    from numerai_lab.tournament import check_no_slot_needs

    found = {one.path: one for one in (named_run(spec, runs_dir) for spec in run)}
    gone = list(found.values())
    for one in gone:
        with locked(one):  # before anybody is asked: nobody works in it now
            pass
    check_unneeded(gone, runs_dir)
    check_no_slot_needs(gone, runs_dir, config, state_dir)
    if not yes:
        _ask([_told(path) for path in found])
    for one in gone:
        remove_run(one, runs_dir)
    refresh_board_of(runs_dir)
    if as_json:
        emit({"removed": [str(path) for path in found]})
        return
    for path in found:
        sys.stdout.write(f"removed {path}\n")


def _told(path: Path) -> str:
    """Say what goes with a run directory."""
    from numerai_lab.experiment import RunDir, told_of_test
    from numerai_lab.machine import as_size

    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    told = [as_size(size)]
    try:
        run = RunDir(path)
        told += ["with a final model"] if run.has_final else []
        test = told_of_test(run)
        if test is not None and test.get("looks"):
            told.append(f"the only record of {test['looks']} looks at its test")
    except UserError as error:
        told.append(str(error))
    return f"{path} ({', '.join(told)})"


def _ask(runs_told: list[str]) -> None:
    """Ask a person; raise UserError where nobody can be asked, stop where they say no."""
    listed = "\n".join(f"  {told}" for told in runs_told)
    if not sys.stdin.isatty():
        raise UserError(
            f"would remove for good:\n{listed}",
            fix="say --yes, as there is no terminal to ask at",
        )
    if not typer.confirm(f"{listed}\nRemove for good?", err=True):
        sys.stdout.write("nothing was removed\n")
        raise typer.Exit(1)
