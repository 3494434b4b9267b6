"""`train --final` where a finished run lacks nothing but its final model."""

import json
import shutil
from importlib import metadata
from pathlib import Path

import pandas as pd
import pytest

from numerai_lab.cli import run
from numerai_lab.config import config_hash
from numerai_lab.data import load_references
from numerai_lab.experiment import Reporter, RunDir, prepare, read_experiment
from numerai_lab.experiment.completing import run_without_final
from numerai_lab.experiment.records.sealing import write_manifest
from tiny import TINY_CONFIG


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
def mine(finished, tmp_path, monkeypatch):
    """Work in a copy of that folder."""
    shutil.copytree(finished, tmp_path / "mine")
    monkeypatch.chdir(tmp_path / "mine")


@pytest.fixture
def train(lab, mine):
    """Train with --final; the result, and the run's directory."""

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


@pytest.fixture
def found(mine, capsys):
    """Look for a run to complete: its directory or None, and what is said."""

    def call(*overrides):
        resolved = read_experiment("tiny.yaml", None, overrides)
        digest = config_hash(resolved.experiment)
        with Reporter(quiet=True) as reporter:
            prepared = prepare(resolved, reporter)
            references = load_references(prepared.dataset, reporter.say)
            capsys.readouterr()
            where = ("tiny", digest, Path("runs"))
            found = run_without_final(*where, prepared, references, reporter)
        return found and found.path, capsys.readouterr().err

    return call


def test_other_versions_want_a_new_run(found):
    assert found() == (only_run(), "")
    run_dir = RunDir(only_run())
    manifest = run_dir.manifest()
    manifest["versions"]["scipy"] = "0.9"
    write_manifest(run_dir, manifest)
    none, said = found()
    assert none is None
    assert f"was made with scipy 0.9, here is {metadata.version('scipy')}" in said
    assert f"--resume --run-dir {only_run()}" in said
    assert "a new run is begun" in said


def test_a_run_that_is_damaged_is_not_completed(found):
    scores = only_run() / "scores.json"
    scores.write_bytes(scores.read_bytes().replace(b'"mean"', b'"meam"', 1))
    none, said = found()
    assert none is None
    assert "is damaged (" in said
    assert "a new run is begun" in said


def test_another_config_and_an_unfinished_run_are_left_alone(found):
    assert found("model.params.max_depth=3") == (None, "")
    (only_run() / "DONE").unlink()
    assert found() == (None, "")


def test_a_damaged_final_model_is_fitted_anew_and_a_whole_one_is_not(train, found):
    _, old = train()
    model = next(path for path in (old / "final" / "model").iterdir() if path.is_file())
    none, said = found()
    assert none is None
    assert "has its final model already: a new run is begun" in said
    written = model.read_bytes()
    model.write_bytes(written[:-1])
    _, same = train()
    assert same == old
    assert model.read_bytes() == written
