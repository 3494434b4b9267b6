"""`compare` and `runs`: finished runs side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from numerai_lab.config import Bootstrap
from numerai_lab.errors import RunError
from numerai_lab.experiment.judge import MAIN
from numerai_lab.experiment.rundir import RunDir, find_run, iter_runs
from numerai_lab.scoring import paired
from numerai_lab.seeds import child_seed


@dataclass(frozen=True)
class Series:
    """A run's per-era scores of its own predictions, one metric, indexed by era."""

    label: str
    run: RunDir
    target: str
    horizon_days: int
    scores: pd.Series[float]


def compare(
    specs: Sequence[str],
    runs_dir: Path,
    metric: str,
    say: Callable[[str], None],
    samples: int = 2000,
) -> list[dict[str, Any]]:
    """Paired per-era difference of each later run minus the first one.

    Only eras judged in both count. Each row holds both means, the difference, its 95 % block
    bootstrap interval and the share of bootstrap means above 0 (probability of improvement).

    Raises
    ------
    RunError : fewer than two runs, runs judged on other targets, no era in common, no such metric.
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
        check_same_rows(base, other, say)
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
                "metric": metric,
                "target": base.target,
                "mean": float(np.nanmean(a)),
                "baseline_mean": float(np.nanmean(b)),
                **difference.as_dict(),
            }
        )
    return rows


def check_same_rows(base: Series, other: Series, say: Callable[[str], None]) -> None:
    """Refuse to compare runs on data of different kinds; say so when files differ."""
    one, two = base.run.manifest()["data"], other.run.manifest()["data"]
    if one["source"] != two["source"]:
        raise RunError(
            f"{other.label} was judged on {two['source']} data, {base.label} on {one['source']}",
            fix="train both on the same data",
        )
    if one["fingerprint"] != two["fingerprint"]:
        say(
            f"{other.label} and {base.label} were made from files or features that differ: "
            "their eras are compared by number"
        )


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
    return Series(label, run, summary["target"], summary["horizon_days"], scores)


def list_runs(runs_dir: Path) -> list[dict[str, Any]]:
    """One row per run under `runs_dir`, oldest first, with its headline numbers if finished."""
    rows = []
    for run in iter_runs(runs_dir):
        manifest = run.manifest()
        row: dict[str, Any] = {
            "run": str(run.path),
            "experiment": manifest["experiment"],
            "created_utc": manifest["created_utc"],
            "source": manifest["data"]["source"],
            "folds": len(manifest["folds"]),
            "state": "finished" if run.finished else "unfinished",
            "final": (run.final_dir / "DONE").exists(),
            "continues": manifest.get("continued", {}).get("parent"),
        }
        if run.finished:
            summary = run.scores()
            corr = summary["scores"][MAIN].get("corr", {})
            headline = ("mean", "ci_low", "ci_high", "sharpe", "sharpe_hac")
            row |= {"target": summary["target"], "n_eras": summary["eras"]["n"]}
            row |= {"corr" if key == "mean" else key: corr.get(key) for key in headline}
        rows.append(row)
    return rows
