"""Run the benchmarks one after another, on a machine that does nothing else.

    python benchmarks/run.py            `make bench`: small sizes, minutes
    python benchmarks/run.py --full     `make bench-full`: 1.5 million rows beside notebook scripts,
                                        then all of v5.3's shape: hours, 45 GiB of disk

The large runs are kept in build/memory.json turn by turn: after a stop, run it again to go on.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

QUICK = (
    "bench_nets.py 1 --mib 20 --threads 1",
    "bench_prices.py 500 10",
    "bench_reading.py",
    "bench_ridge.py 1",
    "bench_scoring.py",
    "bench_store.py 1",
    "bench_training.py 1",
    "bench_tune.py 3",
    "bench_ttt.py 400 3",
    "bench_memory.py --eras 20,40 --repeats 1 --trees 50",
)
FULL = (
    "bench_memory.py --eras 60,120,240 --repeats 2 --out build/memory.json",
    "bench_memory.py --draw build/memory.json",
    "bench_floor.py --results build/memory.json",
    "full_shape.py --out build/full_shape.json",
)


def main() -> None:
    failed = []
    for line in FULL if sys.argv[1:] == ["--full"] else QUICK:
        name, *arguments = line.split()
        print(f"\n== {line}", flush=True)
        start = time.perf_counter()
        script = str(Path(__file__).with_name(name))
        if subprocess.run([sys.executable, script, *arguments], check=False).returncode:
            failed.append(name)
        print(f"({(time.perf_counter() - start) / 60:.1f} minutes)", flush=True)
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
