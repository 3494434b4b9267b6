"""train: what a run leaves behind, that it resumes byte-equal, and that it never mixes runs."""

import json
import shutil
import signal
import sys
import time

import numpy as np
import pandas as pd
import pytest

from numerai_lab.experiment import Reporter
from numerai_lab.scoring import corr_per_era


def run_of(trained):
    from pathlib import Path

    return Path(trained["run_dir"])


def test_run_directory_is_complete(trained, tiny_config):
    run = run_of(trained)
    assert run.parent.name == "tiny"
    names = {p.name for p in run.iterdir()}
    assert names >= {
        "config.yaml",
        "resolved.yaml",
        "manifest.json",
        "log.jsonl",
        "predictions.parquet",
        "scores_per_era.parquet",
        "scores.json",
        "report.html",
        "DONE",
    }
    assert (run / "config.yaml").read_text() == tiny_config.read_text()
    for fold in trained["folds"]:
        inside = {p.name for p in (run / "folds" / f"{fold['fold']:02d}").iterdir()}
        assert inside == {"model", "predictions.parquet", "fit.json", "DONE"}
    manifest = json.loads((run / "manifest.json").read_text())
    assert {"xgboost", "python", "numerai_lab"} <= set(manifest["versions"])
    assert all(len(f["sha256"]) == 64 for f in manifest["data"]["files"])
    for line in (run / "log.jsonl").read_text().splitlines():
        assert json.loads(line)["event"]
    assert not list(run.rglob("*.part"))


def test_predictions_cover_each_judged_era_once_and_scores_follow_from_them(trained, tournament):
    run = run_of(trained)
    predictions = pd.read_parquet(run / "predictions.parquet")
    assert list(predictions.columns) == ["id", "era", "fold", "prediction"]
    assert predictions["id"].is_unique
    judged = [
        e for fold in trained["folds"] for a, b in fold["judged_eras"] for e in range(a, b + 1)
    ]
    assert len(judged) == len(set(judged))
    assert sorted(predictions["era"].unique()) == [f"{era:04d}" for era in sorted(judged)]
    labels = pd.concat(
        pd.read_parquet(tournament / f"{name}.parquet", columns=["target"])
        for name in ("train", "validation")
    )
    joined = predictions.set_index("id").join(labels).sort_values("era", kind="stable")
    offsets = np.append(0, np.cumsum(joined.groupby("era").size().to_numpy()))
    corr = corr_per_era(joined["prediction"].to_numpy(), joined["target"].to_numpy(), offsets)
    assert trained["scores"]["prediction"]["corr"]["mean"] == pytest.approx(corr.mean(), abs=1e-9)


def test_folds_keep_the_purge(trained):
    for fold in trained["folds"]:
        assert fold["purge_eras"] == 4
        assert fold["judged"]["first"] - fold["train"]["last"] == 5


def test_same_config_same_predictions(lab, trained, tiny_config, tmp_path):
    again = lab("train", tiny_config, "--runs-dir", tmp_path / "again", "--json").json
    first, second = run_of(trained), run_of(again)
    name = "predictions.parquet"
    assert (first / name).read_bytes() == (second / name).read_bytes()


def test_another_seed_changes_predictions(lab, trained, tiny_config, tmp_path):
    sets = ("--set", "seed=1", "--set", "model.params.subsample=0.5")
    one = lab("train", tiny_config, "--runs-dir", tmp_path / "a", "--json", *sets).json
    two = lab("train", tiny_config, "--runs-dir", tmp_path / "b", "--json", *sets[2:]).json
    name = "predictions.parquet"
    assert (run_of(one) / name).read_bytes() != (run_of(two) / name).read_bytes()


def slow_start(tiny_config, tmp_path, n_trees=400):
    """Start a run whose folds take long enough to be killed in between."""
    run = tmp_path / "run"
    arguments = ["train", tiny_config, "--run-dir", run, "--json"]
    arguments += ["--set", f"model.params.num_boost_round={n_trees}"]
    return run, arguments


def wait_for(path, process, seconds=60):
    end = time.monotonic() + seconds
    while not path.exists():
        if process.poll() is not None or time.monotonic() > end:
            pytest.fail(f"{path.name} never appeared: {process.communicate()}")
        time.sleep(0.005)


def test_killed_run_resumes_byte_equal(lab, forks, tiny_config, tmp_path):
    run, arguments = slow_start(tiny_config, tmp_path)
    process = forks.start(*arguments)
    wait_for(run / "folds" / "01" / "DONE", process)
    process.kill()
    process.communicate()
    assert not (run / "DONE").exists()
    kept = (run / "folds" / "01" / "fit.json").read_bytes()
    resumed = lab(*arguments, "--resume")
    assert resumed.code == 0, resumed.err
    assert (run / "folds" / "01" / "fit.json").read_bytes() == kept
    whole = lab(*[tmp_path / "whole" if a is run else a for a in arguments]).json
    assert (run / "predictions.parquet").read_bytes() == (
        run_of(whole) / "predictions.parquet"
    ).read_bytes()
    assert not list(run.rglob("*.part"))


def test_ctrl_c_leaves_whole_files_and_says_how_to_go_on(forks, tiny_config, tmp_path):
    run, arguments = slow_start(tiny_config, tmp_path, 3000)
    process = forks.start(*arguments)
    wait_for(run / "folds" / "01" / "DONE", process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert "--resume" in err
    assert "Traceback" not in err
    assert not list(run.rglob("*.part"))
    assert not (run / "DONE").exists()


def test_ctrl_c_that_is_not_meant_for_a_run_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as nohup and build servers do
    try:
        with Reporter(quiet=True):
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_inside_a_destructor_is_not_lost(capsys, ctrl_c):
    class Freed:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    def work():
        with Reporter(quiet=True):
            Freed()  # Python prints what a destructor raises, and forgets it
            for _ in range(1000):
                time.sleep(0.01)

    before = signal.getsignal(signal.SIGINT), sys.unraisablehook
    with pytest.raises(KeyboardInterrupt):
        work()
    assert "Traceback" not in capsys.readouterr().err
    assert (signal.getsignal(signal.SIGINT), sys.unraisablehook) == before


def test_resume_finds_the_unfinished_run_by_itself(lab, trained, tiny_config, tmp_path):
    run = run_of(trained)
    before = (run / "predictions.parquet").read_bytes()
    (run / "DONE").unlink()
    shutil.rmtree(run / "folds" / "02")
    result = lab("train", tiny_config, "--runs-dir", tmp_path / "runs", "--json", "--resume")
    assert result.code == 0, result.err
    assert result.json["run_dir"] == str(run)
    assert (run / "predictions.parquet").read_bytes() == before


def test_resume_without_an_unfinished_run_is_an_error(lab, trained, tiny_config, tmp_path):
    result = lab("train", tiny_config, "--runs-dir", tmp_path / "runs", "--resume")
    assert result.code == 2
    assert "no unfinished run of 'tiny'" in result.err


def test_resume_refuses_another_config(lab, trained, tiny_config, tmp_path):
    before = {p: p.read_bytes() for p in run_of(trained).rglob("*") if p.is_file()}
    result = lab("train", tiny_config, "--run-dir", run_of(trained), "--resume", "--set", "seed=5")
    assert result.code == 2
    assert "another config" in result.err
    assert {p: p.read_bytes() for p in run_of(trained).rglob("*") if p.is_file()} == before


def test_resume_refuses_changed_data(lab, tiny_config, tmp_path, tournament):
    mine = tmp_path / "mine"
    shutil.copytree(tournament, mine)
    arguments = ("train", tiny_config, "--data", mine, "--run-dir", tmp_path / "run")
    assert lab(*arguments).code == 0
    (tmp_path / "run" / "DONE").unlink()
    train = pd.read_parquet(mine / "train.parquet")
    train.iloc[:-1].to_parquet(mine / "train.parquet")
    result = lab(*arguments, "--resume")
    assert result.code == 2
    assert "other data" in result.err
    assert "train.parquet" in result.err


def test_a_second_run_in_a_directory_is_refused(lab, trained, tiny_config):
    run = run_of(trained)
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    result = lab("train", tiny_config, "--run-dir", run)
    assert result.code == 2
    assert "already holds a run" in result.err
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before


def test_a_strangers_directory_is_refused(lab, tiny_config, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("...")
    result = lab("train", tiny_config, "--run-dir", tmp_path / "thesis")
    assert result.code == 2
    assert "chapter1.txt" in result.err
    assert [p.name for p in (tmp_path / "thesis").iterdir()] == ["chapter1.txt"]


def test_two_runs_at_once_in_one_directory(lab, forks, tiny_config, tmp_path):
    run, arguments = slow_start(tiny_config, tmp_path, 3000)
    process = forks.start(*arguments)
    try:
        wait_for(run / "manifest.json", process)
        second = lab(*arguments, "--resume")
        assert second.code == 2
        assert "another process" in second.err
    finally:
        process.kill()
        process.communicate()


def test_final_fit_is_on_all_labelled_eras(lab, tiny_config, tmp_path):
    result = lab("train", tiny_config, "--runs-dir", tmp_path / "runs", "--json", "--final").json
    run = run_of(result)
    facts = json.loads((run / "final" / "fit.json").read_text())
    manifest = json.loads((run / "manifest.json").read_text())
    assert result["final"] is True
    assert facts["train"]["last"] == manifest["data"]["last_era"]
    assert facts["train"]["n_rows"] == manifest["data"]["n_rows"]
    assert list((run / "final" / "model").iterdir())


def test_final_can_be_added_to_a_finished_run(lab, trained, tiny_config, tmp_path):
    arguments = ("train", tiny_config, "--runs-dir", tmp_path / "runs", "--json")
    result = lab(*arguments, "--resume", "--final")
    assert result.code == 0, result.err
    assert result.json["run_dir"] == trained["run_dir"]
    assert result.json["final"] is True


def test_plan_trains_nothing(lab, tiny_config, tmp_path):
    result = lab("train", tiny_config, "--runs-dir", tmp_path / "runs", "--json", "--plan")
    assert [fold["fold"] for fold in result.json["folds"]] == [1, 2, 3]
    assert not (tmp_path / "runs").exists()


def test_neutralised_predictions_are_neutral_and_shown_beside_the_raw_ones(
    lab, tiny_config, tmp_path
):
    arguments = ("train", tiny_config, "--runs-dir", tmp_path / "runs", "--json")
    result = lab(*arguments, "--set", "neutralize={against: features, proportion: 1.0}").json
    scores = result["scores"]
    assert set(scores) >= {"prediction", "before_neutralization"}
    neutral = scores["prediction"]["exposure_max"]["mean"]
    assert neutral < 0.5 * scores["before_neutralization"]["exposure_max"]["mean"]


def test_compare_to_trains_the_baseline_once_on_the_same_folds(lab, tiny_config, tmp_path):
    other = tmp_path / "deeper.yaml"
    other.write_text(
        "extends: tiny.yaml\nname: deeper\nmodel: {params: {max_depth: 3}}\ncompare_to: [tiny]\n"
    )
    arguments = ("train", other, "--runs-dir", tmp_path / "runs", "--json")
    first = lab(*arguments)
    assert first.code == 0, first.err
    assert "training it" in first.err
    comparison = next(c for c in first.json["comparisons"] if c["baseline"] == "tiny")
    scores = first.json["scores"]
    difference = scores["prediction"]["corr"]["mean"] - scores["tiny"]["corr"]["mean"]
    assert comparison["mean_difference"] == pytest.approx(difference, abs=1e-12)
    again = lab(*arguments)
    assert "training it" not in again.err
    assert len(list((tmp_path / "runs" / "tiny").iterdir())) == 1


def test_a_baseline_that_is_not_the_frozen_trees_is_told_apart(lab, tiny_config, tmp_path):
    """--set does not reach compare_to: its trees are others than those shown as frozen."""
    config = tmp_path / "ttt.yaml"
    config.write_text(
        "extends: tiny.yaml\nname: ttt\ncompare_to: [tiny]\n"
        "model: {type: xgb_ttt, params: {num_boost_round: 8, max_depth: 2, eta: 0.1, "
        "adapt: {strength: 0.5, trees: {num_boost_round: 10, bags: 2}}}}\n"
    )
    arguments = ("train", config, "--runs-dir", tmp_path / "runs", "--quiet")
    assert "other settings" not in lab(*arguments).err
    told = lab(*arguments, "--set", "model.params.num_boost_round=3", "--set", "model.params.eta=1")
    assert told.code == 0, told.err
    assert (
        "warning: compare_to: tiny has other settings than what is shown as 'frozen', so it is "
        "one more baseline, trained by itself: num_boost_round 8 (frozen: 3), eta 0.1 (frozen: 1.0)"
    ) in told.err
    weighted = lab(*arguments, "--set", "weights.type=era_equal")
    assert "trained by itself: another section weights" in weighted.err, weighted.err


def test_compare_to_an_unknown_experiment(lab, tiny_config, tmp_path):
    result = lab(
        "train", tiny_config, "--runs-dir", tmp_path / "runs", "--set", "compare_to=[tinny]"
    )
    assert result.code == 2
    assert "no experiment 'tinny'" in result.err
    assert "did you mean 'tiny'" in result.err


def test_a_quick_look_takes_every_fourth_era_under_a_name_of_its_own(lab, tiny_config, tmp_path):
    asked = ("train", tiny_config, "--quick", "--runs-dir", tmp_path / "runs")
    result = lab(*asked, "--json")
    assert result.code == 0, result.err
    run = run_of(result.json)
    assert run.parent.name == "tiny.quick"
    eras = pd.read_parquet(run / "predictions.parquet")["era"].astype(int).unique()
    assert set((eras - 1) % 4) == {0}
    assert "--quick: every 4th era alone is trained on and judged" in result.err
    # what it is compared with is the quick look at that, and no run of `other` on all eras
    (tmp_path / "other.yaml").write_text("extends: tiny.yaml\nname: other\n")
    other = lab("train", tmp_path / "other.yaml", *asked[2:], "--set", "compare_to=[tiny]")
    assert f"compare_to: tiny from {run}" in other.err
    final = lab(*asked, "--final")
    assert (final.code, "a first look, and no model to go live" in final.err) == (2, True)
    exported = lab("export", "tiny.quick", "--runs-dir", tmp_path / "runs")
    assert exported.code == 2
    assert "has a final model; it was a first look: train it with --final" in exported.err
    assert "--resume" not in exported.err, "no command that would be refused"
    twice = lab(*asked, "--set", "data.eras.step=2")
    assert (twice.code, "data.eras.step is 2 already" in twice.err) == (2, True)


def test_a_plan_tells_memory_and_the_time_of_the_last_run(lab, trained, tiny_config, tmp_path):
    asked = ("train", tiny_config, "--plan", "--runs-dir", tmp_path / "runs")
    told = lab(*asked, "--json").json
    run = run_of(trained)
    fits = [json.loads(path.read_text()) for path in run.glob("folds/*/fit.json")]
    wanted = sum(fit["fit_seconds"] + fit["predict_seconds"] for fit in fits)
    assert told["seconds_of_last_run"] == pytest.approx(wanted)
    assert told["memory_bytes"] > 40 * 60 * 12  # the rows of the largest fold, at least
    shown = lab(*asked).out
    assert "memory  the largest fit takes" in shown
    assert f"time    the folds of {run} took {wanted:.1f} seconds" in shown
    other = lab(*asked, "--set", "seed=1", "--json").json
    assert other["seconds_of_last_run"] is None
    assert other["seconds_estimated"] > 0
