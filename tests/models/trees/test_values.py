from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from numerai_lab.errors import ModelError
from numerai_lab.models.conformance.toy import toy_frame
from numerai_lab.models.contract import TrainedFeatures
from numerai_lab.models.trees.values import distinct_values, pieces, reference_rows


@given(
    arrays(np.int8, st.tuples(st.integers(1, 40), st.integers(1, 6)), elements=st.integers(-1, 9))
)
def test_reference_rows_hold_exactly_the_values_of_each_feature(features):
    rows = reference_rows(*distinct_values(features))
    assert rows.dtype == np.int8
    for j in range(features.shape[1]):
        assert set(rows[:, j]) == set(features[:, j])
    assert len(rows) == max(len(set(column)) for column in features.T)


def test_a_value_seen_only_in_the_last_of_many_pieces_is_found():
    features = np.zeros((3_000_000, 1), np.int8)
    features[-1] = 4
    values, present = distinct_values(features)
    assert values.tolist() == [0, 1, 2, 3, 4]
    assert present[:, 0].tolist() == [True, False, False, False, True]


@given(st.integers(0, 500), st.integers(0, 50), st.integers(1, 200))
def test_pieces_cover_all_rows_once_and_keep_to_their_size(n_rows, row_bytes, piece_bytes):
    cut = list(pieces(n_rows, row_bytes, piece_bytes))
    assert [i for piece in cut for i in range(piece.start, piece.stop)] == list(range(n_rows))
    assert all((p.stop - p.start) * row_bytes <= max(piece_bytes, row_bytes) for p in cut)


def test_a_misspelt_feature_is_named_with_its_nearest():
    frame = toy_frame(0)
    wrong = replace(frame, feature_names=("feature_O", *frame.feature_names[1:]))
    with pytest.raises(ModelError, match="'feature_0', did you mean 'feature_O'"):
        TrainedFeatures.of(frame).check(wrong)


def test_another_type_of_features_is_refused():
    with pytest.raises(ModelError, match="float32, the model was trained on int8"):
        TrainedFeatures.of(toy_frame(0)).check(toy_frame(0, dtype=np.float32))
