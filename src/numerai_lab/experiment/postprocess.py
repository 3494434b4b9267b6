"""Post-processing of predictions: era by era, from features or a benchmark, never from targets."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.config import Neutralize
from numerai_lab.data import Dataset, References
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import DataError
from numerai_lab.experiment.judge import choose_benchmark, neutral_features
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
    ranked = gaussian_rank_per_era(values, rows.offsets)
    if how.against == "features":
        columns = neutral_features(how.feature_set or "all", rows, dataset)
        neutralizers: npt.NDArray[Any] = (
            rows.features if columns is None else rows.features[:, columns]
        )
    else:
        name = choose_benchmark(how.benchmark or "auto", references.benchmarks)
        if name is None:
            raise DataError(
                "the data has no benchmark model to neutralise against", where="neutralize.against"
            )
        benchmark = references.align(rows.ids, [name])[name]
        absent = int(np.count_nonzero(np.isnan(benchmark)))
        if absent:
            raise DataError(
                f"benchmark '{name}' covers {rows.n_rows - absent} of {rows.n_rows} judged rows",
                where="neutralize.benchmark",
                fix="judge only eras the benchmark covers, or neutralise against features",
            )
        neutralizers = gaussian_rank_per_era(benchmark, rows.offsets)[:, None]
    left = neutralize_per_era(ranked, neutralizers, rows.offsets, how.proportion)
    return rank_per_era(left, rows.offsets).astype(np.float32)
