"""`mlp` on a GPU beside the CPU: rows a second, memory of the GPU, and whether both agree.

    .venv/bin/python benchmarks/gpu_nets.py      two minutes; needs torch and an NVIDIA GPU

300,000 rows x 700 features, one epoch each. The comparison is in float32 without dropout, whose
random numbers differ between devices: what is left are sums in another order.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

from measure import machine_line, today

N_ERAS, ROWS, N_FEATURES = 60, 5_000, 700
CASES: dict[str, dict[str, Any]] = {
    "float32, no dropout": {"dropout": 0.0, "precision": "float32"},
    "as shipped": {},
    "pieces of a quarter": {"accumulate": 4},
}


def main() -> None:
    """Print a line for each case and device, and how far the devices are apart."""
    import pyarrow as pa
    import torch

    from numerai_lab.eraframe import EraFrame
    from numerai_lab.models import FitContext, get_model

    if not torch.cuda.is_available():
        sys.exit("torch finds no GPU here: nothing is measured")
    n = N_ERAS * ROWS
    rng = np.random.default_rng(0)
    features = rng.integers(0, 5, (n, N_FEATURES), dtype=np.int8)
    skill = (features[:, :20] - 2.0).sum(axis=1) + rng.normal(scale=60, size=n)
    labels = np.digitize(skill, np.quantile(skill, [0.05, 0.25, 0.75, 0.95])) / 4
    frame = EraFrame(
        features=features,
        eras=np.arange(1, N_ERAS + 1, dtype=np.int32),
        offsets=np.arange(0, n + 1, ROWS),
        ids=pa.array(np.arange(n)).cast(pa.string()),
        targets=labels.astype(np.float32)[:, None],
        feature_names=tuple(f"feature_{i}" for i in range(N_FEATURES)),
        target_names=("target",),
    )
    judged = frame.between(N_ERAS, N_ERAS).without_targets()
    print(f"{machine_line()}, torch {torch.__version__}, {torch.cuda.get_device_name()}")
    kind = get_model("mlp")
    for case, params in CASES.items():
        predicted = {}
        for device in ("cpu", "cuda"):
            model = kind(kind.Params.model_validate({"epochs": 1, **params}))
            ctx = FitContext(
                seed=0, target="target", targets=("target",), purge_eras=8, device=device
            )
            torch.cuda.reset_peak_memory_stats()
            start = time.perf_counter()
            report = model.fit(frame, ctx)
            seconds = time.perf_counter() - start
            predicted[device] = model.predict(judged)
            told = report.details["training"]
            print(
                f"{case}, {device} ({told['precision']}): {told['rows_per_second']:,.0f} rows/s, "
                f"{seconds:.1f} s in all, GPU {torch.cuda.max_memory_allocated() >> 20:,} MiB"
            )
        apart = np.abs(predicted["cpu"] - predicted["cuda"]).max() / predicted["cpu"].std()
        print(f"{case}: predictions differ by {apart:.1e} of their standard deviation at most")
    print(today())


if __name__ == "__main__":
    main()
