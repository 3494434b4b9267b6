"""One metric of a run, era by era, as comparisons read it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pandas as pd

from numerai_lab.errors import RunError
from numerai_lab.experiment.judging.summaries import MAIN
from numerai_lab.experiment.records import DataIdentity, RunDir, judged_on


@dataclass(frozen=True)
class Series:
    """A run's per-era scores of its own predictions, one metric, indexed by era."""

    label: str
    run: RunDir
    metric: str
    data: DataIdentity
    target: str
    benchmark: str | None
    horizon_days: int
    era_dates: dict[int, date]
    scores: pd.Series[float]


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
    mine = table[(table["prediction"] == MAIN) & (table["target"] == summary["target"])]
    if metric not in mine.columns or not mine[metric].notna().any():
        there = [name for name in mine.columns if mine[name].dtype.kind == "f"]
        raise RunError(
            f"no scores of metric '{metric}' (metrics: {', '.join(there)})", where=str(run.path)
        )
    label = f"{run.path.parent.name}/{run.path.name}"
    scores = mine.set_index("era")[metric]
    dates = run.manifest()["data"].get("era_dates", {})
    return Series(
        label,
        run,
        metric,
        judged_on(run),
        summary["target"],
        summary.get("benchmark"),
        summary["horizon_days"],
        {int(era): date.fromisoformat(day) for era, day in dates.items()},
        scores,
    )
