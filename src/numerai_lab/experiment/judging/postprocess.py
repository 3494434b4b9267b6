"""Post-processing of predictions: era by era, from features or a benchmark, never from targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from numerai_lab.config import Neutralize
from numerai_lab.data import META_MODEL, Dataset, References, choose_benchmark
from numerai_lab.eraframe import EraFrame, StoredFeatures
from numerai_lab.errors import DataError
from numerai_lab.experiment.judging.judge import neutral_features
from numerai_lab.experiment.judging.summaries import MAIN
from numerai_lab.experiment.plan import Prepared
from numerai_lab.models import Detailed
from numerai_lab.scoring import gaussian_rank_per_era, neutralize_per_era, rank_per_era

BEFORE = "before_neutralization"
"""Name of the predictions as the model gave them, when a run neutralises."""


def neutralized(
    values: npt.NDArray[np.float32],
    rows: EraFrame,
    how: Neutralize,
    dataset: Dataset,
    references: References,
) -> npt.NDArray[np.float32]:
    """Gaussian-rank predictions per era, take the neutralizers' part out, rank again.

    Returns
    -------
    float32 [n_rows], strictly between 0 and 1.

    Raises
    ------
    DataError : an unknown feature set or benchmark, or rows the benchmark does not cover.
    """
    neutralizers = neutralizers_of(rows, how, dataset, references)
    return without(values, neutralizers, rows.offsets, how.proportion).astype(np.float32)


def judged_columns(
    detail: Detailed, rows: EraFrame, prepared: Prepared, references: References
) -> dict[str, npt.NDArray[np.float32]]:
    """Return every prediction column that is judged, float32 [n_rows] each, after post-processing.

    Raises as `neutralized` does.
    """
    columns = {MAIN: detail.predictions, **detail.variants}
    how = prepared.experiment.neutralize
    if how is None:
        return columns
    columns = {
        name: neutralized(values, rows, how, prepared.dataset, references)
        for name, values in columns.items()
    }
    return {**columns, BEFORE: detail.predictions}


def without(
    values: npt.NDArray[np.float32],
    neutralizers: npt.NDArray[Any] | StoredFeatures,
    offsets: npt.NDArray[np.int64],
    proportion: float,
) -> npt.NDArray[np.float64]:
    """Gaussian-rank per era, take a proportion of the neutralizers' part out, rank into (0, 1).

    Parameters
    ----------
    values : [n_rows]. neutralizers : [n_rows, k]. offsets : int64 [n_eras + 1].
    """
    ranked = gaussian_rank_per_era(values, offsets)
    return rank_per_era(neutralize_per_era(ranked, neutralizers, offsets, proportion), offsets)


def neutralizer_names(prepared: Prepared, references: References) -> list[str]:
    """Name the features, or the benchmark, that the run takes out; none if it does not."""
    how, frame = prepared.experiment.neutralize, prepared.dataset.frame
    if how is None:
        return []
    if how.against == "benchmark":
        chosen = choose_benchmark(how.benchmark or "auto", references.benchmarks)
        return [] if chosen is None else [chosen]
    if how.feature_set is None:
        return list(frame.feature_names)
    columns = neutral_features(how.feature_set, frame, prepared.dataset, "neutralize.feature_set")
    if columns is None:
        return list(frame.feature_names)
    return [frame.feature_names[i] for i in columns.tolist()]


def neutralizers_of(
    rows: EraFrame, how: Neutralize, dataset: Dataset, references: References
) -> npt.NDArray[Any] | StoredFeatures:
    """Return what is taken out, [n_rows, k]; raises as `neutralized` does."""
    if how.against == "features":
        if how.feature_set is None:
            return rows.features
        columns = neutral_features(how.feature_set, rows, dataset, "neutralize.feature_set")
        if columns is None:
            return rows.features
        if isinstance(rows.features, np.ndarray):
            return rows.features[:, columns]
        return rows.features.columns(columns)
    where = "neutralize.benchmark"
    chosen = choose_benchmark(how.benchmark or "auto", references.benchmarks, where)
    if chosen is None:
        raise DataError("the data has no benchmark model to neutralise against", where=where)
    fix = "judge only eras the benchmark covers, or neutralise against features"
    return benchmark_ranks(chosen, rows, references, fix)


def benchmark_ranks(
    name: str, rows: EraFrame, references: References, fix: str
) -> npt.NDArray[np.float64]:
    """Return a benchmark's gaussian ranks per era, float64 [n_rows, 1], to be taken out.

    Raises
    ------
    DataError : it does not cover the rows; `fix` is the way out.
    """
    values = references.align(rows.ids, [name])[name]
    absent = int(np.count_nonzero(np.isnan(values)))
    if absent:
        raise DataError(
            f"benchmark '{name}' covers {rows.n_rows - absent} of {rows.n_rows} rows",
            where="neutralize.benchmark",
            fix=fix,
        )
    return gaussian_rank_per_era(values, rows.offsets)[:, None]


def _check_names(benchmark: str | None, baselines: Sequence[str], variants: Sequence[str]) -> None:
    """Refuse names that rows of scores have already: one would stand in the other's place."""
    own = (MAIN, BEFORE, *variants)
    names = [("scoring.benchmark", benchmark)] + [("compare_to", name) for name in baselines]
    for place, name in names:
        if name in own or (place == "compare_to" and name == benchmark):
            raise DataError(
                f"'{name}' is the name of another row of scores already",
                where=place,
                fix="leave it out, or give one of the two another name",
            )


def check_judging(prepared: Prepared, references: References) -> None:
    """Check, before anything is trained, that what judging and post-processing name is there.

    Raises
    ------
    DataError : an unknown benchmark or feature set; reference predictions that are none; two
        rows of scores of one name; or a benchmark that does not cover the judged eras it is to be
        taken out of.
    """
    experiment, dataset = prepared.experiment, prepared.dataset
    benchmark = choose_benchmark(experiment.scoring.benchmark, references.benchmarks)
    variants = [variant.name for variant in prepared.info.variants]
    _check_names(benchmark, experiment.compare_to, variants)
    frame = dataset.frame
    parts = [part for fold in prepared.plan.folds for part in (fold.judged, fold.test)]
    judged = np.isin(frame.eras, np.concatenate(parts))
    ids = frame.ids.filter(pa.array(np.repeat(judged, np.diff(frame.offsets))))
    meta = [META_MODEL] if references.has_meta_model else []
    named = [benchmark] if benchmark is not None else []
    references.align(ids, [*named, *meta])
    neutral_features(experiment.scoring.fnc_feature_set, dataset.frame, dataset)
    if experiment.neutralize is None:
        return
    for eras in filter(len, parts):
        rows = dataset.frame.select_eras(eras)
        neutralizers_of(rows, experiment.neutralize, dataset, references)
