"""What XGBoost alone takes: its own binning and its own trees, on rows that are in memory already.

No program that trains these trees with XGBoost can be faster, whatever it does about reading,
predicting and scoring. Same shape and parameters as `bench_memory.py`; with `--results` the seconds
are set against those of the notebook script there.

    python benchmarks/bench_floor.py --eras 240 --results build/memory.json
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import xgboost

from measure import machine_line, today
from memory_results import Results

PARAMS = {"eta": 0.05, "max_depth": 5, "colsample_bytree": 0.1, "max_bin": 16}
ERA_ROWS, FEATURES = 5000, 700


def measure(eras: int, trees: int) -> tuple[float, float, float]:
    """Return seconds for binning in known bins, for the first tree, and for all trees."""
    random = np.random.default_rng(0)
    features = np.empty((eras * ERA_ROWS, FEATURES), np.int8)
    for era in range(eras):
        rows = slice(era * ERA_ROWS, (era + 1) * ERA_ROWS)
        features[rows] = random.integers(0, 5, (ERA_ROWS, FEATURES), dtype=np.int8)
    labels = (features[:, :20].sum(axis=1) + 170 * random.normal(size=len(features))) / 80
    five = np.repeat(np.arange(5, dtype=np.int8)[:, None], FEATURES, axis=1)
    known = xgboost.QuantileDMatrix(five, missing=-1, max_bin=PARAMS["max_bin"])
    start = time.perf_counter()
    rows_binned = xgboost.QuantileDMatrix(
        features, labels, ref=known, missing=-1, max_bin=PARAMS["max_bin"]
    )
    binned = time.perf_counter()
    booster = xgboost.Booster(PARAMS, [rows_binned])
    booster.update(rows_binned, 0)
    first = time.perf_counter()
    for iteration in range(1, trees):
        booster.update(rows_binned, iteration)
    return binned - start, first - binned, time.perf_counter() - binned


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--eras", type=int, default=240)
    parser.add_argument("--trees", type=int, default=200)
    parser.add_argument("--results", type=Path, help="what bench_memory.py --out has written")
    wanted = parser.parse_args()
    results = None if wanted.results is None else Results.load(wanted.results)
    if results is not None and (
        wanted.eras not in results.sizes()
        or (results.setting.trees, results.setting.rows_per_era, results.setting.features)
        != (wanted.trees, ERA_ROWS, FEATURES)
    ):
        sys.exit(f"{wanted.results} has no run of this shape: {results.setting}, {results.sizes()}")
    binning, first, trees = measure(wanted.eras, wanted.trees)
    print(machine_line())
    print(
        f"{today()}, n=1: {wanted.eras * ERA_ROWS:,} rows x {FEATURES} features: binning "
        f"{binning:.1f} s, first tree {first:.1f} s, {wanted.trees} trees {trees:.0f} s"
    )
    if results is None:
        return
    whole = results.values(wanted.eras, "xgb in core", "notebook", lambda run: run.wall)
    waited = results.values(
        wanted.eras, "xgb in core", "first", lambda run: run.first_tree - run.imports
    )
    of_whole = (binning + trees) / statistics.median(whole)
    of_first = (binning + first) / statistics.median(waited)
    print(
        f"binning and trees are {of_whole:.2f} of the whole notebook script, binning and the first "
        f"tree {of_first:.2f} of the time to the first tree of the lab's first run"
    )


if __name__ == "__main__":
    main()
