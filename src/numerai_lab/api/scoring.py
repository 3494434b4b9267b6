"""`score` and `compare`: predictions judged as those of a run are, with or without a run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from numerai_lab.api.given import PredictionsLike, as_predictions
from numerai_lab.api.loading import LoadedFrame, Source, load
from numerai_lab.config import Scoring
from numerai_lab.data import load_references
from numerai_lab.eraframe import EraFrame, era_label
from numerai_lab.errors import UserError
from numerai_lab.experiment import (
    DataIdentity,
    Reporter,
    RunDir,
    Series,
    compare_series,
    data_facts,
    data_identity,
    find_run,
    judge_predictions,
    read_series,
    series_of,
)


@dataclass(frozen=True, eq=False)
class Scores:
    """What judging gave.

    Attributes
    ----------
    name : what the predictions are called in comparisons.
    summary : what `evaluate --json` prints: every number, with warnings and comparisons.
    per_era : one row per era, prediction and target, `era` as in Numerai's files ("0575"); scores
        are float64, NaN where there is none.
    """

    name: str
    summary: Mapping[str, Any]
    per_era: pd.DataFrame
    data: DataIdentity
    era_dates: Mapping[int, date]

    @property
    def scores(self) -> pd.DataFrame:
        """One row for each target, prediction and metric: mean, interval, Sharpe, drawdown, ..."""
        return scores_table(self.summary)

    @property
    def synthetic(self) -> bool:
        """Whether the rows are made up: the scores then say nothing about Numerai."""
        return self.data.synthetic

    def __repr__(self) -> str:
        mark = ", SYNTHETIC" if self.synthetic else ""
        return f"<Scores {self.name}: {headline(self.summary)}{mark}>"


def score(
    predictions: PredictionsLike,
    data: EraFrame | Source,
    *,
    targets: Sequence[str] | None = None,
    benchmark: str = "auto",
    name: str = "predictions",
    extra: Sequence[str] = (),
    progress: bool = False,
) -> Scores:
    """Judge predictions: corr, mmc, bmc, fnc, ... per era, with intervals, as `evaluate` does.

    Parameters
    ----------
    predictions : a Series or table by id, an array [n] or [n, 1] in the order of `data`, or a file.
        Several columns of numbers are judged beside each other, the first (or `prediction`) as the
        main one.
    data : rows from `load`, or what `load` takes.
    targets : those to score, the main one first; None: all that are loaded.
    benchmark : the column for bmc; "auto": the first; "none".
    extra : "r2", "rmse", "mae", on demand.

    Raises
    ------
    UserError : `data` is an EraFrame that `load` did not make. DataError, RunError : predictions
        or rows that do not fit, in one sentence.
    """
    frame = data if isinstance(data, EraFrame) else load(data, targets=targets, progress=progress)
    if not isinstance(frame, LoadedFrame):
        raise UserError(
            "this EraFrame does not tell which data it is from",
            where="data",
            fix="use rows from numerai_lab.load, or a part of them",
        )
    wanted = list(targets or frame.target_names)
    dataset = replace(frame.dataset, frame=frame)
    found = as_predictions(predictions, frame)
    with Reporter(quiet=not progress) as reporter:
        references = load_references(dataset, reporter.say)
        judged = judge_predictions(
            found,
            {},
            Scoring(targets=wanted[1:], benchmark=benchmark),
            wanted[0],
            0,
            dataset,
            references,
            reporter.warn,
            extra=tuple(extra),
        )
    identity = data_identity(data_facts(dataset, references))
    per_era = with_labels(judged.per_era)
    return Scores(name, judged.summary, per_era, identity, dataset.era_dates)


def compare(
    *sides: Scores | Any,
    metric: str = "corr",
    data: EraFrame | Source | None = None,
    runs_dir: str | os.PathLike[str] = "runs",
    across_data: bool = False,
) -> pd.DataFrame:
    """Compare each later side with the first one, era by era, as the command does.

    Parameters
    ----------
    sides : runs (`Run`), names of runs ("latest:xgb"), `Scores`; or predictions as `score` takes
        them, which are judged on `data`.
    metric : "corr", "mmc", "bmc", "fnc", ... across_data : also where rows differ, by era number.

    Returns
    -------
    One row a later side: both means, the difference with its interval, by thirds of the eras, the
    smallest difference that could be told from 0, and a verdict.

    Raises
    ------
    RunError : fewer than two sides, other data or targets, no era in common, no such metric.
    """
    frame = load(data) if data is not None and not isinstance(data, EraFrame) else data
    with Reporter(quiet=True) as reporter:
        series = [
            _series(side, i, metric, frame, Path(runs_dir)) for i, side in enumerate(sides, start=1)
        ]
        rows = compare_series(series, metric, reporter.warn, across_data=across_data)
    return pd.DataFrame(rows)


def _series(side: Any, number: int, metric: str, frame: EraFrame | None, runs_dir: Path) -> Series:
    run = getattr(side, "directory", None)
    if isinstance(run, RunDir):
        return read_series(run, metric)
    if isinstance(side, str) and Path(side).suffix not in (".parquet", ".csv"):
        return read_series(find_run(side, runs_dir), metric)
    if not isinstance(side, Scores):
        if frame is None:
            raise UserError(
                f"side {number} holds predictions, and nothing says of which rows",
                where="compare",
                fix="give data=, or judge them with `score` first",
            )
        is_path = isinstance(side, str | os.PathLike)
        side = score(side, frame, name=Path(side).stem if is_path else f"predictions {number}")
    table = side.per_era.assign(era=side.per_era["era"].astype(np.int32))
    return series_of(
        table,
        side.summary,
        metric,
        label=side.name,
        place=side.name,
        run=None,
        data=side.data,
        era_dates=side.era_dates,
    )


def with_labels(per_era: pd.DataFrame) -> pd.DataFrame:
    """Return a per-era table with eras as Numerai's files write them."""
    return per_era.assign(era=[era_label(int(era)) for era in per_era["era"]])


def scores_table(summary: Mapping[str, Any]) -> pd.DataFrame:
    """Return the summaries of scores.json, by target, prediction and metric."""
    rows = {
        (target, prediction, metric): numbers
        for target, by_prediction in summary["scores_by_target"].items()
        for prediction, by_metric in by_prediction.items()
        for metric, numbers in by_metric.items()
    }
    table = pd.DataFrame(list(rows.values()), index=pd.MultiIndex.from_tuples(list(rows)))
    table.index.names = ["target", "prediction", "metric"]
    return table.sort_index()


def headline(summary: Mapping[str, Any]) -> str:
    """Say the mean corr with its interval and eras, in a few words."""
    corr = summary["scores"].get("prediction", {}).get("corr")
    if not corr or corr.get("mean") is None:
        return "no corr"
    eras = summary["eras"]
    ends = (corr.get("ci_low"), corr.get("ci_high"))
    interval = "" if None in ends else f" [{ends[0]:+.4f}, {ends[1]:+.4f}]"
    return f"corr {corr['mean']:+.4f}{interval} in eras {eras['first']}-{eras['last']}"
