"""`numerai-lab pretrain` as a user meets it: its result, its page, its refusals."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch", reason="tests of nets need torch: make nets")

from icl_lab import TINY_SETTINGS
from numerai_lab.files import exclusive_lock

QUICK = {"steps": 2, "classes": {"linear": 1.0}, "curve_tasks": 1}


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def config(folder, text):
    path = folder / "tiny.yaml"
    path.write_text(text)
    return path


def written(folder, **changes):
    """The tiny settings as YAML, a key a line."""
    lines = [f"{key}: {json.dumps(value)}" for key, value in {**TINY_SETTINGS, **changes}.items()]
    return config(folder, "\n".join(lines) + "\n")


def test_it_pretrains_writes_a_page_and_finds_it_done(lab, tmp_path):
    path = written(tmp_path)
    first = lab("pretrain", path, "--threads", 1)
    assert first.code == 0, first.err
    assert "48 tasks" in first.out
    assert "checkpoint  pretrained/tiny/checkpoint" in first.out
    page = (tmp_path / "pretrained/tiny/pretrain.html").read_text()
    for words in ("Error by class", "time_series", "no row of any era was seen"):
        assert words in page
    again = lab("pretrain", path, "--json")
    told = json.loads(again.out)
    assert told["tasks"] == 48
    assert "is done already" in again.err
    assert lab("config", "check", path).out == f"{path}: fine (a pretraining of icl)\n"


def test_what_must_be_read_is_told_when_quiet_and_what_a_kill_left_is_removed(lab, tmp_path):
    folder = tmp_path / "pretrained" / "tiny"
    folder.mkdir(parents=True)
    for name in ("unfinished.npz", ".unfinished.npz.x1.part"):
        (folder / name).write_bytes(b"cut")
    told = lab("pretrain", written(tmp_path, **QUICK), "--threads", 1, "-q")
    assert told.code == 0, told.err
    assert "warning: pretrained/tiny/unfinished.npz is not what was written" in told.err
    assert "held-out error" not in told.err
    left = sorted(path.name for path in folder.iterdir())
    assert left == [".lock", "checkpoint", "log.jsonl", "pretrain.html"]


def test_another_process_at_work_is_told(lab, tmp_path):
    folder = tmp_path / "pretrained" / "tiny"
    folder.mkdir(parents=True)
    with exclusive_lock(folder / ".lock", "busy"):
        told = lab("pretrain", written(tmp_path))
    assert told.code in (1, 2)
    assert "pretrained/tiny: another process is at work in it; wait for it" in told.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\n", "is no pretraining: it has no line `pretrain: icl`"),
        ("pretrain: icll\nname: x\n", "nothing to pretrain called 'icll', did you mean 'icl'"),
        ("pretrain: icl\nname: x\nstepz: 3\n", "tiny.yaml:3"),
        ("pretrain: icl\nname: x\nclasses: {linear: 0.5}\n", "they sum to 0.5"),
        ("pretrain: icl\nname: x\nclasses: {liner: 1.0}\n", "no class of functions 'liner'"),
        ("{pretrain: icl, name: x, stepz: 3}\n", "stepz: unknown key"),
        ("pretrain: icl\nname: ..\n", "tiny.yaml:2 name"),
        ("- pretrain\n", "the file holds a list"),
    ],
)
def test_what_is_wrong_with_a_config_is_one_sentence(lab, tmp_path, text, message):
    told = lab("pretrain", config(tmp_path, text))
    assert told.code == 2
    assert message in told.err
    assert "Traceback" not in told.err
    assert not (tmp_path / "pretrained").exists()


def test_what_is_no_file_and_what_is_an_experiment_are_told_apart(lab, tmp_path):
    path = written(tmp_path)
    told = lab("pretrain", "tinny.yaml")
    assert told.code == 2
    assert "no such file, did you mean 'tiny.yaml'?" in told.err
    for command in (("train", path), ("tune", path), ("config", "show", path)):
        told = lab(*command)
        assert told.code == 2
        assert told.err.count("\n") == 1
        assert f"no experiment; run `numerai-lab pretrain {path}`" in told.err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"net": {"width": 10**9, "heads": 1}}, "net: takes"),
        ({"tasks_per_step": 10**10}, "GiB at least"),
        ({"curve_tasks": 10**10}, "curve_tasks: takes"),
        ({"learning_rate": 1e30}, "learning_rate: the loss is nan"),
    ],
)
def test_what_cannot_be_computed_is_told_in_the_configs_words(lab, tmp_path, changes, message):
    told = lab("pretrain", written(tmp_path, **changes), "--threads", 1)
    assert told.code == 2
    assert message in told.err
    assert "model.params" not in told.err
    assert not (tmp_path / "pretrained/tiny/checkpoint").exists()


def test_rows_that_are_not_there_are_told_by_the_names_of_the_config(lab, tmp_path, tournament):
    rows = {"dir": str(tournament), "to_era": 50}
    for changes, message in (
        ({"dir": "nowhere"}, "rows: nowhere: there is no such folder; mend rows.dir"),
        ({"feature_set": "smal"}, "unknown feature set 'smal', did you mean 'small'?"),
        ({"target": "target_x"}, "lacks column 'target_x'"),
        ({"to_era": 1}, "rows: 1 era(s) with 12 features are too few for 4 scores"),
    ):
        told = lab("pretrain", written(tmp_path, rows={**rows, **changes}), "-q")
        assert told.code == 2
        assert message in told.err
    late = lab("pretrain", written(tmp_path, rows={**rows, "to_era": 9999}, **QUICK))
    assert late.code == 0, late.err
    assert "rows.to_era: 9999, and the last era with a label is 56" in late.err
