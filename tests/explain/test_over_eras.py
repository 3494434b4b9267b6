"""What features add over eras, from arrays whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from numerai_lab.config import Bootstrap
from numerai_lab.explain.attribution import Total, total_of
from numerai_lab.explain.dependence import Dependence
from numerai_lab.explain.groups import groups_of
from numerai_lab.explain.over_eras import Intervals, OverEras, directions, earned
from numerai_lab.models import Contributions

INTERVALS = Intervals(20, Bootstrap(samples=200), 1)
NAMES = ("steady", "turns", "idle")


def era(number, rng, n=200):
    """An era in which the first feature pays, and the second one's direction has its sign."""
    x = rng.integers(0, 5, size=(n, 3)).astype(np.int8)
    sign = 1 if number % 2 else -1
    values = np.column_stack([x[:, 0] - 2.0, sign * 0.5 * (x[:, 1] - 2.0), np.zeros(n)])
    target = (x[:, 0] + rng.normal(size=n)).astype(np.float32)
    return x, target, Total(values, values.sum(axis=1), {})


@pytest.fixture(scope="module")
def over_eras():
    rng = np.random.default_rng(0)
    found = OverEras(NAMES, {"pair": np.array([0, 2])})
    for number in range(1, 21):
        x, target, total = era(number, rng)
        found.add(number, x, target, total)
    return found


def test_a_steady_feature_is_told_from_one_that_turns(over_eras):
    features = over_eras.facts(INTERVALS)["features"]
    assert [one["feature"] for one in features] == ["steady", "turns", "idle"]
    steady, turns, idle = features
    assert steady["stable"]
    assert steady["direction_low"] > 0
    assert steady["same_sign"] == 1
    assert steady["earned_low"] > 0.3
    assert not turns["stable"]
    assert turns["same_sign"] == 0.5
    assert turns["direction_low"] < 0 < turns["direction_high"]
    assert turns["size"] == pytest.approx(0.6, abs=0.05)
    assert (idle["size"], idle["earned"]) == (0, 0)
    assert sum(one["share"] for one in features) == pytest.approx(1)


def test_what_features_earn_sums_to_the_correlation(over_eras):
    facts = over_eras.facts(INTERVALS)
    assert sum(one["earned"] for one in facts["features"]) == pytest.approx(facts["corr"])
    _, target, total = era(1, np.random.default_rng(3))
    parts = earned(total.values, total.raw, target)
    assert parts.sum() == pytest.approx(np.corrcoef(total.raw, target)[0, 1])


def test_what_is_beside_the_features_earns_its_part():
    rng = np.random.default_rng(0)
    found = OverEras(NAMES, {})
    corrs = []
    for number in range(1, 9):
        x, target, total = era(number, rng)
        more = rng.normal(size=len(x))
        raw = total.raw + more
        corrs.append(np.corrcoef(raw, target)[0, 1])
        found.add(number, x, target, Total(total.values, raw, {"adaptation": more}))
    facts = found.facts(INTERVALS)
    (beside,) = facts["beside"]
    whole = beside["earned"] + sum(one["earned"] for one in facts["features"])
    assert whole == pytest.approx(np.mean(corrs))
    assert beside["size"] == pytest.approx(0.8, abs=0.1)


def test_a_group_is_the_sum_of_its_features(over_eras):
    facts = over_eras.facts(INTERVALS)
    by_name = {one["feature"]: one for one in facts["features"]}
    (group,) = facts["groups"]
    assert group["n_features"] == 2
    assert group["earned"] == pytest.approx(by_name["steady"]["earned"] + by_name["idle"]["earned"])


def test_expectations_find_the_eras_against_them(over_eras):
    found = over_eras.expected({"steady": 1, "turns": 1, "idle": -1})
    assert [one["violated"] for one in found[::2]] == [[], []]
    assert found[1]["violated"] == list(range(2, 21, 2))
    turned = over_eras.expected({"steady": -1})[0]
    assert turned["violated"] == list(range(1, 21))
    assert turned["along"] == [-value for value in found[0]["along"]]
    assert max(turned["along"]) < 0
    assert found[2]["along"] == [None] * 20 or min(found[2]["along"]) == 0


def test_missing_values_have_no_direction():
    x = np.array([[0, 1], [1, 1], [2, 1], [-1, 1]], dtype=np.int8)
    values = np.array([[0.0, 1], [1, 1], [2, 1], [50, 1]])
    slope = directions(x, values)
    assert slope[0] == pytest.approx(np.std([0, 1, 2]))  # without the last row
    assert np.isnan(slope[1])


def test_members_are_added_in_their_own_spread():
    raw = np.array([0.0, 1, 2, 3])
    small = Contributions(raw[:, None], 0.0, raw, "small", 0.25)
    large = Contributions(1000 * raw[::-1, None], 0.0, 1000 * raw[::-1], "large", 0.75)
    still = Contributions(np.zeros((4, 1)), 5.0, np.full(4, 5.0), "still", 0.5)
    total = total_of((small, large, still))
    assert total.values[:, 0] == pytest.approx(total.raw)
    assert total.values[:, 0] == pytest.approx((0.25 * raw + 0.75 * raw[::-1]) / raw.std())
    assert total_of((large,)).values == pytest.approx(large.values)


def test_bins_are_the_values_there_are_and_gaps_come_last():
    x = [np.array([0.0, 1, 1, np.nan]), np.array([0.0, 1, np.nan, np.nan])]
    phi = [np.array([1.0, 2, 4, 9]), np.array([3.0, 5, 7, 9])]
    bins = Dependence(np.array([1, 2], dtype=np.int32), x, phi).facts(INTERVALS)
    told = [(one["bin"], one["rows"], one["mean"]) for one in bins]
    assert told == [("0", 2, 2.0), ("1", 3, 4.0), ("missing", 3, 8.5)]


def test_many_values_are_cut_into_fifths():
    x = [np.linspace(0, 1, 101)]
    bins = Dependence(np.array([1], dtype=np.int32), x, [x[0]]).facts(INTERVALS)
    assert [one["rows"] for one in bins] == [20, 20, 20, 20, 21]
    assert bins[0]["bin"] == "from 0"


def test_groups_are_the_sets_with_some_features_and_equal_ones_are_one():
    sets = {"all": "abcd", "small": "ab", "tiny": "ba", "others": "xy", "more": "abcx"}
    groups = groups_of("abcd", sets)
    assert {name: columns.tolist() for name, columns in groups.items()} == {
        "small, tiny": [0, 1],
        "more": [0, 1, 2],
    }
