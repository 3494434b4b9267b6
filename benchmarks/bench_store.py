"""The era store: how wide its blocks should be, and what it saves against parquet.

Converts generated parquet (60 eras x 5,000 rows x 700 features) with blocks of several widths, and
reads it as training (batches of rows), scoring (eras) and an experiment on few features do. Reads
come from the system's file cache. Times are CPU seconds of the process, because other work on the
machine moves wall time.

    python benchmarks/bench_store.py [repeats]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numerai_lab.data.store.convert as convert
from measure import machine_line, spread
from numerai_lab.config import Data
from numerai_lab.data import load_data
from numerai_lab.eraframe import EraFrame

WIDTHS = (16, 64, 256, 700)
BATCH = 20_000


def cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def load(folder: Path, stores: Path, use: str, feature_set: str = "all") -> EraFrame:
    data = Data.model_validate(
        {
            "source": "numerai",
            "dir": folder,
            "feature_set": feature_set,
            "store": {"use": use, "dir": stores},
        }
    )
    return load_data(data, say=lambda _: None).frame


def read_batches(frame: EraFrame) -> None:
    for first in range(0, frame.n_rows, BATCH):
        frame.features[first : first + BATCH]


def read_eras(frame: EraFrame) -> None:
    for _, rows in frame.iter_eras():
        frame.features[rows]


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    print(machine_line())
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent, "data")
        generate = Path(__file__).with_name("generate.py")
        subprocess.run(
            [sys.executable, str(generate), str(folder), "--train-eras", "60"], check=True
        )
        parquet = [cpu_seconds(partial(load, folder, folder, "never")) for _ in range(repeats)]
        print(f"CPU s, n={repeats}: parquet to memory {spread(parquet)}")
        print("width  convert            open          batches       eras          42 features")
        for width in WIDTHS:
            convert.BLOCK_COLUMNS = width  # type: ignore[attr-defined]
            times: list[list[float]] = [[] for _ in range(5)]
            for repeat in range(repeats):
                stores = Path(parent, f"{width}-{repeat}")
                for column in times[:2]:
                    column.append(cpu_seconds(partial(load, folder, stores, "always")))
                frame = load(folder, stores, "always")
                few = load(folder, stores, "always", "small")
                times[2].append(cpu_seconds(partial(read_batches, frame)))
                times[3].append(cpu_seconds(partial(read_eras, frame)))
                times[4].append(cpu_seconds(partial(read_eras, few)))
            print(f"{width:5}  " + "  ".join(spread(column) for column in times))


if __name__ == "__main__":
    main()
