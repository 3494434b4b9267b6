"""Scoring against a groupby over numerai_tools, side by side in one process.

    .venv/bin/python benchmarks/bench_scoring.py

Sizes as in the market data's validation: 225 eras of about 1,850 rows. The groupby gets the
columns of an era in one call, its fastest way. With 50 columns both sides score the same 20
eras, because the groupby needs a second per dozen of them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from numerai_tools import scoring as official

from numerai_lab.scoring import contribution_per_era, corr_per_era, fnc_per_era

REPEATS = 5
N_ERAS, FEW_ERAS, ROWS = 225, 20, 1850
FNC_ROWS = 5000


def seconds(action: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = action()
    return time.perf_counter() - start, result


def side_by_side(name: str, ours: Callable[[], Any], theirs: Callable[[], Any]) -> None:
    """Alternate the two, so that a busy machine slows both; report medians and the spread."""
    _, expected = seconds(theirs)
    _, found = seconds(ours)
    difference = float(np.nanmax(np.abs(np.asarray(found) - np.asarray(expected))))
    pairs = [(seconds(ours)[0], seconds(theirs)[0]) for _ in range(REPEATS)]
    ratios = sorted(theirs / ours for ours, theirs in pairs)
    print(
        f"{name:<28} {statistics.median(p[0] for p in pairs) * 1e3:>9.1f} ms "
        f"{statistics.median(p[1] for p in pairs) * 1e3:>10.1f} ms "
        f"{statistics.median(ratios):>6.1f}x ({ratios[0]:.1f}..{ratios[-1]:.1f}) "
        f"  {difference:.0e}"
    )


def per_era(rng: np.random.Generator, n_eras: int, n_columns: int) -> None:
    sizes = rng.integers(ROWS - 150, ROWS + 150, n_eras)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    n = int(offsets[-1])
    target = rng.choice([0, 0.25, 0.5, 0.75, 1], n, p=[0.05, 0.2, 0.5, 0.2, 0.05])
    predictions = rng.normal(size=(n, n_columns))
    meta_model = rng.normal(size=n)
    names = [f"p{j}" for j in range(n_columns)]
    frame = pd.DataFrame(predictions, columns=names)
    frame = frame.assign(era=np.repeat(np.arange(n_eras), sizes), target=target, meta=meta_model)
    groups = frame.groupby("era")

    side_by_side(
        f"corr, {n_columns} columns, {n_eras} eras",
        lambda: corr_per_era(predictions, target, offsets),
        lambda: groups.apply(lambda era: official.numerai_corr(era[names], era["target"])),
    )
    side_by_side(
        f"mmc, {n_columns} columns, {n_eras} eras",
        lambda: contribution_per_era(predictions, meta_model, target, offsets),
        lambda: groups.apply(
            lambda era: official.correlation_contribution(era[names], era["meta"], era["target"])
        ),
    )


def fnc(rng: np.random.Generator, n_features: int) -> None:
    features: npt.NDArray[np.int8] = rng.integers(0, 5, (FNC_ROWS, n_features)).astype(np.int8)
    prediction = features[:, 0] + rng.normal(size=FNC_ROWS)
    target = rng.choice([0, 0.25, 0.5, 0.75, 1], FNC_ROWS, p=[0.05, 0.2, 0.5, 0.2, 0.05])
    frame = pd.DataFrame(features.astype(np.float64))
    series = pd.Series(target, name="target")
    offsets = np.array([0, FNC_ROWS])
    side_by_side(
        f"fnc, {n_features} features, 1 era",
        lambda: fnc_per_era(prediction, features, target, offsets)[0],
        lambda: official.feature_neutral_corr(pd.DataFrame({"p": prediction}), frame, series),
    )


def main() -> None:
    rng = np.random.default_rng(0)
    print(f"medians of {REPEATS}, alternating; ratio (lowest..highest); largest difference")
    print(f"{'':<28} {'here':>12} {'numerai_tools':>13}")
    per_era(rng, N_ERAS, 1)
    per_era(rng, FEW_ERAS, 50)
    for n_features in (42, 700):
        fnc(rng, n_features)


if __name__ == "__main__":
    main()
