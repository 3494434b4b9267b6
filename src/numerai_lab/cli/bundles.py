"""export, upload, diagnostics, status: what Numerai runs and judges, and how it is doing."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from numerai_lab.cli.access import (
    chosen_final,
    chosen_run,
    connection,
    environment,
    state_of,
)
from numerai_lab.cli.options import (
    RUNS,
    STATE,
    EnvFile,
    FinalRun,
    Json,
    Quiet,
    RunsDir,
    StateDir,
    Trust,
)
from numerai_lab.cli.output import emit, kept, show, warn_on_stderr
from numerai_lab.errors import UserError

SUBMIT = Path("configs/submit.yaml")

SlotName = Annotated[str, typer.Option("--slot", help="Numerai's name of the model")]
Account = Annotated[
    str, typer.Option("--account", help="whose keys: default reads NUMERAI_PUBLIC_ID ...")
]
Check = Annotated[
    bool,
    typer.Option("--check/--no-check", help="run it in an environment like Numerai's container"),
]


def export(
    run: FinalRun = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="a .pkl file; into the run if left out")
    ] = None,
    check: Check = False,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="WHERE", help="mlflow: settings and scores, into --uri"),
    ] = None,
    uri: Annotated[
        str | None,
        typer.Option("--uri", help="with --to mlflow: the store  [default: sqlite:///mlflow.db]"),
    ] = None,
    trust: Trust = False,
    runs_dir: RunsDir = RUNS,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a run's final model as a pickle that Numerai runs every day, or a run into MLflow."""
    if to is not None:
        if out is not None or check or trust:
            raise UserError(
                "writes no pickle: --out, --check and --trust are for one", where="--to"
            )
        _to_mlflow(run, to, uri, runs_dir, as_json=as_json)
        return
    if uri is not None:
        raise UserError("goes with --to mlflow", where="--uri")
    from numerai_lab.experiment import Reporter
    from numerai_lab.report import size
    from numerai_lab.tournament import export as export_run

    with Reporter(quiet=quiet) as reporter:
        final = chosen_final(run, runs_dir, reporter, trusted=trust)
        bundle = export_run(final, out, check=check, say=reporter.say)
        if final.synthetic:
            reporter.warn("a run on synthetic data: its predictions mean nothing to Numerai")
    kept(f"the bundle is {bundle.path}")
    if as_json:
        emit({"run_dir": str(final.run.path), **asdict(bundle), "path": str(bundle.path)})
        return
    told = size(bundle.n_bytes)
    sys.stdout.write(f"{told} for Python {bundle.python}  {bundle.path}\n")
    for item in bundle.checks:
        sys.stdout.write(
            f"{item.n_rows:,} rows x {item.n_features:,} features: {item.predict_seconds:.1f} s, "
            f"{item.peak_mb:,.0f} MB at most, {item.difference:.0e} from the run's predictions, "
            f"{item.moved_rows} rows with another rank\n"
        )


def _to_mlflow(
    spec: str | None, to: str, uri: str | None, runs_dir: Path, *, as_json: bool
) -> None:
    """Write a finished run into a tracking store, and say where."""
    from numerai_lab.experiment import MLFLOW_URI, export_to_mlflow, find_run

    if to != "mlflow":
        raise UserError(f"'{to}' is no such place", where="--to", fix="write --to mlflow")
    found = find_run(spec, runs_dir)
    where = uri or MLFLOW_URI
    name, there = export_to_mlflow(found, where)
    kept(f"the run is {name} in {where}")
    if as_json:
        emit({"run_dir": str(found.path), "uri": where, "mlflow_run": name, "was_there": there})
        return
    how = "written anew" if there else "written"
    sys.stdout.write(f"{found.path} is {how} as run {name} in {where}\n")


def upload(
    slot: SlotName,
    run: FinalRun = None,
    account: Account = "default",
    check: Check = True,
    trust: Trust = False,
    data_version: Annotated[
        str | None,
        typer.Option("--data-version", help="as v5.3, where the run does not tell its own"),
    ] = None,
    config: Annotated[
        Path, typer.Option("--config", help="slots that submit by cron, which are refused")
    ] = SUBMIT,
    state_dir: StateDir = STATE,
    env_file: EnvFile = None,
    runs_dir: RunsDir = RUNS,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Upload a run's final model to Numerai, which then runs it every day."""
    from numerai_lab.experiment import Reporter
    from numerai_lab.tournament import check_not_cron, uploading

    environ = environment(env_file)
    with Reporter(quiet=quiet) as reporter:
        check_not_cron(slot, account, config, reporter.say)
        final = chosen_final(run, runs_dir, reporter, trusted=trust)
        done, bundle = uploading(
            final,
            slot,
            account,
            state_of(state_dir, environ),
            environ,
            data_version=data_version,
            check=check,
            say=reporter.say,
            warn=reporter.warn,
        )
        if final.synthetic:
            reporter.warn("a run on synthetic data, taken by a stand-in on this machine only")
        if done.replaces is not None:
            before = done.replaces
            reporter.warn(
                f"it replaces the model uploaded to '{slot}' on {before.uploaded_at} "
                f"({before.id}, of {before.run})"
            )
    kept(f"model {done.model} has it as {done.id}")
    if as_json:
        emit({"run_dir": str(final.run.path), "bundle": str(bundle.path), **asdict(done)})
        return
    version = f", data {done.data_version}" if done.data_version else ""
    sys.stdout.write(f"model {done.model}: {done.id} ({done.docker_image}{version})\n")


def diagnostics(
    slot: SlotName,
    run: FinalRun = None,
    account: Account = "default",
    wait: Annotated[str, typer.Option("--wait", help="how long to wait for the result")] = "10m",
    again: Annotated[
        str | None, typer.Option("--id", help="show an earlier upload instead of a new one")
    ] = None,
    env_file: EnvFile = None,
    runs_dir: RunsDir = RUNS,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Let Numerai judge a run's validation predictions, beside our own scores."""
    from numerai_lab.experiment import Reporter, say_if_unverifiable
    from numerai_lab.report import render_diagnostics
    from numerai_lab.tournament import diagnose, parse_duration

    seconds = parse_duration(wait)
    with (
        Reporter(quiet=quiet) as reporter,
        connection(account, environment(env_file)) as tournament,
    ):
        found = chosen_run(run, runs_dir, reporter.say)
        say_if_unverifiable(found, reporter.warn)
        result = asdict(
            diagnose(tournament, found, slot, wait_seconds=seconds, again=again, say=reporter.say)
        )
        if found.is_synthetic():
            reporter.warn("a run on SYNTHETIC data: these scores say nothing about Numerai")
    if as_json:
        emit({"run_dir": str(found.path), "model": slot, **result})
        return
    show(render_diagnostics(result))


def status(
    config: Annotated[Path, typer.Option("--config", help="the slots")] = SUBMIT,
    state_dir: StateDir = STATE,
    html: Annotated[
        Path | None, typer.Option("--html", help="write a page too, as in monitor.html")
    ] = None,
    env_file: EnvFile = None,
    runs_dir: RunsDir = RUNS,
    as_json: Json = False,
) -> None:
    """Show what was submitted, what the server made of it, and whether the models still hold.

    Exit codes: 0 the server was asked about every slot; 1 it could not be asked; 2 it could not,
    and that is yours to mend. Whatever is known is shown all the same.
    """
    from numerai_lab.report import render_status, write_monitor
    from numerai_lab.tournament import entries, load_slots, read_status

    environ = environment(env_file)
    state = state_of(state_dir, environ)
    slots = load_slots(config).slots if config.is_file() or config != SUBMIT else []
    status_ = read_status(entries(slots, state), state, runs_dir, environ)
    found = status_.to_json()
    for slot in found["slots"]:
        if slot["synthetic"]:
            warn_on_stderr(f"{slot['slot']}: SYNTHETIC data: its scores say nothing about Numerai")
    if html is not None:
        write_monitor(found, html)
    if as_json:
        emit({**found, "html": None if html is None else str(html)})
        for slot in found["slots"]:
            for said in slot["warnings"]:
                warn_on_stderr(f"{slot['slot']}: {said}")
        if found["elsewhere"]:
            warn_on_stderr(found["elsewhere"])
    else:
        show(render_status(found))
        if html is not None:
            sys.stdout.write(f"page  {html}\n")
    if status_.exit_code:
        asked = [found, *found["slots"]]
        for said in dict.fromkeys(one["problem"] for one in asked if one["problem"]):
            sys.stderr.write(f"error: the server's view is missing: {said}\n")
        raise typer.Exit(status_.exit_code)
