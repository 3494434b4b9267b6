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
from numerai_lab.experiment.judging.series import Series, read_series, wanted
from numerai_lab.experiment.records import find_run, say_if_unverifiable
from numerai_lab.scoring import (
    MEAN,
    drawn_statistic,
    paired_by,
    statistic_of,
    stepdown_of_draws,
    verdict,
)
from numerai_lab.seeds import child_seed


def open_sides(
    specs: Sequence[str],
    runs_dir: Path,
    metric: str,
    say: Callable[[str], None],
    *,
    data: str | None = None,
) -> list[Series]:
    """Read finished runs and files of predictions, for `compare_series` and `side_by_side`.

    Parameters
    ----------
    specs : runs as `find_run` takes them, files ending in .parquet or .csv.
    metric : a score's column, a statistic of corr, or both: `mmc`, `sharpe_hac`, `mmc.drawdown`.
    data : the rows that files predict, as --data; None: those of the first run among the specs,
        with its target and scoring.

    Raises
    ------
    RunError : a file that cannot be judged; no such run, or one without such scores.
    """
    is_file = [Path(spec).suffix in PREDICTION_FILES and Path(spec).is_file() for spec in specs]
    runs = {
        i: find_run(spec, runs_dir)
        for i, (spec, file) in enumerate(zip(specs, is_file, strict=True))
        if not file
    }
    judge = series_of_files(next(iter(runs.values()), None), data, metric, say)
    return [
        read_series(runs[i], metric) if i in runs else judge(Path(spec))
        for i, spec in enumerate(specs)
    ]


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
    column, statistic = wanted(metric)
    rows, pairs = [], []
    for other in others:
        if other.target != base.target:
            raise RunError(
                f"{other.label} is judged on '{other.target}', {base.label} on '{base.target}'",
                fix="evaluate both on one target with --target",
            )
        for sentence in data_differences(base, other, column):
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
        pairs.append(both)
        eras = both.index.to_numpy(dtype=np.int32)
        found = paired_by(
            statistic,
            a,
            b,
            eras,
            base.horizon_days,
            how,
            child_seed(0, "paired"),
            base.era_dates,
        )
        bound = None
        if statistic == MEAN:  # what another seed changes is measured of means alone
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
                "mean": statistic_of(statistic, a, eras, base.horizon_days),
                "baseline_mean": statistic_of(statistic, b, eras, base.horizon_days),
                **found.as_dict(),
                "verdict": _verdict(found.as_dict(), None, within=within),
                "n_compared": len(others),
                "p_among": None,
                "seed_noise": None if bound is None else asdict(bound),
            }
        )
    if len(others) > 1:
        judge_together(rows, pairs, statistic, base.horizon_days, how, say)
    return rows


def judge_together(
    rows: Sequence[dict[str, Any]],
    pairs: Sequence[pd.DataFrame],
    statistic: str,
    horizon_days: int,
    how: Bootstrap,
    say: Callable[[str], None],
) -> None:
    """Give each of several differences its p-value among all, and its verdict with that.

    Parameters
    ----------
    rows : what `compare` returns; `p_among`, `n_eras_together` and `verdict` are set.
    pairs : by era, the two scores whose difference a row tells of, one for each row; the eras that
        all have are judged.
    statistic : what is compared of them (`paired_by`).
    """
    eras = pairs[0].index
    for pair in pairs[1:]:
        eras = eras.intersection(pair.index)
    if len(eras) < 2:
        say("the runs have no two eras in common: each difference is judged for itself alone")
        return
    if len(eras) < max(len(pair) for pair in pairs):
        say(f"the test of all {len(rows)} differences together is on their {len(eras)} eras")
    p_values = p_values_together(
        [pair.loc[eras.sort_values()] for pair in pairs], statistic, horizon_days, how
    )
    for row, p in zip(rows, p_values, strict=True):
        noise = row["seed_noise"]
        row["verdict"] = _verdict(row, p, within=noise is not None and noise["within"])
        row |= {"p_among": p, "n_eras_together": len(eras)}


def p_values_together(
    pairs: Sequence[pd.DataFrame], statistic: str, horizon_days: int, how: Bootstrap
) -> list[float]:
    """Return p-values of several differences, each adjusted for all: see `stepdown_p_values`.

    Parameters
    ----------
    pairs : by era, the same eras in all, the two scores that are compared.
    """
    eras = pairs[0].index.to_numpy(dtype=np.int32)
    of = eras, horizon_days, how, child_seed(0, "paired")
    drawn, values, differs = [], [], []
    for pair in pairs:
        a, b = pair.to_numpy(dtype=np.float64).T
        drawn.append(
            drawn_statistic(statistic, a - b, *of)
            if statistic == MEAN
            else drawn_statistic(statistic, a, *of) - drawn_statistic(statistic, b, *of)
        )
        sides = [statistic_of(statistic, side, eras, horizon_days) for side in (a, b)]
        known = None not in sides and bool(np.isfinite(drawn[-1]).all())
        values.append(
            float(a.mean() - b.mean())
            if statistic == MEAN
            else (sides[0] or 0.0) - (sides[1] or 0.0)
        )
        differs.append(known and bool((a != b).any()))
    found = stepdown_of_draws(np.array(values), np.nan_to_num(np.stack(drawn)), np.array(differs))
    return [float(p) for p in found]


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
