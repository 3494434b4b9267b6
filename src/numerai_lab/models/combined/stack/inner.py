"""A stack whose members are trained within its own fit, and judged inside the training eras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float32
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError, SplitError
from numerai_lab.models.combined.stack.params import StackParams
from numerai_lab.models.combined.stack.resolved import features_of, predict_as_live
from numerai_lab.models.contract import (
    ContinuableModel,
    Contributions,
    ExplainedModel,
    FitContext,
    FitReport,
    Members,
    Model,
    cannot_go_on,
    steps_for,
)
from numerai_lab.models.member_choice import MemberChoice
from numerai_lab.seeds import child_seed
from numerai_lab.splits import InnerPart, inner_parts, sample_weights

Models = dict[str, Model]


def fit_members(
    train: EraFrame, ctx: FitContext, params: StackParams
) -> tuple[Models, list[FitReport], Members, list[str]]:
    """Train every member on all training eras, and on those before each inner part.

    Returns
    -------
    The members; their reports; what they predicted of the inner parts, out of fold; sentences
    about labels that are not there.

    Raises
    ------
    ModelError : a target that is not loaded, or too few training eras.
    """
    try:
        parts = inner_parts(train.eras, params.inner_folds, ctx.purge_eras)
    except SplitError as error:
        raise ModelError(
            f"weights_from: inner needs out-of-fold predictions, and {error.what}",
            where="model.params.inner_folds",
            fix="give more training eras, or weights_from: earlier_folds",
        ) from None
    n_eras = [train.n_eras]
    n_eras += [int((train.eras <= part.last_train_era).sum()) for part in parts]
    total, done = len(params.members) * sum(n_eras), 0
    notes: list[str] = []

    def fitted(name: str, rows: EraFrame, place: str) -> tuple[Model, FitReport]:
        nonlocal done
        found = _fit(name, params.members[name], rows, ctx.part(place).part(name), notes)
        done += rows.n_eras
        ctx.progress(done, total)
        return found

    whole = {name: fitted(name, train, "whole") for name in params.members}
    said, notes = notes, []  # of parts of the same rows nothing is said again
    judged = train.between(parts[0].first, parts[-1].last)

    def predicted(name: str, number: int, part: InnerPart) -> Float32:
        past = train.between(int(train.eras[0]), part.last_train_era)
        model, _ = fitted(name, past, f"part_{number}")
        frame = train.between(part.first, part.last)
        return predict_as_live(model, params.members[name], frame, ctx.purge_eras)

    predictions = {
        name: np.concatenate(
            [predicted(name, number, part) for number, part in enumerate(parts, start=1)]
        )
        for name in params.members
    }
    folds = np.concatenate(
        [np.full(train.between(p.first, p.last).n_eras, i + 1) for i, p in enumerate(parts)]
    )
    given = Members(judged, folds.astype(np.int32), predictions, ctx.purge_eras)
    models = {name: model for name, (model, _) in whole.items()}
    return models, [report for _, report in whole.values()], given, said


def grow_members(
    models: Models, new: EraFrame, ctx: FitContext, params: StackParams, share: float
) -> tuple[list[FitReport], list[str]]:
    """Let every member go on that can, each on its own share of new eras.

    Parameters
    ----------
    share : new eras as a share of those learnt from: members keep their steps an era.

    Returns
    -------
    The reports of those that went on; sentences about those that stay as they are.
    """
    reports, notes = [], []
    for name, model in models.items():
        member = params.members[name]
        problem = cannot_go_on(model, member.type)
        if problem is not None:
            notes.append(f"member {name} stays as it was fitted: {problem}")
            continue
        rows, inside = _share_of(name, member, new, ctx.part(name), notes)
        if rows.n_rows == 0:
            notes.append(f"member {name} sees none of the new eras: it stays as it was fitted")
            continue
        growing = cast(ContinuableModel, model)
        steps = steps_for(growing, member.info.unit, rows.n_eras, share)
        reports.append(growing.fit_more(rows, inside, steps))
    return reports, notes


def predict_members(
    models: Mapping[str, Model], params: StackParams, frame: EraFrame
) -> dict[str, Float32]:
    """Predict rows with each member, by name."""
    return {
        name: model.predict(features_of(params.members[name], frame).without_targets())
        for name, model in models.items()
    }


def explain_members(
    models: Mapping[str, Model],
    params: StackParams,
    frame: EraFrame,
    rows: npt.NDArray[np.int64] | None,
) -> dict[str, tuple[Contributions, ...]]:
    """Return the contributions to rows of each of these members, by name.

    Raises
    ------
    ModelError : a member has none.
    """
    found = {}
    for name, model in models.items():
        if not isinstance(model, ExplainedModel):
            raise ModelError(f"member '{name}' ({params.members[name].type}) has no contributions")
        mine = features_of(params.members[name], frame)
        found[name] = tuple(
            one.among(mine.feature_names, frame.feature_names)
            for one in model.contributions(mine.without_targets(), rows)
        )
    return found


def _fit(
    name: str, member: MemberChoice, rows: EraFrame, ctx: FitContext, notes: list[str]
) -> tuple[Model, FitReport]:
    """Train one member on its own share of rows, features and targets."""
    rows, inside = _share_of(name, member, rows, ctx, notes)
    if rows.n_eras == 0:
        raise ModelError(
            f"no training era is left to member '{name}'",
            where=f"model.params.members.{name}.train_step",
            fix="choose a smaller train_step or another train_offset",
        )
    model = member.new()
    return model, model.fit(rows, inside)


def _share_of(
    name: str, member: MemberChoice, rows: EraFrame, ctx: FitContext, notes: list[str]
) -> tuple[EraFrame, FitContext]:
    """Return a member's own share of rows, features and targets, and what it is told besides."""
    targets = tuple(member.targets or (ctx.target,))
    absent = [target for target in targets if target not in rows.target_names]
    if absent:
        raise ModelError(
            f"member '{name}' trains on '{absent[0]}', which is not loaded",
            where=f"model.params.members.{name}.targets",
            fix="name it under data.targets, too",
        )
    if member.train_step is not None:
        numbers = rows.eras.astype(np.int64)
        mine = (numbers - 1) % member.train_step == (member.train_offset or 0)
        rows = rows.select_eras(rows.eras[mine])
    known = np.flatnonzero(~np.isnan(rows.target(targets[0])))
    if len(known) < rows.n_rows:
        notes.append(
            f"member {name}: {rows.n_rows - len(known):,} of {rows.n_rows:,} training rows have no "
            f"{targets[0]} and are left out"
        )
        rows = rows.take(known)
    rows = features_of(member, rows)
    multi = member.info.multi_target
    seed = child_seed(ctx.seed, "member", name) if member.seed is None else member.seed
    inside = replace(
        ctx,
        seed=seed,
        target=targets[0],
        targets=targets if multi else targets[:1],
        weights=sample_weights(member.weights, rows),
        stop=None,
        sparing=True,
        progress=_nothing,
    )
    return rows, inside


def _nothing(*_: object) -> None:
    return None
