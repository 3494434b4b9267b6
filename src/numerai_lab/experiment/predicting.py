"""Predict judged eras: all at once, in parts, or one after another as labels become known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from numerai_lab.arrays import Float32
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.models import (
    ControlledModel,
    Detailed,
    DetailedModel,
    Model,
    OnlineModel,
)


def predict_eras(
    model: Model,
    rows: EraFrame,
    labelled: EraFrame,
    trained_to: int,
    purge_eras: int,
    since: int | None = None,
    members: Mapping[str, Float32] | None = None,
) -> Detailed:
    """Predict whole eras without showing their targets.

    Parameters
    ----------
    model : fitted; an `OnlineModel` that wants labels is given those known before each era.
    rows : the judged eras. labelled : every labelled era there is.
    trained_to : the last era number the model was fitted on.
    purge_eras : eras before a judged one whose labels are not known yet.
    since : an earlier era than those of `rows`: an `OnlineModel` is led through every labelled era
        from it on, and so has learnt era by era, as it would have live.
    members : what members predict of the judged eras, for a model that needs them.

    Raises
    ------
    ModelError : a prediction of the wrong shape, NaN or infinite.
    """
    if not (isinstance(model, OnlineModel) and model.online):
        return predict_blind(model, rows, members)
    parts = []
    asked = set(rows.eras.tolist())
    passed = rows if since is None else labelled.between(since, int(rows.eras[-1]))
    for known, era in resolved_before_each(passed, labelled, trained_to, purge_eras):
        if known.n_eras:
            model.observe(known)
        if int(era.eras[0]) in asked:
            parts.append(predict_blind(model, era))
    return joined(parts, [1] * len(parts))


def resolved_before_each(
    rows: EraFrame, labelled: EraFrame, trained_to: int, purge_eras: int
) -> Iterator[tuple[EraFrame, EraFrame]]:
    """Yield (eras whose labels became known since the last one, era to predict), in order."""
    seen = trained_to
    for era in rows.eras.tolist():
        last = era - purge_eras - 1
        yield labelled.between(seen + 1, last), rows.between(era, era)
        seen = max(seen, last)


def predict_blind(
    model: Model, rows: EraFrame, members: Mapping[str, Float32] | None = None
) -> Detailed:
    """Predict whole eras without their targets, and check what comes back.

    Parameters
    ----------
    members : what members predict of these rows, for a model that needs them.

    Raises
    ------
    ModelError : a prediction of the wrong shape, NaN or infinite.
    """
    blind = rows.without_targets()
    given: dict[str, Any] = {} if members is None else {"members": members}
    if isinstance(model, DetailedModel):
        detail = model.predict_in_detail(blind, **given)
    else:
        detail = Detailed(np.asarray(model.predict(blind, **given), dtype=np.float32))
    return _checked(model, detail, rows)


def predict_apart(model: ControlledModel, rows: EraFrame) -> tuple[Detailed, list[Any]]:
    """Predict whole eras as `predict_blind` does, but for the control; also their states.

    Raises
    ------
    ModelError : a prediction of the wrong shape, NaN or infinite.
    """
    detail, states = model.predict_apart(rows.without_targets())
    return _checked(model, detail, rows), states


def predict_control(
    model: ControlledModel, rows: EraFrame, apart: Detailed, others: Sequence[Any]
) -> Detailed:
    """Add the control, with the states of other eras, to what `predict_apart` returned.

    Raises
    ------
    ModelError : a prediction of the wrong shape, NaN or infinite.
    """
    name = model.info.control
    if name is None:
        raise ModelError(f"{type(model).__name__} has a control, and declares none in its variants")
    control = model.predict_control(rows.without_targets(), apart, others)
    return _checked(model, replace(apart, variants={**apart.variants, name: control}), rows)


def _checked(model: Model, detail: Detailed, rows: EraFrame) -> Detailed:
    name = type(model).__name__
    for values in (detail.predictions, *detail.variants.values()):
        if values.shape != (rows.n_rows,):
            raise ModelError(f"{name}.predict returned shape {values.shape} for {rows.n_rows} rows")
        bad = int(np.count_nonzero(~np.isfinite(values)))
        if bad:
            raise ModelError(
                f"{name} predicted NaN or infinity in {bad} of {rows.n_rows} rows",
                fix=model.info.not_finite_hint or None,
            )
    return replace(detail, predictions=np.asarray(detail.predictions, dtype=np.float32))


def joined(parts: Sequence[Detailed], n_eras: Sequence[int]) -> Detailed:
    """Lay parts end to end, which have so many eras each."""
    facts = dict.fromkeys(name for part in parts for name in part.per_era)
    return Detailed(
        predictions=np.concatenate([part.predictions for part in parts]),
        variants={
            name: np.concatenate([part.variants[name] for part in parts])
            for name in parts[0].variants
        },
        per_era={
            name: [
                value
                for part, n in zip(parts, n_eras, strict=True)
                for value in part.per_era.get(name, [None] * n)
            ]
            for name in facts
        },
        remarks=[remark for part in parts for remark in part.remarks],
    )
