"""Groups of features, each of which becomes a token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.cluster import KMeans

from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError, did_you_mean
from numerai_lab.models.contract import Said
from numerai_lab.models.nets.runtime import MIDDLE, N_BINS
from numerai_lab.models.nets.within_eras import correlations

OTHER = "other"
_ERAS = 40
"""The first eras, whose correlations are clustered; so folds that grow have the same groups."""

Group = dict[str, Any]
"""`name`, and `columns`, numbers of features ascending."""


def named_groups(
    names: Sequence[str], groups: Mapping[str, Sequence[str]], said: Said
) -> list[Group]:
    """Share the features out: to the first group that names one, else to `other`.

    Raises
    ------
    ModelError : no group names a feature that is there, or one of them is called `other`.
    """
    if OTHER in groups:
        raise ModelError(
            f"a group is called '{OTHER}', as are the features that are in none",
            where="model.params.groups",
            fix="give it another name",
        )
    place = {name: i for i, name in enumerate(names)}
    owner: dict[int, str] = {}
    again = absent = 0
    for group, listed in groups.items():
        for name in listed:
            if name not in place:
                absent += 1
            elif place[name] in owner:
                again += 1
            else:
                owner[place[name]] = group
    if not owner:
        raise ModelError(
            f"none of the {absent} features in groups is among the {len(names)} trained on",
            where="model.params.groups",
            fix="name features of data.feature_set, or write groups: correlation",
        )
    left = [i for i in range(len(names)) if i not in owner]
    owner |= dict.fromkeys(left, OTHER)
    found = [
        {"name": group, "columns": sorted(i for i, mine in owner.items() if mine == group)}
        for group in (*groups, OTHER)
    ]
    kept = [group for group in found if group["columns"]]
    said.note(
        f"{len(kept)} groups of features: {again} features named again belong to their first "
        f"group, {len(left)} in none form '{OTHER}', {absent} named are not trained on"
    )
    return kept


def sets_named(
    wanted: Sequence[str], sets: Mapping[str, Sequence[str]]
) -> dict[str, Sequence[str]]:
    """Return some of the data's sets of features; raises ModelError where there is none so."""
    unknown = [name for name in wanted if name not in sets]
    if unknown:
        raise ModelError(
            f"the data have no set of features '{unknown[0]}'" + did_you_mean(unknown[0], sets),
            where="model.params.groups",
            fix="name sets of features.json, or write {NAME: [FEATURE, ...]}",
        )
    return {name: sets[name] for name in wanted}


def clustered_groups(train: EraFrame, n: int, seed: int, said: Said) -> list[Group]:
    """Cluster features by how much they correlate within eras, whatever the sign; k-means."""
    eras = train.eras[:_ERAS]
    corr = np.abs(correlations(train.select_eras(eras)))
    n = min(n, len(np.unique(corr, axis=0)))  # constant features all correlate alike
    found = KMeans(n, n_init=1, random_state=seed % 2**32).fit_predict(corr)
    columns = [np.flatnonzero(found == cluster).tolist() for cluster in range(n)]
    there = sorted(mine for mine in columns if mine)
    said.note(
        f"{len(there)} groups of features, of {min(map(len, there))} to {max(map(len, there))}: "
        f"clusters of their correlation within eras {eras[0]}-{eras[-1]}"
    )
    return [{"name": f"cluster_{i + 1}", "columns": mine} for i, mine in enumerate(there)]


def check_bins(frame: EraFrame) -> None:
    """Refuse int8 features that are in more bins than a net tells apart.

    Raises ModelError.
    """
    if frame.features.dtype != np.int8:
        return
    for era, rows in frame.iter_eras():
        highest = frame.features[rows].max(axis=0)
        if highest.max() >= N_BINS:
            name = frame.feature_names[int(highest.argmax())]
            raise ModelError(
                f"'{name}' has the value {highest.max()} in era {era}, and mtm tells the bins 0 to "
                f"{2 * MIDDLE} apart",
                fix="leave the feature out, or use another model",
            )
