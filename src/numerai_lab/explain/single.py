"""Single rows, and one era: what made this prediction, and what made that score."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from numerai_lab.arrays import Float64
from numerai_lab.errors import RunError
from numerai_lab.experiment import OpenedModel
from numerai_lab.explain.attribution import Attribute, Total, total_of
from numerai_lab.explain.dependence import column_values
from numerai_lab.explain.lime import lime_facts
from numerai_lab.explain.over_eras import directions, earned
from numerai_lab.explain.sample import draw
from numerai_lab.scoring import corr_per_era
from numerai_lab.seeds import child_seed

LIME = 20
"""Features that may change in a row's neighbours: those with the largest contributions."""
_COMPANY = 60
"""Rows of the era that are explained with a single one, in whose spread members are weighed."""


def row_facts(
    opened: OpenedModel, attribute: Attribute, id_: str, seed: int, *, row_by_row: bool
) -> dict[str, Any]:
    """Explain the prediction of one row.

    Parameters
    ----------
    row_by_row : whether the row's prediction depends on no other row; else it has no LIME.

    Returns
    -------
    id, era, target, prediction, `raw` (the output that contributions sum to, with `base` and
    `beside`; of a blend in its own units, without a base), all features with value and
    contribution, the largest first, and `lime` of the largest of them.

    Raises
    ------
    RunError : no judged row of the fold has the id.
    """
    frame, place = opened.rows, place_of(opened, id_)
    era = int(frame.row_eras[place])
    own = frame.between(era, era)
    start = int(frame.offsets[np.searchsorted(frame.eras, era)])
    row = place - start
    company = draw(own, _COMPANY, child_seed(seed, "company")).rows[0]
    drawn = np.union1d(company, [row])
    members = attribute(own.without_targets(), drawn)
    total, i = total_of(members), int(np.searchsorted(drawn, row))
    features = own.features[[row]]
    values = [column_values(features, column)[0] for column in range(frame.n_features)]
    order = np.argsort(-np.abs(total.values[i]), kind="stable")
    lime = None
    if row_by_row:
        lime = lime_facts(opened.predict, own.without_targets(), row, order[:LIME], seed)
    return {
        "lime": lime,
        "id": id_,
        "era": era,
        "target": _or_none(float(own.target(opened.target)[row])),
        "prediction": float(opened.predict(own.without_targets())[row]),
        "raw": float(total.raw[i]),
        "base": members[0].base if len(members) == 1 else None,
        "beside": {name: float(more[i]) for name, more in total.beside.items()},
        "features": [
            {
                "feature": frame.feature_names[column],
                "value": None if np.isnan(values[column]) else float(values[column]),
                "contribution": float(total.values[i, column]),
            }
            for column in order.tolist()
        ],
    }


def place_of(opened: OpenedModel, id_: str) -> int:
    """Return the row number of an id among the judged rows. Raises RunError."""
    place: int = pc.index(opened.rows.ids, id_).as_py()
    if place < 0:
        first, last = opened.rows.eras[0], opened.rows.eras[-1]
        what, fix = f"that {opened.name} judges (eras {first}-{last})", "predictions.parquet"
        if not opened.labelled:
            what, fix = "that the final model is shown", "live file"
        raise RunError(
            f"no row {what} has the id '{id_}'", where="--id", fix=f"take an id of the run's {fix}"
        )
    return place


def era_facts(
    opened: OpenedModel, attribute: Attribute, era: int, n_rows: int, seed: int
) -> dict[str, Any]:
    """Share the score of one era out among features.

    Returns
    -------
    era, rows (explained, of all), corr (as it was scored, of all rows), pearson (of the raw output
    of the explained rows, which the parts sum to), `beside` and all features with what they
    earned, how much they added, and in which direction; the largest shares first.

    Raises
    ------
    RunError : the fold does not judge that era.
    """
    frame, target = opened.rows, opened.target
    own = frame.between(era, era)
    if own.n_eras == 0:
        raise RunError(
            f"fold {opened.fold} judges eras {frame.eras[0]}-{frame.eras[-1]}, and not {era}",
            where="--era",
            fix="name one of these, or another --fold",
        )
    drawn: npt.NDArray[np.int64] = draw(own, n_rows, seed).rows[0]
    total = total_of(attribute(own.without_targets(), drawn))
    features, labels = own.features[drawn], own.target(target)[drawn]
    share = earned(total.values, total.raw, labels)
    beside = {name: _earned_beside(total, more, labels) for name, more in total.beside.items()}
    predicted = opened.predict(own.without_targets()).astype(np.float64)
    corr = corr_per_era(predicted, own.target(target), own.offsets)[0, 0]
    size, direction = np.abs(total.values).mean(axis=0), directions(features, total.values)
    return {
        "era": era,
        "rows": {"explained": len(drawn), "of": own.n_rows},
        "corr": _or_none(corr),
        "pearson": _or_none(float(share.sum() + sum(beside.values()))),
        "beside": {name: _or_none(value) for name, value in beside.items()},
        "features": [
            {
                "feature": frame.feature_names[column],
                "earned": _or_none(share[column]),
                "size": float(size[column]),
                "direction": _or_none(direction[column]),
            }
            for column in np.argsort(-np.abs(np.nan_to_num(share)), kind="stable").tolist()
        ],
    }


def _earned_beside(total: Total, more: Float64, labels: npt.NDArray[np.float32]) -> float:
    return float(earned(more[:, None], total.raw, labels)[0])


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
