"""refresh: a slot's model trained anew on the newest files, in use only if it is not worse."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from numerai_lab.cli.access import connection, environment
from numerai_lab.cli.options import RUNS, EnvFile, Json, Quiet, RunsDir
from numerai_lab.cli.output import emit, kept


def refresh(
    slot: Annotated[str, typer.Argument(help="a slot of submit.yaml that takes latest:EXPERIMENT")],
    config: Annotated[
        Path | None, typer.Option("--config", help="the slots  [default: configs/submit.yaml]")
    ] = None,
    no_download: Annotated[
        bool, typer.Option("--no-download", help="with the files that are there")
    ] = False,
    go_on: Annotated[
        bool, typer.Option("--continue", help="go on from the fit in use, do not train anew")
    ] = False,
    back: Annotated[
        bool, typer.Option("--back", help="withdraw what the last refresh promoted")
    ] = False,
    env_file: EnvFile = None,
    runs_dir: RunsDir = RUNS,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Download, train anew, judge old and new on eras resolved since, promote what is not worse.

    With --continue the model in use goes on from its fit: a copy of it learns from the older half
    of the new eras and is judged, a purge later, on the other; where it is not worse, the model
    itself goes on with all of them.

    Made to be started by cron, say once a week: with fewer than 13 new eras nothing is trained.
    Exit codes: 0 it was promoted, or nothing was to be done; 1 the new one is worse and not used.
    """
    from numerai_lab.experiment import Reporter
    from numerai_lab.tournament import chosen_slots, take_back
    from numerai_lab.tournament import refresh as refresh_slot

    environ = environment(env_file)
    (chosen,), _ = chosen_slots(config, slot, None)
    with Reporter(quiet=quiet) as reporter:
        if back:
            withdrawn, used = take_back(chosen, runs_dir)
            if as_json:
                emit({"slot": slot, "withdrawn": str(withdrawn), "in_use": str(used)})
            else:
                sys.stdout.write(f"withdrawn  {withdrawn}\nin use     {used}\n")
            return
        connect = None if no_download else lambda: connection(None, environ)
        command = " ".join(["numerai-lab", "refresh", slot, *(["--continue"] if go_on else [])])
        done = refresh_slot(chosen, runs_dir, connect, reporter, command, go_on=go_on)
    kept(f"slot {slot}: {done.reason}")
    if as_json:
        emit(asdict(done))
    else:
        sys.stdout.write(f"{'promoted' if done.promoted else 'unchanged'}  {done.reason}\n")
        sys.stdout.write(f"in use     {done.new if done.promoted else done.old}\n")
    if done.new is not None and not done.promoted:
        raise typer.Exit(1)
