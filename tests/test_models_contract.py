"""What a model and a run tell each other, in words that fit any learner."""

from __future__ import annotations

import numpy as np
import pytest

from numerai_lab.errors import ModelError
from numerai_lab.experiment.predicting import predict_blind
from numerai_lab.models import ModelInfo, size_and_unit
from numerai_lab.models.contract.toy import toy_frame
from numerai_lab.report.shapes import Fit


class Overflows:
    info = ModelInfo(
        summary="predicts infinity", unit="epochs", not_finite_hint="a smaller step is the way out"
    )

    def predict(self, frame):
        return np.full(frame.n_rows, np.inf, dtype=np.float32)


class OverflowsAndKnowsNothing(Overflows):
    info = ModelInfo(summary="predicts infinity", unit="epochs")


def test_the_way_out_of_infinite_predictions_is_the_models_own():
    frame = toy_frame(0)
    with pytest.raises(ModelError, match=r"infinity in .* rows") as caught:
        predict_blind(Overflows(), frame)
    assert caught.value.fix == "a smaller step is the way out"
    with pytest.raises(ModelError, match=r"infinity in .* rows") as caught:
        predict_blind(OverflowsAndKnowsNothing(), frame)
    assert not caught.value.fix


def test_facts_of_older_runs_are_read_as_those_of_today():
    assert size_and_unit({"size": 7, "unit": "epochs"}) == (7, "epochs")
    assert size_and_unit({"n_trees": 5}) == (5, "trees")
    assert size_and_unit({}) == (None, "")
    old = Fit.model_validate({"n_trees": 5, "fit_seconds": 1.0})
    assert (old.size, old.unit) == (5, "trees")
    assert Fit.model_validate({"size": None, "unit": None}).size is None
