"""What the net is shown of real eras: scores of their rows, and labels on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from numerai_lab.arrays import Eras, Float32
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.models.nets.in_context.params import ICLParams
from numerai_lab.models.nets.in_context.runtime import era_code, projected
from numerai_lab.models.nets.in_context.tasks import BIN_SHARES
from numerai_lab.models.nets.kept import Arrays
from numerai_lab.models.nets.runtime import MIDDLE, SCALE, era_bins
from numerai_lab.seeds import child_seed

_NEARLY = 0.9
"""Of the rows that are asked for; fewer are said."""
_ROWS_OF_PROJECTION = 1024
"""Of an era, that the projection is fitted on."""


def fit_projection(train: EraFrame, n_scores: int, params: ICLParams, seed: int) -> Arrays:
    """Fit what turns a row's bins into `n_scores` numbers of variance near 1; no label is read.

    pca : the directions in which rows vary most within eras, by the rows of all training eras
        (1,024 of each at most). random : directions drawn at random, made orthogonal.
    Where there are fewer features than scores, the columns beyond are 0, as in pretraining.

    Returns
    -------
    `centre`, float32 [n_features], and `projection`, float32 [n_features, n_scores].
    """
    n = train.n_features
    products, total, count = np.zeros((n, n)), np.zeros(n), 0
    for era, rows in train.iter_eras():
        bins = era_bins(train.features[rows])
        if len(bins) > _ROWS_OF_PROJECTION:
            rng = np.random.default_rng(child_seed(seed, "icl", "projection", era))
            bins = bins[np.sort(rng.permutation(len(bins))[:_ROWS_OF_PROJECTION])]
        numbers = np.where(bins < 0, 0, bins.astype(np.float32) - MIDDLE) * np.float32(SCALE)
        products += numbers.T @ numbers
        total += numbers.sum(axis=0)
        count += len(numbers)
    centre = total / count
    covariance = products / count - np.outer(centre, centre)
    kept = min(n_scores, n)
    if params.projection == "pca":
        _, vectors = np.linalg.eigh(covariance)
        vectors = vectors[:, ::-1][:, :kept]
    else:
        rng = np.random.default_rng(child_seed(seed, "icl", "projection"))
        vectors, _ = np.linalg.qr(rng.standard_normal((n, kept)))
    largest = np.abs(vectors).argmax(axis=0)  # a sign that does not hang on the library
    vectors = vectors * np.sign(vectors[largest, np.arange(kept)])
    deviation = np.sqrt(np.maximum(((vectors.T @ covariance) * vectors.T).sum(axis=1), 0.0))
    scale = np.divide(1.0, deviation, out=np.zeros(kept), where=deviation > 1e-6)
    matrix = np.zeros((n, n_scores), dtype=np.float32)
    matrix[:, :kept] = vectors * scale
    return {"centre": centre.astype(np.float32), "projection": matrix}


def labels_of(values: Float32, transform: str) -> Float32:
    """Bring one era's labels to mean 0 and variance 1; 0 where all are alike.

    standardised : by mean and deviation. gaussian : the normal quantiles of their ranks, ties in
        the middle of their ranks. classes : five of them by rank, of 5, 20, 50, 20 and 5 % (those
        of the drawn tasks), ties in one class.
    """
    numbers = values.astype(np.float64)
    if transform != "standardised":
        place = (rankdata(numbers) - 0.5) / len(numbers)
        edges = np.cumsum(BIN_SHARES)[:-1]
        made = ndtri(place) if transform == "gaussian" else np.searchsorted(edges, place)
        numbers = np.asarray(made, dtype=np.float64)
    centred = numbers - numbers.mean()
    deviation = float(centred.std())
    if deviation < 1e-9:
        return np.zeros(len(values), dtype=np.float32)
    return np.asarray(centred / deviation, dtype=np.float32)


def shown_eras(eras: Eras, params: ICLParams) -> Eras:
    """Return the training eras whose rows are kept to be shown, as `context` says.

    spread : as many as are shown, evenly over all. nearest : all, as each era chooses among them.
    newest, resolved : the last ones.
    """
    if params.context == "nearest":
        return eras
    if params.context == "spread":
        places = np.linspace(0, len(eras) - 1, min(params.context_eras, len(eras)))
        spread: Eras = eras[np.unique(places.round().astype(int))]
        return spread
    return eras[-params.context_eras :]


def rows_kept(params: ICLParams, n_eras: int) -> int:
    """Return how many rows of an era are kept, for all contexts together.

    n_eras : that there are to choose from. Where they are fewer than `context_eras`, each gives
        more; not with `context: resolved`, as others are added.
    """
    shared_by = params.context_eras
    if params.context != "resolved":
        shared_by = min(shared_by, max(n_eras, 1))
    return -(-params.context_rows // shared_by) * params.contexts


def pool_of(
    frame: EraFrame,
    eras: Sequence[int] | Eras,
    target: str,
    params: ICLParams,
    projection: Arrays,
    seed: int,
    name: str = "pool",
) -> Arrays:
    """Keep some labelled rows of some eras, as scores and labels.

    Which rows of an era are drawn depends on its number and its rows alone, not on when it is seen.

    Returns
    -------
    `NAME_eras` int32 [n_eras], `NAME_offsets` int64 [n_eras + 1], `NAME_x` float32 [n_rows,
    n_scores], `NAME_y` float32 [n_rows], and `NAME_codes` float32 [n_eras, n_pairs]; eras without
    a label are left out.
    """
    n_most = rows_kept(params, len(eras))
    n_scores = projection["projection"].shape[1]
    x = [np.empty((0, n_scores), np.float32)]
    y = [np.empty(0, np.float32)]
    codes = [np.empty((0, n_scores * (n_scores + 1) // 2), np.float32)]
    kept, sizes = [], [0]
    for era in eras:
        own = frame.between(int(era), int(era))
        values = own.target(target)
        known = np.flatnonzero(~np.isnan(values))
        if not len(known):
            continue
        scores = projected(era_bins(own.features_in_memory()[known]), projection)
        labels = labels_of(values[known], params.target)
        rng = np.random.default_rng(child_seed(seed, "icl", "context", int(era)))
        drawn = rng.permutation(len(known))[:n_most]
        x.append(scores[drawn])
        y.append(labels[drawn])
        codes.append(era_code(scores)[None])
        kept.append(int(era))
        sizes.append(len(drawn))
    return {
        f"{name}_eras": np.array(kept, dtype=np.int32),
        f"{name}_offsets": np.cumsum(sizes).astype(np.int64),
        f"{name}_x": np.concatenate(x),
        f"{name}_y": np.concatenate(y),
        f"{name}_codes": np.concatenate(codes),
    }


def newest(pools: Sequence[Arrays], n_eras: int, name: str = "pool") -> Arrays:
    """Put pools together, and keep their newest eras; of an era in several, that of the last."""
    places = {
        int(era): (pool, i) for pool in pools for i, era in enumerate(pool[f"{name}_eras"].tolist())
    }
    eras = sorted(places)[-n_eras:]
    rows: dict[str, list[Any]] = {"x": [], "y": [], "codes": []}
    sizes = [0]
    for era in eras:
        pool, i = places[era]
        first, stop = pool[f"{name}_offsets"][i : i + 2]
        rows["x"].append(pool[f"{name}_x"][first:stop])
        rows["y"].append(pool[f"{name}_y"][first:stop])
        rows["codes"].append(pool[f"{name}_codes"][i : i + 1])
        sizes.append(int(stop - first))
    if not eras:
        return pools[0]
    found = {f"{name}_{key}": np.concatenate(parts) for key, parts in rows.items()}
    found[f"{name}_eras"] = np.array(eras, dtype=np.int32)
    found[f"{name}_offsets"] = np.cumsum(sizes).astype(np.int64)
    return found


def shuffled(pool: Arrays, seed: int, name: str = "pool") -> Arrays:
    """Return a pool whose labels are shuffled within each era."""
    labels = pool[f"{name}_y"].copy()
    offsets = pool[f"{name}_offsets"]
    for era, first, stop in zip(pool[f"{name}_eras"], offsets[:-1], offsets[1:], strict=True):
        rng = np.random.default_rng(child_seed(seed, "icl", "shuffled", int(era)))
        labels[first:stop] = rng.permutation(labels[first:stop])
    return {**pool, f"{name}_y": labels}


def check_context(pool: Arrays, params: ICLParams, n_eras: int) -> list[str]:
    """Check what is kept to be shown.

    Parameters
    ----------
    n_eras : that it was to be kept of.

    Returns
    -------
    What the user should read: that rows are fewer than asked for, that no feature varies.

    Raises
    ------
    ModelError : a context has one row, or its labels are all alike.
    """
    labels, told = pool["pool_y"], []
    rows = int((-(-np.diff(pool["pool_offsets"]) // params.contexts)).sum())
    if rows < 2:
        raise ModelError(
            f"the context has {rows} row(s), and nothing can be learnt from fewer than 2",
            where="model.params.context_rows",
            fix="write more context_rows, or choose more training eras",
        )
    asked = rows_kept(params, n_eras) * n_eras
    if len(labels) < _NEARLY * asked:
        told.append(
            f"{len(labels):,} rows are there to be shown where {asked:,} were asked for "
            "(context_rows x contexts): the eras have too few with a label"
        )
    if not pool["projection"].any():
        told.append("no feature varies in the training eras: all rows are predicted alike")
    if not labels.any():
        raise ModelError(
            f"the {len(labels):,} rows of the context have one class of label within their eras",
            where="model.params",
            fix="choose a target that differs between the rows of an era, or more context_rows",
        )
    return told
