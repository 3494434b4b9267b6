"""`evaluate RUN --test`: judge a run in the eras its split keeps for a test, and count the look.

The predictions are made here, by the fold's model, and not kept: before the first look there are
none that anything could judge uncounted, and training touches no row of the test. A model that
learns from labels as they become known is led from the first judged era on through every labelled
era, so at each test era it knows what it would know live: also the labels of test eras that lie
more than the purge before.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from numerai_lab.arrays import Eras, Float64
from numerai_lab.checksums import marks_of, write_sealed
from numerai_lab.config import Scoring
from numerai_lab.data import Dataset, References, choose_benchmark
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import RunError
from numerai_lab.experiment.judging.class_scores import (
    Find,
    summarised,
    with_class_scores,
)
from numerai_lab.experiment.judging.evaluate import (
    Evaluated,
    EvaluateOptions,
    baselines_of,
    bounds_of,
    era_range,
    with_options,
)
from numerai_lab.experiment.judging.judge import Judged, judge
from numerai_lab.experiment.judging.looks import Looks, count_look, has_test, read_looks
from numerai_lab.experiment.judging.planned_again import fold_model, planned_again
from numerai_lab.experiment.judging.postprocess import judged_columns
from numerai_lab.experiment.judging.summaries import MAIN
from numerai_lab.experiment.plan import (
    Prepared,
    purge_eras,
)
from numerai_lab.experiment.planned_folds import fold_facts
from numerai_lab.experiment.predicting import predict_eras
from numerai_lab.experiment.records import (
    RECORD,
    TEST_SCORES,
    Damaged,
    RunDir,
    find_run,
    iter_runs,
    judged_on,
    locked,
    record,
    relative_paths,
    say_if_unverifiable,
)
from numerai_lab.experiment.reporter import Reporter
from numerai_lab.files import write_aside
from numerai_lab.models import Model


def evaluate_test(spec: str | None, options: EvaluateOptions, reporter: Reporter) -> Evaluated:
    """Judge a run's fold model in its test eras, beside the baselines' fold models.

    The look is counted before anything is judged, in the run and in each baseline. With differing
    options (another target, fewer eras) it is counted all the same, and nothing else is written.

    Parameters
    ----------
    spec : a run directory or an experiment's name. options : all but `data` may be used.

    Raises
    ------
    RunError : not a finished run with a test, other data than those it was made from, or one of
        its files is damaged.
    """
    run = _run_with_test(spec, options)
    say_if_unverifiable(run, reporter.warn)
    baselines = baselines_of(run)
    with contextlib.ExitStack() as held:
        for one in (run, *baselines.values()):
            held.enter_context(locked(one))
        prepared, references = _prepared(run, None, options.targets, reporter)
        (fold,) = prepared.plan.folds
        eras = _asked(fold.test, bounds_of(options, prepared.dataset, reporter), run)
        model, rows, columns = _predicted(run, prepared, references, eras, reporter)
        for name, baseline in baselines.items():
            say_if_unverifiable(baseline, reporter.warn)
            theirs, own = _prepared(baseline, prepared.dataset, (), reporter)
            _, _, found = _predicted(baseline, theirs, own, eras, reporter)
            columns[name] = found[MAIN]
        # what is mistyped is refused before the look is counted; what comes after it was a look
        scoring = with_options(prepared.experiment.scoring, options)
        choose_benchmark(scoring.benchmark, references.benchmarks)
        looks = count_look(run, options.command, reporter.warn, keeps_scores=options.as_trained)
        for baseline in baselines.values():
            count_look(
                baseline, options.command, reporter.warn, keeps_scores=False, baseline_of=run
            )
        judged = _judged(
            rows, columns, prepared, references, [*baselines], scoring, options, reporter
        )
        find: Find | str = partial(
            summarised, opened=[(model, rows)], prepared=prepared, scoring=scoring
        )
        if options.targets[:1] not in ((), (prepared.target,)):
            find = f"classes are learnt of {prepared.target}, not of {options.targets[0]}"
        judged = with_class_scores(judged, options.extra, find, reporter.warn)
        test = _facts(run, prepared, looks, options, reporter)
        summary = {**judged.summary, "baselines": relative_paths(run, baselines), "test": test}
        judged = replace(judged, summary=summary)
        if options.as_trained:
            _write(run, judged)
    scores_path = run.test_scores_path if options.as_trained else None
    changed = (run, *baselines.values())
    return Evaluated(prepared.experiment.name, run.path, judged, run, changed, scores_path)


def _run_with_test(spec: str | None, options: EvaluateOptions) -> RunDir:
    if spec is not None and Path(spec).suffix in {".parquet", ".csv"}:
        raise RunError(
            "is a file of predictions, and a test is of a run's own model",
            where=spec,
            fix="name a run with --test, or leave --test out",
        )
    if options.data is not None:
        raise RunError(
            "judges a run in the test eras of its own data",
            where="--test",
            fix="leave --data out",
        )
    run = find_run(spec, options.runs_dir)
    manifest = run.manifest()
    if "continued" in manifest:
        raise RunError(
            "has the folds of the run whose final model it grew",
            where=str(run.path),
            fix=f"test that one: `numerai-lab evaluate {manifest['continued']['parent']} --test`",
        )
    if not has_test(manifest):
        raise RunError(
            "was trained with a split that keeps no eras for a test",
            where=str(run.path),
            fix="train with split: {type: holdout, train: ..., validate: ..., test: {from: ERA}}",
        )
    if not run.finished:
        raise RunError(
            "is not finished", where=str(run.path), fix=f"finish it with `{run.completing()}`"
        )
    return run


def _prepared(
    run: RunDir, loaded: Dataset | None, targets: tuple[str, ...], reporter: Reporter
) -> tuple[Prepared, References]:
    """Plan a run again, on the rows it was made from; the test eras must be the same ones."""
    prepared, references = planned_again(
        run, loaded, targets, reporter, "bring the files back that it was trained on"
    )
    mine = json.loads(json.dumps([fold_facts(f, prepared) for f in prepared.plan.folds]))
    told = run.manifest()["folds"]
    if [f.get("test_eras") for f in mine] != [f.get("test_eras") for f in told]:
        raise RunError(
            "its test eras are not those that this version would keep of its data",
            where=str(run.path),
            fix="train this experiment again",
        )
    return prepared, references


def _predicted(
    run: RunDir,
    prepared: Prepared,
    references: References,
    eras: Eras,
    reporter: Reporter,
) -> tuple[Model, EraFrame, dict[str, Float64]]:
    """Predict test eras with the fold's model: it, the rows, float64 [n_rows] columns by name."""
    (fold,) = prepared.plan.folds
    model, facts = fold_model(run, prepared, fold.index)
    frame = prepared.dataset.frame
    rows = frame.select_eras(eras)
    detail = predict_eras(
        model,
        rows,
        frame,
        trained_to=facts["train"]["last"],
        purge_eras=purge_eras(prepared),
        since=int(fold.judged[0]),
        past=prepared.past,
    )
    for note in detail.notes:
        reporter.warn(note)
    columns = judged_columns(detail, rows, prepared, references)
    wide = {name: np.asarray(values, dtype=np.float64) for name, values in columns.items()}
    return model, rows, wide


def _asked(test: Eras, bounds: tuple[int | None, int | None], run: RunDir) -> Eras:
    first, last = bounds
    eras = test if first is None else test[test >= first]
    eras = eras if last is None else eras[eras <= last]
    if len(eras) == 0:
        raise RunError(
            f"no test eras {era_range(first, last)}, they are {test[0]}-{test[-1]}",
            where=str(run.path),
            fix="choose other eras with --from and --to",
        )
    return eras


def _judged(
    rows: EraFrame,
    columns: Mapping[str, Float64],
    prepared: Prepared,
    references: References,
    baselines: list[str],
    scoring: Scoring,
    options: EvaluateOptions,
    reporter: Reporter,
) -> Judged:
    experiment = prepared.experiment
    targets = options.targets or (prepared.target,)
    judged = judge(
        rows,
        columns,
        dataset=prepared.dataset,
        references=references,
        target=targets[0],
        scoring=scoring,
        baselines=baselines,
        variants=prepared.info.variants,
        seed=experiment.seed,
        say=reporter.warn,
        extra=options.extra,
        trained_on="" if experiment.data.rows is None else experiment.data.rows.said,
    )
    judged.per_era.insert(1, "fold", np.int32(prepared.plan.folds[0].index))
    return judged


def _facts(
    run: RunDir, prepared: Prepared, looks: Looks, options: EvaluateOptions, reporter: Reporter
) -> dict[str, Any]:
    """Return what stands beside the scores: which eras, how often they were looked at, by whom."""
    (fold,) = prepared.plan.folds
    runs, others = _elsewhere(run, options.runs_dir, reporter)
    return {
        **fold_facts(fold, prepared)["test"],
        "looks": looks.number,
        "said": looks.words,
        "look": looks.entries[-1],
        "final": run.has_final,
        "other_runs": runs,
        "looks_in_other_runs": others,
    }


def _elsewhere(run: RunDir, runs_dir: Path, reporter: Reporter) -> tuple[int, int]:
    """Count other runs that looked at some of these test eras of the same rows, and their looks."""

    def damaged(_: RunDir, error: RunError) -> None:
        reporter.warn(f"looks of another run are not counted: {error}")

    rows, mine = judged_on(run).rows, _eras_of(run)
    runs = looks = 0
    for other in iter_runs(runs_dir, damaged=damaged):
        if other.path.resolve() == run.path.resolve() or not has_test(other.manifest()):
            continue
        theirs = _eras_of(other)
        if judged_on(other).rows != rows or theirs[0] > mine[1] or mine[0] > theirs[1]:
            continue
        try:
            known = read_looks(other)
        except Damaged as error:
            damaged(other, error)
            continue
        # as a baseline it was looked at beside another run, which is counted there
        own = known.number - sum(look["baseline_of"] is not None for look in known.entries)
        runs, looks = runs + (own > 0), looks + own
    return runs, looks


def _eras_of(run: RunDir) -> tuple[int, int]:
    test = next(f["test"] for f in run.manifest()["folds"] if f.get("test_eras"))
    return test["first"], test["last"]


def _write(run: RunDir, judged: Judged) -> None:
    with write_aside(run.test_per_era_path) as part:
        pq.write_table(pa.Table.from_pandas(judged.per_era, preserve_index=False), part)
    marks = marks_of(run.path, [run.test_per_era_path.name])
    own = record(run.owner(), TEST_SCORES, marks)
    write_sealed(run.test_scores_path, {**judged.summary, RECORD: own})
