"""Scores that are shown on demand beside corr (`evaluate --extra`), and never in the headline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numerai_lab.arrays import Float64
from numerai_lab.config import Scoring
from numerai_lab.data import Dataset
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import UserError, did_you_mean
from numerai_lab.scoring import CLASS_SCORES, ON_SCALE, is_ranks, on_scale_per_era, summarize
from numerai_lab.seeds import child_seed


def check_extra(names: Sequence[str]) -> None:
    """Raise UserError for a name that is none of `ON_SCALE` or `CLASS_SCORES`."""
    known = [metric.key for metric in (*ON_SCALE, *CLASS_SCORES)]
    for name in names:
        if name not in known:
            raise UserError(
                f"there is no score '{name}'{did_you_mean(name, known)}",
                where="--extra",
                fix=f"choose among {', '.join(known)}",
            )


def on_scale(names: Sequence[str]) -> list[str]:
    """Return those of the names that are of `ON_SCALE`."""
    return [metric.key for metric in ON_SCALE if metric.key in names]


def extra_scores(
    rows: EraFrame,
    columns: Mapping[str, Float64],
    targets: Sequence[str],
    names: Sequence[str],
    *,
    dataset: Dataset,
    scoring: Scoring,
    seed: int,
    say: Callable[[str], None],
) -> dict[str, dict[str, dict[str, Any]]]:
    """Summarise R2, RMSE and MAE per era; every era counts alike.

    A prediction of ranks says nothing of the target's value: it is left out, and that is said,
    unless the target is ranks as well.

    Parameters
    ----------
    columns : name -> float64 [n_rows]. names : of `ON_SCALE`, those asked for.

    Returns
    -------
    target -> prediction -> name -> `Summary`, as in scores.json.
    """
    ranks = {name for name, values in columns.items() if is_ranks(values, rows.offsets)}
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for target in targets:
        labels = rows.target(target)
        left_out = [] if not ranks or is_ranks(labels, rows.offsets) else sorted(ranks)
        if left_out:
            told = ", ".join(f"'{name}'" for name in left_out)
            say(
                f"no {', '.join(names)} on {target} for {told}: ranks from 0 to 1 within each era, "
                "which are not on the target's scale"
            )
        found[target] = {}
        for name, values in columns.items():
            if name in left_out:
                continue
            per_era = on_scale_per_era(values, labels, rows.offsets)
            found[target][name] = {
                metric.key: summarize(
                    per_era[metric.key][:, 0],
                    rows.eras,
                    dataset.horizons[target],
                    scoring.bootstrap,
                    child_seed(seed, "bootstrap"),
                    adds_up=metric.adds_up,
                ).as_dict()
                for metric in ON_SCALE
                if metric.key in names
            }
    return found
