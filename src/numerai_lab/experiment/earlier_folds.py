"""What earlier folds of a run tell the fit of a later one: their models and judged eras."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from numerai_lab.arrays import Eras
from numerai_lab.experiment.plan import Prepared, purge_eras
from numerai_lab.experiment.records import DONE, RunDir
from numerai_lab.models import EarlierFit
from numerai_lab.splits import labelled_before


def earlier_fits(
    run: RunDir | None, judged: Eras | None, prepared: Prepared
) -> tuple[EarlierFit, ...]:
    """Return the fits of folds that were judged before, oldest first, for a model that asks.

    Parameters
    ----------
    run : where the folds are kept; None: nowhere, and there are none.
    judged : int32, eras that the model to be fitted will be judged on. Of earlier folds' judged
        eras those are handed over whose labels are known a purge before. None: all of them.
    """
    if run is None or not prepared.info.earlier_fits:
        return ()
    found = []
    for fold in prepared.plan.folds:
        folder = run.fold_dir(fold.index)
        if not (folder / DONE).exists() or fold.train.max() > fold.judged.min():
            continue
        eras = labelled_before(np.asarray(fold.judged), judged, purge_eras(prepared))
        if len(eras):
            rows = prepared.dataset.frame.select_eras(eras)
            found.append(EarlierFit(int(fold.train.max()), rows, _loader(folder, prepared)))
    return tuple(found)


def _loader(folder: Path, prepared: Prepared) -> Callable[[], Any]:
    return lambda: prepared.model_class.load(folder / "model")
