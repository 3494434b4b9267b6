"""What this process may use of the machine: memory and cores, as its container allows."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_UNLIMITED = 1 << 60


def available_bytes() -> int | None:
    """Return the bytes that can still be allocated: the least of all limits; None if not known.

    Looks at what the system has left without swapping, at the limit of the control group (v2 or
    v1, as containers and batch systems set it) and at `ulimit -v`. Pages of files that the system
    only keeps as a cache count as free.
    """
    limits = [_system(), _cgroup_v2(), _cgroup_v1(), _address_space()]
    known = [limit for limit in limits if limit is not None]
    return max(0, min(known)) if known else None


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
    quota, _, period = _text(_own_group() / "cpu.max").strip().partition(" ")
    if quota.isdigit() and period.isdigit():
        cores = min(cores, max(1, int(quota) // int(period)))
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if wanted.isdigit() and int(wanted) > 0:
        cores = min(cores, int(wanted))
    return cores


def gib(size: float) -> str:
    """Write a number of bytes as GiB."""
    return f"{size / 2**30:.1f} GiB"


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
    folder = _own_group()
    # A limit of any group above holds for all below it.
    while folder.is_relative_to(_CGROUP):
        limit = _text(folder / "memory.max").strip()
        if limit.isdigit():
            used = int(_text(folder / "memory.current").strip() or 0)
            cache = _fields(folder / "memory.stat").get("inactive_file", 0)
            found.append(int(limit) - used + cache)
        if folder == _CGROUP:
            break
        folder = folder.parent
    return min(found) if found else None


def _own_group() -> Path:
    own = _text(Path("/proc/self/cgroup")).strip().rpartition("::")[2].lstrip("/")
    return _CGROUP / own


def _cgroup_v1() -> int | None:
    folder = _CGROUP / "memory"
    limit = _text(folder / "memory.limit_in_bytes").strip()
    if not limit.isdigit() or int(limit) >= _UNLIMITED:
        return None
    used = int(_text(folder / "memory.usage_in_bytes").strip() or 0)
    cache = _fields(folder / "memory.stat").get("total_inactive_file", 0)
    return int(limit) - used + cache


def _address_space() -> int | None:
    if sys.platform == "win32":
        return None
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return None
    return limit - _fields(Path("/proc/self/status")).get("VmSize:", 0) * 1024


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:  # not this kind of system
        return ""


def _fields(path: Path) -> dict[str, int]:
    """Read lines of a name and a whole number."""
    pairs = (line.split()[:2] for line in _text(path).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
