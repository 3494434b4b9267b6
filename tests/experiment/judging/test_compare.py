"""compare and runs: which runs there are, and how they differ on the same data."""

import contextlib
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from damage import rewritten
from numerai_lab.cli import run
from numerai_lab.data import generate_tournament
from numerai_lab.experiment.judging.listing import differences
from numerai_lab.experiment.records.data_identity import judged_on
from numerai_lab.experiment.records.rundir import RunDir
from tiny import SMALL, TINY_CONFIG


@pytest.fixture(scope="module")
def runs(tmp_path_factory, tournament):
    """Runs of three experiments in one folder, by name: read them only.

    `tiny` with a final model, `other` with deeper trees on fewer features, and `world` on another
    synthetic tournament.
    """
    folder = tmp_path_factory.mktemp("compared")
    config = folder / "tiny.yaml"
    config.write_text(TINY_CONFIG.format(folder=tournament))
    generate_tournament(folder / "world", SMALL.model_copy(update={"seed": 7}))
    deep = ("--set", "model.params.max_depth=3", "--set", "model.params.max_bin=16")
    deep = (*deep, "--set", "model.params.memory=in_core")
    wanted = {
        "tiny": ("--final",),
        "other": (*deep, "--set", "data.feature_set=small"),
        "world": ("--data", folder / "world"),
    }
    found = {}
    for name, options in wanted.items():
        said = io.StringIO()
        arguments = ("train", config, "--runs-dir", folder / "runs", "--json", "--quiet")
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
            code = run([str(a) for a in (*arguments, *options, "--set", f"name={name}")])
        assert code == 0, said.getvalue()
        found[name] = Path(json.loads(said.getvalue())["run_dir"])
    return found


def copied(run_dir, name, change=lambda manifest: None):
    """Copy a run, as one of the experiment `name`, with a changed manifest."""
    copy = run_dir.parents[1] / name / run_dir.name
    shutil.copytree(run_dir, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["experiment"] = name
    change(manifest)
    return rewritten(copy, **manifest)


@pytest.fixture(scope="module")
def trained(runs):
    """The runs, and copies of `tiny`: `twin`, `beside` (other benchmark files), `real`."""

    def beside(manifest):
        manifest["data"]["references"][0]["sha256"] = "0" * 64

    def real(manifest):
        manifest["data"] |= {"source": "numerai", "folder": "/somewhere/v5.3"}
        manifest["data"]["files"][0]["sha256"] = "0" * 64

    more = {"twin": lambda manifest: None, "beside": beside, "real": real}
    return runs | {name: copied(runs["tiny"], name, change) for name, change in more.items()}


def corr(run_dir):
    return json.loads((run_dir / "scores.json").read_text())["scores"]["prediction"]["corr"]


@pytest.fixture
def compared(lab, trained):
    def call(*arguments):
        return lab("compare", *arguments, "--runs-dir", trained["tiny"].parents[1])

    return call


def test_compare_is_the_paired_difference(compared, trained):
    (row,) = compared("tiny", "other", "--json").json["comparisons"]
    one, two = (corr(trained[name])["mean"] for name in ("other", "tiny"))
    assert row["mean_difference"] == pytest.approx(one - two, abs=1e-12)
    assert row["ci_low"] < row["mean_difference"] < row["ci_high"]
    assert 0 <= row["probability_of_improvement"] <= 1
    swapped = compared("other", "tiny", "--json").json
    assert swapped["comparisons"][0]["mean_difference"] == pytest.approx(two - one, abs=1e-12)
    table = compared("tiny", "other")
    assert table.code == 0
    assert table.err == ""
    assert f"tiny/{trained['tiny'].name}: mean corr {two:+.4f}" in table.out


def test_a_run_compared_with_its_twin_is_identical(compared):
    (row,) = compared("tiny", "twin", "--json").json["comparisons"]
    assert row["mean_difference"] == 0
    assert row["verdict"] == "identical"
    assert "identical" in compared("tiny", "twin").out


def test_every_difference_is_shown_over_time(compared):
    (row,) = compared("tiny", "other", "--json").json["comparisons"]
    weights = [period["n_eras"] for period in row["thirds"]]
    means = [period["mean"] for period in row["thirds"]]
    assert sum(weights) == row["n_eras"]
    assert np.average(means, weights=weights) == pytest.approx(row["mean_difference"])
    assert row["smallest_detectable"] > 0
    assert row["rolling"] is None  # fewer than 52 eras
    assert row["p_among"] is None
    text = " ".join(compared("tiny", "other").out.split())
    for period in row["thirds"]:
        assert f"{period['label']} {period['mean']:+.4f}" in text
    assert f"detectable {row['smallest_detectable']:.4f} and more" in text


def test_several_runs_are_judged_together(compared):
    rows = compared("tiny", "other", "twin", "beside", "--json").json["comparisons"]
    assert [row["n_compared"] for row in rows] == [3, 3, 3]
    assert 0 < rows[0]["p_among"] <= 1
    assert [row["p_among"] for row in rows[1:]] == [1, 1]
    assert [row["verdict"] for row in rows[1:]] == ["identical", "identical"]
    assert "among 3 compared" in compared("tiny", "other", "twin", "beside").out


@pytest.mark.parametrize("statistic", ["sharpe", "sharpe_hac", "drawdown"])
def test_runs_are_compared_by_a_statistic_of_their_scores(compared, trained, statistic):
    (row,) = compared("tiny", "other", "--metric", statistic, "--json").json["comparisons"]
    key, sign = ("max_drawdown", -1) if statistic == "drawdown" else (statistic, 1)
    one, two = (sign * corr(trained[name])[key] for name in ("other", "tiny"))
    assert row["mean"] == pytest.approx(one, abs=1e-12)
    assert row["mean_difference"] == pytest.approx(one - two, abs=1e-12)
    assert row["ci_low"] < row["ci_high"]
    assert len(row["thirds"]) == 3
    assert row["rolling"] is None
    swapped = compared("other", "tiny", "--metric", statistic, "--json").json["comparisons"][0]
    assert swapped["ci_low"] == pytest.approx(-row["ci_high"], abs=1e-12)
    (twin,) = compared("tiny", "twin", "--metric", f"bmc.{statistic}", "--json").json["comparisons"]
    assert twin["verdict"] == "identical"
    assert (
        f"{statistic.replace('_', ' ')} of corr"
        in compared("tiny", "other", "--metric", statistic).out
    )


def test_no_such_statistic(compared):
    result = compared("tiny", "other", "--metric", "bmc.median")
    assert result.code == 2
    assert "mean, sharpe, sharpe_hac, drawdown" in result.err


def test_every_pair_of_three_runs(compared, tmp_path):
    page = tmp_path / "page.html"
    result = compared("tiny", "other", "twin", "--html", page, "--json").json
    held = result["side_by_side"]
    pairs = {(p["first"].split("/")[0], p["second"].split("/")[0]): p for p in held["pairs"]}
    assert len(pairs) == 3
    (row, _) = result["comparisons"]
    assert pairs["tiny", "other"]["difference"] == pytest.approx(-row["mean_difference"])
    assert pairs["tiny", "other"]["ci_low"] == pytest.approx(-row["ci_high"])
    assert pairs["tiny", "twin"]["verdict"] == "identical"
    assert pairs["other", "twin"]["difference"] == pytest.approx(row["mean_difference"])
    assert held["n_eras"] == row["n_eras"]
    text = page.read_text().replace("<wbr>", "")
    assert "http-equiv" in text
    assert "model.params.max_depth" in text  # what differs
    assert "Rank correlation of predictions" in text
    assert text.count("1.000") >= 5  # with itself, and tiny with its twin
    assert "Synthetic data" in text
    assert ">mean</th>" not in text  # the mean of corr is its value
    lines = compared("tiny", "other", "twin").out.splitlines()
    assert f"  3  {held['values'][2]:.4f}  {held['runs'][2]}" in lines
    assert max(map(len, lines)) <= 80


def test_compare_needs_two_runs(compared):
    result = compared("tiny")
    assert result.code == 2
    assert "two runs" in result.err


@pytest.mark.parametrize("other", ["world", "real"])
def test_runs_on_different_data_are_refused_unless_asked_for(compared, trained, other):
    refused = compared("tiny", other)
    assert refused.code == 2
    (sentence,) = refused.err.splitlines()
    assert "is judged on" in sentence
    assert "--across-data" in sentence
    assert refused.out == ""
    allowed = compared("tiny", other, "--across-data", "--json")
    assert allowed.code == 0
    assert "is judged on" in allowed.err
    (row,) = allowed.json["comparisons"]
    for label in (row["data"]["label"], row["baseline_data"]["label"]):
        assert label in sentence
        assert label in compared("tiny", other, "--across-data").out
    assert row["data"]["rows"] != row["baseline_data"]["rows"]


def test_other_features_of_the_same_files_are_the_same_data(compared):
    result = compared("tiny", "other")
    assert (result.code, result.err) == (0, "")


def test_other_benchmark_files_matter_to_scores_that_rest_on_them(compared):
    assert compared("tiny", "beside").code == 0
    refused = compared("tiny", "beside", "--metric", "bmc")
    assert refused.code == 2
    assert "other files of benchmark and meta models" in refused.err
    assert compared("tiny", "beside", "--metric", "bmc", "--across-data").code == 0


def test_made_up_data_is_named_so_in_compare_and_runs(lab, compared, trained):
    out = compared("tiny", "other").out
    assert out.count("SYNTHETIC data") == 2
    assert "*** SYNTHETIC DATA" in out
    runs_dir = trained["tiny"].parents[1]
    lines = lab("runs", "--runs-dir", runs_dir).out.splitlines()
    for name in trained:
        first, below = lines[lines.index(name) + 1 :][:2]
        assert trained[name].name in first
        assert ("SYNTHETIC" in below) == (name != "real")
        assert ("v5.3" in below) == (name == "real")
        assert first.endswith("final") == (name not in ("other", "world"))
        assert "31-5" in first
    assert max(map(len, lines)) <= 80


def test_runs_tell_what_differs_and_nothing_else(lab, runs, tmp_path):
    for name, source in {"one": "tiny", "two": "tiny", "three": "other"}.items():
        shutil.copytree(runs[source], tmp_path / "tiny" / name)
        rewritten(tmp_path / "tiny" / name, experiment="tiny")
    rows = lab("runs", "--runs-dir", tmp_path, "--json").json["runs"]
    told = {Path(row["run"]).name: row["differs"] for row in rows}
    # the model's defaults, which the config of `tiny` does not name
    plain = {"model.params.memory": "auto", "model.params.max_bin": None}
    plain |= {"model.params.max_depth": 2, "data.feature_set": "all"}
    assert told["one"] == told["two"] == plain
    assert told["three"] == {
        "model.params.memory": "in_core",
        "model.params.max_bin": 16,
        "model.params.max_depth": 3,
        "data.feature_set": "small",
    }
    shown = lab("runs", "--runs-dir", tmp_path).out
    assert "max_depth 2, memory auto, max_bin default, feature_set all" in " ".join(shown.split())
    assert rows[0]["corr"] == corr(runs["tiny"])["mean"]
    (tmp_path / "tiny" / "two" / "DONE").unlink()
    (tmp_path / "tiny" / "three" / "resolved.yaml").write_text("name: [")
    listed = lab("runs", "--runs-dir", tmp_path)
    assert "unfinished" in listed.out
    assert "resolved.yaml cannot be read" in listed.out
    assert f"{rows[0]['corr']:.4f}" in listed.out


def test_settings_are_compared_by_key():
    one, two = {"a": 1, "b": None, "c": [1]}, {"a": 1, "c": [1], "d": 2}
    assert differences([one, two, None]) == [{"b": None}, {"d": 2}, None]
    assert differences([one]) == [{}]
    assert differences([None]) == [None]


def manifest(folder, sha, **more):
    data = {"source": "parquet", "folder": None, "fingerprint": sha, "references": []}
    data["files"] = [{"path": f"/x/{name}.parquet", "sha256": sha + name} for name in "ab"]
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps({"data": data, **more}))
    return RunDir(folder)


def test_a_grown_run_has_the_scores_and_so_the_data_of_its_first_ancestor(tmp_path):
    first = manifest(tmp_path / "first", "1")
    lineage = {"parent": str(tmp_path / "gone"), "ancestors": [str(first.path)]}
    grown = manifest(tmp_path / "grown", "2", continued=lineage)
    assert judged_on(grown) == judged_on(first)
    assert judged_on(grown).label == f"a.parquet +1 {judged_on(first).rows[:6]}"
    shutil.rmtree(first.path)
    assert judged_on(grown).fingerprint == "2"
