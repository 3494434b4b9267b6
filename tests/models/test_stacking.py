"""A model made of other runs' predictions: what it is given, and the promises it keeps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

import stacked_model
from numerai_lab.errors import ModelError
from numerai_lab.models import Members, ModelInfo, check_model
from numerai_lab.models.conformance.toy import toy_frame
from stacked_model import Weighted, WeightedParams

TWO = {"members": {"a": {"type": "xgb"}, "b": {"type": "lgbm_ensemble"}}}
LIGHT = {"members": {"a": {"type": "ridge"}, "b": {"type": "max_sharpe"}}}
"""The same, and no library of trees for a new process to import."""


def test_it_keeps_every_promise(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(stacked_model.__file__).parent))
    check_model(Weighted, LIGHT)


class Forgets(Weighted):
    """Fills what a member lacks with what it saw last: depends on the order of rows."""

    def predict(self, frame, members=None):
        filled = {}
        for name, values in members.items():
            last = np.maximum.accumulate(np.where(np.isnan(values), 0, np.arange(len(values))))
            filled[name] = np.nan_to_num(values[last])
        return super().predict(frame, filled)


def test_members_that_lack_a_row_are_tried():
    with pytest.raises(ModelError, match="row order does not matter"):
        check_model(Forgets, TWO)


class ExportsOthers(Weighted):
    def export(self, parts):
        own = super().export(parts)
        return replace(own, parts=own.parts[::-1], settings={"weights": [0.9, 0.1]})


def test_what_it_exports_is_tried_with_members_that_are_exported():
    with pytest.raises(ModelError, match="exported it predicts otherwise"):
        check_model(ExportsOthers, TWO)


class Nameless(Weighted):
    info = ModelInfo(summary="says it has members", unit="fits", needs_members=True)
    members = None


def test_one_that_names_no_members_breaks_a_promise():
    with pytest.raises(ModelError, match="declares needs_members, and names none"):
        check_model(Nameless, TWO)


@pytest.mark.parametrize(
    ("member", "said"),
    [
        ({}, "needs a model's type, or `from: CONFIG.yaml`"),
        ({"from": "xgb.yaml", "type": "xgb"}, "`type` is what the config under `from` says"),
        ({"type": "xbg"}, "did you mean 'xgb'"),
        ({"type": "xgb", "train_step": 2, "train_offset": 2}, "must be below train_step"),
        ({"type": "xgb", "targets": []}, "at least 1 item"),
    ],
)
def test_a_member_that_is_written_wrongly_is_refused(member, said):
    with pytest.raises(ValidationError, match=said):
        WeightedParams.model_validate({"members": {"a": member}})


@pytest.fixture
def predicted():
    rows = toy_frame(3)
    values = np.arange(rows.n_rows, dtype=np.float32)
    folds = np.arange(rows.n_eras, dtype=np.int32)
    return Members(rows, folds, {"a": values, "b": -values}, purge_eras=4)


@pytest.mark.parametrize("eras", [[4, 5, 6], [2, 9, 30], [], [1]])
def test_some_eras_keep_their_rows_and_predictions(predicted, eras):
    some = predicted.of(np.array(eras, dtype=np.int32))
    assert some.rows.eras.tolist() == eras
    assert some.folds.tolist() == [era - 1 for era in eras]
    expected = np.flatnonzero(np.isin(predicted.rows.row_eras, eras))
    assert some.predictions["a"].tolist() == expected.tolist()
    assert some.rows.ids.to_pylist() == predicted.rows.ids.take(expected).to_pylist()
    assert some.predictions_of(some.rows)["b"].tolist() == (-expected).tolist()


def test_other_rows_of_an_era_have_no_predictions(predicted):
    with pytest.raises(ModelError, match="not of the rows of eras 2-2"):
        predicted.predictions_of(predicted.rows.take(np.arange(45, 60)))
