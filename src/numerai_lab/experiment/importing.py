"""`import`: a run of predictions that were made elsewhere, judged as any other."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from numerai_lab.config import (
    EXPERIMENT_NAME,
    Data,
    Experiment,
    HoldoutSplit,
    ModelSection,
    Resolved,
    Scoring,
    Split,
    data_section,
    resolved_yaml,
)
from numerai_lab.data import Dataset, columns_of, load_data
from numerai_lab.errors import ConfigError, RunError
from numerai_lab.experiment.beginning import TrainOptions
from numerai_lab.experiment.judging import MAIN
from numerai_lab.experiment.plan import read_experiment
from numerai_lab.experiment.records import Predictions, RunDir, read_predictions
from numerai_lab.experiment.reporter import Reporter
from numerai_lab.experiment.train import train


def import_predictions(
    file: Path,
    name: str,
    options: TrainOptions,
    reporter: Reporter,
    *,
    config: str | None = None,
    targets: tuple[str, ...] = (),
    column: str | None = None,
    question: str = "",
) -> RunDir:
    """Make a run of a file of predictions: its rows judged by id, in the eras that it predicts.

    Parameters
    ----------
    file : parquet or CSV with `id`, a column of numbers, and `era` if it has one, which is checked.
    name : of the experiment.
    config : an experiment whose data, split and scoring are taken over; None: `options.data`, and
        one fold with all eras from the first to the last one predicted.
    targets : to be judged on, instead of those of the config or `target`; the main one first.
    column : which one is judged; None: `prediction`, or the first one of numbers.

    Raises
    ------
    RunError : the file is damaged or has no such column, or none of its ids is a labelled row.
    ConfigError, DataError, SplitError : as `train`.
    """
    if re.fullmatch(EXPERIMENT_NAME, name) is None:
        raise ConfigError(
            f"'{name}' is no name for an experiment",
            where="--name",
            fix="use letters, digits, '.', '_' and '-'",
        )
    base = None if config is None else read_experiment(config, options.data, ()).experiment
    section, scoring = (Data(), Scoring()) if base is None else (base.data, base.scoring)
    if base is None and options.data is not None:
        section = data_section(section, options.data)
    if targets:
        section = section.model_copy(update={"targets": [targets[0]]})
        scoring = scoring.model_copy(update={"targets": list(targets[1:])})
    form = columns_of(section).era_column.format
    predictions = read_predictions(file, form)
    chosen = _column(predictions, column, reporter)
    dataset: Dataset | None = None
    if base is None:
        dataset = load_data(section, say=reporter.say, targets=scoring.targets)
        split = _as_predicted(predictions, dataset, reporter)
    else:
        split = base.split
    experiment = Experiment(
        name=name,
        question=question,
        seed=0 if base is None else base.seed,
        data=section,
        split=split,
        model=ModelSection(type="imported", params={"file": str(file.resolve()), "column": chosen}),
        scoring=scoring,
        compare_to=[] if base is None else base.compare_to,
    )
    path = file if config is None else Path(config)
    resolved = Resolved(experiment, path, resolved_yaml(experiment), {})
    return train(resolved, options, reporter, dataset)


def _as_predicted(predictions: Predictions, dataset: Dataset, reporter: Reporter) -> Split:
    """Return one fold of all labelled eras from the first to the last one predicted."""
    rows, _, unmatched = predictions.align(dataset.frame)
    if unmatched:
        total = len(predictions.ids)
        reporter.warn(f"{unmatched:,} of {total:,} predictions have no labelled row: not judged")
    judged = {"from": int(rows.eras[0]), "to": int(rows.eras[-1])}
    return HoldoutSplit.model_validate({"type": "holdout", "validate": judged})


def _column(predictions: Predictions, asked: str | None, reporter: Reporter) -> str:
    there = predictions.columns
    if asked is not None and asked not in there:
        raise RunError(
            f"has no column '{asked}' of numbers (there: {', '.join(there)})",
            where=predictions.source,
            fix="name another with --column",
        )
    chosen = asked or (MAIN if MAIN in there else next(iter(there)))
    if chosen != MAIN:
        reporter.say(f"{predictions.source}: judging column '{chosen}' as the prediction")
    absent = int(np.isnan(there[chosen]).sum())
    if absent:
        reporter.warn(f"{absent:,} of {len(there[chosen]):,} predictions are NaN: not judged")
    return chosen
