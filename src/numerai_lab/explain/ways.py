"""Which way a model is explained: by contributions of its own, by sampling, or by shuffling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.experiment import OpenedModel
from numerai_lab.explain.attribution import Attribute
from numerai_lab.explain.sample import draw
from numerai_lab.explain.shapley import N_BACKGROUND, SampledShapley, predicts_row_by_row
from numerai_lab.models import (
    Contributions,
    ExplainedModel,
    ExplainedStack,
    OnlineModel,
    history_eras_of,
)
from numerai_lab.seeds import child_seed

CONTRIBUTIONS, SAMPLING, PERMUTATION = "contributions", "sampling", "permutation"


@dataclass(frozen=True)
class Way:
    """How a model is explained.

    Attributes
    ----------
    kind : `CONTRIBUTIONS`, `SAMPLING` or `PERMUTATION`.
    attribute : returns contributions of rows; None with `PERMUTATION`, which explains no row alone.
    row_by_row : whether a row's prediction depends on its own features only.
    notes : sentences that are shown beside the explanation.
    """

    kind: str
    attribute: Attribute | None
    row_by_row: bool
    notes: tuple[str, ...]


def way_of(opened: OpenedModel, seed: int) -> Way:
    """Choose how to explain a model.

    Its own contributions if it has any; else sampled Shapley values if it predicts row by row; else
    shuffled features.
    """
    model, info, rows = opened.model, opened.info, opened.rows
    first = rows.between(int(rows.eras[0]), int(rows.eras[0])).without_targets()
    notes = []
    if isinstance(model, OnlineModel) and model.online and opened.labelled:
        notes.append(
            "the model is explained as it was before the first judged era, before it learnt from "
            "labels of these eras"
        )
    looks_around = (
        info.transductive or info.stateful or info.needs_entity or history_eras_of(model) > 0
    )
    row_by_row = not looks_around and predicts_row_by_row(opened.predict, first)
    own = own_contributions(opened)
    if own is not None:
        try:
            own(first, np.array([0]))
        except ModelError as error:
            notes.append(f"the model has no contributions of its own: {error}")
        else:
            return Way(CONTRIBUTIONS, own, row_by_row, tuple(notes))
    if not row_by_row:
        notes.append(
            "a row's prediction depends on other rows, and the model has no contributions of its "
            "own: features are shuffled within eras, and no row is explained alone"
        )
        return Way(PERMUTATION, None, False, tuple(notes))
    sample = draw(rows, N_BACKGROUND, child_seed(seed, "background"))
    background = np.concatenate([frame.features[drawn] for frame, drawn in sample.each()])
    notes.append(
        f"the model has no contributions of its own: these are sampled Shapley values, from "
        f"{len(background)} background rows of the judged eras"
    )
    sampled = SampledShapley(opened.predict, background, seed)
    return Way(SAMPLING, sampled, True, tuple(notes))


def own_contributions(opened: OpenedModel) -> Attribute | None:
    """Return the model's own function of contributions, None if it has none.

    A stack of finished runs has its members' contributions, weighted, if each has some.
    """
    model, names = opened.model, opened.rows.feature_names
    if not opened.members:
        return model.contributions if isinstance(model, ExplainedModel) else None
    theirs = {name: own_contributions(member) for name, member in opened.members.items()}
    if not isinstance(model, ExplainedStack) or None in theirs.values():
        return None
    stack: ExplainedStack = model

    def by_member(frame: EraFrame, rows: npt.NDArray[np.int64]) -> tuple[Contributions, ...]:
        found = {}
        for name, explain in theirs.items():
            mine = opened.members[name].rows.feature_names
            parts = () if explain is None else explain(frame.with_features(mine), rows)
            found[name] = tuple(one.among(mine, names) for one in parts)
        return stack.weigh_contributions(found)

    return by_member
