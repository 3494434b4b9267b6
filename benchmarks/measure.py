"""Shared by the benchmarks: run a command as a whole process, print ratios with their spread."""

from __future__ import annotations

import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

REAL_DATA = Path(os.environ.get("NUMERAI_LAB_REAL_DATA", "../shared/data"))


@dataclass(frozen=True)
class Run:
    """One finished process.

    Attributes
    ----------
    wall, cpu : seconds; `cpu` is that of all its threads and of children it waited for.
    peak_mb : MiB resident at the peak of the process, or of its largest child if that is larger.
    stdout : what it printed.
    started : seconds since 1970 at which it was started.
    others : cores that everything else on the machine kept busy meanwhile; NaN where the system
        does not tell.
    """

    wall: float
    cpu: float
    peak_mb: float
    stdout: str
    started: float
    others: float


def run_process(command: Sequence[str]) -> Run:
    """Run a command to its end; its own rusage gives CPU and peak memory.

    A child's peak begins with what its parent holds when it starts it, so a benchmark that
    calls this should hold little itself.
    """
    busy, started, start = _busy_seconds(), time.time(), time.perf_counter()
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert process.stdout is not None
        try:
            out = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            sys.exit(f"{' '.join(command)} failed ({process.returncode}):\n{errors.read()}")
    cpu = usage.ru_utime + usage.ru_stime
    others = (_busy_seconds() - busy - cpu) / wall
    unit = 1 if sys.platform == "darwin" else 1024
    return Run(wall, cpu, usage.ru_maxrss * unit / 2**20, out, started, others)


def _busy_seconds() -> float:
    """Seconds that the machine's cores have worked, or were taken by its host (Linux; else NaN)."""
    try:
        user, nice, system, _idle, _wait, irq, soft, steal = (
            int(field) for field in Path("/proc/stat").read_text().split()[1:9]
        )
    except FileNotFoundError:
        return float("nan")
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


def remove_files_when_told_to_stop() -> None:
    """Let SIGTERM unwind the stack as Ctrl-C does, so that temporary folders go with it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped by SIGTERM"))


def lab_command(*arguments: str) -> list[str]:
    """Return the command line of `numerai-lab` of this Python."""
    return [str(Path(sys.executable).with_name("numerai-lab")), *arguments]


def generate(folder: Path, *sizes: str) -> Run:
    """Write generated parquet files; `sizes` are the options of generate.py."""
    script = str(Path(__file__).with_name("generate.py"))
    return run_process([sys.executable, script, str(folder), *sizes])


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
    return f"{_hardware()}, Python {platform.python_version()}, {versions}"


def today() -> str:
    """Return the date (UTC) that belongs to a number."""
    return datetime.now(UTC).date().isoformat()


def _hardware() -> str:
    cores = f"{os.cpu_count()} cores"
    threads = os.environ.get("OMP_NUM_THREADS")
    if threads:
        cores += f" (OMP_NUM_THREADS={threads})"
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    except (ValueError, OSError):
        return cores
    return f"{cores}, {memory:.0f} GiB"
