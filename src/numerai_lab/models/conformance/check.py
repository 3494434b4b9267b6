"""`check_model`: does a model keep what the Model protocol promises? For outsiders, too.

from numerai_lab.models import check_model
from my_package import MyModel

def test_my_model_keeps_the_promises():
    check_model(MyModel, {"depth": 3})
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numerai_lab.errors import ModelError, collected
from numerai_lab.models.conformance.promises import PROMISES, loads_in_a_fresh_process
from numerai_lab.models.conformance.trial import Broken, ModelTrial
from numerai_lab.models.contract import (
    Model,
)


def check_model(
    model_type: type[Model],
    params: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    fresh_process: bool = False,
) -> None:
    """Try a model out on small made-up frames and report every promise it breaks.

    It is fitted some eight times on about 1,300 rows of 8 features: choose parameters that
    make it quick, and that leave it more than one distinct prediction.

    Parameters
    ----------
    model_type : the class, which need not be registered.
    params : parameters as written in an experiment's `model.params`; default: none written.
    seed : of the frames and of the fits.
    fresh_process : also load the saved model in a new Python process; the class must be
        importable there by its module and name.

    Raises
    ------
    ModelError
        Lists all broken promises, one a line.
    """
    with tempfile.TemporaryDirectory() as folder:
        broken = _broken(
            ModelTrial(model_type, dict(params or {}), seed, Path(folder)), fresh_process
        )
    if broken:
        raise ModelError(
            f"{model_type.__name__} breaks {len(broken)} of the promises of a model:\n- "
            + "\n- ".join(broken)
        )


def _broken(trial: ModelTrial, fresh_process: bool) -> list[str]:
    broken: list[str] = []
    with collected(broken, "params are accepted", Broken):
        trial.new_model()
    if not broken:
        with collected(broken, "fits and predicts", Broken):
            trial.fit_once()
    if not broken:
        promises = [*PROMISES]
        if fresh_process:
            promises.append(("loads in a fresh process", loads_in_a_fresh_process))
        for promise, check in promises:
            with collected(broken, promise, Broken):
                check(trial)
    return broken
