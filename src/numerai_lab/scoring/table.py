"""All scores of all predictions against all targets, one row per era, and what must be said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from numerai_lab.arrays import Float64
from numerai_lab.config import Payout
from numerai_lab.errors import DataError
from numerai_lab.scoring.arrays import MIN_OVERLAP, FloatArray, Offsets, as_columns, era_slices
from numerai_lab.scoring.correlation import (
    contribution_per_era,
    corr_per_era,
    pearson_per_era,
    spearman_per_era,
)
from numerai_lab.scoring.exposure import exposure_per_era
from numerai_lab.scoring.least_squares import NeutralizersByEra
from numerai_lab.scoring.neutral import count_missing, neutral_gaussian_per_era
from numerai_lab.scoring.payout import payout_per_era, payout_rule
from numerai_lab.scoring.quantiles import spread_per_era
from numerai_lab.scoring.rank_turnover import rank_turnover_per_era

COLUMNS = (
    "era",
    "prediction",
    "target",
    "n_rows",
    "corr",
    "spearman",
    "bmc",
    "mmc",
    "fnc",
    "benchmark_corr",
    "meta_model_corr",
    "exposure_max",
    "exposure_rms",
    "payout",
    "spread",
    "rank_turnover",
)

Say = Callable[[str], None]


class Scored(NamedTuple):
    """All scores.

    Attributes
    ----------
    per_era : one row per prediction, target and era (in this order), columns `COLUMNS`: era
        int32, n_rows int64 (rows with prediction and target), scores float64 with NaN where one
        is not available. Spearman, corr, bmc, mmc, fnc and payout belong to the target;
        benchmark_corr, meta_model_corr, exposure and rank_turnover do not depend on it. payout
        follows the prediction's corr and mmc.
    mean_exposure : prediction -> float64 [n_features], as in `Exposure`; empty if not asked for.
    """

    per_era: pd.DataFrame
    mean_exposure: dict[str, Float64]


def score_predictions(
    predictions: Mapping[str, FloatArray],
    targets: Mapping[str, FloatArray],
    eras: npt.NDArray[np.int32],
    offsets: Offsets,
    *,
    payout: Payout,
    say: Say,
    horizons: Mapping[str, int] | None = None,
    features: NeutralizersByEra | None = None,
    fnc_features: npt.NDArray[np.int64] | None = None,
    exposure: bool = True,
    benchmark: tuple[str, FloatArray] | None = None,
    meta_model: FloatArray | None = None,
    entities: npt.NDArray[np.int64] | None = None,
) -> Scored:
    """Score every prediction against every target, era by era.

    Parameters
    ----------
    predictions, targets : name -> float [n_rows]; NaN where there is none.
    eras : int32 [n_eras] era numbers; offsets : int64 [n_eras + 1], rows of each era.
    payout : the config of the payout rule.
    say : called with each sentence the user must see: constant or missing predictions, eras
        without enough reference rows, missing features.
    horizons : target name -> horizon in trading days, which decides its payout rule; a target
        without one gets no payout.
    features : int8 or float32 [n_rows, n_features] for fnc and exposure; None leaves them NaN.
    fnc_features : int64, column indices of the features that fnc neutralises to; None: no fnc.
    exposure : whether to compute the exposure to all features.
    benchmark : (name, float [n_rows]) for bmc and benchmark_corr; NaN where it has none.
    meta_model : float [n_rows] for mmc and meta_model_corr; NaN where it has none.
    entities : int64 [n_rows], what a row is about, for rank_turnover; None where rows cannot be
        followed from era to era.

    Raises
    ------
    DataError
        When something does not have one value per row, or there is nothing to score.
    """
    if not predictions or not targets:
        raise DataError(
            f"{len(predictions)} predictions and {len(targets)} targets to score, "
            "at least one of each is needed"
        )
    columns = _stack(predictions, offsets)
    n_eras = len(offsets) - 1
    if len(eras) != n_eras:
        raise DataError(f"{len(eras)} era numbers for {n_eras} eras")
    nothing = np.full((n_eras, len(predictions)), np.nan)
    _say_constants(predictions, columns, eras, offsets, say)

    levels = ("benchmark_corr", "meta_model_corr", "exposure_max", "exposure_rms", "rank_turnover")
    shared = dict.fromkeys(levels, nothing)
    neutral: Float64 | None = None
    mean_exposure: dict[str, Float64] = {}
    if benchmark is not None:
        shared["benchmark_corr"] = pearson_per_era(columns, benchmark[1], offsets)
    if meta_model is not None:
        shared["meta_model_corr"] = pearson_per_era(columns, meta_model, offsets)
    if features is not None:
        _say_missing_features(features, offsets, say)
        if exposure:
            followed = exposure_per_era(columns, features, offsets)
            shared |= {"exposure_max": followed.max_abs, "exposure_rms": followed.rms}
            mean_exposure = dict(zip(predictions, followed.mean.T, strict=True))
        if fnc_features is not None:
            neutral = neutral_gaussian_per_era(columns, features, offsets, fnc_features)

    if entities is not None:
        shared["rank_turnover"] = rank_turnover_per_era(columns, entities, eras, offsets)

    frames = []
    for target, values in targets.items():
        scores: dict[str, Float64] = {
            "corr": corr_per_era(columns, values, offsets),
            "spearman": spearman_per_era(columns, values, offsets),
            "bmc": nothing,
            "mmc": nothing,
            "fnc": nothing if neutral is None else corr_per_era(neutral, values, offsets),
            **shared,
        }
        for name, reference in (("bmc", benchmark), ("mmc", ("meta model", meta_model))):
            if reference is not None and reference[1] is not None:
                scores[name] = contribution_per_era(columns, reference[1], values, offsets)
                _say_uncovered(name, reference[0], reference[1], values, eras, offsets, say)
        scores["payout"] = nothing
        if horizons is not None and target in horizons:
            rule = payout_rule(payout, horizons[target])
            scores["payout"] = payout_per_era(scores["corr"], scores["mmc"], rule)
        scores["spread"] = spread_per_era(columns, values, offsets)
        n_rows = _count_rows(columns, values, offsets)
        frames += [
            pd.DataFrame(
                {
                    "era": eras.astype(np.int32),
                    "prediction": name,
                    "target": target,
                    "n_rows": n_rows[:, j],
                    **{score: values[:, j] for score, values in scores.items()},
                }
            )
            for j, name in enumerate(predictions)
        ]
    per_era = _order(pd.concat(frames, ignore_index=True), list(predictions))
    return Scored(per_era, mean_exposure)


def _order(table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Put the targets of one prediction next to each other, eras and targets as they came."""
    position = table["prediction"].map({name: i for i, name in enumerate(names)})
    order = np.argsort(position.to_numpy(), kind="stable")
    return table.iloc[order].reset_index(drop=True)[list(COLUMNS)]


def _stack(predictions: Mapping[str, FloatArray], offsets: Offsets) -> FloatArray:
    for name, values in predictions.items():
        if as_columns(values, offsets, f"predictions '{name}'").shape[1] != 1:
            raise DataError(f"predictions '{name}' have {values.shape[1]} columns, give one a name")
    return np.column_stack([np.asarray(values) for values in predictions.values()])


def _count_rows(columns: FloatArray, target: FloatArray, offsets: Offsets) -> npt.NDArray[np.int64]:
    scored = ~np.isnan(columns) & ~np.isnan(target)[:, None]
    running = np.concatenate([np.zeros((1, columns.shape[1]), np.int64), scored.cumsum(axis=0)])
    return np.asarray(running[offsets[1:]] - running[offsets[:-1]])


def _say_constants(
    predictions: Mapping[str, FloatArray],
    columns: FloatArray,
    eras: npt.NDArray[np.int32],
    offsets: Offsets,
    say: Say,
) -> None:
    constant = np.zeros((len(eras), columns.shape[1]), dtype=bool)
    for i, era in era_slices(offsets):
        block = columns[era]
        if len(block):
            constant[i] = np.fmax.reduce(block, axis=0) == np.fmin.reduce(block, axis=0)
    missing = np.count_nonzero(np.isnan(columns), axis=0)
    for j, name in enumerate(predictions):
        if constant[:, j].any():
            say(
                f"prediction '{name}' is constant in {_eras_of(constant[:, j], eras)}: "
                "no score there"
            )
        if missing[j]:
            say(
                f"prediction '{name}' is missing in {missing[j]:,} of {len(columns):,} rows: "
                "they are not scored, nor is an era with less than 80 % of its rows"
            )


def _say_missing_features(features: NeutralizersByEra, offsets: Offsets, say: Say) -> None:
    n_missing = count_missing(features, offsets)
    if n_missing:
        say(
            f"{n_missing:,} of {features.size:,} feature values are missing: fnc and exposure "
            "take the feature's mean of the era for them"
        )


def _say_uncovered(
    score: str,
    name: str,
    reference: FloatArray,
    target: FloatArray,
    eras: npt.NDArray[np.int32],
    offsets: Offsets,
    say: Say,
) -> None:
    uncovered = np.zeros(len(eras), dtype=bool)
    for i, era in era_slices(offsets):
        labelled = ~np.isnan(target[era])
        known = reference[era][labelled & ~np.isnan(reference[era])]
        enough = len(known) >= MIN_OVERLAP * np.count_nonzero(labelled)
        uncovered[i] = labelled.any() and not (enough and known.min() < known.max())
    if uncovered.any():
        say(
            f"{name} covers less than 80 % of the rows, or is constant, in "
            f"{_eras_of(uncovered, eras)}: no {score} there"
        )


def _eras_of(which: npt.NDArray[np.bool_], eras: npt.NDArray[np.int32]) -> str:
    return f"{np.count_nonzero(which)} of {len(eras)} eras (first: {eras[which][0]:04d})"
