"""Which libraries a package's optional part brings, as the package's own metadata says."""

from __future__ import annotations

import re
from importlib import metadata

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")


def libraries(package: str, extra: str = "") -> tuple[str, ...]:
    """Name what a package requires: by itself, or for one of its extras (`package[extra]`).

    Returns
    -------
    Names of distributions, as the metadata write them; empty where the package has none.
    """
    return tuple(name for name, _ in _requirements(package, extra))


def absent_libraries(package: str, extra: str) -> tuple[str, ...]:
    """Name the libraries of an extra that are not installed.

    Those required under further conditions (a platform, a Python version) are not asked for.
    """
    return tuple(
        name
        for name, conditions in _requirements(package, extra)
        if " and " not in conditions and not _installed(name)
    )


def _requirements(package: str, extra: str) -> list[tuple[str, str]]:
    """Return (name, conditions) of each requirement that belongs to the extra, or to none."""
    try:
        written = metadata.requires(package) or []
    except metadata.PackageNotFoundError:
        return []
    found = []
    for requirement in written:
        what, _, conditions = requirement.partition(";")
        name, of = _NAME.match(what.strip()), _EXTRA.search(conditions)
        if name is not None and (of.group(1) if of else "") == extra:
            found.append((name.group(), conditions))
    return found


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
