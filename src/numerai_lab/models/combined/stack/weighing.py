"""Weights of a stack's members, from what they predicted out of fold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float32, Float64
from numerai_lab.models.combined.blend import WeightFit
from numerai_lab.models.combined.stack.evidence import Evidence
from numerai_lab.models.combined.stack.params import EQUAL, StackParams
from numerai_lab.models.contract import Members
from numerai_lab.scoring import aimed_label, corr_per_era

MOST_LACKING = 0.2
"""Share of an era's rows up to which a member may lack predictions and still count in it.

As a prediction with fewer than 80 % of an era's rows has no score there."""


@dataclass(frozen=True)
class Weighing:
    """The weights, and what they were found on.

    Attributes
    ----------
    weights : float64 [n_members], absolute values sum to 1.
    evidence : all that they rest on.
    details : for fit.json: each member's weight and own mean corr, members' correlations, eras.
    notes : sentences about what happened.
    """

    weights: Float64
    evidence: Evidence
    details: dict[str, Any]
    notes: tuple[str, ...]


def weigh(
    given: Members, target: str, params: StackParams, before: Evidence | None = None
) -> Weighing:
    """Find the weights that a stack's parameters ask for.

    Parameters
    ----------
    before : what earlier eras have said, as if they were among those given.
    given : out-of-fold predictions of eras whose labels are known. Those in which a member lacks
        more than `MOST_LACKING` of the rows teach nothing, and are counted.
    target : that the weights are fitted to, as the aim says.
    """
    names = list(given.predictions)
    n = len(names)
    before = before or Evidence.none(n)
    last = int(given.rows.eras[-1]) if given.rows.n_eras else before.at
    fit = before.fit.faded(_fading(last - before.at, params))
    reference = None if params.reference is None else given.references[params.reference]
    scores, used, lacking, silent = [], [], dict.fromkeys(names, 0), 0
    for era, rows in given.rows.iter_eras():
        values = columns(given.predictions, rows)
        here = np.array([0, len(values)])
        labels = given.rows.target(target)[rows]
        scores.append(corr_per_era(values, labels, here)[0])
        lacks = missing_in(values)
        for name, absent in zip(names, lacks.tolist(), strict=True):
            lacking[name] += int(absent)
        known = ~np.isnan(labels)
        if lacks.any() or not known.any():
            continue
        counts = _fading(last - era, params)
        if reference is None:
            n_known = np.array([0, int(known.sum())])
            fit.add(values[known], labels[known], n_known, counts)
        else:
            label = aimed_label(
                params.aim, labels.astype(np.float64), reference[rows], given.payout
            )
            if label is None:
                silent += 1
                continue
            known = ~np.isnan(label)
            fit.add_label(values[known], label[known], counts)
        used.append(era)
    evidence = _added(before, given, fit, last, scores, used)
    weights, notes = _weights(fit, names, evidence.n_eras, params)
    notes += [
        f"member {name} lacks {count} of {given.rows.n_eras} eras: these teach no weights"
        for name, count in lacking.items()
        if count
    ]
    if silent:
        notes.append(
            f"aim {params.aim}: in {silent} of {given.rows.n_eras} eras the {_called(params)} has "
            "less than 80 % of the rows, or is constant: these teach no weights"
        )
    details = _details(names, weights, evidence, given.purge_eras)
    return Weighing(weights, evidence, details, tuple(notes))


def _fading(age: int, params: StackParams) -> float:
    """Return how much an era of some age counts."""
    return float(0.5 ** (age / params.half_life_eras)) if params.half_life_eras else 1.0


def _added(
    before: Evidence,
    given: Members,
    fit: WeightFit,
    last: int,
    scores: list[Float64],
    used: list[int],
) -> Evidence:
    table = np.array(scores).reshape(-1, len(before.corr_sums))
    known = ~np.isnan(table)
    return Evidence(
        fit=fit,
        at=last,
        corr_sums=before.corr_sums + np.where(known, table, 0.0).sum(axis=0),
        corr_counts=before.corr_counts + known.sum(axis=0),
        n_eras=before.n_eras + len(used),
        first=before.first if before.first is not None or not used else used[0],
        last=used[-1] if used else before.last,
        folds=tuple(sorted({*before.folds, *(int(fold) for fold in given.folds if fold)})),
    )


def columns(predictions: Mapping[str, Float32], rows: slice) -> Float64:
    """Return members' predictions of one era's rows, float64 [n_rows, n_members].

    A member that lacks a few rows has its median there, which says nothing for or against them;
    one that lacks more than `MOST_LACKING` of the era stays NaN.
    """
    values = np.column_stack([values[rows] for values in predictions.values()]).astype(np.float64)
    for column in values.T:
        gaps = np.isnan(column)
        if 0 < gaps.mean() <= MOST_LACKING:
            column[gaps] = np.median(column[~gaps])
    return values


def missing_in(values: Float64) -> npt.NDArray[np.bool_]:
    """Tell which members count as absent in an era, bool [n_members]; `values` as of `columns`."""
    return np.asarray(np.isnan(values).any(axis=0))


def _weights(
    fit: WeightFit, names: list[str], n_eras: int, params: StackParams
) -> tuple[Float64, list[str]]:
    n = len(names)
    equal = np.full(n, 1 / n)
    constant = [name for name, spread in zip(names, np.diag(fit.gram), strict=True) if spread == 0]
    if isinstance(params.weights, dict) or params.weights == EQUAL:
        notes = [f"constant predictions, which add nothing: {', '.join(constant)}"]
        given = equal
        if isinstance(params.weights, dict):
            given = np.array([params.weights[name] for name in names])
        return given / given.sum(), notes if constant and n_eras else []
    if n_eras == 0:
        also = "" if params.reference is None else f" with the {_called(params)}'s predictions"
        return equal, [f"no label{also} is known that weights could be fitted on: equal weights"]
    solved = fit.solve(prior_eras=params.prior_eras, signed=params.weights == "ridge")
    notes = []
    if constant:
        notes.append(f"constant predictions, without weight: {', '.join(constant)}")
    if solved is None:
        return equal, [*notes, f"{params.weights} finds no member of any use: equal weights"]
    if params.max_weight is None:
        return solved, notes
    capped, held = cap(solved, params.max_weight)
    if not held:
        notes.append(
            f"max_weight {params.max_weight:g} cannot hold, too few members are of any use: these "
            "weigh the same"
        )
    return capped, notes


def _called(params: StackParams) -> str:
    """Name in a sentence whose predictions the aim looks at."""
    return str(params.reference).replace("_", " ")


def cap(weights: Float64, largest: float) -> tuple[Float64, bool]:
    """Bring weights below a largest share; what is cut goes to the others in proportion.

    Returns
    -------
    Weights whose absolute values sum to 1, and whether the largest share holds: members with
    weight 0 get none, so too few others share it equally instead.
    """
    signs, shares = np.sign(weights), np.abs(weights)
    some = shares > 0
    if largest * some.sum() < 1:
        return signs * some / some.sum(), False
    full = np.zeros(len(shares), dtype=bool)
    while (shares[~full] > largest).any():
        full |= shares > largest
        shares[full] = largest
        rest = some & ~full
        shares[rest] *= (1 - largest * full.sum()) / shares[rest].sum()
    found: Float64 = signs * shares
    return found, True


def _details(names: list[str], weights: Float64, seen: Evidence, purge_eras: int) -> dict[str, Any]:
    sums, counts = seen.corr_sums, seen.corr_counts
    together = seen.fit.correlations()
    return {
        "members": [
            {
                "member": name,
                "weight": float(weights[i]),
                "oof_corr": float(sums[i] / counts[i]) if counts[i] else None,
                "correlations": {
                    other: float(together[i, j])
                    for j, other in enumerate(names)
                    if j != i and np.isfinite(together[i, j])
                },
            }
            for i, name in enumerate(names)
        ],
        "weights_on": {
            "n_eras": seen.n_eras,
            "first": seen.first,
            "last": seen.last,
            "folds": list(seen.folds),
            "purge_eras": purge_eras,
        },
    }
