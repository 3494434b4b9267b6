"""`history_before` shows what may be known, and `check_model` tries models that look back."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import past_model
from numerai_lab.eraframe import end_to_end
from numerai_lab.errors import DataError, ModelError
from numerai_lab.models import (
    HistoryModel,
    ModelInfo,
    RememberingModel,
    check_model,
    history_before,
    history_eras_of,
)
from numerai_lab.models.conformance.toy import TARGETS, known_frame
from past_model import LooksBack, PastParams, Remembers

KNOWN = known_frame(0)


@given(
    era=st.integers(-2, 60),
    n_back=st.integers(0, 50),
    purge=st.integers(0, 20),
    targets=st.sampled_from([None, TARGETS[:1], TARGETS[::-1]]),
)
def test_history_is_before_and_its_labels_are_resolved(era, n_back, purge, targets):
    history = history_before(KNOWN, era, n_back, purge, targets)
    there = set(KNOWN.eras.tolist())
    assert set(history.eras.tolist()) == there & set(range(era - n_back, era))
    assert history.target_names == (targets or TARGETS)
    for number, rows in history.iter_eras():
        own = KNOWN.between(number, number)
        assert np.array_equal(history.features[rows], own.features)
        for name in history.target_names:
            shown = history.target(name)[rows]
            if number > era - purge - 1:
                assert np.isnan(shown).all()
            else:
                assert np.array_equal(shown, own.target(name), equal_nan=True)


def test_history_leaves_the_rows_it_is_taken_from_alone():
    before = KNOWN.targets.copy()
    history_before(KNOWN, 42, 20, 8)
    assert np.array_equal(KNOWN.targets, before, equal_nan=True)


def test_frames_end_to_end_are_the_whole():
    parts = [KNOWN.between(a, b) for a, b in ((0, 0), (1, 9), (10, 30), (31, 32), (33, 50))]
    whole = end_to_end(parts)
    assert whole.ids.equals(KNOWN.ids)
    for name in ("features", "eras", "offsets", "targets"):
        there = getattr(whole, name), getattr(KNOWN, name)
        assert np.array_equal(*there, equal_nan=name == "targets")
    assert end_to_end(parts[:1]).n_rows == 0
    with pytest.raises(DataError, match="not strictly increasing"):
        end_to_end(parts[2:0:-1])


@pytest.mark.parametrize("model", [LooksBack, Remembers])
def test_a_model_that_looks_back_keeps_the_promises(model, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(past_model.__file__).parent))
    check_model(model, {"eras": 14}, fresh_process=model is Remembers)
    assert isinstance(model(PastParams()), HistoryModel)
    assert isinstance(model(PastParams()), RememberingModel) == (model is Remembers)
    assert history_eras_of(model(PastParams(eras=3))) == 3


def test_it_may_follow_entities():
    class Follows(LooksBack):
        info: ClassVar[ModelInfo] = ModelInfo(summary="follows", unit="fits", needs_entity=True)

    check_model(Follows)


class WithoutHistory(LooksBack):
    def predict(self, frame, history=None):
        return super().predict(frame, frame.between(0, 0) if history is None else history)


class LooksTooFar(LooksBack):
    def predict(self, frame, history=None):
        wanted = self.params
        self.params = PastParams(eras=wanted.eras + 3)
        try:
            return super().predict(frame, history)
        finally:
            self.params = wanted


class Fills(LooksBack):
    def predict(self, frame, history=None):
        if history is not None:
            np.nan_to_num(history.targets, copy=False)
        return super().predict(frame, history)


class Forgets(Remembers):
    def remember(self, history):
        last = int(history.eras[-1])
        super().remember(history.between(last, last))


@pytest.mark.parametrize(
    ("model", "how"),
    [
        (WithoutHistory, "without a ModelError when it is given no history"),
        (LooksTooFar, "a history longer than the 14 eras asked for changes"),
        (Fills, "predict changes the history"),
        (Forgets, "does not stand for the eras themselves"),
    ],
)
def test_a_broken_promise_is_found(model, how):
    with pytest.raises(ModelError, match=f"looks back on what may be known: .*{how}"):
        check_model(model, {"eras": 14})
