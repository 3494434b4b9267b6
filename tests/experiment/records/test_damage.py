"""Every file that a run keeps: damaged in any way it is named before it is believed, and mended."""

import os
import re
import shlex
import shutil
from pathlib import Path

import pytest

from damage import HOW, as_before_records, damage, flip
from numerai_lab.errors import RunError
from numerai_lab.experiment import RunDir, load_final
from numerai_lab.report import write_report
from submit_lab import train_final

AT_ONCE = ("manifest.json", "resolved.yaml", "DONE", "predictions.parquet")
"""Files that `evaluate` and others read."""
SHOWN = ("scores.json", "scores_per_era.parquet", "exposure.json", "config.yaml")
SHOWN += ("folds/02/fit.json",)
"""Files that the report reads as well."""
FOLD = ("folds/02/predictions.parquet", "folds/02/model/booster.ubj", "folds/02/DONE")
FINAL = ("final/fit.json", "final/model/booster.ubj", "final/DONE")
RESUMED = ("manifest.json", "resolved.yaml", "config.yaml", "DONE", "predictions.parquet")
RESUMED += ("folds/02/fit.json", *FOLD)
SECONDS = ("fit.json", "log.jsonl", "report.html")
"""Files that say how long something took, and so differ each time."""


def only_run(experiment: Path) -> Path:
    (path,) = experiment.glob("*/manifest.json")
    return path.parent


@pytest.fixture(scope="session")
def strange_run(tmp_path_factory, tournament) -> Path:
    """A run of another seed, whose files are whole."""
    more = ("--set", "seed=5", "--set", "model.params.subsample=0.5")
    return only_run(train_final(tmp_path_factory.mktemp("strange"), tournament, *more) / "tiny")


@pytest.fixture
def run(final_runs, tmp_path) -> RunDir:
    """A run of one's own, with a final model."""
    return RunDir(
        Path(shutil.copytree(only_run(final_runs / "tiny"), tmp_path / "runs" / "tiny" / "run"))
    )


@pytest.fixture
def whole(final_runs) -> Path:
    """The same run, untouched."""
    return only_run(final_runs / "tiny")


def told(error: BaseException | str, name: str) -> str:
    """Return the one sentence that names a file and a command."""
    text = str(error)
    assert "\n" not in text
    assert Path(name).name in text
    assert "`numerai-lab " in text
    return text


def read(run: RunDir, name: str) -> None:
    """Read a file as the commands do."""
    if name in FINAL:
        load_final(run)
    elif name in SHOWN:
        write_report(run.path)
    elif name in FOLD:
        run.check_part(run.fold_dir(2))
    else:
        run.experiment()
        run.checked(run.predictions_path)


@pytest.mark.parametrize("name", AT_ONCE + SHOWN + FOLD + FINAL)
def test_every_damage_is_named_with_the_way_out(run, whole, strange_run, name):
    read(run, name)
    for how in HOW:
        damage(run.path / name, how, strange_run / name)
        with pytest.raises(RunError) as error:
            read(run, name)
        told(error.value, name)
        shutil.copyfile(whole / name, run.path / name)
    for share in (0, 0.1, 0.3, 0.7, 0.9, 1):
        flip(run.path / name, share)
        with pytest.raises(RunError):
            read(run, name)
        shutil.copyfile(whole / name, run.path / name)
    read(run, name)


def carry_out(lab, text: str, config: Path) -> str:
    """Run the command that a sentence tells, and return what it says."""
    command = shlex.split(re.search(r"`numerai-lab ([^`]*)`", text)[1])
    if "CONFIG" in command:
        command[command.index("CONFIG")] = str(config)
        command += ["--set", "split.partial_chunk=false"]
    result = lab(*command)
    assert result.code == 0, result.err
    return result.err


def assert_same(run: Path, whole: Path) -> None:
    there = {path.relative_to(whole) for path in whole.rglob("*") if path.is_file()}
    for name in sorted(there):
        if name.name not in SECONDS and name.name != "DONE":
            assert (run / name).read_bytes() == (whole / name).read_bytes(), name
    RunDir(run).record()
    load_final(RunDir(run))
    for fold in (1, 2):
        RunDir(run).check_part(RunDir(run).fold_dir(fold))


CASES = [(name, HOW[i % len(HOW)]) for i, name in enumerate((*RESUMED, *FINAL, *SHOWN[:3]))]
CASES += [("manifest.json", "swapped"), ("DONE", "swapped"), ("folds/02/DONE", "absent")]
QUICK = ("predictions.parquet", "folds/02/predictions.parquet", "folds/02/model/booster.ubj")
QUICK += ("final/model/booster.ubj", "scores.json")
"""Whose ways out are all there are; the other files have one of these."""


@pytest.mark.parametrize(
    ("name", "how"),
    [pytest.param(*case, marks=[] if case[0] in QUICK else pytest.mark.slow) for case in CASES],
)
def test_the_way_out_that_is_told_gives_the_same_bytes(
    lab, run, whole, strange_run, final_runs, name, how
):
    config = final_runs.parent / "tiny.yaml"
    damage(run.path / name, how, strange_run / name)
    with pytest.raises(RunError) as error:
        read(run, name)
    said = carry_out(lab, told(error.value, ""), config)
    assert_same(run.path, whole)
    if name.startswith(("folds/", "final/")):
        assert "moved to" in said
        aside = "final" if name.startswith("final/") else "folds-02"
        assert (run.path / "damaged" / aside).is_dir()
    again = lab("evaluate", run.path)
    assert again.code == 0, again.err
    assert "not what was" not in again.err


def test_another_file_beside_the_model_is_damage(run):
    (run.final_dir / "model" / "tree_9.txt").write_text("")
    with pytest.raises(RunError, match=r"tree_9\.txt is not among the files that were written"):
        load_final(run)


def test_a_whole_fold_of_another_run_is_fitted_again_and_kept(lab, run, whole, strange_run):
    shutil.rmtree(run.fold_dir(1))
    shutil.copytree(strange_run / "folds" / "01", run.fold_dir(1))
    result = lab("train", run.path / "resolved.yaml", "--resume", "--run-dir", run.path)
    assert result.code == 0, result.err
    assert "is of another run" in result.err
    assert_same(run.path, whole)
    kept = run.path / "damaged" / "folds-01" / "predictions.parquet"
    assert kept.read_bytes() == (strange_run / "folds/01/predictions.parquet").read_bytes()


MODELS = {
    "xgb_ttt": "{num_boost_round: 4, max_depth: 2, adapt: {strength: 0.5}}",
    "lgbm_ensemble": "{weights: equal, era_step: 1, era_offsets: [0], "
    "lightgbm: {num_iterations: 4}}",
}


@pytest.mark.parametrize("model", MODELS)
def test_models_of_other_kinds_of_file_are_not_loaded_damaged(tmp_path, tournament, model):
    chosen = f"model={{type: {model}, params: {MODELS[model]}}}"
    run = RunDir(only_run(train_final(tmp_path, tournament, "--set", chosen) / "tiny"))
    load_final(run)
    files = [path for path in (run.final_dir / "model").rglob("*") if path.is_file()]
    for path in files:
        kept = path.read_bytes()
        for share in (0, 0.5, 1):
            flip(path, share)
            with pytest.raises(RunError, match=re.escape(path.name)):
                load_final(run)
            path.write_bytes(kept)
    load_final(run)


def test_one_damaged_run_hides_no_other(lab, run, whole, tmp_path):
    runs = tmp_path / "many"
    for name in ("tiny/one", "tiny/two", "other/three"):
        shutil.copytree(run.path, runs / name)
    flip(runs / "tiny/one/scores.json")
    flip(runs / "other/three/manifest.json")
    (runs / "tiny/two/manifest.json").unlink()
    listed = {
        Path(row["run"]).name: row for row in lab("runs", "--runs-dir", runs, "--json").json["runs"]
    }
    assert {name: row["state"] for name, row in listed.items()} == dict.fromkeys(listed, "damaged")
    told(listed["one"]["damage"], "scores.json")
    assert "is gone" in told(listed["two"]["damage"], "manifest.json")
    table = lab("runs", "--runs-dir", runs)
    assert "damaged" in table.out
    assert listed["one"]["damage"] in table.err
    # the newest run may be the one that is damaged, so no older one is taken in its place
    assert lab("evaluate", "tiny", "--runs-dir", runs).code == 2
    shutil.rmtree(runs / "tiny/two")
    assert lab("evaluate", "tiny", "--runs-dir", runs).code == 0


def test_a_run_of_an_older_version_opens_and_is_not_verifiable(lab, run, whole, final_runs):
    as_before_records(run.path)
    assert not run.verifiable()
    live = final_runs.parent / "data" / "v5.3" / "live.parquet"
    out = run.path.parent / "out.csv"
    listed = lab("runs", "--runs-dir", run.path.parent.parent)
    assert listed.err.count("not verifiable") == 1
    for command in (
        ["report", run.path],
        ["predict", run.path, "--features", live, "--out", out],
        ["compare", whole, run.path],
        ["evaluate", run.path],
    ):
        result = lab(*command)
        assert result.code == 0, result.err
        assert result.err.count("not verifiable") == 1


def test_an_older_run_is_resumed_and_its_new_parts_have_records(lab, run, whole):
    as_before_records(run.path)
    (run.path / "DONE").unlink()
    shutil.rmtree(run.fold_dir(2))
    result = lab("train", run.path / "resolved.yaml", "--resume", "--run-dir", run.path)
    assert result.code == 0, result.err
    assert result.err.count("not verifiable") == 1
    name = "predictions.parquet"
    assert (run.path / name).read_bytes() == (whole / name).read_bytes()
    flip(run.fold_dir(2) / name)
    with pytest.raises(RunError, match="folds/02"):
        run.check_part(run.fold_dir(2))


def test_a_damaged_baseline_is_told_and_trained_anew(lab, tiny_config, tmp_path):
    other = tiny_config.with_name("deeper.yaml")
    other.write_text("extends: tiny.yaml\ncompare_to: [tiny]\nmodel: {params: {max_depth: 3}}\n")
    runs = tmp_path / "runs"
    first = lab("train", other, "--runs-dir", runs, "--json").json
    baseline = only_run(runs / "tiny")
    flip(baseline / "predictions.parquet")
    judged = lab("evaluate", first["run_dir"])
    assert judged.code == 2
    assert str(baseline) in told(judged.err.strip(), "predictions.parquet")
    again = lab("train", other, "--runs-dir", runs, "--json")
    assert again.code == 0, again.err
    assert "compare_to: tiny: a damaged run is left out: " in again.err
    assert again.json["scores"] == first["scores"]
    carry_out(lab, judged.err, tiny_config)
    # scores that are damaged are written anew without being read, baselines and all
    scores = Path(first["run_dir"], "scores.json")
    whole = scores.read_bytes()
    flip(scores)
    carry_out(lab, lab("report", first["run_dir"]).err, other)
    assert scores.read_bytes() == whole


def test_a_model_is_on_the_disk_before_its_record_says_that_it_is_whole(
    lab, tiny_config, tmp_path, monkeypatch
):
    synced, real = [], os.fsync

    def fsync(handle):
        found = os.fstat(handle)
        synced.append((found.st_dev, found.st_ino))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    run = tmp_path / "run"
    assert lab("train", tiny_config, "--run-dir", run, "--final").code == 0
    order = {place: i for i, place in reversed(list(enumerate(synced)))}

    def when(path):
        return order[path.stat().st_dev, path.stat().st_ino]

    for folder in (run / "final", run / "folds" / "01"):
        inside = [folder / "model", *(folder / "model").iterdir(), folder / "fit.json"]
        assert max(map(when, inside)) < when(folder / "DONE")
