"""Growing the trees: early stopping on per-era corr, and more trees for the worst eras."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xgboost

from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.models.contract import FitContext, Float32
from numerai_lab.models.trees.classes import Classes
from numerai_lab.models.trees.xgb.binning import (
    bin_judged_rows,
    bin_training_rows,
    library_talk,
    library_weights,
)
from numerai_lab.models.trees.xgb.params import EraBoosting
from numerai_lab.scoring import corr_per_era


@dataclass
class Growth:
    """Grown trees and what happened on the way.

    Attributes
    ----------
    booster : the trees that are kept.
    say : where XGBoost's warnings go.
    train_seconds : inside XGBoost's `update`.
    binning_seconds : making the binned rows.
    cpu_seconds : of all threads, in both; on a shared machine they tell more than wall time.
    stop_corr : mean per-era corr on the early-stopping eras after each round.
    worst_eras : era numbers that each step of era boosting learnt from.
    """

    booster: Any
    say: Callable[[str], None]
    train_seconds: float = 0.0
    binning_seconds: float = 0.0
    cpu_seconds: float = 0.0
    stop_corr: list[float] = field(default_factory=list)
    worst_eras: list[list[int]] = field(default_factory=list)

    def update(self, rows: Any, iteration: int) -> None:
        """Grow one round of trees, timed."""
        start, cpu = time.perf_counter(), time.process_time()
        with library_talk(self.say):
            self.booster.update(rows, iteration)
        self.train_seconds += time.perf_counter() - start
        self.cpu_seconds += time.process_time() - cpu


def grow(
    train: EraFrame,
    ctx: FitContext,
    params: dict[str, Any],
    rounds: int,
    era_boosting: EraBoosting | None,
    cache_prefix: str | None = None,
    classes: Classes | None = None,
) -> Growth:
    """Grow `rounds` rounds of trees, cut back to the best if told to stop early, then era boost.

    Parameters
    ----------
    train : labelled rows.
    ctx : what the run tells; `stop` and `stop_patience` switch early stopping on.
    params : XGBoost parameters with seed, device and nthread.
    rounds : boosting rounds.
    era_boosting : more rounds on the worst eras, or None.
    cache_prefix : where binned rows go on disk; None: they stay in memory.
    classes : of the target, if these are what is learnt.

    Raises
    ------
    ModelError
        XGBoost refuses the parameters or the rows.
    """
    start, cpu = time.perf_counter(), time.process_time()
    with library_talk(ctx.say):
        learnt = _learnt(train, ctx.target, classes)
        rows, params = bin_training_rows(
            learnt, ctx.target, ctx.weights, params, cache_prefix, ctx.world
        )
        stop = bin_judged_rows(ctx.stop, rows, params) if ctx.stop is not None else None
        booster = xgboost.Booster(params, [rows] if stop is None else [rows, stop])
    growth = Growth(
        booster,
        ctx.say,
        binning_seconds=time.perf_counter() - start,
        cpu_seconds=time.process_time() - cpu,
    )
    total = rounds + (era_boosting.rounds if era_boosting else 0)
    for iteration in range(rounds):
        growth.update(rows, iteration)
        ctx.progress(iteration + 1, total)
        if ctx.stop is not None:
            judged = values_of(growth.booster, stop, classes)
            growth.stop_corr.append(_mean_corr(judged, ctx.stop, ctx.target))
            if iteration - int(np.argmax(growth.stop_corr)) >= ctx.stop_patience:
                break
    if growth.stop_corr:
        kept = int(np.argmax(growth.stop_corr)) + 1
        growth.booster = growth.booster[:kept]
        growth.booster.set_param(params)
    if era_boosting is not None:
        _boost_worst_eras(growth, rows, train, ctx, params, era_boosting, classes)
    return growth


def grow_more(
    booster: Any,
    new: EraFrame,
    ctx: FitContext,
    params: dict[str, Any],
    rounds: int,
    classes: Classes | None = None,
) -> Growth:
    """Grow exactly `rounds` rounds on top of a booster, on other rows than it grew on.

    Raises
    ------
    ModelError
        XGBoost refuses the rows.
    """
    start = time.perf_counter()
    with library_talk(ctx.say):
        learnt = _learnt(new, ctx.target, classes)
        rows, params = bin_training_rows(learnt, ctx.target, ctx.weights, params)
        booster.set_param(params)
    growth = Growth(booster, ctx.say, binning_seconds=time.perf_counter() - start)
    before = booster.num_boosted_rounds()
    for done in range(rounds):
        growth.update(rows, before + done)
        ctx.progress(done + 1, rounds)
    return growth


def values_of(booster: Any, rows: Any, classes: Classes | None) -> Float32:
    """Predict binned rows, one value each."""
    if classes is None:
        values: Float32 = booster.predict(rows)
        return values
    return classes.expected(booster.predict(rows, output_margin=True))


def _learnt(train: EraFrame, target: str, classes: Classes | None) -> EraFrame:
    """Return the rows with what the trees learn: the target, or which class it is."""
    if classes is None:
        return train
    return train.with_target(target, classes.positions(train.target(target)))


def _mean_corr(predictions: Float32, stop: EraFrame, target: str) -> float:
    scores = corr_per_era(predictions, stop.target(target), stop.offsets)
    # A model without a single split has no score anywhere: worse than any that has one.
    return float(np.nanmean(scores)) if np.isfinite(scores).any() else -1.0


def _boost_worst_eras(
    growth: Growth,
    rows: Any,
    train: EraFrame,
    ctx: FitContext,
    params: dict[str, Any],
    boosting: EraBoosting,
    classes: Classes | None,
) -> None:
    # Rows of the other eras keep their bins and get weight 0, which gives the same trees as
    # binning the chosen rows anew without the memory of a second matrix.
    weights = np.ones(train.n_rows, np.float32) if ctx.weights is None else ctx.weights
    before = growth.booster.num_boosted_rounds()
    for done in range(boosting.rounds):
        if done % boosting.every == 0:
            predicted = values_of(growth.booster, rows, classes)
            scores = corr_per_era(predicted, train.target(ctx.target), train.offsets)[:, 0]
            # An era of constant predictions has no score; it has been learnt worst of all.
            parts = ctx.world.from_all((train.eras, np.nan_to_num(scores, nan=-np.inf)))
            eras = np.concatenate([part for part, _ in parts])
            order = np.lexsort([eras, np.concatenate([part for _, part in parts])])
            n_worst = max(1, round(boosting.proportion * len(eras)))
            worst_eras = np.sort(eras[order[:n_worst]])
            growth.worst_eras.append(worst_eras.tolist())
            worst = np.isin(train.eras, worst_eras)
            chosen = np.where(np.repeat(worst, np.diff(train.offsets)), weights, np.float32(0))
            rows.set_weight(library_weights(chosen, train, params))
        growth.update(rows, before + done)
        ctx.progress(before + done + 1, before + boosting.rounds)


def cuda_problem() -> str | None:
    """Return why XGBoost cannot train on a GPU here, or None if it can."""
    if not xgboost.build_info().get("USE_CUDA", False):
        return "this build of XGBoost has no CUDA"
    said: list[str] = []
    try:
        with library_talk(said.append):
            toy = xgboost.DMatrix(np.zeros((4, 1), np.float32), label=np.arange(4))
            booster = xgboost.train({"device": "cuda", "max_depth": 1}, toy, num_boost_round=1)
    except ModelError as error:
        return error.what
    device = json.loads(booster.save_config())["learner"]["generic_param"]["device"]
    return None if device.startswith("cuda") else "XGBoost finds no GPU"
