#!/usr/bin/env python3
"""What a run's predictions add to a benchmark that is there in their eras, by thirds of them.

    .venv/bin/python scripts/added_to_benchmark.py RUN DATA [SHARE]

DATA is a folder in Numerai's layout. Gaussian ranks of both are mixed, SHARE (.25) of them the
run's; corr of the mixture is compared with that of the benchmark, era by era.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from numerai_lab.config import Bootstrap
from numerai_lab.scoring import corr_per_era, gaussian_rank_per_era, summarize, thirds

BENCHMARK = "v53_lgbm_ender20"


def main() -> None:
    """Print corr of run, benchmark and mixture, and the mixture's gain."""
    run, data = Path(sys.argv[1]), Path(sys.argv[2])
    share = float(sys.argv[3]) if len(sys.argv) > 3 else 0.25
    rows = pd.read_parquet(run / "predictions.parquet").set_index("id")[["era", "prediction"]]
    rows["benchmark"] = pd.read_parquet(data / "validation_benchmark_models.parquet")[BENCHMARK]
    rows["target"] = pd.read_parquet(data / "validation.parquet", columns=["target"])["target"]
    rows = rows.dropna().sort_values("era", kind="stable")
    eras, counts = np.unique(rows["era"].astype(np.int32).to_numpy(), return_counts=True)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    target = rows["target"].to_numpy(dtype=np.float64)
    values = rows[["prediction", "benchmark"]].to_numpy(dtype=np.float64)
    ranks = gaussian_rank_per_era(values, offsets)
    both = np.column_stack([ranks, ranks @ [share, 1 - share]])
    scores = corr_per_era(both, target, offsets)
    said = {
        "run": scores[:, 0],
        "benchmark": scores[:, 1],
        f"{share:g} of the run in it": scores[:, 2],
        "gain": scores[:, 2] - scores[:, 1],
    }
    for name, column in said.items():
        periods = [summarize(column, eras, 20, Bootstrap(), 0)]
        print(name, f"sharpe {periods[0].sharpe:.2f}")
        for one in [*periods, *thirds(column, eras, 20, Bootstrap(), 0)]:
            ends = f"{one.first_era}-{one.last_era}"
            print(f"  {ends}  {one.mean:+.4f} [{one.ci_low:+.4f}, {one.ci_high:+.4f}]")


if __name__ == "__main__":
    main()
