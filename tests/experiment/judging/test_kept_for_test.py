"""Eras kept for a test: nothing but `evaluate --test` judges them, and every look is counted."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from damage import HOW, damage
from numerai_lab.data import generate_tournament
from numerai_lab.experiment import RunDir, told_of_test
from numerai_lab.experiment.judging.looks import count_look
from numerai_lab.models import get_model
from numerai_lab.scoring import corr_per_era
from report_html import Page
from tiny import SMALL, TINY_CONFIG

FIRST, LAST = 45, 56
"""The test eras; 57 to 60 of the tournament have no label yet."""
SPLIT = "{type: holdout, train: {to: 25}, validate: {to: 42}, test: {from: 45}, purge_eras: 4}"
WALK = "{type: walk_forward, first_train_eras: 30, chunk_eras: 10, purge_eras: 4}"


def write_configs(folder: Path, data: Path) -> Path:
    """Two experiments on a split with a test, `kept` compared to `other`."""
    text = TINY_CONFIG.format(folder=data).replace(WALK, SPLIT)
    assert SPLIT in text
    (folder / "kept.yaml").write_text(text.replace("name: tiny", "name: kept\ncompare_to: [other]"))
    other = text.replace("name: tiny", "name: other").replace("max_depth: 2", "max_depth: 1")
    (folder / "other.yaml").write_text(other)
    return folder / "kept.yaml"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with a tournament of its own and the configs."""
    folder = tmp_path_factory.mktemp("kept")
    generate_tournament(folder / "data", SMALL)
    write_configs(folder, folder / "data")
    return folder


@pytest.fixture
def trained(lab, world):
    """The runs as training leaves them, with what was said then; made once, only read."""
    runs, told = world / "runs", world / "told.json"
    if not told.exists():
        result = lab("train", world / "kept.yaml", "--final", "--runs-dir", runs)
        assert result.code == 0, result.err
        told.write_text(json.dumps([result.out, result.err]))
    return runs


@pytest.fixture
def runs(trained, tmp_path):
    """A copy of these runs that a test may change."""
    return Path(shutil.copytree(trained, tmp_path / "runs"))


def run_of(runs: Path, name: str = "kept") -> RunDir:
    (path,) = (runs / name).iterdir()
    return RunDir(path)


@pytest.fixture
def look(lab, runs):
    """Take a look at the test eras of `kept`."""

    def look(*more: object):
        result = lab("evaluate", run_of(runs).path, "--test", "--runs-dir", runs, "--json", *more)
        assert result.code == 0, result.err
        return result

    return look


def shown(lab, runs: Path, name: str = "kept") -> dict:
    rows = lab("runs", "--runs-dir", runs, "--json").json["runs"]
    return next(row["test"] for row in rows if row["experiment"] == name)


# --- before the first look


def test_the_plan_shows_the_test(lab, world):
    plan = lab("train", world / "kept.yaml", "--plan", "--json").json["folds"][0]
    assert plan["test_eras"] == [[FIRST, LAST]]
    assert plan["test"]["n_eras"] == plan["test"]["n_in_final"] == 12
    assert plan["judged_eras"] == [[30, 40]]
    shown = lab("train", world / "kept.yaml", "--plan").out
    assert f"test eras {FIRST}-{LAST}: 12 eras, 720 rows, purge 4" in shown
    assert "only `evaluate RUN --test` judges them, and every look is counted" in shown
    assert "a final model (--final) is fitted on them too" in shown


def test_the_final_model_is_said_to_be_fitted_on_the_test(trained, world):
    out, err = json.loads((world / "told.json").read_text())
    assert "test: 12 eras (45-56), not looked at yet" in out
    words = "the final model is fitted on 12 of the 12 test eras (45-56) too: they are no test of"
    assert words in err
    facts = json.loads((run_of(trained).final_dir / "fit.json").read_text())
    assert any(words in note for note in facts["notes"])
    assert facts["last_era"] == LAST


def test_training_judges_no_test_era(trained, lab):
    run = run_of(trained)
    for table in (run.predictions_path, run.per_era_path):
        assert pd.read_parquet(table)["era"].astype(int).max() == 40
    assert run.scores()["eras"] == {"first": 30, "last": 40, "n": 11}
    differences = lab("compare", run.path, run_of(trained, "other").path, "--json").json
    assert differences["comparisons"][0]["n_eras"] == 11
    assert not run.test_scores_path.exists()


def test_other_test_eras_change_nothing_that_is_trained_or_judged(lab, trained, world, tmp_path):
    """Labels and features of the test eras and of those around them are other ones here."""
    shutil.copytree(world / "data", tmp_path / "data")
    for path in (tmp_path / "data").glob("*.parquet"):
        rows = pd.read_parquet(path)
        if "target" not in rows or path.name == "live.parquet":
            continue
        late = (rows["era"].astype(int) > 40) & rows["target"].notna()
        for name in rows:
            if name.startswith(("feature_", "target")):
                rows.loc[late, name] = rows.loc[late, name].to_numpy()[::-1]
        rows.to_parquet(path)
    config = write_configs(tmp_path, tmp_path / "data")
    result = lab("train", config, "--runs-dir", tmp_path / "runs", "--quiet")
    assert result.code == 0, result.err
    mine, theirs = run_of(tmp_path / "runs"), run_of(trained)
    assert mine.manifest()["data"]["fingerprint"] != theirs.manifest()["data"]["fingerprint"]
    assert mine.predictions_path.read_bytes() == theirs.predictions_path.read_bytes()
    assert mine.per_era_path.read_bytes() == theirs.per_era_path.read_bytes()


# --- looks


def test_every_look_is_counted_and_shown(lab, runs, look, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["numerai-lab", "evaluate", "a run", "--test"])
    assert shown(lab, runs)["looks"] == 0
    first, second = look(), look()
    assert first.json["test"]["looks"] == 1
    assert second.json["test"]["looks"] == 2
    assert second.json["scores"] == first.json["scores"]
    row = shown(lab, runs)
    assert (row["looks"], row["first"], row["last"]) == (2, FIRST, LAST)
    assert row["corr"] == first.json["scores"]["prediction"]["corr"]["mean"]
    assert "test 45-56, looked at 2 times: corr" in " ".join(
        lab("runs", "--runs-dir", runs).out.split()
    )
    history = told_of_test(run_of(runs))["history"]
    assert [entry["number"] for entry in history] == [1, 2]
    for entry in history:
        assert entry["command"] == "numerai-lab evaluate 'a run' --test"
        assert entry["version"] == run_of(runs).manifest()["versions"]["numerai_lab"]
        assert pd.Timestamp(entry["utc"]).tzinfo is not None
    plain = " ".join(lab("evaluate", run_of(runs).path, "--test", "--runs-dir", runs).out.split())
    assert "test: 12 eras (45-56), looked at 3 times" in plain
    assert "the final model was fitted on them too" in plain
    page = Page((run_of(runs).path / "report.html").read_text(encoding="utf-8"))
    assert "looked at 3 times" in page.text
    assert len(page.tables["Looks"]) == 1 + 3
    (caption,) = (name for name in page.tables if name.startswith("Test scores on target"))
    corr = first.json["scores"]["prediction"]["corr"]["mean"]
    assert page.tables[caption][1][1].strip() == f"{corr:.4f}"
    # what train and evaluate without --test say is untouched by all this
    again = lab("evaluate", run_of(runs).path, "--runs-dir", runs, "--json").json
    assert again["eras"] == {"first": 30, "last": 40, "n": 11}
    assert shown(lab, runs)["looks"] == 3


def test_a_baseline_is_looked_at_as_well(lab, runs, look):
    look()
    told = told_of_test(run_of(runs, "other"))
    (entry,) = told["history"]
    assert entry["baseline_of"] == str(run_of(runs).path.resolve())
    assert shown(lab, runs, "other")["looks"] == 1
    own = lab("evaluate", run_of(runs, "other").path, "--test", "--runs-dir", runs, "--json").json
    assert own["test"]["looks"] == 2
    assert (own["test"]["other_runs"], own["test"]["looks_in_other_runs"]) == (1, 1)
    assert look().json["test"]["looks_in_other_runs"] == 1


def test_the_fold_model_is_judged_beside_the_baseline_era_by_era(runs, look, world):
    found = look().json
    rows = pd.read_parquet(world / "data" / "validation.parquet")
    rows = rows[rows["era"].astype(int).between(FIRST, LAST)].sort_values("era", kind="stable")
    offsets = np.flatnonzero(np.diff(rows["era"].astype(int), prepend=-1, append=-1))
    corr = {}
    for key, name in (("prediction", "kept"), ("other", "other")):
        run = run_of(runs, name)
        model = get_model("xgb").load(run.fold_dir(1) / "model")
        values = predicted(model, rows)
        corr[key] = corr_per_era(values, rows["target"].to_numpy(np.float32), offsets)[:, 0]
        assert found["scores"][key]["corr"]["mean"] == pytest.approx(corr[key].mean(), abs=1e-9)
    paired = next(one for one in found["comparisons"] if one["baseline"] == "other")
    difference = corr["prediction"] - corr["other"]
    assert paired["n_eras"] == LAST - FIRST + 1
    assert paired["mean_difference"] == pytest.approx(difference.mean(), abs=1e-9)
    assert paired["ci_low"] < paired["mean_difference"] < paired["ci_high"]
    table = pd.read_parquet(run_of(runs).test_per_era_path)
    assert sorted(table["era"].unique()) == list(range(FIRST, LAST + 1))


def predicted(model, rows: pd.DataFrame) -> np.ndarray:
    """Predict rows of the tournament's own files without the lab's reading of them."""
    import pyarrow as pa

    from numerai_lab.eraframe import EraFrame

    names = tuple(name for name in rows if name.startswith("feature_"))
    eras, counts = np.unique(rows["era"].astype(int), return_counts=True)
    frame = EraFrame(
        features=np.ascontiguousarray(rows[list(names)].to_numpy(np.int8)),
        feature_names=names,
        targets=np.empty((len(rows), 0), dtype=np.float32),
        target_names=(),
        eras=eras.astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        ids=pa.array(rows.index.astype(str)),
    )
    return model.predict(frame)


def test_a_look_with_other_options_counts_and_writes_no_scores(runs, look):
    found = look("--target", "target_ender_60", "--from", 50, "--to", 53).json
    assert found["target"] == "target_ender_60"
    assert found["eras"] == {"first": 50, "last": 53, "n": 4}
    assert found["test"]["looks"] == 1
    assert not run_of(runs).test_scores_path.exists()
    assert look().json["test"]["looks"] == 2


# --- refused, and not counted


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--data", "elsewhere"), "judges a run in the test eras of its own data"),
        (("--from", 57), "no test eras from era 57 on, they are 45-56"),
        (("--benchmark", "nosuch"), "benchmark 'nosuch' is not in the data"),
        (("--target", "nosuch"), "nosuch"),
    ],
)
def test_what_is_mistyped_is_no_look(lab, runs, more, words):
    result = lab("evaluate", run_of(runs).path, "--test", "--runs-dir", runs, *more)
    assert result.code == 2
    assert words in result.err
    assert told_of_test(run_of(runs))["looks"] == 0


def test_only_a_run_with_a_test_can_be_tested(lab, final_runs, trained, tmp_path):
    result = lab("evaluate", "tiny", "--test", "--runs-dir", final_runs)
    assert result.code == 2
    assert "keeps no eras for a test; train with split: {type: holdout" in result.err
    predictions = run_of(trained).predictions_path
    result = lab("evaluate", predictions, "--test", "--runs-dir", trained)
    assert result.code == 2
    assert "is a file of predictions, and a test is of a run's own model" in result.err


def test_a_changed_model_is_found_before_the_look(lab, runs):
    run = run_of(runs)
    damage(run.fold_dir(1) / "model" / "booster.ubj", "flipped", run.path)
    result = lab("evaluate", run.path, "--test", "--runs-dir", runs)
    assert result.code == 2
    assert "booster.ubj is not what was written" in result.err
    assert told_of_test(run)["looks"] == 0


# --- a count that is lost


@pytest.fixture
def looked(lab, trained, world, tmp_path):
    """A copy of the runs after two looks, which are taken once."""
    runs = world / "looked"
    if not runs.exists():
        shutil.copytree(trained, runs)
        for _ in range(2):
            result = lab("evaluate", run_of(runs).path, "--test", "--runs-dir", runs, "--quiet")
            assert result.code == 0, result.err
    return Path(shutil.copytree(runs, tmp_path / "runs"))


@pytest.mark.parametrize("how", HOW)
def test_a_lost_count_is_told_and_never_counted_as_none(looked, how):
    run, said = run_of(looked), []
    damage(run.test_looks_path, how, run_of(looked, "other").test_looks_path)
    told = told_of_test(run)
    assert told["looks"] is None
    assert "test_looks.json" in told["damage"]
    assert told["said"].startswith("looked at nobody knows how often (")
    # the last scores tell of two looks, so this is the third at least
    looks = count_look(run, "numerai-lab evaluate", said.append, keeps_scores=True)
    assert looks.number == 3
    assert "looked at 3 times at least" in looks.words
    assert "nobody knows how often the test was looked at" in said[0]
    assert count_look(run, "numerai-lab evaluate", said.append, keeps_scores=True).number == 4
    assert len(said) == 1
    assert (run.path / "damaged" / "test_looks.json").exists() == (how != "absent")


def test_a_lost_count_is_shown_wherever_the_run_is(lab, looked):
    run = run_of(looked)
    run.test_looks_path.unlink()
    row = shown(lab, looked)
    assert row["looks"] is None
    assert "test_looks.json" in row["damage"]
    listed = lab("runs", "--runs-dir", looked)
    assert "test 45-56, looked at nobody knows how often" in " ".join(listed.out.split())
    assert lab("report", run.path, "--runs-dir", looked).code == 0
    page = Page((run.path / "report.html").read_text(encoding="utf-8"))
    assert "looked at nobody knows how often" in page.text
    again = lab("evaluate", run.path, "--test", "--runs-dir", looked)
    assert "nobody knows how often the test was looked at" in again.err
    assert "looked at 3 times at least" in " ".join(again.out.split())


def test_an_older_count_put_back_is_told(trained, looked):
    run = run_of(looked)
    shutil.copyfile(run_of(trained).test_looks_path, run.test_looks_path)
    assert "counts 0 looks, test_scores.json 2" in told_of_test(run)["damage"]
    assert count_look(run, "numerai-lab evaluate", print, keeps_scores=True).number == 3


@pytest.mark.parametrize("name", ["test_scores.json", "test_scores_per_era.parquet"])
def test_damaged_scores_of_a_look_are_told(looked, name):
    run = run_of(looked)
    damage(run.path / name, "flipped", looked)
    told = told_of_test(run)
    assert name in told["damage"]
    assert f"`numerai-lab evaluate {run.path} --test` writes it anew" in told["damage"]
    assert told["looks"] == 2
    assert told["scores"] is None


def test_another_look_makes_damaged_scores_anew(lab, looked):
    run = run_of(looked)
    before = told_of_test(run)["scores"]["scores"]
    run.test_scores_path.unlink()
    assert "test_scores.json: is gone" in told_of_test(run)["damage"]
    result = lab("evaluate", run.path, "--test", "--runs-dir", looked, "--json")
    assert result.json["scores"] == before
    assert told_of_test(run)["looks"] == 3
    assert told_of_test(run)["scores"]["scores"] == before


def test_a_look_is_counted_though_its_scores_never_came(lab, runs):
    """Killed between the count and the scores: nobody can take a look that is not counted."""
    run = run_of(runs)
    (run.path / run.test_per_era_path.name).mkdir()
    result = lab("evaluate", run.path, "--test", "--runs-dir", runs)
    assert result.code == 1
    assert told_of_test(run)["looks"] == 1
    assert "the look that was to write it was stopped" in told_of_test(run)["damage"]


def test_a_run_that_continues_another_points_to_it(lab, runs):
    run = run_of(runs)
    manifest = json.loads(run.manifest_path.read_text())
    manifest.pop("sha256_of_this", None)
    manifest.pop("format")
    manifest.pop("files")
    manifest["continued"] = {"parent": "runs/kept/before", "ancestors": [], "rounds": 1}
    run.manifest_path.write_text(json.dumps(manifest))
    result = lab("evaluate", run.path, "--test", "--runs-dir", runs)
    assert result.code == 2
    assert "test that one: `numerai-lab evaluate runs/kept/before --test`" in result.err
    assert told_of_test(run) is None
