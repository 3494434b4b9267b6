"""Predict judged eras: all at once, or one after another as labels become known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.models import Detailed, DetailedModel, Model, OnlineModel

Float32 = npt.NDArray[np.float32]


def predict_eras(
    model: Model, rows: EraFrame, labelled: EraFrame, trained_to: int, purge_eras: int
) -> Detailed:
    """Predict whole eras without showing their targets.

    Parameters
    ----------
    model : fitted; an `OnlineModel` that wants labels is given those known before each era.
    rows : the judged eras. labelled : every labelled era there is.
    trained_to : the last era number the model was fitted on.
    purge_eras : eras before a judged one whose labels are not known yet.

    Raises
    ------
    ModelError : a prediction of the wrong shape, NaN or infinite.
    """
    if not (isinstance(model, OnlineModel) and model.online):
        return predict_blind(model, rows)
    parts = []
    for known, era in resolved_before_each(rows, labelled, trained_to, purge_eras):
        if known.n_eras:
            model.observe(known)
        parts.append(predict_blind(model, era))
    return joined(parts)


def resolved_before_each(
    rows: EraFrame, labelled: EraFrame, trained_to: int, purge_eras: int
) -> Iterator[tuple[EraFrame, EraFrame]]:
    """Yield (eras whose labels became known since the last one, era to predict), in order."""
    seen = trained_to
    for era in rows.eras.tolist():
        last = era - purge_eras - 1
        yield labelled.between(seen + 1, last), rows.between(era, era)
        seen = max(seen, last)


def predict_blind(model: Model, rows: EraFrame) -> Detailed:
    """Predict whole eras without their targets, and check what comes back.

    Raises
    ------
    ModelError : a prediction of the wrong shape, NaN or infinite.
    """
    blind = rows.without_targets()
    if isinstance(model, DetailedModel):
        detail = model.predict_in_detail(blind)
    else:
        detail = Detailed(np.asarray(model.predict(blind), dtype=np.float32))
    name = type(model).__name__
    for values in (detail.predictions, *detail.variants.values()):
        if values.shape != (rows.n_rows,):
            raise ModelError(f"{name}.predict returned shape {values.shape} for {rows.n_rows} rows")
        bad = int(np.count_nonzero(~np.isfinite(values)))
        if bad:
            raise ModelError(
                f"{name} predicted NaN or infinity in {bad} of {rows.n_rows} rows",
                fix="a smaller learning rate (eta) is the usual way out",
            )
    return replace(detail, predictions=np.asarray(detail.predictions, dtype=np.float32))


def joined(parts: list[Detailed]) -> Detailed:
    """Lay the eras end to end; a note said of several eras is said once, with their number."""
    said: dict[str, int] = {}
    for part in parts:
        for note in part.notes:
            said[note] = said.get(note, 0) + 1
    facts = dict.fromkeys(name for part in parts for name in part.per_era)
    return Detailed(
        predictions=np.concatenate([part.predictions for part in parts]),
        variants={
            name: np.concatenate([part.variants[name] for part in parts])
            for name in parts[0].variants
        },
        per_era={
            name: [value for part in parts for value in part.per_era.get(name, [None])]
            for name in facts
        },
        notes=tuple(f"{note} ({n} times)" if n > 1 else note for note, n in said.items()),
    )
