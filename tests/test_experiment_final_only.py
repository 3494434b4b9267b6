"""`train --final` where a finished run lacks nothing but its final model."""

import json
import shutil
from importlib import metadata
from pathlib import Path

import pandas as pd
import pytest

from conftest import TINY_CONFIG
from numerai_lab.cli import run


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tournament):
    """A folder with config, data and a finished run without a final model: copy it."""
    folder = tmp_path_factory.mktemp("finished")
    shutil.copytree(tournament, folder / "data")
    (folder / "tiny.yaml").write_text(TINY_CONFIG.format(folder="data"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run(["train", "tiny.yaml", "--quiet"]) == 0
    return folder


@pytest.fixture
def train(lab, finished, tmp_path, monkeypatch):
    """Work in a copy of that folder; returns the call, which gives the run's directory, too."""
    shutil.copytree(finished, tmp_path / "mine")
    monkeypatch.chdir(tmp_path / "mine")

    def call(*options):
        result = lab("train", "tiny.yaml", "--final", "--json", *options)
        assert result.code == 0, result.err
        return result, Path(result.json["run_dir"])

    return call


def files_of(folder):
    found = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    return {name: (path.read_bytes(), path.stat().st_mtime_ns) for name, path in found.items()}


def only_run():
    (found,) = Path("runs/tiny").iterdir()
    return found


def test_only_the_final_model_is_fitted(train):
    before = files_of(only_run())
    result, run_dir = train()
    assert run_dir == only_run()
    assert "only the final model is fitted" in result.err
    assert "fold 1" not in result.err
    after = files_of(run_dir)
    written = {name for name in after if after[name] != before.get(name)}
    assert {name for name in written if not name.startswith("final/")} <= {
        "log.jsonl",
        "report.html",
    }
    assert before.keys() <= after.keys()
    _, whole = train("--runs-dir", "others")
    assert whole != run_dir
    models = [files_of(folder / "final" / "model") for folder in (run_dir, whole)]
    mine, theirs = ({name: data for name, (data, _) in model.items()} for model in models)
    assert mine == theirs
    facts = [json.loads((folder / "final/fit.json").read_text()) for folder in (run_dir, whole)]
    clocks = {"details", *(key for key in facts[0] if "seconds" in key)}
    told, wanted = ({key: f[key] for key in f.keys() - clocks} for f in facts)
    assert told == wanted


def test_other_data_begin_a_new_run_and_say_why(train):
    old = only_run()
    table = pd.read_parquet("data/validation.parquet")
    table["target"] = 1 - table["target"]
    table.to_parquet("data/validation.parquet")
    result, new = train()
    assert new != old
    sentence = f"{old} was made on other data (data/validation.parquet differs): a new run is begun"
    assert sentence in result.err
    assert not (old / "final").exists()
    assert (new / "final" / "DONE").exists()


def test_other_versions_begin_a_new_run_and_say_so(train, monkeypatch):
    old = only_run()
    installed = metadata.version

    def version(name):
        return "99.1" if name == "scipy" else installed(name)

    monkeypatch.setattr(metadata, "version", version)
    result, new = train()
    assert new != old
    assert f"was made with scipy {installed('scipy')}, here is 99.1" in result.err
    assert f"--resume --run-dir {old}" in result.err


def test_a_run_that_is_damaged_is_not_completed(train):
    old = only_run()
    scores = old / "scores.json"
    scores.write_bytes(scores.read_bytes().replace(b'"mean"', b'"meam"', 1))
    result, new = train()
    assert new != old
    assert "is damaged (" in result.err
    assert "a new run is begun" in result.err


def test_a_damaged_final_model_is_fitted_anew_and_a_whole_one_is_not(train):
    _, old = train()
    model = next(path for path in (old / "final" / "model").iterdir() if path.is_file())
    written = model.read_bytes()
    model.write_bytes(written[:-1])
    result, same = train()
    assert same == old
    assert model.read_bytes() == written
    result, new = train()
    assert new != old
    assert "has its final model already: a new run is begun" in result.err


def test_another_config_and_an_unfinished_run_are_left_alone(train):
    old = only_run()
    result, other = train("--set", "model.params.max_depth=3")
    assert other != old
    assert "a new run is begun" not in result.err
    (old / "DONE").unlink()
    result, new = train()
    assert new not in (old, other)
    assert not (old / "final").exists()
