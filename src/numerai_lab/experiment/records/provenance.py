"""What a run was made with: code, versions, machine."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from numerai_lab.machine import output_of

PACKAGES = (
    "numerai_lab",
    "xgboost",
    "lightgbm",
    "numpy",
    "pandas",
    "pyarrow",
    "scipy",
    "scikit-learn",
    "numerai-tools",
    "pydantic",
)


def versions(more: Sequence[str] = ()) -> dict[str, str]:
    """Return the installed version of everything that can change a number.

    Parameters
    ----------
    more : distributions beside those that every run depends on (`Prepared.libraries`).
    """
    names = [*PACKAGES, *(name for name in more if name != "python")]
    return {"python": platform.python_version(), **{name: _version(name) for name in names}}


@cache
def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def machine() -> dict[str, Any]:
    """Return the platform, core count and memory in MB (None where the system does not tell)."""
    memory: int | None = None
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    return {
        "platform": platform.platform(),
        "python": sys.version.split()[0],
        "cpu_count": os.cpu_count(),
        "memory_mb": memory,
    }


def git_state() -> dict[str, Any] | None:
    """Return commit and whether tracked files differ from it, for the code that is running.

    None when the package does not run from a git checkout (an ordinary install). Asked once in a
    process, whose code was imported once.
    """
    here = Path(__file__).parent
    commit = _git(here, "rev-parse", "HEAD")
    if commit is None or _git(here, "ls-files", "--error-unmatch", __file__) is None:
        return None
    changed = _git(here, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": bool(changed)}


@cache
def _git(folder: Path, *arguments: str) -> str | None:
    told = output_of(["git", "-C", str(folder), *arguments], seconds=10)
    return None if told is None else told.strip()
