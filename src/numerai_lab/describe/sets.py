"""Sets of features, what of each is in another, and the metadata file that names them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numerai_lab.errors import DataError


def read_metadata(path: Path) -> tuple[dict[str, list[str]], list[str]]:
    """Read sets of features and names of targets from a `features.json` of Numerai's.

    Raises DataError : it is not there, or something else is in it.
    """
    try:
        told = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no JSON"
        raise DataError(f"cannot be read ({reason})", where=str(path)) from None
    sets = told.get("feature_sets") if isinstance(told, dict) else None
    if not isinstance(sets, dict) or not all(isinstance(one, list) for one in sets.values()):
        raise DataError(
            "holds no feature_sets: {name: [feature, ...]}",
            where=str(path),
            fix="name Numerai's features.json",
        )
    return {name: [str(f) for f in one] for name, one in sets.items()}, list(
        told.get("targets", [])
    )


def describe_sets(sets: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Say how large sets are and how they overlap.

    Returns
    -------
    `n_features` in any set; `sets`: name -> n, and `alone`, how many are in no other set but those
    that hold all features or are called small, medium; `shares`: [[share of the row's set that is
    in the column's]] in the order of `sets`; `same`: names of sets that hold the same features;
    `twice`: features that one set names twice.
    """
    members = {name: set(listed) for name, listed in sets.items()}
    every = set().union(*members.values()) if members else set()
    sizes = {"small", "medium"}
    groups = {n: one for n, one in members.items() if n not in sizes and one != every}
    found = {}
    for name, one in members.items():
        others = set().union(*(two for other, two in groups.items() if other != name))
        found[name] = {"n": len(one), "alone": len(one - others)}
    shares = [
        [len(one & two) / len(one) if one else 0.0 for two in members.values()]
        for one in members.values()
    ]
    same: dict[frozenset[str], list[str]] = {}
    for name, one in members.items():
        same.setdefault(frozenset(one), []).append(name)
    in_groups = set().union(*groups.values()) if groups else set()
    return {
        "n_features": len(every),
        "in_no_group": len(every - in_groups),
        "sets": found,
        "shares": shares,
        "same": [names for names in same.values() if len(names) > 1],
        "twice": {
            n: len(listed) - len(members[n])
            for n, listed in sets.items()
            if len(listed) > len(members[n])
        },
    }
