"""What LightGBM refuses of an ensemble's parameters, found before training."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.models.trees.classes import Classes
from numerai_lab.models.trees.lgbm_ensemble.params import LGBMEnsembleParams, by_first_name
from numerai_lab.models.trees.lightgbm_rows import one_sentence

_ONE_A_FEATURE = ("monotone_constraints", "feature_contri", "max_bin_by_feature")
_TRIAL_ROWS = 64


def check_with_library(
    params: LGBMEnsembleParams,
    train: EraFrame,
    targets: Iterable[str],
    classes: Mapping[str, Classes],
) -> None:
    """Let LightGBM check every parameter set on a few made-up rows, before any work.

    The rows have as many features as `train` and labels at both ends of each target's range, or all
    of its classes.

    Raises
    ------
    ModelError
        LightGBM refuses the parameters, or a list has not one value a feature.
    """
    features = np.indices((_TRIAL_ROWS, train.n_features))[0].astype(np.float32)
    labels = [y[~np.isnan(y)] for y in map(train.target, sorted(targets))]
    ends: list[tuple[Any, ...]] = [(y.min(), y.max()) for y in labels if len(y)]
    n_classes = max((len(one.values) for one in classes.values()), default=0)
    ends = [tuple(range(n_classes))] if classes else ends
    for i, own in enumerate(params.parameter_sets):
        library = params.library_params(i, n_classes)
        for name in _ONE_A_FEATURE:
            given = library.get(name)
            if isinstance(given, list) and given and len(given) != train.n_features:
                raise ModelError(
                    f"'{name}' has {len(given)} values for {train.n_features} features",
                    where=_place(i, own, name),
                    fix="give one for each feature",
                )
        library |= {"verbosity": -1, "num_threads": 1}
        for some in ends:
            label = np.resize(np.array(some, np.float32), _TRIAL_ROWS)
            try:
                with _quiet():
                    lightgbm.Booster(library, lightgbm.Dataset(features, label, params=library))
            except lightgbm.basic.LightGBMError as error:
                sentence = one_sentence(str(error))
                raise ModelError(
                    f"LightGBM refuses: {sentence}", where=_place(i, own, sentence)
                ) from None


def _place(position: int, own: dict[str, Any], sentence: str) -> str:
    if any(name in sentence for name in by_first_name(own)):
        return f"model.params.parameter_sets.{position}"
    return "model.params.lightgbm"


@contextmanager
def _quiet() -> Iterator[None]:
    """Close standard error for LightGBM, which prints what it refuses past any logger."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
