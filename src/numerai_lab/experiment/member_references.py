"""What the benchmark and the meta model predicted of the rows that members predict."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from numerai_lab.arrays import Float64
from numerai_lab.data import META_MODEL as META_MODEL_COLUMN
from numerai_lab.data import References, choose_benchmark
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ConfigError
from numerai_lab.experiment.member_runs import judged_rows
from numerai_lab.experiment.plan import Prepared, purge_eras
from numerai_lab.models import BENCHMARK, META_MODEL
from numerai_lab.splits import labelled_before

FEWEST_ERAS = 20
"""Eras with a meta model, or benchmark, below which weights for what members add to it are refused.

Fewer would say nothing, and every fold would have equal weights but for noise."""
MOSTLY = 0.8
"""Share of an era's rows that it has to cover, as mmc and bmc ask for."""


def judged_references(prepared: Prepared, references: References) -> Mapping[str, Float64]:
    """Line up what the benchmark and the meta model predicted with every judged row of a run.

    Returns
    -------
    By the keys of `Members.references`, those there are; nothing for a model without members.

    Raises
    ------
    ConfigError : the model needs one that is not there, or that covers less than `FEWEST_ERAS`
        eras that the last fold may learn from.
    """
    if not prepared.member_configs:
        return {}
    rows = judged_rows(prepared)
    found = references_of(rows, prepared, references)
    for key in prepared.info.references:
        _check_reference(key, found.get(key), rows, prepared)
    return found


def references_of(rows: EraFrame, prepared: Prepared, references: References) -> dict[str, Float64]:
    """Return what the benchmark and the meta model predicted of rows, as `Members` has them."""
    chosen = choose_benchmark(prepared.experiment.scoring.benchmark, references.benchmarks)
    columns = {BENCHMARK: chosen}
    columns[META_MODEL] = META_MODEL_COLUMN if references.has_meta_model else None
    there = {key: column for key, column in columns.items() if column is not None}
    aligned = references.align(rows.ids, list(there.values()))
    return {key: aligned[column] for key, column in there.items()}


def _check_reference(key: str, values: Float64 | None, rows: EraFrame, prepared: Prepared) -> None:
    aim = f"model '{prepared.experiment.model.type}' learns what members add to the"
    name = key.replace("_", " ")
    if values is None:
        none = key == BENCHMARK and prepared.experiment.scoring.benchmark == "none"
        raise ConfigError(
            f"{aim} {name}, and " + ("scoring.benchmark is none" if none else "there is none"),
            where="model.params.aim",
            fix="choose a benchmark" if none else "get the file, or choose aim: corr",
        )
    last = prepared.plan.folds[-1]
    past = labelled_before(rows.eras, last.judged, purge_eras(prepared))
    known = [
        np.count_nonzero(~np.isnan(values[part])) >= MOSTLY * (part.stop - part.start)
        for era, part in rows.iter_eras()
        if era in past
    ]
    if sum(known) < FEWEST_ERAS:
        raise ConfigError(
            f"{aim} {name}, which covers {sum(known)} of the {len(known)} eras that the last fold "
            f"may learn from, and {FEWEST_ERAS} are the least",
            where="model.params.aim",
            fix="judge more eras that it covers, or choose aim: corr",
        )
