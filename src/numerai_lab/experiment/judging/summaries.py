"""From the per-era table to what scores.json holds: summaries, same eras, paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from numerai_lab.config import Scoring
from numerai_lab.models import PREDICTION
from numerai_lab.scoring import METRICS, Metric, paired, summarize
from numerai_lab.seeds import child_seed

MAIN = PREDICTION
"""Name of the judged model's own predictions in every table."""
HEADLINE = tuple(m for m in METRICS if m.key in ("corr", "mmc", "bmc", "fnc"))
"""What predictions are held beside each other by."""


def summaries(
    per_era: pd.DataFrame,
    target: str,
    horizon_days: int,
    scoring: Scoring,
    seed: int,
    metrics: Sequence[Metric] = METRICS,
) -> dict[str, dict[str, Any]]:
    """Summarise metrics of every prediction column for one target, each over all its own eras."""
    rows = per_era[per_era["target"] == target]
    found: dict[str, dict[str, Any]] = {}
    for name, part in rows.groupby("prediction", sort=False):
        eras = part["era"].to_numpy(dtype=np.int32)
        found[str(name)] = {
            metric.key: summarize(
                part[metric.key].to_numpy(dtype=np.float64),
                eras,
                horizon_days,
                scoring.bootstrap,
                child_seed(seed, "bootstrap"),
                adds_up=metric.adds_up,
            ).as_dict()
            for metric in metrics
            if part[metric.key].notna().any()
        }
    return found


def on_same_eras(
    per_era: pd.DataFrame,
    target: str,
    known: dict[str, dict[str, Any]],
    horizon_days: int,
    scoring: Scoring,
    seed: int,
) -> list[dict[str, Any]]:
    """Summarise predictions on eras that all of them have, so that their means may be compared.

    A benchmark that begins later was judged in other years: beside it, a model's mean over all its
    eras says which years were kind, not which model is better.

    Parameters
    ----------
    known : what `summaries` found; taken over where a prediction has no other eras.

    Returns
    -------
    Blocks of `eras` (first, last, n) and `scores` (prediction -> `HEADLINE` metric -> summary).
    There is one with all eras in which `MAIN` has a corr, and one for each smaller set of eras that
    it shares with another prediction. A block holds every prediction scored in all of its eras. The
    block with the most predictions comes first, of two the one with more eras. Empty without any
    score of `MAIN`; a prediction that shares no era with it is in no block.
    """
    rows = per_era[(per_era["target"] == target) & per_era["corr"].notna()]
    scored = {str(name): frozenset(part["era"]) for name, part in rows.groupby("prediction")}
    own = scored.get(MAIN, frozenset())
    blocks = []
    for eras in {own & theirs for theirs in scored.values()} - {frozenset()}:
        names = {name for name, theirs in scored.items() if eras <= theirs}
        part = per_era[per_era["era"].isin(eras) & per_era["prediction"].isin(names)]
        whole = all(known[name]["corr"]["n_nan"] == 0 for name in names)
        if whole and all(scored[name] == eras for name in names):
            keys = [metric.key for metric in HEADLINE]
            scores = {
                name: {key: found[key] for key in keys if key in found}
                for name, found in known.items()
                if name in names
            }
        else:
            scores = summaries(part, target, horizon_days, scoring, seed, HEADLINE)
        span = {"first": int(min(eras)), "last": int(max(eras)), "n": len(eras)}
        blocks.append((-len(names), -len(eras), sorted(eras), {"eras": span, "scores": scores}))
    return [block for *_, block in sorted(blocks, key=lambda item: item[:3])]


def compare_columns(
    per_era: pd.DataFrame,
    name: str,
    baseline: str,
    target: str,
    horizon_days: int,
    scoring: Scoring,
    seed: int,
    metric: str = "corr",
    dates: Mapping[int, date] | None = None,
) -> dict[str, Any]:
    """Paired per-era difference of two prediction columns, `name` minus `baseline`."""
    rows = per_era[per_era["target"] == target]
    wide = rows.pivot(index="era", columns="prediction", values=metric)
    result = paired(
        wide[name].to_numpy(dtype=np.float64),
        wide[baseline].to_numpy(dtype=np.float64),
        wide.index.to_numpy(dtype=np.int32),
        horizon_days,
        scoring.bootstrap,
        child_seed(seed, "paired"),
        dates,
    )
    return {"prediction": name, "baseline": baseline, "metric": metric, **result.as_dict()}
