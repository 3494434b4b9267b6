"""Runs of one experiment that differ in their seed only: what the seed alone changes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from numerai_lab.checksums import NotAsWritten, read_sealed, write_sealed
from numerai_lab.config import Bootstrap
from numerai_lab.errors import RunError
from numerai_lab.experiment.judging.series import Series, read_series
from numerai_lab.experiment.records import (
    SEEDS,
    Damaged,
    RunDir,
    check_owner,
    locked,
    record,
    relative_paths,
)
from numerai_lab.scoring import noise_of_difference, paired, seed_noise
from numerai_lab.seeds import child_seed

METRIC = "corr"


@dataclass(frozen=True)
class SeedBound:
    """What another seed changes of a comparison.

    Attributes
    ----------
    of : labels of the runs whose experiments were trained with several seeds.
    n_seeds : of each.
    bound : how far runs lie apart by their seeds alone, in 95 % of pairs.
    within : whether the difference is no larger.
    """

    of: tuple[str, ...]
    n_seeds: tuple[int, ...]
    bound: float
    within: bool


def measure_seeds(run: RunDir, others: Sequence[RunDir], bootstrap: Bootstrap) -> None:
    """Write into a run what it and runs of the same experiment with other seeds scored.

    Kept are the eras that all have a corr for. The lock of the run is taken.

    Raises
    ------
    RunError : scores of one are damaged, or the runs have no era in common.
    """
    runs = [run, *others]
    series = [read_series(one, METRIC) for one in runs]
    table = _aligned(series)
    if table.empty:
        raise RunError("its seeds have no judged era in common", where=str(run.path))
    eras, values = table.index.to_numpy(dtype=np.int32), table.to_numpy(dtype=np.float64).T
    seed = int(run.manifest()["seed"])
    how = series[0].horizon_days, bootstrap, child_seed(seed, "paired")
    found = seed_noise(values, eras, *how)
    paths = relative_paths(run, {str(i): one for i, one in enumerate(runs)})
    rows = []
    for i, (one, scores) in enumerate(zip(runs, values, strict=True)):
        difference = paired(scores, values[0], eras, *how)
        rows.append(
            {
                "seed": one.manifest()["seed"],
                "run": paths[str(i)],
                "owner": one.owner(),
                "mean": float(scores.mean()),
                "difference": difference.mean_difference,
                "ci_low": difference.ci_low,
                "ci_high": difference.ci_high,
            }
        )
    facts = {
        "metric": METRIC,
        "target": series[0].target,
        "first_era": int(eras[0]),
        "last_era": int(eras[-1]),
        **asdict(found),
        "runs": rows,
    }
    with locked(run):
        write_sealed(run.seeds_path, record(run.owner(), SEEDS, {}) | facts)


def read_seeds(run: RunDir) -> dict[str, Any] | None:
    """Read what `measure_seeds` wrote; None where nobody trained the experiment with more seeds.

    Raises
    ------
    Damaged : it is not what was written, or another run's.
    """
    try:
        value: dict[str, Any] = read_sealed(run.seeds_path)
        check_owner(value, run.owner(), SEEDS)
    except FileNotFoundError:
        return None
    except NotAsWritten as error:
        raise Damaged(
            str(error),
            where=str(run.seeds_path),
            fix="the command with --seeds writes it anew; finished runs are not trained again",
        ) from None
    return value


def told_of_seeds(run: RunDir) -> dict[str, Any] | None:
    """Return what is shown of a run's seeds: `read_seeds` without its record, or its `damage`."""
    try:
        told = read_seeds(run)
    except Damaged as error:
        return {"damage": str(error), "runs": []}
    if told is None:
        return None
    rows = [{k: v for k, v in row.items() if k != "owner"} for row in told["runs"]]
    return {k: v for k, v in told.items() if k not in ("run", "part", "files")} | {"runs": rows}


def seeds_between(
    sides: Sequence[Series], eras: pd.Index[int], difference: float, say: Callable[[str], None]
) -> SeedBound | None:
    """Return what another seed changes of a comparison; None where no side has several seeds.

    Parameters
    ----------
    sides : the runs compared, by one metric. eras : those compared. difference : of their means.
    say : told of seeds that were measured and cannot be read any more.
    """
    known: dict[str, list[float]] = {}
    for side in sides:
        try:
            means = _means(side, eras)
        except RunError as error:
            say(f"{side.label}: what another seed changes is not known any more: {error}")
            continue
        if means is not None:
            known[side.label] = means
    if not known:
        return None
    bound = noise_of_difference(list(known.values()))
    sizes = tuple(len(means) for means in known.values())
    return SeedBound(tuple(known), sizes, bound, abs(difference) <= bound)


def _means(side: Series, eras: pd.Index[int]) -> list[float] | None:
    told = None if side.run is None else read_seeds(side.run)
    if side.run is None or told is None:
        return None
    found = []
    for row in told["runs"]:
        run = RunDir(Path(os.path.normpath(side.run.path / row["run"])))
        if run.owner() != row["owner"]:
            raise RunError("is another run than the one that was measured", where=str(run.path))
        scores = read_series(run, side.metric).scores.reindex(eras)
        if scores.isna().any():
            raise RunError(
                f"has no {side.metric} in {int(scores.isna().sum())} of the {len(eras)} eras",
                where=str(run.path),
            )
        found.append(float(scores.mean()))
    return found


def _aligned(series: Sequence[Series]) -> pd.DataFrame:
    return pd.concat([one.scores for one in series], axis=1, join="inner").dropna().sort_index()
