"""Weights of any models: an out-of-fold walk that shows no member the eras it is judged on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerai_lab.errors import SplitError
from numerai_lab.models.combined import blend, fit_weights
from numerai_lab.models.conformance.toy import TARGETS, toy_frame
from numerai_lab.splits import inner_parts, inner_trials


def test_members_of_any_kind_are_weighed_by_what_they_predict_out_of_fold():
    train = toy_frame(0)
    parts = inner_parts(train.eras, 3, purge_eras=2)
    asked = []

    def predict_part(part, judged):
        asked.append((part.last_train_era, int(judged.eras[0])))
        past = train.between(1, part.last_train_era)
        slope = np.corrcoef(past.features[:, 0], past.target("target"))[0, 1]
        noise = np.random.default_rng(part.first).normal(size=judged.n_rows)
        return np.column_stack([slope * judged.features[:, 0], noise])

    weights, corr = fit_weights(train, TARGETS[0], parts, 2, predict_part)
    assert [first - last for last, first in asked] == [3, 3, 3]
    assert weights[0] > 0.9
    assert weights.sum() == pytest.approx(1)
    assert corr[0] > 0.1 > abs(corr[1])
    era = np.column_stack([train.features[:40, 0], np.zeros(40)]).astype(float)
    assert np.all((blend(era, weights) > 0) & (blend(era, weights) < 1))


def test_members_that_predict_nothing_have_no_weights():
    train = toy_frame(1)
    parts = inner_parts(train.eras, 2, purge_eras=1)
    weights, corr = fit_weights(
        train, TARGETS[0], parts, 1, lambda _, judged: np.zeros((judged.n_rows, 1))
    )
    assert weights is None
    assert corr == [0.0]


@given(
    st.lists(st.integers(1, 200), min_size=1, max_size=120, unique=True),
    st.integers(0, 12),
    st.integers(1, 12),
)
def test_trials_keep_the_purge_and_have_enough_eras(eras, purge, least):
    eras = np.sort(eras).astype(np.int32)
    trials = inner_trials(eras, purge, least)
    assert len(trials) in (0, 2)
    for trial in trials:
        past = eras[eras <= trial.last_train_era]
        judged = eras[(eras >= trial.first) & (eras <= trial.last)]
        assert min(len(past), len(judged)) >= least
        assert int(judged[0]) - int(past[-1]) > purge
    if trials:
        assert trials[0].last < trials[1].first
        assert trials[1].last == eras[-1]


def test_too_few_eras_for_parts_are_refused():
    with pytest.raises(SplitError, match="4 training eras into 3 parts, with a purge of 8"):
        inner_parts(np.arange(1, 5, dtype=np.int32), 2, 8)
