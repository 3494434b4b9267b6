"""Summaries on the same eras: what stands beside each other in scores.json may be compared."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numerai_lab.config import Bootstrap, Scoring
from numerai_lab.experiment.judging.summaries import HEADLINE, on_same_eras, summaries
from numerai_lab.scoring import METRICS

SCORING = Scoring(bootstrap=Bootstrap(samples=100))


def table_of(scored: dict[str, set[int]], n_eras: int) -> pd.DataFrame:
    """Make a per-era table in which each prediction has a corr in its own eras only."""
    eras = np.arange(101, 101 + n_eras)
    rng = np.random.default_rng(0)
    frames = []
    for name, own in scored.items():
        corr = np.where(np.isin(eras, list(own)), rng.normal(0.02, 0.04, n_eras), np.nan)
        columns = {metric.key: corr for metric in METRICS} | {"mmc": np.full(n_eras, np.nan)}
        frames.append(pd.DataFrame({"era": eras, "prediction": name, "target": "t", **columns}))
    return pd.concat(frames, ignore_index=True)


def blocks_of(table: pd.DataFrame) -> list[dict]:
    known = summaries(table, "t", 20, SCORING, 0)
    return on_same_eras(table, "t", known, 20, SCORING, 0)


def test_a_benchmark_that_begins_later_is_held_beside_the_model_from_there_on():
    table = table_of({"prediction": set(range(101, 161)), "b": set(range(141, 161))}, 60)
    both, alone = blocks_of(table)
    assert both["eras"] == {"first": 141, "last": 160, "n": 20}
    assert list(both["scores"]) == ["prediction", "b"]
    assert alone["eras"] == {"first": 101, "last": 160, "n": 60}
    assert list(alone["scores"]) == ["prediction"]
    part = table[table["era"] >= 141].pivot(index="era", columns="prediction", values="corr")
    for name, found in both["scores"].items():
        assert found["corr"]["mean"] == pytest.approx(part[name].mean())
        assert (found["corr"]["n_eras"], found["corr"]["n_nan"]) == (20, 0)
        assert set(found) == {"corr", "bmc", "fnc"}  # no mmc: it has no score


def test_the_same_eras_are_one_block_with_the_summaries_that_there_are():
    table = table_of({"prediction": {101, 102, 104}, "b": {101, 102, 104}}, 4)
    (block,) = blocks_of(table)
    assert block["eras"] == {"first": 101, "last": 104, "n": 3}
    whole = table[table["era"] != 103]
    (again,) = blocks_of(whole)
    assert again == block
    assert again["scores"]["b"]["corr"] == summaries(whole, "t", 20, SCORING, 0)["b"]["corr"]


def test_what_shares_no_era_with_the_model_is_in_no_block():
    (block,) = blocks_of(table_of({"prediction": {101, 102}, "b": {103, 104}, "c": set()}, 4))
    assert list(block["scores"]) == ["prediction"]
    assert blocks_of(table_of({"prediction": set(), "b": {101}}, 4)) == []


eras = st.sets(st.integers(101, 108))


@settings(deadline=None, max_examples=30)
@given(st.fixed_dictionaries({"prediction": eras, "a": eras, "b": eras, "c": eras}))
def test_all_rows_of_a_block_are_over_the_same_eras_and_nobody_is_lost(scored):
    blocks = blocks_of(table_of(scored, 8))
    own = scored["prediction"]
    for block in blocks:
        span = block["eras"]
        for name, found in block["scores"].items():
            assert set(found) <= {metric.key for metric in HEADLINE}
            corr = found["corr"]
            ends = (corr["n_eras"], corr["first_era"], corr["last_era"], corr["n_nan"])
            assert ends == (span["n"], span["first"], span["last"], 0)
            assert span["n"] <= len(own & scored[name])
        assert "prediction" in block["scores"]
    shown = {name for block in blocks for name in block["scores"]}
    assert shown == {name for name, theirs in scored.items() if theirs & own}
    for name in shown:  # each is somewhere on every era that it shares with the model
        most = max(b["eras"]["n"] for b in blocks if name in b["scores"])
        assert most == len(scored[name] & own)
    widths = [(len(b["scores"]), b["eras"]["n"]) for b in blocks]
    assert widths == sorted(widths, reverse=True)
