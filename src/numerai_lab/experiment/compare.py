"""`compare`: finished runs side by side, on the same data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from numerai_lab.config import Bootstrap
from numerai_lab.errors import RunError
from numerai_lab.experiment.data_identity import DataIdentity, judged_on
from numerai_lab.experiment.judge import MAIN
from numerai_lab.experiment.rundir import RunDir, find_run
from numerai_lab.scoring import paired
from numerai_lab.seeds import child_seed


@dataclass(frozen=True)
class Series:
    """A run's per-era scores of its own predictions, one metric, indexed by era."""

    label: str
    run: RunDir
    data: DataIdentity
    target: str
    benchmark: str | None
    horizon_days: int
    scores: pd.Series[float]


def compare(
    specs: Sequence[str],
    runs_dir: Path,
    metric: str,
    say: Callable[[str], None],
    *,
    across_data: bool = False,
    samples: int = 2000,
) -> list[dict[str, Any]]:
    """Paired per-era difference of each later run minus the first one.

    Only eras judged in both count. Each row holds both means, the difference, its 95 % block
    bootstrap interval and the share of bootstrap means above 0 (probability of improvement), and
    the data of both runs.

    Parameters
    ----------
    across_data : compare runs on different data all the same, era by era, and say so.

    Raises
    ------
    RunError : fewer than two runs, runs judged on other targets or on other data, no era in
        common, no such metric.
    """
    if len(specs) < 2:
        raise RunError("compare needs two runs or more", fix="`numerai-lab runs` lists them")
    runs = [read_series(spec, runs_dir, metric) for spec in specs]
    base = runs[0]
    rows = []
    for other in runs[1:]:
        if other.target != base.target:
            raise RunError(
                f"{other.label} is judged on '{other.target}', {base.label} on '{base.target}'",
                fix="evaluate both on one target with --target",
            )
        for sentence in data_differences(base, other, metric):
            if not across_data:
                raise RunError(
                    f"{sentence}: a difference would be one of the data, too",
                    fix="compare runs on the same data, or era by era all the same: --across-data",
                )
            say(f"{sentence}: their eras are compared by number")
        eras = base.scores.index.intersection(other.scores.index)
        if len(eras) == 0:
            raise RunError(f"{other.label} and {base.label} have no judged era in common")
        left_out = len(base.scores.index.union(other.scores.index)) - len(eras)
        if left_out:
            say(f"{left_out} eras are judged in only one of {base.label}, {other.label}: left out")
        a = np.array(other.scores.loc[eras], dtype=np.float64)
        b = np.array(base.scores.loc[eras], dtype=np.float64)
        neither = np.isnan(a) | np.isnan(b)
        a[neither], b[neither] = np.nan, np.nan
        difference = paired(
            a,
            b,
            eras.to_numpy(dtype=np.int32),
            base.horizon_days,
            Bootstrap(samples=samples),
            child_seed(0, "paired"),
        )
        rows.append(
            {
                "run": str(other.run.path),
                "prediction": other.label,
                "baseline": base.label,
                "baseline_run": str(base.run.path),
                "data": other.data.as_dict(),
                "baseline_data": base.data.as_dict(),
                "metric": metric,
                "target": base.target,
                "mean": float(np.nanmean(a)),
                "baseline_mean": float(np.nanmean(b)),
                **difference.as_dict(),
            }
        )
    return rows


_NEEDS_REFERENCES = ("bmc", "mmc", "benchmark_corr", "payout")
_NEEDS_BENCHMARK = ("bmc", "benchmark_corr")


def data_differences(base: Series, other: Series, metric: str) -> list[str]:
    """Say in what the data that a metric rests on differ between two runs; empty: in nothing.

    Other features of the same files are another model's choice, and no other data.
    """
    one, two = base.data, other.data
    found = []
    if one.rows != two.rows:
        found.append(f"{other.label} is judged on {two.label}, {base.label} on {one.label}")
    elif metric in _NEEDS_REFERENCES and one.references != two.references:
        found.append(
            f"{other.label} and {base.label} had other files of benchmark and meta models, on "
            f"which {metric} rests"
        )
    if metric in _NEEDS_BENCHMARK and base.benchmark != other.benchmark:
        found.append(
            f"{metric} of {other.label} is of the benchmark {other.benchmark}, that of "
            f"{base.label} of {base.benchmark}"
        )
    return found


def read_series(spec: str, runs_dir: Path, metric: str) -> Series:
    """Read one metric of a run's own predictions."""
    run = find_run(spec, runs_dir)
    summary = run.scores()
    try:
        table = pd.read_parquet(run.per_era_path)
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
    return Series(
        label,
        run,
        judged_on(run),
        summary["target"],
        summary.get("benchmark"),
        summary["horizon_days"],
        scores,
    )
