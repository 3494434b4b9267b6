"""`compare`: finished runs, or judged predictions, side by side, on the same data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from numerai_lab.config import Bootstrap
from numerai_lab.errors import RunError
from numerai_lab.experiment.judging.files import PREDICTION_FILES, series_of_files
from numerai_lab.experiment.judging.seeds import seeds_between
from numerai_lab.experiment.judging.series import Series, read_series
from numerai_lab.experiment.records import find_run, say_if_unverifiable
from numerai_lab.scoring import block_length, paired, stepdown_p_values, verdict
from numerai_lab.seeds import child_seed


def compare(
    specs: Sequence[str],
    runs_dir: Path,
    metric: str,
    say: Callable[[str], None],
    *,
    across_data: bool = False,
    data: str | None = None,
) -> list[dict[str, Any]]:
    """Compare finished runs and files of predictions; see `compare_series`.

    Parameters
    ----------
    specs : runs as `find_run` takes them, files ending in .parquet or .csv.
    data : the rows that files predict, as --data; None: those of the first run among the specs,
        with its target and scoring.

    Raises
    ------
    RunError : a file that cannot be judged; and as `compare_series`.
    """
    is_file = [Path(spec).suffix in PREDICTION_FILES and Path(spec).is_file() for spec in specs]
    runs = {
        i: find_run(spec, runs_dir)
        for i, (spec, file) in enumerate(zip(specs, is_file, strict=True))
        if not file
    }
    judge = series_of_files(next(iter(runs.values()), None), data, metric, say)
    sides = [
        read_series(runs[i], metric) if i in runs else judge(Path(spec))
        for i, spec in enumerate(specs)
    ]
    return compare_series(sides, metric, say, across_data=across_data)


def compare_series(
    sides: Sequence[Series],
    metric: str,
    say: Callable[[str], None],
    *,
    across_data: bool = False,
    samples: int = 2000,
) -> list[dict[str, Any]]:
    """Paired per-era difference of each later run minus the first one.

    Only eras judged in both count. Each row holds both means, the data of both runs, and what
    `Paired` tells of the difference. With several later runs, `p_among` is each difference's
    p-value among all of them, and the verdict follows it. Where an experiment was trained with
    several seeds, `seed_noise` tells what another seed changes, and a difference within that is
    called unclear.

    Parameters
    ----------
    across_data : compare runs on different data all the same, era by era, and say so.

    Raises
    ------
    RunError : fewer than two runs, runs judged on other targets or on other data, no era in
        common, no such metric.
    """
    if len(sides) < 2:
        raise RunError("compare needs two runs or more", fix="`numerai-lab runs` lists them")
    base, *others = sides
    for one in sides:
        if one.run is not None:
            say_if_unverifiable(one.run, say)
        for remark in one.remarks:
            say(f"{one.label}: {remark}")
    how = Bootstrap(samples=samples)
    rows, differences = [], []
    for other in others:
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
        both = pd.concat([other.scores, base.scores], axis=1, join="inner").dropna().sort_index()
        if both.empty:
            raise RunError(f"{other.label} and {base.label} have no judged era in common")
        left_out = len(base.scores.index.union(other.scores.index)) - len(both)
        if left_out:
            say(f"{left_out} eras are judged in only one of {base.label}, {other.label}: left out")
        a, b = both.to_numpy(dtype=np.float64).T
        differences.append(pd.Series(a - b, index=both.index))
        found = paired(
            a,
            b,
            both.index.to_numpy(dtype=np.int32),
            base.horizon_days,
            how,
            child_seed(0, "paired"),
            base.era_dates,
        )
        difference = float(a.mean() - b.mean())
        bound = seeds_between((base, other), both.index, difference, say)
        within = bound is not None and bound.within
        rows.append(
            {
                "run": other.place,
                "prediction": other.label,
                "baseline": base.label,
                "baseline_run": base.place,
                "data": other.data.as_dict(),
                "baseline_data": base.data.as_dict(),
                "metric": metric,
                "target": base.target,
                "mean": float(a.mean()),
                "baseline_mean": float(b.mean()),
                **found.as_dict(),
                "verdict": _verdict(found.as_dict(), None, within=within),
                "n_compared": len(others),
                "p_among": None,
                "seed_noise": None if bound is None else asdict(bound),
            }
        )
    if len(others) > 1:
        judge_together(rows, differences, base.horizon_days, how, say)
    return rows


def judge_together(
    rows: Sequence[dict[str, Any]],
    differences: Sequence[pd.Series[float]],
    horizon_days: int,
    how: Bootstrap,
    say: Callable[[str], None],
) -> None:
    """Give each of several differences its p-value among all, and its verdict with that.

    Parameters
    ----------
    rows : what `compare` returns; `p_among`, `n_eras_together` and `verdict` are set.
    differences : by era, one for each row; the eras that all have are judged.
    """
    together = pd.concat(differences, axis=1, join="inner").sort_index()
    if len(together) < 2:
        say("the runs have no two eras in common: each difference is judged for itself alone")
        return
    if len(together) < max(len(series) for series in differences):
        say(f"the test of all {len(rows)} differences together is on their {len(together)} eras")
    eras = together.index.to_numpy(dtype=np.int32)
    block = block_length(eras, horizon_days, how)
    values = np.ascontiguousarray(together.to_numpy(dtype=np.float64).T)
    p_values = stepdown_p_values(values, block, how.samples, child_seed(0, "paired"))
    for row, p in zip(rows, p_values.tolist(), strict=True):
        noise = row["seed_noise"]
        row["verdict"] = _verdict(row, p, within=noise is not None and noise["within"])
        row |= {"p_among": p, "n_eras_together": len(together)}


def _verdict(row: Mapping[str, Any], p_among: float | None, *, within: bool) -> str:
    thirds = [period["mean"] for period in row["thirds"]]
    return verdict(row["ci_low"], row["ci_high"], thirds, p_among, within_seed_noise=within)


_NEEDS_REFERENCES = ("bmc", "mmc", "benchmark_corr", "meta_model_corr", "payout")
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
