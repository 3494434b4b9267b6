"""The peak memory of training `mlp` on rows that stay in the era store.

    .venv/bin/python benchmarks/bench_nets_store.py [--rows 1500000] [--features 700] [--seconds 0]

Rows are generated parquet (one block of random bins again and again, so that they are quick to
write), converted by `load_data` in a process of its own, and trained on for an epoch in another.
The peak is the process's largest resident size, mapped pages that were read included. `--seconds`
ends the training after so much CPU time; 0: at the end of the epoch.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from measure import machine_line, remove_files_when_told_to_stop, run_process, today

ERA = 5_000
ALLOWED = 0.3, 1.0
"""Of the raw rows, and GB beside: what the peak may be."""


def write_parquet(folder: Path, n_rows: int, n_features: int) -> None:
    """Write rows in Numerai's layout, all of them as training rows, an era a row group."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    names = [f"feature_{i}" for i in range(n_features)]
    block = {name: pa.array(rng.integers(0, 5, ERA, dtype=np.int8)) for name in names}
    target = pa.array((rng.integers(0, 5, ERA) / 4).astype(np.float32))
    for name, eras in (
        ("train", range(1, n_rows // ERA)),
        ("validation", range(n_rows // ERA, n_rows // ERA + 1)),
    ):
        writer = None
        for era in eras:
            table = pa.table(
                {
                    "id": [f"n{era:05d}{i:05d}" for i in range(ERA)],
                    "era": [f"{era:04d}"] * ERA,
                    "data_type": [name] * ERA,
                    **block,
                    "target": target,
                }
            )
            writer = writer or pq.ParquetWriter(folder / f"{name}.parquet", table.schema)
            writer.write_table(table)
        if writer is not None:
            writer.close()
    sets = {"small": names[:20], "medium": names, "all": names}
    (folder / "features.json").write_text(json.dumps({"feature_sets": sets, "targets": ["target"]}))


def train(folder: Path, seconds: int) -> None:
    """Open the store, converting rows where there is none yet, and train (seconds -1: do not)."""
    from numerai_lab.config import Data
    from numerai_lab.data import load_data
    from numerai_lab.models import FitContext, get_model

    store = {"use": "always", "dir": str(folder / "store")}
    data = Data.model_validate(
        {"source": "numerai", "dir": str(folder), "feature_set": "all", "store": store}
    )
    frame = load_data(data, say=print).frame
    if seconds < 0:
        return
    cpu = time.process_time()

    class Enough(Exception):
        pass

    def pace(_: str) -> None:
        if seconds and time.process_time() - cpu > seconds:
            raise Enough

    kind = get_model("mlp")
    model = kind(kind.Params.model_validate({"epochs": 1}))
    ctx = FitContext(
        seed=0, target="target", targets=("target",), purge_eras=8, n_threads=1, pace=pace
    )
    try:
        model.fit(frame, ctx)
        print("a whole epoch", end=", ")
    except Enough:
        print("stopped early", end=", ")
    print(f"{time.process_time() - cpu:.0f} s of CPU")


def main() -> None:
    """Print the peak of the process that trains, beside what it may be."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_500_000)
    parser.add_argument("--features", type=int, default=700)
    parser.add_argument("--seconds", type=int, default=0, help="of CPU, then training is ended")
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    if asked.folder:
        return train(asked.folder, asked.seconds)
    remove_files_when_told_to_stop()
    print(machine_line())
    with tempfile.TemporaryDirectory() as temporary:
        write_parquet(Path(temporary), asked.rows, asked.features)
        own = [sys.executable, __file__, "--folder", temporary, "--seconds"]
        converted = run_process([*own, "-1"])
        print(f"converting: peak {converted.peak_mb:,.0f} MiB, {converted.cpu:.0f} s of CPU")
        trained = run_process([*own, str(asked.seconds)])
        share, beside = ALLOWED
        raw = asked.rows * asked.features / 2**20
        most = share * raw + beside * 1e9 / 2**20
        print(
            f"{asked.rows:,} x {asked.features}, raw {raw:,.0f} MiB; training: "
            f"peak {trained.peak_mb:,.0f} MiB of {most:,.0f} allowed, {trained.stdout.strip()}, "
            f"{today()}"
        )
    return None


if __name__ == "__main__":
    main()
