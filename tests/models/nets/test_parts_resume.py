"""Nets that a model fits within its own fit: after a kill each goes on from its own file."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="tests of nets need torch: make nets")

from net_lab import TINY, context, train_frame
from numerai_lab.eraframe import end_to_end
from numerai_lab.models import get_model
from numerai_lab.models.nets import loop

NET = {"type": "mlp", "params": {**TINY, "epochs": 2, "learning_rate": 0.02}}
RIDGE = {"type": "ridge"}
SERIES = {"steps": 2, "step": 1, "components": 2, "width": 4, "epochs": 2, "eras_per_batch": 8}
MEMBER = {**NET, "seed": 3}
WITHIN = {
    "residual": {"folds": 2, "first": NET, "second": NET},
    "stack": {"weights_from": "inner", "inner_folds": 2, "members": {"a": MEMBER, "b": MEMBER}},
    "era_rnn": {**SERIES, "folds": 2, "first": NET},
}
"""Of equal nets with equal seeds, so that a file could be taken for another's."""


class Killed(Exception):
    pass


def learnt(name, **how):
    frame = train_frame(n_eras=20)
    kind = get_model(name)
    model = kind(kind.Params.model_validate(WITHIN[name]))
    model.fit(frame, context(**how))
    judged = train_frame(n_eras=2, first_era=23).without_targets()
    if name == "era_rnn":
        return model.predict(judged, end_to_end([frame]))
    return model.predict(judged)


@pytest.mark.parametrize("name", WITHIN)
def test_each_net_goes_on_from_its_own_file(name, tmp_path, monkeypatch):
    """Killed in the last step of its last net but one."""
    rate_at = loop.rate_at
    asked: list[int] = []
    of_killed: list[int] = []

    def count(step, *of):
        asked.append(step)
        return rate_at(step, *of)

    monkeypatch.setattr(loop, "rate_at", count)
    expected = learnt(name)
    n_nets, n_steps = asked.count(0), len(asked)
    assert n_nets >= 4
    asked.clear()

    def kill(step, last, *of):
        asked.append(step)
        if asked.count(0) == n_nets - 1 and step == last - 1:
            of_killed.append(last)
            raise Killed
        return rate_at(step, last, *of)

    monkeypatch.setattr(loop, "rate_at", kill)
    with pytest.raises(Killed):
        learnt(name, unfinished=tmp_path)
    before, told = len(asked), []
    asked.clear()
    monkeypatch.setattr(loop, "rate_at", count)
    assert np.array_equal(learnt(name, unfinished=tmp_path, say=told.append), expected)
    assert told == []
    assert asked.count(0) == 1  # those that were whole are not trained again
    assert before + len(asked) == n_steps + of_killed[0] // 2  # it goes on with its second epoch
