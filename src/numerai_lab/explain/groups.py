"""Groups of features: the sets that features.json and the config name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt


def groups_of(
    names: Sequence[str], sets: Mapping[str, Sequence[str]]
) -> dict[str, npt.NDArray[np.int64]]:
    """Return the column numbers of each set that holds some of the features, but not all.

    Sets that hold the same of these features are one group, named after all of them.
    """
    place = {name: i for i, name in enumerate(names)}
    named: dict[tuple[int, ...], list[str]] = {}
    for name, listed in sets.items():
        columns = tuple(sorted(place[feature] for feature in listed if feature in place))
        if 0 < len(columns) < len(names):
            named.setdefault(columns, []).append(name)
    return {", ".join(same): np.array(columns) for columns, same in named.items()}
