"""What the fits of earlier folds tell the guard of a later one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from numerai_lab.models.adapting import GainHistory
from numerai_lab.models.contract import EarlierFit


@dataclass
class Told:
    """What is known from earlier folds, by task.

    Attributes
    ----------
    histories : what was gained since. strengths : what was decided last. task : what was chosen
        last, None where there was no earlier fold.
    """

    histories: dict[str, GainHistory] = field(default_factory=dict)
    strengths: dict[str, float] = field(default_factory=dict)
    task: str | None = None

    @property
    def knows(self) -> bool:
        """Whether any era told anything."""
        return any(history.eras for history in self.histories.values())

    def history(self, task: str) -> GainHistory:
        """Return what a task gained; nothing where it was not read."""
        return self.histories.get(task, GainHistory())


def told_by(earlier: Sequence[EarlierFit]) -> Told:
    """Return what the fits of earlier folds gained since, and what was decided last.

    The newest one's history has the eras that were known at its fit; those that became known since
    are found by going through them again with the model that predicted them. No tree is grown.
    """
    told = Told()
    for one in reversed(earlier):
        mine = set(one.rows.eras.tolist())
        if told.task is not None and mine <= set(told.history(told.task).eras):
            continue
        model: Any = one.load()
        model.replay(one.rows)
        if told.task is None:
            told.task = model.rivals.name
            told.strengths = {name: r.strength for name, r in model.rivals.all.items()}
        for name, rival in model.rivals.all.items():
            told.histories.setdefault(name, GainHistory()).add_all(rival.history)
    return told
