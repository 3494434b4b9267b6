"""What adapting costs: predicting one live era with `xgb_ttt` against the same trees frozen.

6,500 rows x 780 features, 2,000 trees of depth 5, on one thread and on all, each in a process of
its own that loads saved models: wall and CPU seconds of adapting and predicting against
predicting alone, in turns; the peak memory of the process beyond that of one that predicts with
the frozen trees; then the fit of `code_leaves` against the fit of the frozen trees. Made-up rows:
the work does not depend on what is in them.

    python benchmarks/bench_ttt.py [trees] [repeats]
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from measure import machine_line, ratio, run_process, spread
from numerai_lab.eraframe import EraFrame
from numerai_lab.models import FitContext, Model, get_model

N_FEATURES = 780
TREES = {"max_depth": 5, "eta": 0.01, "colsample_bytree": 0.1}
JOINT = {"task": "feature_prediction", "weight": 0.1, "noise_ratio": 0.0}
METHODS: dict[str, dict[str, Any]] = {
    "code_leaves": {"adapt": {"method": "code_leaves"}},
    "code_leaves, own_loss": {"auxiliary": JOINT, "adapt": {"code": "own_loss"}},
    "leaf_refresh": {"auxiliary": JOINT, "adapt": {"method": "leaf_refresh"}},
    "nearest_eras": {"adapt": {"method": "nearest_eras"}},
}
MORE_STEPS = "leaf_refresh, 5 steps"
TARGETS = {"code_leaves": "2", "leaf_refresh": "4"}


@dataclass(frozen=True)
class Times:
    """Seconds of one call."""

    wall: float
    cpu: float


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


def timed(model: Model, frame: EraFrame) -> Times:
    wall, cpu = time.perf_counter(), time.process_time()
    model.predict(frame)
    return Times(time.perf_counter() - wall, time.process_time() - cpu)


def load(folder: Path) -> Model:
    """Load a model that `fit_all` saved."""
    return get_model("xgb" if folder.name == "frozen" else "xgb_ttt").load(folder)


def peak_mb(folder: Path) -> float:
    """Return the peak resident MiB of a process that loads one model and predicts the era."""
    # A child's rusage begins with what its parent held, so it reads its own peak (Linux).
    return float(run_process([sys.executable, __file__, "--once", str(folder)]).stdout)


def fit_all(trees: int, folder: Path) -> None:
    """Fit and save every method; few rows, for the leaves to tell apart is what matters."""
    np.save(folder / "live.npy", made_up(1, 6500, 100).features_in_memory())
    train = made_up(20, 50, 1)
    params = {**TREES, "num_boost_round": trees}
    for name, options in {"frozen": None, **METHODS}.items():
        if options is None:
            model = fitted("xgb", params, train, 0)
        else:
            adapt = {"strength": 0.5, **options["adapt"]}
            model = fitted("xgb_ttt", {**params, **options, "adapt": adapt}, train, 0)
        if name == "nearest_eras":
            as_after_years(model)
        (folder / name).mkdir()
        model.save(folder / name)
    shutil.copytree(folder / "leaf_refresh", folder / MORE_STEPS)
    meta = json.loads((folder / MORE_STEPS / "meta.json").read_text())
    meta["params"]["adapt"]["steps"] = 5
    (folder / MORE_STEPS / "meta.json").write_text(json.dumps(meta))


def live_era(folder: Path) -> EraFrame:
    """Return the era to predict; made up in another process, as that takes more memory."""
    features = np.load(folder / "live.npy")
    return EraFrame(
        features=features,
        eras=np.array([100], dtype=np.int32),
        offsets=np.array([0, len(features)], dtype=np.int64),
        ids=pa.array([f"r{i}" for i in range(len(features))]),
        targets=np.empty((len(features), 0), dtype=np.float32),
        feature_names=tuple(f"f{i}" for i in range(N_FEATURES)),
        target_names=(),
    )


def as_after_years(model: Any) -> None:
    """Let it know each of its 20 eras 35 times: the work is that of 700 eras."""
    method = model.guarded.adaptation.method
    for part in ("codes", "grams", "moments"):
        setattr(method, part, np.concatenate([getattr(method, part)] * 35))


def time_all(folder: Path, repeats: int) -> None:
    """Time every saved method on one live era, in turns with the frozen trees."""
    live, plain = live_era(folder), load(folder / "frozen")
    models = {name: load(folder / name) for name in (*METHODS, MORE_STEPS)}
    for name, model in models.items():
        if np.array_equal(model.predict(live), plain.predict(live)):
            sys.exit(f"{name} adapted nothing: the benchmark would time nothing")
    frozen: list[Times] = []
    adapted: dict[str, list[Times]] = {method: [] for method in models}
    for _ in range(repeats):
        frozen.append(timed(plain, live))
        for method, model in models.items():
            adapted[method].append(timed(model, live))
    wall, cpu = [t.wall for t in frozen], [t.cpu for t in frozen]
    memory = peak_mb(folder / "frozen")
    print(f"frozen: {spread(wall, 3)} s, CPU {spread(cpu, 3)} s, process {memory:.0f} MiB")
    for method, times in adapted.items():
        target = f" (target {TARGETS[method]})" if method in TARGETS else ""
        print(
            f"{method}: {spread([t.wall for t in times], 3)} s, "
            f"wall {ratio([t.wall for t in times], wall)}, "
            f"CPU {ratio([t.cpu for t in times], cpu)}{target}, "
            f"process {peak_mb(folder / method) - memory:+.0f} MiB"
        )


def fits(trees: int, repeats: int) -> None:
    """Time the fit of the adaptation against the fit of the frozen trees, in turns."""
    whole = made_up(100, 600, 1)
    params = {**TREES, "num_boost_round": trees}
    kinds: dict[str, tuple[str, dict[str, Any]]] = {
        "frozen": ("xgb", {}),
        "fixed strength (target 25 %)": ("xgb_ttt", {"adapt": {"strength": 0.5}}),
    }
    seconds: dict[str, list[Times]] = {name: [] for name in kinds}
    for _ in range(repeats):
        for name, (kind, options) in kinds.items():
            wall, cpu = time.perf_counter(), time.process_time()
            fitted(kind, {**params, **options}, whole, 0)
            seconds[name].append(Times(time.perf_counter() - wall, time.process_time() - cpu))
    base = seconds.pop("frozen")
    print(
        f"fit on {whole.n_rows:,} rows, {trees} frozen trees: {spread([t.wall for t in base])} s, "
        f"CPU {spread([t.cpu for t in base])} s"
    )
    for name, times in seconds.items():
        print(
            f"code_leaves, {name}: wall {ratio([t.wall for t in times], [t.wall for t in base])}, "
            f"CPU {ratio([t.cpu for t in times], [t.cpu for t in base])}"
        )


def main() -> None:
    if sys.argv[1:2] == ["--once"]:
        saved = Path(sys.argv[2])
        load(saved).predict(live_era(saved.parent))
        status = Path("/proc/self/status").read_text()
        print(int(status.split("VmHWM:")[1].split()[0]) / 1024)
        return
    trees = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    if len(sys.argv) > 3:
        time_all(Path(sys.argv[3]), repeats)
        return
    print(machine_line())
    limit = 1.5 * 6500 * N_FEATURES * 4 / 2**20 + 200
    print(f"one era: 6,500 rows x {N_FEATURES} features, {trees} trees; peak memory is that of")
    print(f"a whole process with its models, which adapting may add {limit:.0f} MiB to")
    with tempfile.TemporaryDirectory() as folder:
        fit_all(trees, Path(folder))
        for threads, label in (("1", "1 thread"), ("", "all threads")):
            print(f"{label}:", flush=True)
            subprocess.run(
                [sys.executable, __file__, str(trees), str(repeats), folder],
                check=True,
                env={**os.environ, "OMP_NUM_THREADS": threads or str(os.cpu_count())},
            )
    fits(trees // 5, max(1, repeats // 2))


if __name__ == "__main__":
    main()
