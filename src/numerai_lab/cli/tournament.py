"""predict, submit: from a finished run to predictions that Numerai has."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from numerai_lab.cli.access import chosen_final, environment, state_of
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
from numerai_lab.cli.output import emit, kept


def predict(
    run: FinalRun = None,
    features: Annotated[
        Path | None,
        typer.Option(
            "--features",
            help="rows to predict: file, folder of part files, glob; live file beside the data",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help=".csv or .parquet; into the run if left out")
    ] = None,
    runs_dir: RunsDir = RUNS,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Predict live rows, or any parquet file with the features, with a run's final model."""
    from numerai_lab.experiment import Reporter, live_file
    from numerai_lab.tournament import predict as predict_file
    from numerai_lab.tournament import predictions_file, write_predictions

    with Reporter(quiet=quiet) as reporter:
        final = chosen_final(run, runs_dir, reporter)
        source = features or live_file(final, reporter.say)
        target = predictions_file(final, source, out)
        found = predict_file(final, source, say=reporter.say)
        write_predictions(found, target)
        if final.synthetic:
            reporter.warn("a run on synthetic data: its predictions mean nothing to Numerai")
        if found.n_in_sample:
            first, last = final.trained_eras
            reporter.warn(
                f"IN-SAMPLE: {found.n_in_sample} of {found.n_eras} eras lie in {first}-{last}, "
                "which the final model was trained on; their scores would prove nothing"
            )
    kept(f"the predictions are in {target}")
    if as_json:
        emit(
            {
                "run_dir": str(final.run.path),
                "experiment": final.experiment.name,
                "features": str(source),
                "out": str(target),
                "n_rows": len(found.values),
                "n_eras": found.n_eras,
                "n_in_sample": found.n_in_sample,
            }
        )
        return
    sys.stdout.write(f"{len(found.values):,} predictions  {target}\n")


def submit(
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="run for --slot; the runs of submit.yaml if left out"),
    ] = None,
    slot: Annotated[
        str | None, typer.Option("--slot", help="this slot only, or the model for RUN")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="slots to submit  [default: configs/submit.yaml]"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="do everything but the upload; writes no receipt")
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="also a live file far shorter or longer than usual"),
    ] = False,
    trust: Trust = False,
    wait: Annotated[
        str, typer.Option("--wait", help="how long to wait for the round and to try again: 45m")
    ] = "0",
    deadline: Annotated[
        str,
        typer.Option("--deadline", help="longest a start may take, beyond --wait"),
    ] = "30m",
    state_dir: StateDir = STATE,
    env_file: EnvFile = None,
    runs_dir: RunsDir = RUNS,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Submit every slot once in the current round; made to be started by cron, again and again.

    Exit codes: 0 every slot is submitted, or another submit is at work; 75 the round is not open;
    1 a slot failed through no fault of yours, or some failed and the others went on, or another
    submit hangs; 2 every slot failed and it is yours to mend.
    """
    from numerai_lab.tournament import (
        OnFailure,
        Outcome,
        Patience,
        Session,
        chosen_slots,
        parse_duration,
        redact,
        told_if_nothing_begins,
    )
    from numerai_lab.tournament import submit as submit_slots

    environ = environment(env_file)
    slots, on_failure = chosen_slots(config, slot, run)

    def log(sentence: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        sys.stderr.write(f"{now} {redact(sentence, environ)}\n")
        sys.stderr.flush()

    def show_outcome(outcome: Outcome) -> None:
        kept(outcome.summary)
        if as_json:
            emit({"round": outcome.round, "slots": [one.to_json() for one in outcome.slots]})
        else:
            for one in outcome.slots:
                sys.stdout.write(f"{one}\n")
        sys.stdout.flush()
        log(f"{'error: ' if outcome.exit_code else ''}{outcome.summary}")

    def warn(sentence: str) -> None:
        log(f"warning: {sentence}")

    whom = OnFailure() if dry_run or on_failure is None else on_failure
    memory = state_dir / ".told.json"
    with told_if_nothing_begins(whom, memory=memory, environ=environ, say=warn):
        session = Session(
            state_of(state_dir, environ),
            runs_dir,
            environ,
            say=(lambda _: None) if quiet else log,
            warn=warn,
            force=force,
            trust=trust,
            limit_seconds=parse_duration(deadline, "--deadline"),
        )
        outcome = submit_slots(
            slots,
            session,
            Patience(parse_duration(wait)),
            on_failure=on_failure or OnFailure(),
            dry_run=dry_run,
            stopped=show_outcome,
        )
    show_outcome(outcome)
    if outcome.exit_code:
        raise typer.Exit(outcome.exit_code)
