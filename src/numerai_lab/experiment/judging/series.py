"""One metric of a run, or of predictions without one, era by era, as comparisons read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from numerai_lab.errors import RunError
from numerai_lab.experiment.judging.judge import suspected
from numerai_lab.experiment.judging.summaries import MAIN
from numerai_lab.experiment.records import DataIdentity, RunDir, judged_on
from numerai_lab.scoring import MEAN, STATISTICS


def wanted(metric: str) -> tuple[str, str]:
    """Return the column and the statistic that a metric means: `mmc`, `sharpe_hac`, `mmc.drawdown`.

    A statistic alone is that of corr, a column alone its mean.
    """
    column, _, statistic = metric.partition(".")
    statistic = "drawdown" if statistic == "max_drawdown" else statistic
    if not statistic and column in (*STATISTICS, "max_drawdown"):
        return "corr", "drawdown" if column == "max_drawdown" else column
    return column, statistic or MEAN


def in_words(metric: str) -> str:
    """Return what is compared, as words: `mean corr`, `sharpe hac of mmc`."""
    column, statistic = wanted(metric)
    name = statistic.replace("_", " ")
    return f"{name} {column}" if statistic == MEAN else f"{name} of {column}"


@dataclass(frozen=True)
class Series:
    """Per-era scores of predictions, one metric, indexed by era.

    Attributes
    ----------
    run : the run that made them; None where none did.
    place : the run's directory, or the predictions' file, for a reader.
    remarks : what a reader must know of them: where they come from, a suspected leak.
    """

    label: str
    run: RunDir | None
    place: str
    remarks: tuple[str, ...]
    metric: str
    data: DataIdentity
    target: str
    benchmark: str | None
    horizon_days: int
    era_dates: dict[int, date]
    scores: pd.Series[float]


def main_scores(per_era: pd.DataFrame, target: str, column: str = "corr") -> pd.Series[float]:
    """Return one score of the judged model's own predictions, indexed by era, without gaps."""
    mine = per_era[(per_era["prediction"] == MAIN) & (per_era["target"] == target)]
    if column not in mine.columns:
        return pd.Series(np.empty(0))
    found: pd.Series[float] = mine.set_index("era")[column].astype(float)
    return found.dropna().sort_index()


def scored_eras(run: RunDir) -> pd.Series[float]:
    """Return a run's corr by era; empty where it has none.

    Raises
    ------
    RunError : its scores are damaged.
    """
    table = pd.read_parquet(run.checked(run.per_era_path))
    return main_scores(table, run.scores()["target"])


def read_series(run: RunDir, metric: str) -> Series:
    """Read one metric of a run's own predictions."""
    summary = run.scores()
    try:
        table = pd.read_parquet(run.checked(run.per_era_path))
    except OSError as error:
        raise RunError(
            f"cannot be read ({error})",
            where=str(run.per_era_path),
            fix=f"`numerai-lab evaluate {run.path}` makes it anew",
        ) from None
    label = f"{run.path.parent.name}/{run.path.name}"
    manifest = run.manifest()
    dates = manifest["data"].get("era_dates", {})
    return series_of(
        table,
        summary,
        metric,
        label=label,
        place=str(run.path),
        run=run,
        data=judged_on(run),
        era_dates={int(era): date.fromisoformat(day) for era, day in dates.items()},
        origin=manifest.get("origin", ""),
    )


def series_of(
    table: pd.DataFrame,
    summary: Mapping[str, Any],
    metric: str,
    *,
    label: str,
    place: str,
    run: RunDir | None,
    data: DataIdentity,
    era_dates: Mapping[int, date],
    origin: str = "",
) -> Series:
    """Take one metric out of what judging gave: the per-era table, and what scores.json holds.

    Raises RunError where there are no scores of that metric, or no such statistic.
    """
    column, statistic = wanted(metric)
    if statistic not in (MEAN, *STATISTICS):
        raise RunError(
            f"no statistic '{statistic}'",
            where=f"--metric {metric}",
            fix=f"choose one of {', '.join((MEAN, *STATISTICS))}",
        )
    mine = table[(table["prediction"] == MAIN) & (table["target"] == summary["target"])]
    if column not in mine.columns or not mine[column].notna().any():
        there = [name for name in mine.columns if mine[name].dtype.kind == "f"]
        told = f"(metrics: {', '.join(there)}; of corr, or as mmc.NAME: {', '.join(STATISTICS)})"
        raise RunError(f"no scores of metric '{column}' {told}", where=place)
    remarks = (origin, suspected(summary))
    return Series(
        label,
        run,
        place,
        tuple(said for said in remarks if said),
        metric,
        data,
        summary["target"],
        summary.get("benchmark"),
        summary["horizon_days"],
        dict(era_dates),
        mine.set_index("era")[column],
    )
