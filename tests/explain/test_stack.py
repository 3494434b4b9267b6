"""A stack explained by the members' runs that it weighs."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from numerai_lab.cli import run
from tiny import TINY_CONFIG

STACK = """\
name: stack
model:
  type: stack
  params:
    members:
      shallow: {type: xgb, params: {num_boost_round: 4, max_depth: 1}}
      other: {type: ridge, params: {alpha: 0.1}, feature_set: small}
    weights: equal
"""


@pytest.fixture(scope="module")
def stacked(tmp_path_factory, tournament):
    """A finished stack of two runs, explained: its runs folder and what --json said."""
    folder = tmp_path_factory.mktemp("stacked")
    text = TINY_CONFIG.format(folder=tournament)
    (folder / "stack.yaml").write_text(text[: text.index("model:")].split("\n", 1)[1] + STACK)
    runs = folder / "runs"
    trained = ["train", str(folder / "stack.yaml"), "--final", "--runs-dir", str(runs), "--quiet"]
    assert run(trained) == 0
    asked = ["explain", "stack", "--runs-dir", str(runs), "--permute", "2", "--json", "-q"]
    with contextlib.redirect_stdout(io.StringIO()) as told:
        assert run(asked) == 0
    return runs, json.loads(told.getvalue())


def test_each_member_sums_to_what_its_run_predicted(stacked):
    runs, told = stacked
    weights = {member["name"]: member["weight"] for member in told["members"]}
    assert weights == pytest.approx({"shallow": 0.5, "other": 0.5})
    table = pq.read_table(told["table"]).to_pandas()
    for member in told["members"]:
        own = table[table["member"] == member["name"]]
        sizes = own.filter(like="feature_").abs().groupby(own["era"]).mean().mean()
        assert member["largest"][0]["feature"] == sizes.idxmax()
        assert member["largest"][0]["share"] == pytest.approx(sizes.max() / sizes.sum(), rel=1e-4)
    features = [name for name in table if name.startswith("feature_")]
    for name, own in table.groupby("member"):
        (folder,) = (runs / f"stack.{name}").iterdir()
        predicted = pq.read_table(folder / "predictions.parquet").to_pandas().set_index("id")
        total = own["base"] + own[features].sum(axis=1)
        expected = predicted.loc[own["id"], "prediction"].to_numpy()
        assert total.to_numpy() == pytest.approx(expected, abs=1e-5)


def test_a_members_own_features_are_the_only_ones_it_adds(stacked):
    table = pq.read_table(stacked[1]["table"]).to_pandas()
    sums = table.groupby("member")[[n for n in table if n.startswith("feature_")]].apply(
        lambda own: own.abs().sum()
    )
    assert 0 < (sums.loc["other"] > 0).sum() < len(sums.columns)


def test_shuffling_goes_through_the_members(stacked):
    features = stacked[1]["permutation"]["features"]
    assert all(one["loss"] != 0 for one in features)


def test_final_members_are_explained_on_live_rows(stacked, lab):
    runs, _ = stacked
    asked = ["--final", "--rows", "40", "--runs-dir", runs, "--json", "-q"]
    told = lab("explain", "stack", *asked).json
    assert {one["name"]: one["weight"] for one in told["members"]} == pytest.approx(
        {"shallow": 0.5, "other": 0.5}
    )
    assert told["largest_gap"] < 1e-5
    table = pq.read_table(told["table"]).to_pandas()
    assert table.groupby("member").size().to_dict() == {"shallow": 40, "other": 40}


def test_a_damaged_member_is_found(stacked, lab):
    runs, _ = stacked
    (folder,) = (runs / "stack.shallow").iterdir()
    path = Path(folder, "predictions.parquet")
    kept = path.read_bytes()
    path.write_bytes(kept[:-1])
    result = lab("explain", "stack", "--runs-dir", runs, "-q")
    path.write_bytes(kept)
    assert result.code == 2
    assert "predictions.parquet" in result.err
