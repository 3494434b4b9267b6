"""What this process may use of the machine: memory and cores, as its container allows."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from numerai_lab.disclosure import child_environment
from numerai_lab.errors import LabError, MachineError

CGROUP = Path("/sys/fs/cgroup")
_UNLIMITED = 1 << 60
LIBRARIES_BYTES = 800_000_000
"""Addresses that a process takes which has imported everything: 720 MB with one thread, 802 MB
with two (Linux, XGBoost 3.2, LightGBM 4.6, Arrow 26). Below it, imports fail, hang or abort."""
# What the loader, NumPy, Arrow, C++ and Python's threads say when they get no memory.
_SHORT = re.compile(
    r"failed to map segment|cannot allocate memory|std::bad_alloc|bad allocation"
    r"|can't start new thread",
    re.IGNORECASE,
)


def available_bytes() -> int | None:
    """Return the bytes that can still be allocated: the least of all limits; None if not known.

    Looks at what the system has left without swapping, at the limit of the control group (v2 or
    v1, as containers and batch systems set it) and at `ulimit -v`. Pages of files that the system
    only keeps as a cache count as free.
    """
    limits = [_system(), _cgroup_v2(), _cgroup_v1(), _address_space()]
    known = [limit for limit in limits if limit is not None]
    return max(0, min(known)) if known else None


def device_available_bytes() -> int | None:
    """Return the free bytes of the GPU that has most of them; None without an NVIDIA GPU."""
    told = output_of(
        ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits"], seconds=30
    )
    free = [int(line) for line in (told or "").split() if line.isdigit()]
    return max(free) << 20 if free else None


def output_of(command: Sequence[str], seconds: float) -> str | None:
    """Return what a program prints; it gets no key. None if it fails, is absent or too slow."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
            check=False,
            env=child_environment(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def usable_cores() -> int:
    """Return how many threads can run at once: the least of all limits, at least one.

    Looks at the cores that the process is bound to (`taskset`, batch systems), at the time the
    control group may use (`docker --cpus`), which the libraries' own count of cores does not know,
    and at OMP_NUM_THREADS.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quota, _, period = _text(own_group() / "cpu.max").strip().partition(" ")
    if quota.isdigit() and period.isdigit():
        cores = min(cores, max(1, int(quota) // int(period)))
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if wanted.isdigit() and int(wanted) > 0:
        cores = min(cores, int(wanted))
    return cores


def check_address_space() -> None:
    """Check, before the libraries are imported, that the limit of addresses leaves room for them.

    Raises
    ------
    MachineError : `ulimit -v` is below what the libraries take. Some of them fail to load then,
        some call abort, and OpenBLAS tries for ever.
    """
    limit = _limit_of_addresses()
    if limit is not None and limit < LIBRARIES_BYTES:
        raise MachineError(
            f"memory is short: {_ulimit(limit)}, and the libraries alone take "
            f"{LIBRARIES_BYTES / 1e6:,.0f} MB of addresses",
            fix="raise it (`ulimit -v unlimited`) or ask the batch system for more",
        )


def short_of_memory(error: BaseException) -> MachineError | None:
    """Return what to tell of an error that comes from a lack of memory; None of any other.

    What an error was raised from counts: a library that could not be loaded is "not installed" for
    one that asked for it, and a file "damaged" that could not be read.
    """
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if _is_short(cause):
            limits = memory_limits()
            return MachineError(
                f"not enough memory{limits}",
                fix=f"{'raise the limit, or ' if limits else ''}load fewer features or eras "
                "(data.feature_set, data.eras)",
            )
        cause = cause.__cause__ or cause.__context__
    return None


def bound_by_addresses() -> bool:
    """Return whether `ulimit -v` leaves less than every other limit on memory."""
    limit = _address_space()
    others = (_system(), _cgroup_v2(), _cgroup_v1())
    return limit is not None and all(other is None or limit <= other for other in others)


def memory_limits() -> str:
    """Return ` (the limits that are set on this process's memory)`, empty if there are none."""
    limit, group = _limit_of_addresses(), _cgroup_limit()
    told = [] if limit is None else [_ulimit(limit)]
    told += [] if group is None else [f"its control group may use {group / 1e6:,.0f} MB"]
    return f" ({', '.join(told)})" if told else ""


def _is_short(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    return not isinstance(error, LabError) and _SHORT.search(str(error)) is not None


def _ulimit(limit: int) -> str:
    return f"a process may have {limit / 1e6:,.0f} MB of addresses here (ulimit -v)"


def as_size(size: float) -> str:
    """Write a number of bytes as GiB, below one as MiB."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def _system() -> int | None:
    fields = _fields(Path("/proc/meminfo"))
    if "MemAvailable:" in fields:
        return fields["MemAvailable:"] * 1024
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        # Without /proc nothing says what others use: half of the memory is a careful guess.
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return None


def _cgroup_v2() -> int | None:
    found = []
    for folder, limit in _limited_groups():
        used = int(_text(folder / "memory.current").strip() or 0)
        cache = _fields(folder / "memory.stat").get("inactive_file", 0)
        found.append(limit - used + cache)
    return min(found) if found else None


def _limited_groups() -> list[tuple[Path, int]]:
    """Return the groups with a limit: that of any group above holds for all below it."""
    found = []
    folder = own_group()
    while folder.is_relative_to(CGROUP):
        limit = _text(folder / "memory.max").strip()
        if limit.isdigit():
            found.append((folder, int(limit)))
        if folder == CGROUP:
            break
        folder = folder.parent
    return found


def _cgroup_limit() -> int | None:
    limits = [limit for _, limit in _limited_groups()]
    old = _text(CGROUP / "memory" / "memory.limit_in_bytes").strip()
    limits += [int(old)] if old.isdigit() and int(old) < _UNLIMITED else []
    return min(limits) if limits else None


def own_group() -> Path:
    """Return the folder of the control group that this process is in."""
    own = _text(Path("/proc/self/cgroup")).strip().rpartition("::")[2].lstrip("/")
    return CGROUP / own


def _cgroup_v1() -> int | None:
    folder = CGROUP / "memory"
    limit = _text(folder / "memory.limit_in_bytes").strip()
    if not limit.isdigit() or int(limit) >= _UNLIMITED:
        return None
    used = int(_text(folder / "memory.usage_in_bytes").strip() or 0)
    cache = _fields(folder / "memory.stat").get("total_inactive_file", 0)
    return int(limit) - used + cache


def _address_space() -> int | None:
    limit = _limit_of_addresses()
    if limit is None:
        return None
    return limit - _fields(Path("/proc/self/status")).get("VmSize:", 0) * 1024


def _limit_of_addresses() -> int | None:
    if sys.platform == "win32":
        return None
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:  # not this kind of system
        return ""


def _fields(path: Path) -> dict[str, int]:
    """Read lines of a name and a whole number."""
    pairs = (line.split()[:2] for line in _text(path).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
