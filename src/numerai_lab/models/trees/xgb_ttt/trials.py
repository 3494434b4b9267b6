"""Trials inside the training eras: what weights and strengths would have gained there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace

import numpy as np

from numerai_lab.arrays import Float64
from numerai_lab.eraframe import EraFrame
from numerai_lab.models.contract import FitContext, Float32
from numerai_lab.models.trees.xgb import XGB
from numerai_lab.models.trees.xgb_ttt.adaptation import Adaptation, Adapted
from numerai_lab.models.trees.xgb_ttt.guard import Block, Choices
from numerai_lab.models.trees.xgb_ttt.joint import grow_joint
from numerai_lab.models.trees.xgb_ttt.method import Trunk
from numerai_lab.models.trees.xgb_ttt.params import XGBTTTParams
from numerai_lab.models.trees.xgb_ttt.reader import Reader
from numerai_lab.models.trees.xgb_ttt.task import MIN_ERAS
from numerai_lab.scoring import corr_per_era
from numerai_lab.splits import inner_trials

TREES_ON_ERAS = 40
"""The frozen trees of a trial learn from every 4th era (as labels overlap, little is lost), or
more where this many would not remain."""


def trial_blocks(train: EraFrame, purge_eras: int) -> list[tuple[EraFrame, EraFrame]]:
    """Cut training eras into two trials, in order of time and purged.

    The third quarter of the eras is judged by a model of the first half, the last quarter by
    one of the first three quarters. Empty when fewer than `MIN_ERAS` eras are left anywhere.
    """
    return [
        (
            train.between(int(train.eras[0]), trial.last_train_era),
            train.between(trial.first, trial.last),
        )
        for trial in inner_trials(train.eras, purge_eras, MIN_ERAS)
    ]


def run_trial(
    past: EraFrame,
    judged: EraFrame,
    ctx: FitContext,
    params: XGBTTTParams,
    rounds: int,
    choices: Choices,
    grown: Callable[[], None],
) -> Block:
    """Fit frozen trees, joint trees and adaptations on past eras and score them on judged ones."""
    spans = (
        (int(past.eras[0]), int(past.eras[-1])),
        (int(judged.eras[0]), int(judged.eras[-1])),
    )
    weights = None if ctx.weights is None else ctx.weights[: past.n_rows]
    quiet = replace(
        ctx,
        weights=weights,
        stop=None,
        stop_patience=0,
        progress=lambda *_: grown(),
        say=lambda _: None,
    )
    reader, _ = Reader.fit(past, quiet, params)
    if isinstance(reader, str):
        return Block(*spans, judged.eras, {}, reader)
    step = max(1, min(4, past.n_eras // TREES_ON_ERAS))
    chosen = np.repeat(np.arange(past.n_eras) % step == 0, np.diff(past.offsets))
    fewer = past.take(np.flatnonzero(chosen)) if step > 1 else past
    on_fewer = replace(quiet, weights=None if weights is None else weights[chosen])
    base = XGB(params.with_rounds(rounds))
    base.fit(fewer, on_fewer)
    frozen = _scores(base.predict(judged), judged, ctx.target)
    gains: dict[tuple[float, float], Float64] = {}
    for weight in choices.weights:
        trunk = Trunk.plain(base)
        if weight > 0:
            trunk, _ = grow_joint(fewer, on_fewer, params, reader, weight, rounds, grown)
        unadapted = (
            Trunk.plain(base).predict(judged) if choices.joint_reads else trunk.predict(judged)
        )
        scores = _scores(unadapted, judged, ctx.target)
        gains |= {(weight, a): scores - frozen for a in choices.strengths}
        if choices.adapts(weight):
            # its own copy: what a task learns from eras that become known is not for the next
            adaptation, _ = Adaptation.fit(past, quiet, params, deepcopy(reader), trunk, grown)
            added = _adapted_gains(adaptation, judged, unadapted, ctx, choices.strengths)
            for j, strength in enumerate(choices.strengths):
                gains[weight, strength] = scores - frozen + added[:, j]
    return Block(*spans, judged.eras, gains)


def _scores(predictions: Float32, judged: EraFrame, target: str) -> Float64:
    scores: Float64 = corr_per_era(predictions, judged.target(target), judged.offsets)[:, 0]
    return scores


def _adapted_gains(
    adaptation: Adaptation,
    judged: EraFrame,
    unadapted: Float32,
    ctx: FitContext,
    strengths: Sequence[float],
) -> Float64:
    """Return the corr of every strength minus the unadapted one, float64 [n_eras, n]."""
    gains = np.empty((judged.n_eras, len(strengths)))
    labels = judged.target(ctx.target)
    seen = 0
    for i, (era, rows) in enumerate(judged.iter_eras()):
        while adaptation.online and judged.eras[seen] < era - ctx.purge_eras:
            known = slice(int(judged.offsets[seen]), int(judged.offsets[seen + 1]))
            adaptation.observe(
                int(judged.eras[seen]), judged.features[known], unadapted[known], labels[known]
            )
            seen += 1
        adapted = adaptation.adapt(era, judged.features[rows], unadapted[rows])
        gains[i] = era_gains(adapted, unadapted[rows], labels[rows], strengths)
    return gains


def era_gains(
    adapted: Adapted | str, unadapted: Float32, labels: Float32, strengths: Sequence[float]
) -> Float64:
    """Return an era's corr with each strength minus that of strength 0, float64 [n]."""
    if isinstance(adapted, str):
        return np.zeros(len(strengths))
    columns = [unadapted, *(unadapted + np.float32(a) * adapted.change for a in strengths)]
    offsets = np.array([0, len(unadapted)], dtype=np.int64)
    scores = corr_per_era(np.column_stack(columns), labels, offsets)[0]
    return np.asarray(scores[1:] - scores[0])
