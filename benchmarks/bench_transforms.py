"""Peak memory of training with 100 added columns, beside training without them.

    .venv/bin/python benchmarks/bench_transforms.py [ROWS] [FEATURES]

Each fit is a process of its own on made-up rows in memory (default 1,100,000 x 140, eras of 5,000):
one LightGBM member of 5 trees on the features; the same with 100 columns of `noise` (110 MB), no
placebo; and the columns alone, made and not trained on. What is wanted: at most the plain fit's
peak, the columns' bytes and 100 MB.
"""

from __future__ import annotations

import resource
import sys
from typing import Any

import numpy as np
import pyarrow as pa

from measure import machine_line, run_process, today
from numerai_lab.eraframe import EraFrame
from numerai_lab.models import FitContext, get_model

ROWS_PER_ERA, COLUMNS, TREES = 5_000, 100, 5
MEMBER = {
    "type": "lgbm_ensemble",
    "params": {"n_estimators": TREES, "seeds": 1, "era_step": 1, "weights": "equal"},
}


def rows(n: int, features: int) -> EraFrame:
    """Make rows of random bins, in pieces, so that nothing larger than they are is ever there."""
    rng = np.random.default_rng(0)
    n_eras = n // ROWS_PER_ERA
    values = np.empty((n_eras * ROWS_PER_ERA, features), dtype=np.int8)
    for start in range(0, len(values), ROWS_PER_ERA):
        piece = values[start : start + ROWS_PER_ERA]
        piece[:] = rng.integers(0, 5, piece.shape, dtype=np.int8)
    target = ((values[:, :1] - values[:, 1:2] + 4) / np.float32(8)).astype(np.float32)
    return EraFrame(
        features=values,
        eras=np.arange(1, n_eras + 1, dtype=np.int32),
        offsets=np.arange(n_eras + 1, dtype=np.int64) * ROWS_PER_ERA,
        ids=pa.array([f"{i:08x}" for i in range(len(values))]),
        targets=target,
        feature_names=tuple(f"f{i}" for i in range(features)),
        target_names=("target",),
    )


def fit(what: str, n: int, features: int) -> None:
    """Fit once, and print what is resident before it."""
    frame = rows(n, features)
    ctx = FitContext(seed=0, target="target", targets=("target",), purge_eras=8, n_threads=1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    chosen: dict[str, Any] = MEMBER
    if what == "with":
        steps = [{"type": "noise", "columns": COLUMNS}]
        params = {"transforms": steps, "model": MEMBER, "placebo": 0}
        chosen = {"type": "transformed", "params": params}
    kind = get_model(chosen["type"])
    kind(kind.Params.model_validate(chosen["params"])).fit(frame, ctx)
    print(f"rows {before} MiB", flush=True)


def main() -> None:
    if sys.argv[1:2] == ["--fit"]:
        fit(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
        return
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1_100_000
    features = int(sys.argv[2]) if len(sys.argv) > 2 else 140
    print(f"{today()}, {machine_line()}\n{n:,} rows x {features} features, {COLUMNS} columns")
    peaks = {}
    for what in ("plain", "with"):
        done = run_process([sys.executable, __file__, "--fit", what, str(n), str(features)])
        peaks[what] = done.peak_mb
        print(f"{what:6} peak {done.peak_mb:,.0f} MiB, {done.cpu:.0f} s of CPU", flush=True)
    allowed = peaks["plain"] + (n * COLUMNS + 100e6) / 2**20
    print(
        f"with columns at most {allowed:,.0f} MiB: {'held' if peaks['with'] <= allowed else 'OVER'}"
    )


if __name__ == "__main__":
    main()
