"""A forest grown by LightGBM, in which each tree sees eras of its own."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np

from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.models.contract import FitContext
from numerai_lab.models.trees.classes import Classes
from numerai_lab.models.trees.forests.params import ForestParams
from numerai_lab.models.trees.lightgbm_rows import BinnedRows, library_errors
from numerai_lab.models.trees.run_settings import lightgbm_run_settings

_MOST_EMPTY = 1e-6
"""Of trees without an era, as the number of them to be expected: their leaves would be NaN."""


@dataclass(frozen=True)
class Grown:
    """Trees, and how they came about.

    Attributes
    ----------
    booster : LightGBM's; its trees are averaged. notes : sentences about it.
    binning_seconds, seconds : wall time to bin the rows, and inside LightGBM's training.
    """

    booster: lightgbm.Booster
    notes: tuple[str, ...]
    binning_seconds: float
    seconds: float


def grow(
    train: EraFrame,
    ctx: FitContext,
    params: ForestParams,
    n_trees: int,
    own: dict[str, Any],
    classes: Classes | None,
) -> Grown:
    """Grow trees on the labelled rows.

    To LightGBM an era is a query, and it draws whole queries for each tree: a tree that sees some
    rows of every era has in fact seen them all, because the rows of an era are much alike.

    Parameters
    ----------
    n_trees : with classes, of each. own : further parameters of LightGBM, with the seed.

    Raises
    ------
    ModelError : no row has a label, or LightGBM refuses the rows.
    """
    label = train.target(ctx.target)
    labelled = ~np.isnan(label)
    if not labelled.any():
        raise ModelError(f"no training row has a label of {ctx.target}")
    start = time.perf_counter()
    binned = BinnedRows(train, ctx.weights, {"num_threads": ctx.n_threads})
    notes = list(binned.notes)
    if binned.n_constant:
        notes.append(f"{binned.n_constant} features are constant over the training rows: unused")
    rows = None
    if not labelled.all():
        rows = np.flatnonzero(labelled).astype(np.int32)
        notes.append(
            f"{ctx.target}: {train.n_rows - len(rows)} of {train.n_rows} training rows "
            "have no label"
        )
    weights = ctx.weights if rows is None or ctx.weights is None else ctx.weights[rows]
    if classes is not None:
        label = classes.positions(label)
        known = label if rows is None else label[rows]
        weights = classes.weights(known, params.class_weight_power, weights)
    data = binned.lend(label, rows, weights)
    sizes = np.add.reduceat(labelled, train.offsets[:-1], dtype=np.int64)
    sizes = sizes[sizes > 0]
    data.set_group(sizes)
    binning_seconds = time.perf_counter() - start

    by_era = n_trees * (1 - params.era_fraction) ** len(sizes) <= _MOST_EMPTY
    if not by_era:
        notes.append(
            f"{len(sizes)} eras are too few to draw some of them for each of {n_trees} trees: "
            "rows are drawn instead"
        )
    library = {
        **params.library_params,
        "bagging_fraction": params.era_fraction,
        "bagging_freq": 1,
        "bagging_by_query": by_era,
        "force_col_wise": True,
        **own,
        **lightgbm_run_settings(ctx, own["seed"]),
        **binned.params,
    }
    if classes is not None:
        library |= {"objective": "multiclass", "num_class": len(classes.values)}

    def progress(env: Any) -> None:
        ctx.progress(env.iteration + 1, n_trees)

    start = time.perf_counter()
    with library_errors("model.params"):
        booster = lightgbm.train(library, data, num_boost_round=n_trees, callbacks=[progress])
    return Grown(booster, tuple(notes), binning_seconds, time.perf_counter() - start)
