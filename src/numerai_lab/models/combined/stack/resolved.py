"""Members that a stack trains itself, as labels of later eras become known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from numerai_lab.arrays import Float32
from numerai_lab.eraframe import EraFrame
from numerai_lab.models.combined.stack.params import StackParams
from numerai_lab.models.contract import AgeingModel, Model, OnlineModel
from numerai_lab.models.member_choice import MemberChoice


def any_online(models: Mapping[str, Model]) -> bool:
    """Whether labels that become known change what some member predicts later."""
    return any(_online(model) for model in models.values())


def any_ages(models: Mapping[str, Model]) -> bool:
    """Whether what some member predicts depends on how long ago it was fitted."""
    return any(isinstance(model, AgeingModel) and model.ages for model in models.values())


def observe_members(models: Mapping[str, Model], params: StackParams, resolved: EraFrame) -> None:
    """Hand labelled eras to the members that go on learning from them."""
    for name, model in models.items():
        if isinstance(model, OnlineModel) and model.online:
            rows = _rows_of(params.members[name], resolved)
            if rows.n_eras:
                model.observe(rows)


def replay_members(models: Mapping[str, Model], params: StackParams, rows: EraFrame) -> None:
    """Lead the members that age through labelled eras after the fit, as if they had been live."""
    for name, model in models.items():
        if isinstance(model, AgeingModel) and model.ages:
            known = _rows_of(params.members[name], rows)
            if known.n_eras:
                model.replay(known)


def predict_as_live(
    model: Model, member: MemberChoice, judged: EraFrame, purge_eras: int
) -> Float32:
    """Predict eras in order, each after those were observed whose labels were known by then."""
    features = features_of(member, judged)
    if not (isinstance(model, OnlineModel) and model.online):
        return model.predict(features.without_targets())
    labelled, seen = _rows_of(member, judged), 0
    predictions = np.empty(judged.n_rows, dtype=np.float32)
    for number, rows in features.iter_eras():
        known = labelled.between(seen, number - purge_eras - 1)
        if known.n_eras:
            model.observe(known)
            seen = number - purge_eras
        predictions[rows] = model.predict(features.between(number, number).without_targets())
    return predictions


def features_of(member: MemberChoice, frame: EraFrame) -> EraFrame:
    """Return rows with the features that a member has, all of them where it names none."""
    return frame if member.features is None else frame.with_features(member.features)


def _rows_of(member: MemberChoice, frame: EraFrame) -> EraFrame:
    """Return the rows that a member may learn from: its features, where its target is known."""
    target = (member.targets or frame.target_names)[0]
    if target not in frame.target_names:
        return features_of(member, frame.between(0, -1))
    known = np.flatnonzero(~np.isnan(frame.target(target)))
    return features_of(member, frame if len(known) == frame.n_rows else frame.take(known))


def _online(model: Model) -> bool:
    return isinstance(model, OnlineModel) and model.online
