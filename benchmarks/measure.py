"""Shared by the benchmarks: run a command as a whole process, print ratios with their spread."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

REAL_DATA = Path(os.environ.get("NUMERAI_LAB_REAL_DATA", "../shared/data"))


@dataclass(frozen=True)
class Run:
    """One finished process: wall and CPU seconds, peak resident MiB, what it printed."""

    wall: float
    cpu: float
    peak_mb: float
    stdout: str


def run_process(command: Sequence[str]) -> Run:
    """Run a command to its end; its own rusage gives CPU and peak memory."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    out = process.stdout.read()
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{errors}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 2**20, out)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median with minimum and maximum."""
    middle = statistics.median(values)
    return f"{middle:.{digits}f} [{min(values):.{digits}f}, {max(values):.{digits}f}]"


def ratio(a: Sequence[float], b: Sequence[float]) -> str:
    """Pairwise ratios a/b with n and spread."""
    return f"x{spread([x / y for x, y in zip(a, b, strict=True)])} (n={len(a)})"


def machine_line() -> str:
    """Say what the numbers were taken on."""
    names = ("xgboost", "lightgbm", "pandas", "pyarrow", "numpy", "numerai-tools")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in names)
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {versions}"
