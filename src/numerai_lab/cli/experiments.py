"""train, evaluate: from an experiment to its numbers."""

from __future__ import annotations

import contextlib
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from numerai_lab.cli.desktop import Open, open_page
from numerai_lab.cli.options import RUNS, DataOption, Json, Quiet, RunsDir, SetOption
from numerai_lab.cli.output import (
    emit,
    kept,
    refresh_board_of,
    show,
    show_curve,
    show_scores,
)
from numerai_lab.cli.planning import tell_plan
from numerai_lab.cli.sweeping import sweep_values
from numerai_lab.errors import UserError, check_name

if TYPE_CHECKING:
    from numerai_lab.config import Resolved


def train(
    config: Annotated[
        str | None, typer.Argument(metavar="[CONFIG]", help="experiment, e.g. configs/xgb.yaml")
    ] = None,
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
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster", metavar="WHERE", help="Dask: local:N processes, or tcp://HOST:8786"
        ),
    ] = None,
    parent: Annotated[
        str | None,
        typer.Option(
            "--continue",
            metavar="RUN",
            help="instead of a CONFIG: grow this run's final model on eras resolved since",
        ),
    ] = None,
    amount: Annotated[
        int | None,
        typer.Option(
            "--amount",
            "--rounds",
            min=1,
            help="with --continue: rounds (or epochs, the model's steps) to add; default: as many "
            "an era as before",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            "--seeds",
            metavar="N",
            help="train with N seeds, the config's own first, and tell what the seed changes",
        ),
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option(
            "--sweep",
            metavar="KEY=A,B,C",
            help="train with each value, e.g. model.params.max_depth=4,5,6, and compare them",
        ),
    ] = None,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="show folds, memory and time; train nothing"),
    ] = False,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="a first look: every 4th era, as an experiment NAME.quick"),
    ] = False,
    open_it: Open = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run an experiment: folds, predictions, scores, report."""
    from numerai_lab.experiment import (
        ClusterExecutor,
        Here,
        Reporter,
        TrainOptions,
        brief_of_test,
        continue_run,
        open_cluster,
        quickly,
        read_experiment,
        scored_eras,
        told_how_to_go_on,
        told_of_seeds,
        told_of_test,
        train_seeds,
    )
    from numerai_lab.experiment import train as run_training
    from numerai_lab.report import render_seeds, render_test, write_report

    if parent is None and amount is not None:
        raise UserError("only goes with --continue", where="--amount")
    if (config is None) == (parent is None):
        raise UserError("give a CONFIG, or --continue RUN (which has its own)")
    own_config = overrides or run_dir or resume or final or plan or cluster or quick
    own_config = own_config or seeds is not None or sweep is not None
    if parent is not None and own_config:
        raise UserError(
            "makes a new run of a run's own config: --set, --run-dir, --resume, --final, --seeds, "
            "--sweep, --quick, --plan and --cluster do not go with it",
            where="--continue",
        )
    if seeds is not None and (run_dir or plan):
        raise UserError(
            "makes a run for each seed: --run-dir and --plan, which are of one run, do not go with "
            "it",
            where="--seeds",
            fix="say with --runs-dir where runs go",
        )
    if sweep is not None and (run_dir or resume or plan or final or seeds is not None):
        raise UserError(
            "makes a run for each value, or goes on with it: --run-dir, --resume, --plan, --final "
            "and --seeds do not go with it",
            where="--sweep",
            fix="train the one you choose by its value: --set KEY=VALUE --final",
        )
    for folder in (runs_dir, run_dir, data):
        check_name(folder)
    if quick and final:
        raise UserError("is a first look, and no model to go live", where="--quick")
    resolved = None if config is None else read_experiment(config, data, tuple(overrides or ()))
    if quick and resolved is not None:
        resolved = quickly(resolved)
    with contextlib.ExitStack() as held:
        reporter = Reporter(quiet=quiet)
        held.enter_context(told_how_to_go_on(reporter, final=final))
        held.enter_context(reporter)
        if plan and resolved is not None:
            tell_plan(resolved, data, runs_dir, reporter, as_json=as_json)
            return
        options = TrainOptions(
            runs_dir=runs_dir,
            run_dir=run_dir,
            resume=resume,
            final=final,
            data=data,
            command=shlex.join(["numerai-lab", *sys.argv[1:]]),
            executor=ClusterExecutor(held.enter_context(open_cluster(cluster, reporter)))
            if cluster
            else Here(),
        )
        if sweep is not None:

            def read(override: str) -> Resolved:
                one = read_experiment(str(config), data, (*(overrides or ()), override))
                return quickly(one) if quick else one

            sweep_values(sweep, read, options, reporter, as_json=as_json)
            return
        if resolved is None:
            run = continue_run(str(parent), amount, options, reporter)
        elif seeds is not None:
            run, *others = train_seeds(resolved, seeds, options, reporter)
            for other in others:
                write_report(other.path)
        else:
            run = run_training(resolved, options, reporter)
        report = write_report(run.path)
        refresh_board_of(runs_dir)
        kept(f"the run is {run.path}")
        if open_it:
            open_page(report)
        scores, manifest, test = run.scores(), run.manifest(), told_of_test(run)
        noise = told_of_seeds(run)
        if as_json:
            emit(
                {
                    "run_dir": str(run.path),
                    "report": str(report),
                    "final": run.has_final,
                    "notice": manifest["data"]["notice"],
                    "notes": manifest["notes"],
                    "folds": manifest["folds"],
                    **scores,
                    **({} if test is None else {"test": brief_of_test(test)}),
                    **({} if noise is None else {"seeds": noise}),
                }
            )
            return
        show_scores(scores, manifest["experiment"])
        show_curve(scored_eras(run))
        if noise is not None:
            show(render_seeds(noise))
        if test is not None:
            show(render_test(test))
        sys.stdout.write(f"run     {run.path}\nreport  {report}\n")


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
    first: Annotated[
        str | None,
        typer.Option("--from", metavar="ERA", help="first era judged; a date where eras are dates"),
    ] = None,
    last: Annotated[
        str | None,
        typer.Option("--to", metavar="ERA", help="last era judged; a date where eras are dates"),
    ] = None,
    extra: Annotated[
        list[str] | None,
        typer.Option(
            "--extra",
            help="also r2, rmse, mae, log_loss, accuracy or macro_f1 per era; may be repeated",
        ),
    ] = None,
    neutralize: Annotated[
        float | None,
        typer.Option(
            "--neutralize", metavar="SHARE", help="judge with so much of all features taken out"
        ),
    ] = None,
    test: Annotated[
        bool,
        typer.Option(
            "--test", help="judge a run in the test eras of its split; every look is counted"
        ),
    ] = False,
    runs_dir: RunsDir = RUNS,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Judge predictions again: of runs, or of any parquet or CSV file with ids and numbers."""
    from numerai_lab.experiment import (
        EvaluateOptions,
        Reporter,
        era_bound,
        evaluate_test,
        main_scores,
        told_of_seeds,
    )
    from numerai_lab.experiment import evaluate as judge_again
    from numerai_lab.report import render_seeds, render_test, write_report

    options = EvaluateOptions(
        runs_dir,
        data,
        tuple(target or ()),
        benchmark,
        None if first is None else era_bound(first, "--from"),
        None if last is None else era_bound(last, "--to"),
        tuple(dict.fromkeys(extra or ())),
        shlex.join(["numerai-lab", *sys.argv[1:]]),
        neutralize,
    )
    if test and neutralize is not None:
        raise UserError(
            "judges otherwise than --test, and does not go with it", where="--neutralize"
        )
    specs: list[str | None] = [*what] if what else [None]
    with Reporter(quiet=quiet) as reporter:
        how = evaluate_test if test else judge_again
        found = [how(spec, options, reporter) for spec in specs]
        for item in found:
            for run in item.changed:
                # a baseline that another run was compared with may have no report yet
                if run == item.run or (run.path / "report.html").exists():
                    write_report(run.path)
    if any(item.changed for item in found):
        refresh_board_of(runs_dir)
    scores_paths = [item.scores_path for item in found]
    if None not in scores_paths:
        kept(f"the scores are in {', '.join(map(str, scores_paths))}")
    # they are of the run as it was trained: not of other targets, eras or the test
    noises = [
        told_of_seeds(item.run) if item.run and options.as_trained and not test else None
        for item in found
    ]
    results = [
        {
            "run_dir": str(item.path),
            "folds": item.run.manifest()["folds"] if item.run else [],
            "notes": item.run.manifest()["notes"] if item.run else [],
            **item.judged.summary,
            **({} if noise is None else {"seeds": noise}),
        }
        for item, noise in zip(found, noises, strict=True)
    ]
    if as_json:
        emit(results[0] if len(results) == 1 else {"results": results})
        return
    for item, noise in zip(found, noises, strict=True):
        sys.stdout.write(f"{item.path}\n")
        show_scores(item.judged.summary, item.name)
        show_curve(main_scores(item.judged.per_era, item.judged.summary["target"]))
        if noise is not None:
            show(render_seeds(noise))
        if test:
            show(render_test(item.judged.summary["test"]))
