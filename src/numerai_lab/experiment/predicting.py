"""Predict judged eras: all at once, in parts, or one after another as labels become known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
    history_before,
    history_eras_of,
)


@dataclass(frozen=True)
class Past:
    """Where a model that looks back is shown earlier eras from.

    Attributes
    ----------
    rows : eras of any time, all rows of each, labelled or not.
    targets : those the model learns from. purge_eras : eras whose labels are not known yet.
    """

    rows: EraFrame
    targets: tuple[str, ...]
    purge_eras: int

    def before(self, era: int, history_eras: int) -> EraFrame:
        """Return what may be known when `era` is predicted; see `history_before`."""
        return history_before(self.rows, era, history_eras, self.purge_eras, self.targets)

    def after(self, era: int) -> Past:
        """Leave out eras up to this one, which the model remembers by itself."""
        last = int(self.rows.eras[-1]) if self.rows.n_eras else era
        return replace(self, rows=self.rows.between(era + 1, last))


def predict_eras(
    model: Model,
    rows: EraFrame,
    labelled: EraFrame,
    trained_to: int,
    purge_eras: int,
    since: int | None = None,
    members: Mapping[str, Float32] | None = None,
    past: Past | None = None,
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
    past : where a model that looks back is shown earlier eras from; None: nowhere.

    Raises
    ------
    ModelError : a prediction of the wrong shape, NaN or infinite.
    """
    if not (isinstance(model, OnlineModel) and model.online):
        return predict_with_past(model, rows, past, members)
    parts = []
    asked = set(rows.eras.tolist())
    passed = rows if since is None else labelled.between(since, int(rows.eras[-1]))
    for known, era in resolved_before_each(passed, labelled, trained_to, purge_eras):
        if known.n_eras:
            model.observe(known)
        if int(era.eras[0]) in asked:
            parts.append(predict_with_past(model, era, past))
    return joined(parts, [1] * len(parts))


def predict_with_past(
    model: Model,
    rows: EraFrame,
    past: Past | None,
    members: Mapping[str, Float32] | None = None,
) -> Detailed:
    """Predict whole eras as `predict_blind` does; one by one where the model looks back.

    Raises
    ------
    ModelError : a prediction of the wrong shape, NaN or infinite; or there is no past, and the
        model asks for one.
    """
    n_back = history_eras_of(model)
    if not n_back or past is None:
        return predict_blind(model, rows, members)
    parts = []
    for era, own in rows.iter_eras():
        theirs = None if members is None else {name: all_[own] for name, all_ in members.items()}
        history = past.before(era, n_back)
        parts.append(predict_blind(model, rows.between(era, era), theirs, history))
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
    model: Model,
    rows: EraFrame,
    members: Mapping[str, Float32] | None = None,
    history: EraFrame | None = None,
) -> Detailed:
    """Predict whole eras without their targets, and check what comes back.

    Parameters
    ----------
    members : what members predict of these rows, for a model that needs them.
    history : earlier eras, for a model that looks back; `rows` is then one era.

    Raises
    ------
    ModelError : a prediction of the wrong shape, NaN or infinite.
    """
    blind = rows.without_targets()
    given: dict[str, Any] = {} if members is None else {"members": members}
    if history is not None:
        given["history"] = history
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
    model: ControlledModel, rows: EraFrame, apart: Detailed, others: Sequence[Any], name: str
) -> Detailed:
    """Add the control, with the states of other eras, to what `predict_apart` returned.

    `name` is that of the control, as the model declares it with its parameters.

    Raises
    ------
    ModelError : a prediction of the wrong shape, NaN or infinite.
    """
    control = model.predict_control(rows.without_targets(), apart, others)
    return _checked(model, replace(apart, variants={**apart.variants, name: control}), rows)


def _checked(model: Model, detail: Detailed, rows: EraFrame) -> Detailed:
    name = type(model).__name__
    for values in (detail.predictions, *detail.variants.values()):
        if values.shape != (rows.n_rows,):
            raise ModelError(f"{name}.predict returned shape {values.shape} for {rows.n_rows} rows")
        fine = np.isfinite(values)
        if model.info.made_elsewhere:
            fine |= np.isnan(values)  # a row that the file lacks
        bad = int(np.count_nonzero(~fine))
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
