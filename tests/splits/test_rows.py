"""Which rows of an era are trained on: a share of each, whatever other eras are there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numerai_lab.config import Rows
from numerai_lab.models.conformance.toy import toy_frame
from numerai_lab.splits import drawn_rows

SIZES = np.array([1, 2, 3, 40, 41, 57], dtype=np.int64)


def in_eras(frame, rows):
    return np.bincount(np.searchsorted(frame.offsets, rows, side="right") - 1, minlength=len(SIZES))


@given(
    st.floats(0.01, 0.99),
    st.sampled_from(["target", None]),
    st.integers(0, 1000),
    st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=144, max_size=144),
)
@settings(max_examples=40)
def test_each_era_keeps_its_share_of_each_value(share, stratify, seed, labels):
    frame = toy_frame(0, rows_per_era=SIZES).with_target("target", np.array(labels))
    rows = drawn_rows(frame, Rows(share=share, stratify=stratify), "target", seed)
    assert (np.diff(rows) > 0).all()
    expected = np.maximum(1, [round(share * n) for n in SIZES])
    assert in_eras(frame, rows).tolist() == expected.tolist()
    assert np.array_equal(
        rows, drawn_rows(frame, Rows(share=share, stratify=stratify), "target", seed)
    )
    if stratify:
        drawn, label = np.zeros(frame.n_rows, dtype=bool), frame.target("target")
        drawn[rows] = True
        for i, (_, era) in enumerate(frame.iter_eras()):
            for value in np.unique(label[era]):
                mine = label[era] == value
                exact = expected[i] * mine.sum() / SIZES[i]
                assert abs(drawn[era][mine].sum() - exact) < 1 + 1e-9
    alone = frame.between(4, 6)
    some = drawn_rows(alone, Rows(share=share, stratify=stratify), "target", seed)
    start = frame.offsets[3]
    assert np.array_equal(some + start, rows[rows >= start])


@pytest.mark.parametrize("stratify", ["target", None])
def test_every_row_is_as_likely_as_any_other(stratify):
    frame = toy_frame(0, rows_per_era=np.array([20], dtype=np.int64))
    rows = Rows(share=0.3, stratify=stratify)
    drawn = np.zeros(20)
    for seed in range(1500):
        drawn[drawn_rows(frame, rows, "target", seed)] += 1
    assert np.abs(drawn / 1500 - 0.3).max() < 0.06  # five standard errors
