"""Reading features, eras and one target: load_data against pandas.read_parquet.

    .venv/bin/python benchmarks/bench_reading.py [FOLDER] [ROUNDS]

FOLDER is in Numerai's layout (default ../shared/data/market); only its train.parquet is read,
with all features. Each reading happens in a fresh process, the two sides alternating; time is
wall clock without imports, memory is the peak RSS above the RSS after imports. Both sides have
imported the same libraries. The pandas side also turns its int8 columns into one C-order array,
timed apart, because that is what a library gets in the end.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def _status(key: str) -> float:
    """Return a line of /proc/self/status in MiB."""
    text = Path("/proc/self/status").read_text()
    return int(text.split(f"{key}:")[1].split()[0]) / 1024


def measure(side: str, folder: Path) -> dict[str, float]:
    """Read once in this process; return seconds, peak and raw MiB."""
    import numpy as np
    import pandas as pd
    import pyarrow.parquet as pq

    from numerai_lab.config import Data
    from numerai_lab.data import load_data

    path = folder / "train.parquet"
    features = [n for n in pq.read_schema(path).names if n.startswith("feature")]
    before = _status("VmRSS")
    start = time.perf_counter()
    if side == "load_data":
        frame = load_data(Data(source="numerai", dir=folder), say=lambda _: None).frame
        seconds = time.perf_counter() - start
        shape = frame.features.shape
    else:
        table = pd.read_parquet(path, columns=["era", "target", *features])
        seconds = time.perf_counter() - start
        shape = table[features].shape
        if side == "pandas, then C-order":
            np.ascontiguousarray(table[features].to_numpy())
            seconds = time.perf_counter() - start
    raw = shape[0] * shape[1] / 2**20
    return {"seconds": seconds, "peak": _status("VmHWM") - before, "raw": raw}


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data/market")
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    sides = ("load_data", "pandas", "pandas, then C-order")
    results: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as alone:
        # A folder with the training file only, so that both sides read the same rows.
        for name in ("train.parquet", "features.json"):
            (Path(alone) / name).symlink_to((folder / name).resolve())
        for _ in range(rounds):
            for side in sides:
                command = [sys.executable, __file__, "--measure", side, alone]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                results[side].append(json.loads(done.stdout))
    raw = results["load_data"][0]["raw"]
    print(f"{folder}/train.parquet, all features, raw int8 {raw:.0f} MiB, {rounds} rounds")
    for side in sides:
        for key, unit in (("seconds", "s"), ("peak", "MiB")):
            values = [r[key] for r in results[side]]
            print(
                f"  {side:22} {key:8} median {statistics.median(values):8.2f} {unit:4}"
                f" ({min(values):.2f} - {max(values):.2f})"
            )
    for side in sides[1:]:
        for key in ("seconds", "peak"):
            pairs = zip(results["load_data"], results[side], strict=True)
            ratios = [ours[key] / theirs[key] for ours, theirs in pairs]
            print(
                f"  load_data / {side}: {key} median {statistics.median(ratios):.2f}"
                f" ({min(ratios):.2f} - {max(ratios):.2f})"
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(sys.argv[2], Path(sys.argv[3]))))
    else:
        main()
