"""The judged eras of a fold shared out over workers, and put together as if predicted at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from numerai_lab.arrays import Eras
from numerai_lab.experiment.cluster import work
from numerai_lab.experiment.cluster.rows import RowsToRead, earlier_rows, known_rows, rows_to_read
from numerai_lab.experiment.cluster.workers import Call
from numerai_lab.experiment.plan import Prepared, purge_eras
from numerai_lab.experiment.predicting import joined
from numerai_lab.models import ControlledModel, Detailed, DetailedModel, OnlineModel

Step = Literal["predict", "control"]
Todo = list[tuple[tuple[Step, int], Call]]


@dataclass(frozen=True)
class FoldToPredict:
    """What is to be predicted, and with which model.

    Attributes
    ----------
    files : of the model. eras : judged ones. trained_to : the last era it was fitted on.
    """

    files: dict[str, bytes]
    eras: Eras
    trained_to: int


class SharedPrediction:
    """One fold's judged eras in parts, which end in any order.

    Eras are shared out only where a prediction depends on nothing but its own era; a control
    that needs other eras (`ControlledModel`) is drawn here, and goes out as a second step. A
    model that learns from labels as they become known has one part: era follows era. One that looks
    back reads the eras before with each part.

    Attributes
    ----------
    whole : all of it, as one machine predicts it; None before the last part.
    seconds : that workers took, in sum.
    n_parts : that it is shared out in.
    """

    def __init__(self, judged: FoldToPredict, prepared: Prepared, most_parts: int) -> None:
        self._judged, self._prepared = judged, prepared
        self._model = work.load_model(prepared.experiment.model.type, judged.files)
        info = prepared.info
        self._control = info.control if isinstance(self._model, ControlledModel) else None
        controlled = self._control is not None
        shows = isinstance(self._model, DetailedModel) and (
            bool(info.variants) or not isinstance(self._model, ControlledModel)
        )
        depends = (
            info.stateful
            or (shows and not controlled)
            or (isinstance(self._model, OnlineModel) and self._model.online)
        )
        n = 1 if depends else max(1, min(most_parts, len(judged.eras)))
        self._parts = [part.astype(np.int32) for part in np.array_split(judged.eras, n)]
        # with a history eras are predicted one at a time, and so is the control
        self._in_steps = controlled and n > 1 and not prepared.history_eras
        self._done: dict[int, Any] = {}
        self.whole: Detailed | None = None
        self.seconds = 0.0
        self.n_parts = n

    def begin(self) -> Todo:
        """Return the calls of the first step by (step, part)."""
        if self._in_steps:
            return self._calls(
                "predict", [(work.predict_apart, self._rows(part)) for part in self._parts]
            )
        trained_to, purge = self._judged.trained_to, purge_eras(self._prepared)
        calls: list[Call] = []
        for part in self._parts:
            known = self._rows(part)
            if self.n_parts == 1:
                known = known_rows(self._prepared, trained_to, part)
            earlier = earlier_rows(self._prepared, part)
            more = earlier, self._prepared.trained
            calls.append((work.predict, known, part, trained_to, purge, *more))
        return self._calls("predict", calls)

    def take(self, step: Step, part: int, result: Any, seconds: float) -> Todo:
        """Take what a call returned, and return the calls that can be made now."""
        self.seconds += seconds
        self._done[part] = result
        if len(self._done) < self.n_parts:
            return []
        done = [self._done[i] for i in range(self.n_parts)]
        self._done.clear()
        if step == "control" or not self._in_steps:
            self.whole = joined(done, [len(eras) for eras in self._parts])
            return []
        return self._calls("control", self._controls(done))

    def _controls(self, done: Sequence[tuple[Detailed, list[Any]]]) -> list[Call]:
        """Draw the states of other eras from those of all parts, as one machine does."""
        assert isinstance(self._model, ControlledModel)
        control = self._control
        states = [state for _, of_part in done for state in of_part]
        others = iter(self._model.draw_others(int(self._judged.eras[0]), states))
        return [
            (work.predict_control, self._rows(part), apart, [next(others) for _ in part], control)
            for part, (apart, _) in zip(self._parts, done, strict=True)
        ]

    def _calls(self, step: Step, calls: Sequence[Call]) -> Todo:
        name, files = self._prepared.experiment.model.type, self._judged.files
        return [
            ((step, i), (function, name, files, *arguments))
            for i, (function, *arguments) in enumerate(calls)
        ]

    def _rows(self, eras: Eras) -> RowsToRead:
        return rows_to_read(self._prepared, self._prepared.dataset.frame, eras)
