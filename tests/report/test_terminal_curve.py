"""The curve on a terminal: within 80 columns, in characters that the stream has."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerai_lab.report import can_write_dots, curve_lines

scores = st.lists(st.integers(-100, 100).map(lambda whole: whole / 1000), min_size=5, max_size=300)


@given(scores, st.booleans())
def test_it_fits_and_has_a_point_in_every_column(values, dots):
    eras = np.arange(157, 157 + len(values))
    lines = curve_lines(eras, np.array(values), dots=dots)
    assert max(map(len, lines)) <= 80
    assert lines[-1].split() == ["157", str(eras[-1])]
    text = "".join(lines)
    assert text.isascii() != dots
    drawn = [line[9:].ljust(60) for line in lines[:-1]]
    assert all(any(row[x] not in " -" for row in drawn) for x in range(60))


def test_a_rising_curve_rises():
    lines = curve_lines(np.arange(20), np.full(20, 0.01), dots=False)
    assert lines[0].startswith("    0.20")
    assert lines[0].rstrip().endswith("*")
    first_of = [line[9:].find("*") for line in lines[:-1]]
    assert first_of == sorted(first_of, reverse=True)


def test_too_few_eras_are_no_curve():
    assert curve_lines(np.arange(4), np.ones(4), dots=True) == []


@pytest.mark.parametrize(("encoding", "able"), [("utf-8", True), ("ascii", False), (None, False)])
def test_what_a_stream_can_show(encoding, able):
    assert can_write_dots(encoding) == able
