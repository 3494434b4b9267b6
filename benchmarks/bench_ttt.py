"""What adapting costs: predicting one live era with `xgb_ttt` against the same trees frozen.

6,500 rows x 780 features, 2,000 trees of depth 5, on one thread and on all; then the fit of the
adaptation against the fit of the frozen trees, and the memory of adapting beyond the frozen
prediction. Made-up rows: the work does not depend on what is in them.

    python benchmarks/bench_ttt.py [trees] [pairs]
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa

from measure import machine_line, ratio, spread
from numerai_lab.eraframe import EraFrame
from numerai_lab.models import FitContext, Model, get_model

N_FEATURES = 780
TREES = {"max_depth": 5, "eta": 0.01, "colsample_bytree": 0.1}


def made_up(n_eras: int, n_rows: int, first_era: int) -> EraFrame:
    """Eras of random bins with a common factor that comes and goes."""
    rng = np.random.default_rng(first_era)
    n = n_eras * n_rows
    factor = np.repeat(np.sin(np.arange(n_eras)), n_rows)[:, None] * rng.normal(size=(n, 1))
    values = factor + rng.standard_normal((n, N_FEATURES), dtype=np.float32)
    bins = np.clip(np.round(values) + 2, 0, 4).astype(np.int8)
    grades = np.clip(np.round(rng.normal(size=n) + 2), 0, 4)
    return EraFrame(
        features=bins,
        eras=np.arange(first_era, first_era + n_eras, dtype=np.int32),
        offsets=np.arange(n_eras + 1, dtype=np.int64) * n_rows,
        ids=pa.array([f"r{first_era}_{i}" for i in range(n)]),
        targets=(grades[:, None] / 4).astype(np.float32),
        feature_names=tuple(f"f{i}" for i in range(N_FEATURES)),
        target_names=("target",),
    )


def fitted(name: str, params: Mapping[str, object], train: EraFrame, threads: int) -> Model:
    kind = get_model(name)
    model = kind(kind.Params.model_validate(params))
    model.fit(
        train,
        FitContext(seed=0, target="target", targets=("target",), purge_eras=8, n_threads=threads),
    )
    return model


def seconds(model: Model, frame: EraFrame) -> float:
    start = time.perf_counter()
    model.predict(frame)
    return time.perf_counter() - start


def main() -> None:
    trees = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    pairs = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    params = {**TREES, "num_boost_round": trees}
    train, live = made_up(40, 100, 1), made_up(1, 6500, 100).without_targets()
    print(f"{machine_line()}\none era: {live.n_rows} rows x {N_FEATURES} features, {trees} trees")
    for threads, label in ((1, "1 thread"), (0, "all threads")):
        plain = fitted("xgb", params, train, threads)
        for method in ("code_leaves", "online_linear"):
            adapt = {"method": method, "strength": 0.5}
            adapted = fitted("xgb_ttt", {**params, "adapt": adapt}, train, threads)
            if np.array_equal(adapted.predict(live), plain.predict(live)):
                sys.exit("nothing was adapted: the benchmark would time nothing")
            times = [[seconds(m, live) for m in (adapted, plain)] for _ in range(pairs)]
            with_, without = ([pair[i] for pair in times] for i in (0, 1))
            print(
                f"{label}, {method}: {spread(with_, 3)} s, frozen {spread(without, 3)} s, "
                f"{ratio(with_, without)} (target code_leaves <= 2)"
            )
            if threads == 1:
                print(
                    f"  memory beyond the frozen prediction: {extra_mb(adapted, plain, live):.0f}"
                    f" MiB; target {1.5 * live.features.size * 4 / 2**20 + 200:.0f} MiB"
                )
    whole = made_up(100, 600, 1)
    params = {**TREES, "num_boost_round": trees // 5}
    start = time.perf_counter()
    fitted("xgb", params, whole, 0)
    base = time.perf_counter() - start
    for strength in (0.5, "auto"):
        start = time.perf_counter()
        adapt = {"method": "code_leaves", "strength": strength}
        fitted("xgb_ttt", {**params, "adapt": adapt}, whole, 0)
        extra = time.perf_counter() - start - base
        print(
            f"fit on {whole.n_rows:,} rows: {trees // 5} frozen trees {base:.1f} s, "
            f"code_leaves with strength {strength} {extra / base:+.0%} (target < 25 %)"
        )


def extra_mb(adapted: Model, plain: Model, frame: EraFrame) -> float:
    """Return how much more memory Python and NumPy ask for when the era is adapted to."""
    peaks = []
    for model in (adapted, plain):
        tracemalloc.start()
        model.predict(replace(frame))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    return (peaks[0] - peaks[1]) / 2**20


if __name__ == "__main__":
    main()
