"""What a stack cannot be made of is told in one sentence; runs of other rows are no members."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from tiny import TINY_CONFIG

STACK = """\
extends: tiny.yaml
name: stack
model:
  type: stack
  params:
    members:
      line: {type: ridge, params: {alpha: 1.0}}
      flat: {type: ridge, params: {alpha: 100.0}}
"""
SIXTY = "{type: ridge, params: {alpha: 1.0}, targets: [target_ender_60]}"


@pytest.fixture
def folder(tmp_path, tournament, monkeypatch):
    """A folder with the configs, and the small tournament beside them, which may be changed."""
    shutil.copytree(tournament, tmp_path / "data")
    (tmp_path / "tiny.yaml").write_text(TINY_CONFIG.format(folder="data"))
    (tmp_path / "stack.yaml").write_text(STACK)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["model.params.members.line={type: rigde}"], "did you mean 'ridge'"),
        (["model.params.weights={line: 0.0, flat: 0.0}"], "must hold at least one above 0"),
        (["split.chunk_eras=60"], "this split has one fold only"),
        (
            ["model.params.members.line={type: ridge, train_step: 500, train_offset: 450}"],
            "member 'line' trains on every 500th era with offset 450, and fold 1 has none of these",
        ),
        (
            ["model.params.members.flat={type: ridge, params: {targets: {target_x: 1.0}}}"],
            "error: member flat, model.params.targets: target 'target_x' is not loaded",
        ),
    ],
)
def test_a_stack_that_cannot_be_is_refused_and_no_run_of_it_begins(folder, lab, settings, said):
    told = lab("train", "stack.yaml", *(part for one in settings for part in ("--set", one)))
    assert told.code == 2
    assert said in told.err, told.err
    assert "Traceback" not in told.err
    assert not Path("runs/stack").exists()


def test_one_member_is_too_few(folder, lab):
    (folder / "stack.yaml").write_text(STACK.rsplit("      flat", 1)[0])
    told = lab("train", "stack.yaml", "--plan")
    assert told.code == 2
    assert "stack.yaml:6 model.params.members: expected a mapping" in told.err
    assert "(at least 2), got 1" in told.err


def test_members_named_alike_are_told_with_both_lines(folder, lab):
    (folder / "stack.yaml").write_text(STACK.replace("flat:", "line:"))
    told = lab("train", "stack.yaml", "--plan")
    assert told.code == 2
    assert "stack.yaml:8 model.params.members.line: repeated key, already given on line 7" in (
        told.err
    )


def test_a_member_whose_labels_look_further_than_the_purge_is_named(folder, lab):
    member = ("--set", f"model.params.members.flat={SIXTY}")
    told = lab("train", "stack.yaml", "--plan", *member)
    assert told.code == 0
    assert "member 'flat' learns labels that need a purge of 16 eras, and split" in told.err
    auto = lab("train", "stack.yaml", "--plan", *member, "--set", "split.purge_eras=auto")
    assert auto.code == 0
    assert "member 'flat'" not in auto.err


def test_runs_of_other_rows_are_no_members(folder, lab):
    """The same config on files that have changed trains members of its own."""
    assert lab("train", "stack.yaml").code == 0
    path = Path("data/validation.parquet")
    rows = pd.read_parquet(path)
    rows.iloc[0, rows.columns.get_loc("target")] = 0.5
    rows.iloc[1, rows.columns.get_loc("target")] = 0.25
    rows.to_parquet(path)
    other = lab("train", "stack.yaml")
    assert other.code == 0, other.err
    assert "member line has no run on these rows and folds yet, training it" in other.err
