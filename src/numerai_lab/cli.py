"""The command line: parse, call one function, print. Heavy imports stay inside the commands."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.exceptions import TyperException

from numerai_lab.errors import ConfigError, LabError, MachineError

app = typer.Typer(
    name="numerai-lab",
    help="Era-aware experiments for the Numerai tournament: from one YAML to a judged run.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
config_app = typer.Typer(help="Look at a config without running it.", no_args_is_help=True)
app.add_typer(config_app, name="config")

Config = Annotated[str, typer.Argument(metavar="CONFIG", help="experiment, e.g. configs/xgb.yaml")]
DataOption = Annotated[
    str | None,
    typer.Option(
        "--data", help="folder in Numerai's layout, a profile in configs/data, or a YAML file"
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="override, e.g. model.params.max_depth=6"),
]
RunsDir = Annotated[Path, typer.Option("--runs-dir", help="where runs are kept")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object on stdout")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="only warnings on stderr")]
RUNS = Path("runs")
INTERRUPTED = 130


def emit(value: dict[str, Any]) -> None:
    """Print one JSON object on stdout."""
    sys.stdout.write(json.dumps(value, allow_nan=False) + "\n")


def show(*renderables: Any) -> None:
    """Print tables: in colour on a terminal, as plain 80-column text elsewhere."""
    from rich.console import Console

    from numerai_lab.report import to_text

    if sys.stdout.isatty():
        console = Console()
        for renderable in renderables:
            console.print(renderable)
    else:
        sys.stdout.write("\n".join(to_text(renderable) for renderable in renderables) + "\n")


def warn_on_stderr(sentence: str) -> None:
    """Say a sentence beside the result."""
    sys.stderr.write(f"warning: {sentence}\n")


def print_version(asked: bool) -> None:
    """Print the version and stop, for --version."""
    if asked:
        sys.stdout.write(f"numerai_lab {metadata.version('numerai_lab')}\n")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="the version")
    ] = False,
) -> None:
    """Era-aware experiments for the Numerai tournament: from one YAML to a judged run."""


@app.command()
def train(
    config: Config,
    data: DataOption = None,
    overrides: SetOption = None,
    runs_dir: RunsDir = RUNS,
    run_dir: Annotated[
        Path | None, typer.Option("--run-dir", help="this directory instead of a new one")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="continue an unfinished run where it stopped")
    ] = False,
    final: Annotated[
        bool, typer.Option("--final", help="also fit on all eras: the model that goes live")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="show the folds, train nothing")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run an experiment: folds, predictions, scores, report."""
    from numerai_lab.experiment import Reporter, TrainOptions, fold_facts, prepare, read_experiment
    from numerai_lab.experiment import train as run_training
    from numerai_lab.report import render_plan, write_report

    resolved = read_experiment(config, data, tuple(overrides or ()))
    with Reporter(quiet=quiet) as reporter:
        if plan:
            prepared = prepare(resolved, reporter)
            folds = [fold_facts(fold, prepared) for fold in prepared.plan.folds]
            emit({"folds": folds, "notes": list(prepared.plan.notes)}) if as_json else show(
                render_plan(folds)
            )
            return
        options = TrainOptions(
            runs_dir=runs_dir,
            run_dir=run_dir,
            resume=resume,
            final=final,
            data=data,
            command=shlex.join(["numerai-lab", *sys.argv[1:]]),
        )
        run = run_training(resolved, options, reporter)
        report = write_report(run.path)
    scores, manifest = run.scores(), run.manifest()
    if as_json:
        emit(
            {
                "run_dir": str(run.path),
                "report": str(report),
                "final": (run.final_dir / "DONE").exists(),
                "notice": manifest["data"]["notice"],
                "notes": manifest["notes"],
                "folds": manifest["folds"],
                **scores,
            }
        )
        return
    show_scores(scores, manifest["experiment"])
    sys.stdout.write(f"run     {run.path}\nreport  {report}\n")


def show_scores(scores: dict[str, Any], name: str) -> None:
    """Print the score table and comparisons; warnings have been said on stderr already."""
    from numerai_lab.report import render_comparison, render_scores

    show(render_scores({**scores, "warnings": []}, name))
    if scores["comparisons"]:
        show(render_comparison(scores["comparisons"]))
    if scores["source"] == "synthetic":
        sys.stdout.write("\n*** SYNTHETIC DATA: these scores say nothing about Numerai ***\n\n")


@app.command()
def evaluate(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN ...]",
            help="run directories, experiments (their last run) or prediction files; "
            "the last run if left out",
        ),
    ] = None,
    data: DataOption = None,
    target: Annotated[
        list[str] | None, typer.Option("--target", help="score against this; may be repeated")
    ] = None,
    benchmark: Annotated[
        str | None, typer.Option("--benchmark", help="benchmark column for bmc, or none")
    ] = None,
    first: Annotated[int | None, typer.Option("--from", help="first era judged")] = None,
    last: Annotated[int | None, typer.Option("--to", help="last era judged")] = None,
    runs_dir: RunsDir = RUNS,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Judge predictions again: of runs, or of any parquet or CSV file with id and era."""
    from numerai_lab.experiment import EvaluateOptions, Reporter
    from numerai_lab.experiment import evaluate as judge_again
    from numerai_lab.report import write_report

    options = EvaluateOptions(runs_dir, data, tuple(target or ()), benchmark, first, last)
    specs: list[str | None] = [*what] if what else [None]
    with Reporter(quiet=quiet) as reporter:
        found = [judge_again(spec, options, reporter) for spec in specs]
        if options.as_trained:
            for item in found:
                if item.run is not None:
                    write_report(item.run.path)
    results = [
        {
            "run_dir": str(item.path),
            "folds": item.run.manifest()["folds"] if item.run else [],
            "notes": item.run.manifest()["notes"] if item.run else [],
            **item.judged.summary,
        }
        for item in found
    ]
    if as_json:
        emit(results[0] if len(results) == 1 else {"results": results})
        return
    for item in found:
        sys.stdout.write(f"{item.path}\n")
        show_scores(item.judged.summary, item.name)


@app.command()
def compare(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN RUN ...", help="the first one is the baseline")
    ],
    metric: Annotated[str, typer.Option("--metric", help="corr, mmc, bmc, fnc ...")] = "corr",
    runs_dir: RunsDir = RUNS,
    as_json: Json = False,
) -> None:
    """Paired per-era difference between runs, with its interval and probability."""
    from numerai_lab.experiment import compare as compare_runs
    from numerai_lab.report import render_comparison

    rows = compare_runs(runs, runs_dir, metric, warn_on_stderr)
    if as_json:
        emit({"comparisons": rows})
        return
    for row in rows:
        sys.stdout.write(
            f"{row['prediction']}: mean {metric} {row['mean']:+.4f}\n"
            f"{row['baseline']}: mean {metric} {row['baseline_mean']:+.4f}\n"
        )
    show(render_comparison(rows))


@app.command()
def runs(runs_dir: RunsDir = RUNS, as_json: Json = False) -> None:
    """List runs with their headline numbers."""
    from numerai_lab.experiment import list_runs
    from numerai_lab.report import render_runs

    rows = list_runs(runs_dir)
    emit({"runs": rows}) if as_json else show(render_runs(rows))


@app.command()
def report(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="run directory or experiment")
    ] = None,
    runs_dir: RunsDir = RUNS,
    as_json: Json = False,
) -> None:
    """Write a run's report.html anew and print its path."""
    from numerai_lab.experiment import find_run
    from numerai_lab.report import write_report

    path = write_report(find_run(run, runs_dir).path)
    emit({"report": str(path)}) if as_json else sys.stdout.write(f"{path}\n")


@app.command()
def models(
    name: Annotated[str | None, typer.Argument(metavar="[MODEL]")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="test that the model keeps the protocol's promises")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the models, or explain one model's parameters."""
    from numerai_lab.models import check_model, describe_params, get_model, list_models

    if name is None:
        entries = list_models()
        if as_json:
            emit({"models": [asdict(entry) for entry in entries]})
            return
        for entry in entries:
            state = entry.summary if entry.available else f"unavailable: {entry.reason}"
            sys.stdout.write(f"{entry.name:<16} {state}\n")
        return
    if check:
        check_model(get_model(name))
        emit({"model": name, "check": "passed"}) if as_json else sys.stdout.write(
            f"{name} keeps every promise of the protocol\n"
        )
        return
    rows = describe_params(name)
    if as_json:
        emit({"model": name, "params": [row._asdict() for row in rows]})
        return
    for row in rows:
        sys.stdout.write(f"{row.key}: {row.type} = {row.default}\n    {row.description}\n")


@config_app.command("show")
def config_show(
    config: Config,
    data: DataOption = None,
    overrides: SetOption = None,
    origins: Annotated[
        bool, typer.Option("--origins", help="say beside each value where it was written")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print the config as it resolves: parents, data profile and --set merged, defaults filled."""
    from numerai_lab.config import resolved_yaml
    from numerai_lab.experiment import read_experiment

    resolved = read_experiment(config, data, tuple(overrides or ()))
    if as_json:
        emit(resolved.experiment.model_dump(mode="json", by_alias=True))
        return
    sys.stdout.write(resolved_yaml(resolved.experiment, resolved.places if origins else None))


@config_app.command("check")
def config_check(
    configs: Annotated[list[str], typer.Argument(metavar="CONFIG ...")],
    data: DataOption = None,
    overrides: SetOption = None,
    as_json: Json = False,
) -> None:
    """Check configs and report every mistake with its line; reads no data."""
    from numerai_lab.config import config_hash
    from numerai_lab.experiment import read_experiment

    hashes, mistakes = {}, []
    for config in configs:
        try:
            resolved = read_experiment(config, data, tuple(overrides or ()))
            hashes[config] = config_hash(resolved.experiment)
        except ConfigError as error:
            mistakes.append(str(error))
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    if as_json:
        emit({"configs": hashes})
        return
    for config, digest in hashes.items():
        sys.stdout.write(f"{config}: fine (hash {digest})\n")


@config_app.command("schema")
def config_schema(as_json: Json = False) -> None:
    """Print the JSON schema of experiments, for editors."""
    from numerai_lab.config import json_schema

    schema = json_schema()
    emit(schema) if as_json else sys.stdout.write(json.dumps(schema, indent=2) + "\n")


def main() -> NoReturn:
    """Entry point: a user's mistake becomes one sentence on stderr and exit code 2."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    try:
        code = typer.main.get_command(app).main(
            args=arguments, prog_name="numerai-lab", standalone_mode=False
        )
        if code == INTERRUPTED:
            sentence = "stopped; what was finished is kept, train goes on with --resume"
            return fail(sentence, INTERRUPTED, arguments)
    except TyperException as error:  # a wrong option or argument
        return fail(error.format_message(), 2, arguments)
    except LabError as error:
        return fail(str(error), error.exit_code, arguments)
    except MemoryError:
        full = MachineError(
            "not enough memory", fix="load fewer features or eras (data.feature_set, data.eras)"
        )
        return fail(str(full), full.exit_code, arguments)
    except OSError as error:
        return fail(f"{error.filename or 'a file'}: {error.strerror or error}", 1, arguments)
    return 0


def fail(message: str, code: int, arguments: list[str]) -> int:
    """Print an error: a sentence on stderr, and with --json also an object on stdout."""
    sys.stderr.write(f"error: {message}\n")
    if "--json" in arguments:
        emit({"error": message, "exit_code": code})
    return code
