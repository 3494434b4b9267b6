"""Folds as they are written down: their eras in runs, rows and dates, and what lies between."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.data import Dataset
from numerai_lab.experiment.plan import Prepared
from numerai_lab.experiment.tuned_eras import n_seen
from numerai_lab.splits import Fold, final_eras


def fold_facts(fold: Fold, prepared: Prepared) -> dict[str, Any]:
    """One fold as it is written to the manifest: eras, rows and the gaps between them."""
    frame = prepared.dataset.frame
    rows = dict(zip(frame.eras.tolist(), np.diff(frame.offsets).tolist(), strict=True))

    def span(eras: npt.NDArray[np.int32]) -> dict[str, int | str | None]:
        if len(eras) == 0:  # where nothing is trained
            return {"first": None, "last": None, "n_eras": 0, "n_rows": 0}
        return {
            "first": int(eras[0]),
            "last": int(eras[-1]),
            "n_eras": len(eras),
            "n_rows": sum(rows[era] for era in eras.tolist()),
            **first_and_last_date(eras, prepared.dataset),
        }

    facts = {
        "fold": fold.index,
        "train": span(fold.train),
        "judged": span(fold.judged),
        "purge_eras": fold.purge_eras,
        "embargo_eras": fold.embargo_eras,
        "train_eras": era_runs(fold.train, frame.eras),
        "judged_eras": era_runs(fold.judged, frame.eras),
        "dropped_eras": era_runs(fold.dropped, frame.eras),
    }
    if prepared.experiment.tuned is not None:
        facts["seen_in_tuning"] = n_seen(fold.judged, prepared.experiment.tuned, fold.purge_eras)
    if len(fold.test):
        facts |= {
            "test": {**span(fold.test), "n_in_final": len(final_test_eras(fold, prepared))},
            "test_purge_eras": fold.test_purge_eras,
            "test_eras": era_runs(fold.test, frame.eras),
        }
    return facts


def final_test_eras(fold: Fold, prepared: Prepared) -> npt.NDArray[np.int32]:
    """Return the test eras of a fold that a final model of this run is fitted on."""
    eras = final_eras(prepared.experiment.split, prepared.dataset.frame.eras)
    return fold.test[np.isin(fold.test, eras)]


def first_and_last_date(eras: npt.NDArray[np.int32], dataset: Dataset) -> dict[str, str]:
    """Return the dates of the first and the last of these eras, or nothing if eras are numbers."""
    dates = dataset.era_dates
    if not dates:
        return {}
    return {
        "first_date": dates[int(eras[0])].isoformat(),
        "last_date": dates[int(eras[-1])].isoformat(),
    }


def era_runs(eras: npt.NDArray[np.int32], among: npt.NDArray[np.int32]) -> list[tuple[int, int]]:
    """Group eras into (first, last) runs that have no other era of `among` between them."""
    if len(eras) == 0:
        return []
    positions = np.searchsorted(among, eras)
    starts = np.flatnonzero(np.diff(positions, prepend=positions[0] - 2) > 1)
    stops = np.append(starts[1:], len(eras)) - 1
    return [(int(eras[a]), int(eras[b])) for a, b in zip(starts, stops, strict=True)]
