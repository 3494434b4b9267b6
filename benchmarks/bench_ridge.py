"""`ridge` beside scikit-learn's Ridge on float32: time of the fit, and peak memory of the process.

    .venv/bin/python benchmarks/bench_ridge.py [REPEATS]

Both begin with the same int8 rows in memory. scikit-learn gets a float32 copy of them and fits
them in its fastest way: one mean for all rows, no weights. `ridge` centres in each era and weighs
eras alike; `auto` beside it chooses the penalty too. Each is a process of its own, in turns. On a
machine that does other things OMP_NUM_THREADS=1 is the fairer comparison: two threads of BLAS wait
for each other there, those of `ridge`, which work on eras, do not.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from measure import (
    Run,
    machine_line,
    ratio,
    remove_files_when_told_to_stop,
    run_process,
    spread,
    today,
)

SHAPES = {"1.1 M x 140": (594, 1852, 140), "1.2 M x 700": (240, 5000, 700)}
"""Eras, rows an era, features."""
SIDES = ("ridge", "auto", "scikit-learn")


def write_rows(folder: Path, n_eras: int, rows: int, n_features: int) -> None:
    """Write int8 rows with a planted signal, and their labels."""
    features = np.lib.format.open_memmap(
        folder / "features.npy", mode="w+", dtype=np.int8, shape=(n_eras * rows, n_features)
    )
    labels = np.empty(n_eras * rows, dtype=np.float32)
    for era in range(n_eras):
        rng, here = np.random.default_rng(era), slice(era * rows, (era + 1) * rows)
        features[here] = rng.integers(0, 5, (rows, n_features), dtype=np.int8)
        skill = (features[here, :20] - 2.0).sum(axis=1) + rng.normal(scale=150, size=rows)
        labels[here] = np.digitize(skill, np.quantile(skill, [0.05, 0.25, 0.75, 0.95])) / 4
    features.flush()
    np.save(folder / "labels.npy", labels)


def fit(side: str, folder: Path, rows: int) -> float:
    """Fit one side in this process; return the seconds it took with the rows in memory."""
    features, labels = np.load(folder / "features.npy"), np.load(folder / "labels.npy")
    if side == "scikit-learn":
        from sklearn.linear_model import Ridge

        start = time.perf_counter()
        Ridge(alpha=1.0).fit(features.astype(np.float32), labels)
        return time.perf_counter() - start
    import pyarrow as pa

    from numerai_lab.eraframe import EraFrame
    from numerai_lab.models import FitContext, get_model

    n = len(labels)
    offsets = np.arange(0, n + 1, rows)
    frame = EraFrame(
        features=features,
        eras=np.arange(1, len(offsets), dtype=np.int32),
        offsets=offsets,
        ids=pa.array(np.arange(n)).cast(pa.string()),
        targets=labels[:, None],
        feature_names=tuple(f"feature_{i}" for i in range(features.shape[1])),
        target_names=("target",),
    )
    kind = get_model("ridge")
    model = kind(kind.Params.model_validate({"alpha": "auto" if side == "auto" else 1.0}))
    start = time.perf_counter()
    threads = int(os.environ.get("OMP_NUM_THREADS", "0"))
    model.fit(frame, FitContext(0, "target", ("target",), purge_eras=8, n_threads=threads))
    return time.perf_counter() - start


def compare(name: str, repeats: int) -> None:
    """Run all sides in turns and print their ratios."""
    n_eras, rows, n_features = SHAPES[name]
    runs: dict[str, list[Run]] = {side: [] for side in SIDES}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_rows(folder, n_eras, rows, n_features)
        for _ in range(repeats):
            for side in SIDES:
                asked = ["--side", side, "--folder", temporary, "--rows", str(rows)]
                runs[side].append(run_process([sys.executable, __file__, *asked]))
    raw = n_eras * rows * n_features / 2**20
    others = [run.others for side in SIDES for run in runs[side]]
    print(f"\n{name}: raw int8 rows {raw:,.0f} MiB, other work took {spread(others)} cores")
    wall = {side: [float(run.stdout) for run in runs[side]] for side in SIDES}
    cpu = {side: [run.cpu for run in runs[side]] for side in SIDES}
    peak = {side: [run.peak_mb for run in runs[side]] for side in SIDES}
    for side in SIDES:
        print(
            f"  {side:<13} fit {spread(wall[side])} s, CPU of the process {spread(cpu[side])} s, "
            f"peak {spread(peak[side], 0)} MiB"
        )
    for side in SIDES[:-1]:
        print(
            f"  {side} over scikit-learn: fit {ratio(wall[side], wall['scikit-learn'])}, "
            f"CPU {ratio(cpu[side], cpu['scikit-learn'])}, "
            f"peak {ratio(peak[side], peak['scikit-learn'])}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("repeats", nargs="?", type=int, default=3)
    parser.add_argument("--side", choices=SIDES)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--rows", type=int)
    wanted = parser.parse_args()
    if wanted.side:
        print(fit(wanted.side, wanted.folder, wanted.rows))
        return
    remove_files_when_told_to_stop()
    print(f"{today()}, {machine_line()}")
    for name in SHAPES:
        compare(name, wanted.repeats)


if __name__ == "__main__":
    main()
