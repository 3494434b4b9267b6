"""Scores of predictions that are already made: needs predictions and data, never a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from numerai_lab.arrays import Float64
from numerai_lab.config import Scoring
from numerai_lab.data import META_MODEL, Dataset, References, choose_benchmark
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import DataError, did_you_mean
from numerai_lab.experiment.judging.extra_scores import extra_scores, on_scale
from numerai_lab.experiment.judging.portfolios import (
    judge_portfolios,
    pairs_held,
    with_portfolios,
)
from numerai_lab.experiment.judging.summaries import MAIN, compare_columns, on_same_eras, summaries
from numerai_lab.experiment.judging.suspicions import suspicions
from numerai_lab.experiment.judging.variants import variant_facts, variant_pairs
from numerai_lab.models import Variant
from numerai_lab.scoring import accusation, payout_rule, score_predictions, simulate_payout


@dataclass(frozen=True)
class Judged:
    """What judging gives.

    Attributes
    ----------
    per_era : the long table of `Scored`.
    summary : what scores.json holds.
    exposure : feature -> mean correlation with the model's predictions; empty if switched off.
    """

    per_era: pd.DataFrame
    summary: dict[str, Any]
    exposure: dict[str, float]


def judge(
    rows: EraFrame,
    columns: Mapping[str, Float64],
    *,
    dataset: Dataset,
    references: References,
    target: str,
    scoring: Scoring,
    baselines: Sequence[str],
    variants: Sequence[Variant],
    seed: int,
    say: Callable[[str], None],
    extra: Sequence[str] = (),
    trained_on: str = "",
) -> Judged:
    """Score prediction columns on judged rows, beside the benchmark, and summarise them.

    Parameters
    ----------
    rows : the judged eras, with features (for fnc and exposure) and targets.
    columns : name -> float64 [n_rows]; `MAIN` is the model, `baselines` names the experiments
        it is compared with.
    extra : scores on demand, of which those on the scale of the target are made here (see
        `extra_scores`); the summary then has them as `extra`.
    trained_on : a sentence about the training rows that stands beside the scores, or nothing.
    variants : what the model declares; those that are among the columns are compared, too.
    """
    warnings: list[str] = []

    def warn(sentence: str) -> None:
        if sentence not in warnings:
            warnings.append(sentence)
            say(sentence)

    benchmark = choose_benchmark(scoring.benchmark, references.benchmarks)
    meta = META_MODEL if references.has_meta_model else None
    aligned = references.align(rows.ids, [name for name in (benchmark, meta) if name])
    shown = dict(columns)
    if benchmark is not None:
        mine = shown.setdefault(benchmark, aligned[benchmark]).astype(np.float32)
        if not np.array_equal(mine, aligned[benchmark].astype(np.float32), equal_nan=True):
            raise DataError(
                f"a judged column has the name of the benchmark '{benchmark}', and other values",
                where="scoring.benchmark",
                fix="rename the column, or choose another benchmark",
            )
    neutral = neutral_features(scoring.fnc_feature_set, rows, dataset)
    targets = list(dict.fromkeys([target, *scoring.targets]))
    per_era, mean_exposure = score_predictions(
        shown,
        {name: rows.target(name) for name in targets},
        rows.eras,
        rows.offsets,
        features=rows.features,
        fnc_features=neutral,
        exposure=scoring.exposure,
        benchmark=None if benchmark is None else (benchmark, aligned[benchmark]),
        meta_model=None if meta is None else aligned[meta],
        entities=None if rows.entity is None else entity_codes(rows.entity),
        payout=scoring.payout,
        horizons=dataset.horizons,
        say=warn,
    )
    by_target = {
        name: summaries(per_era, name, dataset.horizons[name], scoring, seed) for name in targets
    }
    suspected = {
        name: suspicions(per_era, rows, name, dataset.horizons[name], references, benchmark)
        for name in targets
    }
    for name, found in suspected.items():
        reasons = {column: one.reason() for column, one in found.items() if one.suspicious}
        if reasons:
            warn(accusation(name, reasons))
    rule = payout_rule(scoring.payout, dataset.horizons[target])
    own = per_era[(per_era["prediction"] == MAIN) & (per_era["target"] == target)]
    payout = simulate_payout(own["payout"].to_numpy(dtype=np.float64), rule)
    others = list(baselines)
    if benchmark is not None and benchmark not in others:
        others.append(benchmark)
    pairs = [*variant_pairs(variants, columns), *((MAIN, name) for name in others)]
    controls = {variant.name for variant in variants if variant.control}
    comparisons = [
        {
            **compare_columns(
                per_era,
                name,
                other,
                target,
                dataset.horizons[target],
                scoring,
                seed,
                dates=dataset.era_dates,
            ),
            "control": name in controls,
        }
        for name, other in pairs
    ]
    held = judge_portfolios(
        rows,
        columns,
        pairs_held(pairs, columns),
        dataset=dataset,
        target=target,
        scoring=scoring,
        seed=seed,
        say=warn,
    )
    if held is not None:
        per_era = with_portfolios(per_era, target, held[1])
    summary = {
        "source": dataset.source,
        "target": target,
        "targets": targets,
        "benchmark": benchmark,
        "meta_model": meta,
        "horizon_days": dataset.horizons[target],
        "eras": {"first": int(rows.eras[0]), "last": int(rows.eras[-1]), "n": rows.n_eras},
        "warnings": warnings,
        **({"trained_on": trained_on} if trained_on else {}),
        "scores": by_target[target],
        "scores_by_target": by_target,
        "suspicions": {
            name: {column: one.as_dict() for column, one in found.items()}
            for name, found in suspected.items()
        },
        "same_eras": {
            name: on_same_eras(
                per_era, name, by_target[name], dataset.horizons[name], scoring, seed
            )
            for name in targets
        },
        "variants": variant_facts(variants),
        "comparisons": comparisons,
        "payout": {"rule": asdict(rule), "simulation": payout.as_dict()},
    }
    if held is not None:
        summary["portfolio"] = held[0]
    if names := on_scale(extra):
        summary["extra"] = extra_scores(
            rows, shown, targets, names, dataset=dataset, scoring=scoring, seed=seed, say=warn
        )
    exposure: dict[str, float] = {}
    if scoring.exposure:
        named = zip(rows.feature_names, mean_exposure[MAIN].tolist(), strict=True)
        exposure = {name: value for name, value in named if value == value}
    return Judged(per_era, summary, exposure)


def entity_codes(entity: pa.Array) -> npt.NDArray[np.int64]:
    """Return a number for each row, the same for rows about the same, int64 [n_rows]."""
    codes: npt.NDArray[np.int64] = entity.dictionary_encode().indices.to_numpy().astype(np.int64)
    return codes


def suspected(scores: Mapping[str, Any]) -> str | None:
    """Return what a run's scores.json says of its own predictions, if they are suspicious.

    Scores of a version that did not record it say nothing; `evaluate RUN` writes them anew.
    """
    target = scores["target"]
    own = scores.get("suspicions", {}).get(target, {}).get(MAIN)
    if own is None or not own["suspicious"]:
        return None
    return accusation(target, {MAIN: own["reason"]})


def neutral_features(
    setting: str, rows: EraFrame, dataset: Dataset, where: str = "scoring.fnc_feature_set"
) -> npt.NDArray[np.int64] | None:
    """Columns of `rows.features` that fnc neutralises to; None for fnc_feature_set: none.

    auto is Numerai's `fncv3_features` where all of it is loaded, else every loaded feature.
    """
    if setting == "none":
        return None
    loaded = {name: i for i, name in enumerate(rows.feature_names)}
    if setting == "auto":
        names = dataset.feature_sets.get("fncv3_features", ())
        if not names or any(name not in loaded for name in names):
            names = rows.feature_names
    elif setting in dataset.feature_sets:
        names = dataset.feature_sets[setting]
    else:
        raise DataError(
            f"unknown feature set '{setting}' (there: {', '.join(dataset.feature_sets)})"
            + did_you_mean(setting, dataset.feature_sets),
            where=where,
        )
    names = tuple(dict.fromkeys(names))  # listed twice, a feature is taken out once all the same
    absent = [name for name in names if name not in loaded]
    if absent:
        raise DataError(
            f"{len(absent)} features of set '{setting}' are not loaded (first: {absent[0]})",
            where=where,
            fix="load them with data.feature_set, or choose a smaller set",
        )
    return np.array([loaded[name] for name in names], dtype=np.int64)
