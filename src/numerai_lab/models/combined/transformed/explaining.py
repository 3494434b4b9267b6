"""What features and added columns each add to the prediction of a model with transforms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.features import Pipeline
from numerai_lab.models.contract import Contributions, ExplainedModel, Model


def contributions_of(
    pipeline: Pipeline, model: Model, frame: EraFrame, rows: npt.NDArray[np.int64] | None
) -> tuple[Contributions, ...]:
    """Return the model's contributions: the data's features, and beside them each added column.

    A feature's part in the columns made of it stands with these, not with the feature. Features
    that a step leaves out add nothing.

    Raises
    ------
    ModelError : the model has no contributions, or a step looks back on eras that are not given.
    """
    if not isinstance(model, ExplainedModel):
        raise ModelError("the model that is given the columns has no contributions of its own")
    if pipeline.history_eras:
        raise ModelError(
            f"a transform looks back {pipeline.history_eras} eras, which are not given to explain"
        )
    given = pipeline.frame(pipeline.columns(frame, None))
    place = {name: i for i, name in enumerate(frame.feature_names)}
    mine = [i for i, name in enumerate(given.feature_names) if name in place]
    added = {i: name for i, name in enumerate(given.feature_names) if name not in place}
    found = []
    for one in model.contributions(given, rows):
        values = np.zeros((len(one.values), frame.n_features), dtype=one.values.dtype)
        values[:, [place[given.feature_names[i]] for i in mine]] = one.values[:, mine]
        beside = {name: one.values[:, i].astype(np.float64) for i, name in added.items()}
        found.append(replace(one, values=values, beside={**beside, **one.beside}))
    return tuple(found)
