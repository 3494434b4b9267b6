"""What a model is asked with: era by era with history where it looks back; and that part of
`check_model`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.models.conformance.toy import toy_members
from numerai_lab.models.contract import (
    Float32,
    HistoryModel,
    Model,
    RememberingModel,
    history_before,
    history_eras_of,
)

PURGE_ERAS = 1
"""Between training and judged eras of `check_model`."""


def questions(
    model: Model, frame: EraFrame, known: EraFrame, members: Sequence[str]
) -> Iterator[tuple[EraFrame, dict[str, Any]]]:
    """Yield the rows that a model is asked to predict at once, and what it is given besides.

    Parameters
    ----------
    known : eras that history is taken from. members : names of those it is made of.
    """
    n_back = history_eras_of(model)
    eras = [frame.between(era, era) for era in frame.eras.tolist()]
    for part in eras if n_back else [frame]:
        given: dict[str, Any] = {"members": toy_members(members, part)} if members else {}
        if n_back:
            given["history"] = history_before(known, int(part.eras[0]), n_back, PURGE_ERAS)
        yield part, given


def answers(model: Model, frame: EraFrame, known: EraFrame, members: Sequence[str] = ()) -> Float32:
    """Predict all rows of a frame; arguments as of `questions`."""
    asked = questions(model, frame, known, members)
    return np.concatenate([model.predict(part, **given) for part, given in asked])


def problem_of_history(
    model: HistoryModel,
    judged: EraFrame,
    known: EraFrame,
    expected: Float32,
    same: Callable[[Float32, Float32], bool],
) -> str:
    """Say what is wrong with a model that looks back; nothing if all is well.

    Parameters
    ----------
    judged : eras without targets. known : eras that history is taken from. expected : what is
        predicted for the judged eras.
    same : whether predictions of other batches count as the same.
    """
    era = int(judged.eras[-1])
    last, n_back = judged.between(era, era), model.history_eras
    expected = expected[-last.n_rows :]
    try:
        model.predict(last)
    except ModelError:
        pass
    else:
        return "it predicts without a ModelError when it is given no history"
    if not np.isfinite(model.predict(last, history=known.between(0, 0))).all():
        return "with nothing but its own era it predicts what is not finite"
    longer = history_before(known, era, n_back + 5, PURGE_ERAS)
    before = longer.targets.copy(), longer.features_in_memory().copy()
    if not same(model.predict(last, history=longer), expected):
        return f"a history longer than the {n_back} eras asked for changes a prediction"
    after = longer.targets, longer.features_in_memory()
    if not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(before, after, strict=True)):
        return "predict changes the history it is given"
    other = replace(known, targets=known.targets.copy())
    unknown = np.flatnonzero(known.row_eras >= era - PURGE_ERAS)
    other.targets[unknown] = np.random.default_rng(era).permutation(other.targets[unknown])
    asked = history_before(other, era, n_back, PURGE_ERAS)
    if not np.array_equal(model.predict(last, history=asked), expected):
        return "labels that are not known yet change a prediction"
    return ""


def problem_of_memory(
    model: RememberingModel,
    trained_to: int,
    judged: EraFrame,
    known: EraFrame,
    expected: Float32,
    same: Callable[[Float32, Float32], bool],
) -> str:
    """Say how what a model remembers falls short of the eras themselves; nothing if it does not.

    Parameters
    ----------
    model : changed by this. trained_to : the last era of its fit. The others as of
        `problem_of_history`.
    """
    n_back = model.history_eras
    model.remember(history_before(known, trained_to + 1, n_back, 0))
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder))
        model = type(model).load(Path(folder))
    later = known.between(trained_to + 1, int(known.eras[-1]))
    if not same(answers(model, judged, later), expected):
        return "what it remembers of its training eras does not stand for the eras themselves"
    return ""
