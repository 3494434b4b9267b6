"""Daily prices to features and targets: 3,000 generated tickers x 20 years, seconds and memory.

    python benchmarks/bench_prices.py [tickers] [years]

`data prices` as a whole process: reading, checks, indicators, quintiles, targets, files. At most 3
minutes and 4 GB on two cores are wanted of 3,000 x 20.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from measure import lab_command, machine_line, remove_files_when_told_to_stop, run_process

DAYS_A_YEAR = 252
_DAYS_AT_ONCE = 252


def write_prices(path: Path, n_tickers: int, n_days: int) -> None:
    """Write random prices, a year of days at a time, ordered by date."""
    draw = np.random.default_rng(0)
    names = pa.array([f"T{i:05d}" for i in range(n_tickers)])
    first = np.datetime64("2000-01-03")
    dates = np.busday_offset(first, np.arange(n_days))
    level = np.full(n_tickers, 50.0)
    writer = None
    for start in range(0, n_days, _DAYS_AT_ONCE):
        some = dates[start : start + _DAYS_AT_ONCE]
        returns = 0.02 * draw.standard_normal((len(some), n_tickers))
        close = level * np.exp(np.cumsum(returns, axis=0))
        level = close[-1]
        spread = np.exp(0.01 * np.abs(draw.standard_normal(close.shape)))
        codes = pa.array(np.tile(np.arange(n_tickers, dtype=np.int32), len(some)))
        table = pa.table(
            {
                "date": pa.array(np.repeat(some, n_tickers)),
                "ticker": pa.DictionaryArray.from_arrays(codes, names),
                "open": close.ravel().astype(np.float32),
                "high": (close * spread).ravel().astype(np.float32),
                "low": (close / spread).ravel().astype(np.float32),
                "close": close.ravel().astype(np.float32),
                "volume": draw.integers(1_000, 5_000_000, close.size),
            }
        )
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def main() -> None:
    """Generate in a process of its own, then measure the command."""
    if sys.argv[1:2] == ["--write"]:
        write_prices(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
        return
    n_tickers = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    years = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    remove_files_when_told_to_stop()
    print(machine_line())
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "prices.parquet"
        sizes = [str(n_tickers), str(years * DAYS_A_YEAR)]
        subprocess.run([sys.executable, __file__, "--write", str(file), *sizes], check=True)
        place = f"data.dir={folder}"
        run = run_process(lab_command("data", "prices", str(file), "--set", place, "--quiet"))
        print(run.stdout)
        print(
            f"{n_tickers:,} tickers x {years} years: {run.wall:.0f} s, {run.cpu:.0f} s of CPU, "
            f"{run.peak_mb:,.0f} MiB at the peak; others kept {run.others:.1f} cores busy"
        )


if __name__ == "__main__":
    main()
