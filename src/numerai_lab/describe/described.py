"""All that is told of an experiment's data, or of a metadata file alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from numerai_lab.describe.features import describe_features
from numerai_lab.describe.sets import describe_sets, read_metadata
from numerai_lab.describe.targets import describe_signal, describe_targets
from numerai_lab.experiment import Prepared


def describe_metadata(path: Path) -> dict[str, Any]:
    """Describe a `features.json` without any rows: sets and their overlaps, names of targets.

    Raises DataError : it cannot be read.
    """
    sets, targets = read_metadata(path)
    return {"what": str(path), "sets": describe_sets(sets), "target_names": targets}


def describe_data(prepared: Prepared) -> dict[str, Any]:
    """Describe the data of an experiment that is planned.

    Features are described over all eras that are loaded; whatever looks at a label sees only eras
    before the first judged one, that the first fold trains on.
    """
    dataset, frame = prepared.dataset, prepared.dataset.frame
    first_judged = min(int(fold.judged[0]) for fold in prepared.plan.folds if len(fold.judged))
    fold = prepared.plan.folds[0]
    train = frame.select_eras(fold.train[fold.train < first_judged])
    names = set(frame.feature_names)
    sets = {name: [f for f in one if f in names] for name, one in dataset.feature_sets.items()}
    numerai = dataset.source != "parquet"
    every = frame.row_eras
    return {
        "what": str(dataset.folder or ", ".join(str(one.path) for one in dataset.files[:3])),
        "source": dataset.source,
        "notice": dataset.notice,
        "counts": dict(dataset.counts),
        "sets": describe_sets({name: one for name, one in sets.items() if one}),
        "features": describe_features(frame, numerai),
        "training": {
            "first": int(train.eras[0]),
            "last": int(train.eras[-1]),
            "n_eras": train.n_eras,
            "first_judged": first_judged,
            "rows_before_it": int(np.count_nonzero(every < first_judged)),
        },
        "target": prepared.target,
        "signal": describe_signal(train, prepared.target),
        **describe_targets(train, dataset.horizons),
    }
