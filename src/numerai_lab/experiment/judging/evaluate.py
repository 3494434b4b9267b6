"""`evaluate`: judge a run's predictions, or anybody's predictions file, on labelled data."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from numerai_lab.config import Data, Experiment, Scoring, data_section
from numerai_lab.data import Dataset, References, columns_of, load_data, load_references
from numerai_lab.errors import RunError, UserError
from numerai_lab.experiment.judging.class_scores import Find, classes_of_run, with_class_scores
from numerai_lab.experiment.judging.era_bounds import EraBound, era_number
from numerai_lab.experiment.judging.extra_scores import check_extra
from numerai_lab.experiment.judging.judge import Judged, judge
from numerai_lab.experiment.judging.planned_again import data_as_read
from numerai_lab.experiment.judging.postprocess import BEFORE, without
from numerai_lab.experiment.judging.summaries import MAIN
from numerai_lab.experiment.judging.variants import variants_of
from numerai_lab.experiment.records import (
    Predictions,
    RunDir,
    check_same_data,
    find_run,
    locked,
    read_predictions,
    relative_paths,
    say_if_unverifiable,
    write_scores,
)
from numerai_lab.experiment.reporter import Reporter
from numerai_lab.files import write_aside, write_json
from numerai_lab.models import Variant


@dataclass(frozen=True)
class EvaluateOptions:
    """What to judge on, where it differs from the run's own config.

    Attributes
    ----------
    data : --data as for train. targets : score these instead; the first is the headline.
    benchmark : benchmark column.
    first, last : eras, both included: numbers, or dates where eras have dates.
    extra : names of scores on demand, shown beside the others; see `extra_scores`.
    command : the command line, for the count of looks at test eras.
    neutralize : take so much of all features out of the predictions first; None: nothing.
    """

    runs_dir: Path
    data: str | None = None
    targets: tuple[str, ...] = ()
    benchmark: str | None = None
    first: EraBound | None = None
    last: EraBound | None = None
    extra: tuple[str, ...] = ()
    command: str = ""
    neutralize: float | None = None

    def __post_init__(self) -> None:
        check_extra(self.extra)
        if self.neutralize is not None and not 0 <= self.neutralize <= 1:
            raise UserError(f"{self.neutralize:g} is not from 0 to 1", where="--neutralize")

    @property
    def as_trained(self) -> bool:
        """Whether nothing differs, so that the scores belong into the run directory."""
        return self == EvaluateOptions(self.runs_dir, command=self.command)


@dataclass(frozen=True)
class Evaluated:
    """One judged thing: a run or a predictions file.

    Attributes
    ----------
    changed : runs whose reports have to be written anew.
    scores_path : the file that has the scores, None where they are printed only.
    """

    name: str
    path: Path
    judged: Judged
    run: RunDir | None
    changed: tuple[RunDir, ...] = ()
    scores_path: Path | None = None


def judge_run(
    run: RunDir,
    predictions: Predictions,
    experiment: Experiment,
    dataset: Dataset,
    references: References,
    baselines: Mapping[str, RunDir],
    say: Callable[[str], None],
) -> Judged:
    """Score a run's predictions beside its baselines and write the tables into the run."""
    judged = judge_predictions(
        predictions,
        baselines,
        experiment.scoring,
        dataset.train_targets[0],
        experiment.seed,
        dataset,
        references,
        say,
        variants=variants_of(run.manifest()),
        trained_on=_trained_on(experiment),
    )
    summary = {
        **_with_origin(judged, run).summary,
        "baselines": relative_paths(run, baselines),
    }
    with write_aside(run.per_era_path) as part:
        table = pa.Table.from_pandas(judged.per_era, preserve_index=False)
        with part.open("wb") as file:
            pq.write_table(table, file)
    write_json(run.path / "exposure.json", {"features": judged.exposure})
    write_scores(run, summary)
    return replace(judged, summary=summary)


def judge_predictions(
    predictions: Predictions,
    baselines: Mapping[str, RunDir],
    scoring: Scoring,
    target: str,
    seed: int,
    dataset: Dataset,
    references: References,
    say: Callable[[str], None],
    first: int | None = None,
    last: int | None = None,
    variants: Sequence[Variant] = (),
    extra: Sequence[str] = (),
    trained_on: str = "",
    neutralize: float | None = None,
) -> Judged:
    """Align predictions and baselines with labelled rows, then score them.

    With `neutralize` the predictions are judged with so much of all features taken out, beside
    what they were before.
    """
    frame = dataset.frame
    if predictions.eras is not None and np.isin(predictions.eras, frame.eras).any():
        # neighbouring eras are a view; picking their rows out of all rows would be a copy
        frame = frame.select_eras(np.intersect1d(predictions.eras, frame.eras))
    rows, mine, unmatched = predictions.align(frame)
    if unmatched:
        say(f"{unmatched} of {len(predictions.ids)} predictions have no labelled row: not judged")
    if first is not None or last is not None:
        spanned = f"{int(rows.eras[0]):04d}-{int(rows.eras[-1]):04d}"
        rows = rows.between(first or int(rows.eras[0]), last or int(rows.eras[-1]))
        if rows.n_eras == 0:
            raise RunError(
                f"no predictions {era_range(first, last)}, they are of eras {spanned}",
                where=predictions.source,
                fix="choose other eras with --from and --to",
            )
        rows, mine, _ = predictions.align(rows)
    columns = dict(mine.columns)
    for name, run in baselines.items():
        theirs = read_predictions(run.checked(run.predictions_path))
        values = theirs.values_for(rows)
        absent = int(np.count_nonzero(np.isnan(values)))
        if absent:
            say(f"baseline {name} has no prediction for {absent} of {rows.n_rows} judged rows")
        columns[name] = values
    compared = list(baselines)
    if neutralize is not None:
        if BEFORE in columns:
            raise RunError(
                "its predictions are neutralised already",
                where=predictions.source,
                fix="leave --neutralize out",
            )
        columns[BEFORE] = columns[MAIN]
        raw = columns[MAIN].astype(np.float32)
        columns[MAIN] = without(raw, rows.features, rows.offsets, neutralize)
        compared.append(BEFORE)
    judged = judge(
        rows,
        columns,
        dataset=dataset,
        references=references,
        target=target,
        scoring=scoring,
        baselines=compared,
        variants=variants,
        seed=seed,
        say=say,
        extra=extra,
        trained_on=trained_on,
    )
    era_folds = dict(zip(rows.row_eras.tolist(), mine.folds.tolist(), strict=True))
    judged.per_era.insert(1, "fold", judged.per_era["era"].map(era_folds).astype(np.int32))
    return judged


def _with_origin(judged: Judged, run: RunDir) -> Judged:
    """Let what was judged tell where a run's predictions come from, if not from its config."""
    origin = run.manifest().get("origin")
    return replace(judged, summary={**judged.summary, "origin": origin}) if origin else judged


def _trained_on(experiment: Experiment) -> str:
    rows = experiment.data.rows
    said = [] if rows is None else [rows.said]
    if experiment.train_on is not None:
        said.append(f"trained on {experiment.label}, judged on {experiment.data.targets[0]}")
    return "; ".join(said)


def era_range(first: int | None, last: int | None) -> str:
    """Say what --from and --to leave, either of which may be left out."""
    if last is None:
        return f"from era {first} on"
    return f"up to era {last}" if first is None else f"between eras {first} and {last}"


def evaluate(spec: str | None, options: EvaluateOptions, reporter: Reporter) -> Evaluated:
    """Judge one thing a person named: a run, an experiment's last run, or a predictions file.

    Without differing options a run's own tables are written anew; otherwise nothing is written.
    """
    path = None if spec is None else Path(spec)
    if path is not None and path.suffix in {".parquet", ".csv"}:
        return evaluate_file(path, options, reporter)
    run = find_run(spec, options.runs_dir)
    experiment = run.experiment()
    say_if_unverifiable(run, reporter.warn)
    # what is damaged is told before gigabytes of data are read
    predictions = read_predictions(run.checked(run.predictions_path))
    baselines = baselines_of(run)
    for baseline in baselines.values():
        say_if_unverifiable(baseline, reporter.warn)
        baseline.checked(baseline.predictions_path)
    if options.data is not None:
        section = data_section(experiment.data, options.data)
    else:
        section = data_as_read(experiment.data, run.manifest()["data"])
    scoring = with_options(experiment.scoring, options)
    targets = list(options.targets) or [experiment.data.targets[0], *scoring.targets]
    dataset = load_data(section, say=reporter.say, targets=targets)
    references = load_references(dataset, reporter.say)
    first, last = bounds_of(options, dataset, reporter)
    if options.data is None:
        check_same_data(run, dataset, references, "judge it on the data there is now with --data")
    if options.as_trained:
        with locked(run):
            judged = judge_run(
                run, predictions, experiment, dataset, references, baselines, reporter.warn
            )
    else:
        judged = judge_predictions(
            predictions,
            baselines,
            scoring,
            targets[0],
            experiment.seed,
            dataset,
            references,
            reporter.warn,
            first,
            last,
            variants_of(run.manifest()),
            options.extra,
            _trained_on(experiment),
            options.neutralize,
        )
        judged = _with_origin(judged, run)
        find: Find | str = partial(
            classes_of_run,
            run=run,
            dataset=dataset,
            scoring=scoring,
            bounds=(first, last),
            reporter=reporter,
        )
        if options.data is not None:
            find = "the folds' models are asked for them on the run's own data, without --data"
        elif targets[0] != experiment.data.targets[0]:
            find = f"classes are learnt of {experiment.data.targets[0]}, not of {targets[0]}"
        judged = with_class_scores(judged, options.extra, find, reporter.warn)
    if not options.as_trained:
        return Evaluated(experiment.name, run.path, judged, run)
    return Evaluated(experiment.name, run.path, judged, run, (run,), run.scores_path)


def baselines_of(run: RunDir) -> dict[str, RunDir]:
    """The runs this one was compared with. Raises RunError when one is gone."""
    found = {}
    done = run.record()
    # DONE has them, too: scores that are damaged are written anew without being read
    known = run.scores() if done is None else done
    for name, folder in known.get("baselines", {}).items():
        found[name] = RunDir(Path(os.path.normpath(run.path / folder)))
        if not found[name].predictions_path.exists():
            raise RunError(
                f"was compared with {name} in {found[name].path}, which is gone",
                where=str(run.path),
                fix=f"bring it back, or judge {run.predictions_path} alone",
            )
    return found


def evaluate_file(path: Path, options: EvaluateOptions, reporter: Reporter) -> Evaluated:
    """Judge a predictions file (id, columns of numbers, era if it has one) on `--data`."""
    data = data_section(Data(), options.data) if options.data else Data()
    own = columns_of(data).era_column.format
    predictions = read_predictions(path, own)
    if predictions.eras is None:
        reporter.say(f"{path}: no column 'era', each id's era is taken from the data")
    if predictions.left_out:
        names = ", ".join(f"'{name}'" for name in predictions.left_out)
        reporter.say(f"{path}: columns that are no predictions are not judged: {names}")
    if MAIN not in predictions.columns:
        first = next(iter(predictions.columns))
        predictions.columns[MAIN] = predictions.columns.pop(first)
        reporter.say(f"{path}: judging column '{first}' as the prediction")
    targets = list(options.targets) or list(data.targets)
    dataset = load_data(data.model_copy(update={"targets": targets}), say=reporter.say)
    judged = judge_predictions(
        predictions,
        {},
        with_options(Scoring(), options),
        targets[0],
        0,
        dataset,
        load_references(dataset, reporter.say),
        reporter.warn,
        *bounds_of(options, dataset, reporter),
        extra=options.extra,
        neutralize=options.neutralize,
    )
    none = "a file of predictions has no probabilities of classes"
    judged = with_class_scores(judged, options.extra, none, reporter.warn)
    return Evaluated(path.stem, path, judged, None)


def bounds_of(
    options: EvaluateOptions, dataset: Dataset, reporter: Reporter
) -> tuple[int | None, int | None]:
    """Return --from and --to as era numbers. Raises UserError; see `era_number`."""
    first = era_number(options.first, "--from", dataset, reporter.say)
    return first, era_number(options.last, "--to", dataset, reporter.say)


def with_options(scoring: Scoring, options: EvaluateOptions) -> Scoring:
    """Lay the command's targets and benchmark over the config's scoring section."""
    changes: dict[str, Any] = {}
    if options.targets:
        changes["targets"] = list(options.targets[1:])
    if options.benchmark is not None:
        changes["benchmark"] = options.benchmark
    return scoring.model_copy(update=changes)
