"""How numbers are written."""

from __future__ import annotations

import math

import pytest

from numerai_lab.report import figures


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.02131, "0.0213"),
        (-0.00001, "0.0000"),
        (0.00001, "0.0000"),
        (-0.5, "-0.5000"),
        (None, "–"),
        (math.nan, "–"),
        (-math.inf, "–"),
    ],
)
def test_number(value, text):
    assert figures.number(value) == text


def test_signed_numbers_show_their_sign_but_zero_has_none():
    assert figures.number(0.0012, signed=True) == "+0.0012"
    assert figures.number(-0.0012, signed=True) == "-0.0012"
    assert figures.number(0.00001, signed=True) == "0.0000"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "100 %"),
        (0.9999, ">99 %"),
        (0.994, "99 %"),
        (0.0, "0 %"),
        (0.001, "<1 %"),
        (0.5, "50 %"),
        (None, "–"),
    ],
)
def test_percent_is_never_certain_by_rounding(value, text):
    assert figures.percent(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 05 min"),
        (3599.7, "1 h 00 min"),
        (None, "–"),
    ],
)
def test_seconds(value, text):
    assert figures.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1500, "1.5 kB"),
        (999_600, "1.0 MB"),
        (48_200_000, "48.2 MB"),
        (123_456_789, "123 MB"),
        (7_000_000_000_000, "7000 GB"),
        (None, "–"),
    ],
)
def test_size(value, text):
    assert figures.size(value) == text


def test_eras():
    assert figures.eras(1, 148) == "1-148"
    assert figures.eras(7, 7) == "7"
    assert figures.eras(None, 7) == "–"
