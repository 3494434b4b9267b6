"""Models that look back, in a run: earlier eras in folds, tests, final models and live."""

from __future__ import annotations

import json
import shutil
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from numerai_lab.cli import run as command
from numerai_lab.config import Columns, Missing
from numerai_lab.data import LOCK_NAME, LockedFile, load_unlabelled, write_lock
from numerai_lab.errors import RunError
from numerai_lab.experiment import (
    Reporter,
    RunDir,
    load_final,
    prepare,
    read_experiment,
)
from numerai_lab.experiment.cluster.predictions import FoldToPredict, SharedPrediction
from numerai_lab.experiment.cluster.work import read_files
from numerai_lab.experiment.predicting import (
    predict_eras,
    predict_with_past,
    resolved_before_each,
)
from numerai_lab.files import sha256_of
from numerai_lab.models import history_before
from numerai_lab.models.conformance.toy import known_frame
from numerai_lab.scoring import corr_per_era, rank_per_era
from numerai_lab.tournament.submitting import child_process

TTL = """[numerai_lab.models]
looks_back = past_model:LooksBack
remembers = past_model:Remembers
weighted = stacked_model:Weighted
"""
CONFIG = """\
name: {name}
data: {{source: numerai, dir: "{data}"}}
split: {split}
scoring: {{bootstrap: {{samples: 200}}}}
model: {{type: {model}, params: {{eras: 9}}}}
"""
FOLDS = "{type: walk_forward, first_train_eras: 40, chunk_eras: 8, purge_eras: 3}"
HELD = "{type: holdout, train: {to: 36}, validate: {to: 46}, purge_eras: 3, test: {from: 50}}"
LABELLED_TO, KNOWN_TO = 54, 56
"""The last labelled and the last era of the data that runs are trained on; there are 60."""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Install the models."""
    folder = tmp_path_factory.mktemp("installed")
    info = folder / "past-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: past\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(TTL)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield


def write_rows(folder, tournament, labelled_to, known_to):
    """The tournament as it was once: later eras are not there, or have no label."""
    folder.mkdir(exist_ok=True)
    for name in ("train.parquet", "validation.parquet"):
        rows = pd.read_parquet(tournament / name)
        number = rows["era"].astype(int)
        rows.loc[number > labelled_to, "target"] = np.nan
        rows.iloc[5::70, rows.columns.get_indexer(["target"])] = np.nan  # some rows never get one
        rows[number <= known_to].to_parquet(folder / name)
    shutil.copy(tournament / "features.json", folder)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tournament, models):
    """A folder with runs of both models with final models; read only.

    `then` are the data that they were trained on, `data` what became of these five weeks later.
    """
    folder = tmp_path_factory.mktemp("looking back")
    write_rows(folder / "data", tournament, LABELLED_TO, KNOWN_TO)
    for name in ("looks_back", "remembers"):
        train(folder, name, FOLDS, "--final")
    shutil.copytree(folder / "data", folder / "then")
    write_rows(folder / "data", tournament, 56, 59)
    return folder


def train(folder, name, split, *more, model=None):
    config = folder / f"{name}.yaml"
    config.write_text(
        CONFIG.format(name=name, model=model or name, data=folder / "data", split=split)
    )
    with redirect_stdout(StringIO()):
        asked = ["train", str(config), "--run-dir", str(folder / name), "--quiet", *more]
        assert command(asked) == 0


def prepared(folder, data="then", name="looks_back"):
    settings = (f"data.dir={json.dumps(str(folder / data))}",)
    with Reporter(quiet=True) as reporter:
        return prepare(read_experiment(str(folder / f"{name}.yaml"), None, settings), reporter)


def test_folds_are_predicted_with_what_was_known(trained):
    plan = prepared(trained)
    known = plan.dataset.known
    assert known.eras[-1] == KNOWN_TO
    assert plan.dataset.frame.eras[-1] == LABELLED_TO
    for fold in plan.plan.folds:
        folder = trained / "looks_back" / "folds" / f"{fold.index:02d}"
        model = plan.model_class.load(folder / "model")
        told = pd.read_parquet(folder / "predictions.parquet").set_index("id")["prediction"]
        for era in fold.judged.tolist():
            rows = plan.dataset.frame.between(era, era)
            own = model.predict(rows.without_targets(), history_before(known, era, 9, 3))
            assert np.array_equal(told[rows.ids.to_pylist()], own)


def test_labels_that_are_not_known_change_no_byte(trained):
    plan = prepared(trained)
    frame, known = plan.dataset.frame, plan.dataset.known
    fold = plan.plan.folds[0]
    era = int(fold.judged[-1])
    model = plan.model_class.load(trained / "looks_back" / "folds" / "01" / "model")

    def predicted(first_changed):
        targets = known.targets.copy()
        changed = known.row_eras >= first_changed
        targets[changed] /= 2
        past = replace(plan.past, rows=replace(known, targets=targets))
        rows = frame.between(era, era)
        return predict_eras(model, rows, frame, int(fold.train[-1]), 3, past=past)

    before = predicted(1000).predictions.tobytes()
    assert predicted(era - 3).predictions.tobytes() == before
    assert predicted(era - 4).predictions.tobytes() != before


@pytest.mark.parametrize("purge", [0, 3, 8])
def test_labels_are_shown_when_they_are_told_to_a_model_that_learns_on(purge):
    """What history shows is what `observe` is given by then, and never more."""
    frame, told = known_frame(1), []
    for resolved, era in resolved_before_each(frame, frame, 0, purge):
        told += resolved.eras.tolist()
        history = history_before(frame, int(era.eras[0]), 1000, purge)
        labelled = ~np.isnan(history.target("target"))
        assert sorted(set(history.row_eras[labelled].tolist())) == told


def test_a_test_is_judged_with_what_was_known(trained, lab):
    train(trained, "held", HELD, model="looks_back")
    result = lab("evaluate", trained / "held", "--test", "--json")
    assert result.code == 0, result.err
    plan = prepared(trained, "data", "held")
    (fold,) = plan.plan.folds
    model = plan.model_class.load(trained / "held" / "folds" / "01" / "model")
    told = pd.read_parquet(trained / "held" / "test_scores_per_era.parquet")
    for era in fold.test.tolist():
        rows = plan.dataset.frame.between(era, era)
        history = history_before(plan.dataset.known, era, 9, 3)
        own = model.predict(rows.without_targets(), history)
        corr = corr_per_era(own, rows.target("target"), rows.offsets)[0, 0]
        mine = told[(told["era"] == era) & (told["prediction"] == "prediction")]
        assert mine["corr"].tolist() == [pytest.approx(corr, abs=1e-12)]


def test_both_models_predict_alike_and_keep_what_they_need(trained):
    for name in ("predictions.parquet", "scores_per_era.parquet"):
        one, other = (pd.read_parquet(trained / run / name) for run in ("looks_back", "remembers"))
        pd.testing.assert_frame_equal(one, other)
    kept = list(range(LABELLED_TO - 8, LABELLED_TO + 1))
    rows = trained / "looks_back" / "final" / "history" / "rows.parquet"
    assert sorted(set(pd.read_parquet(rows)["era"])) == kept
    assert not (trained / "remembers" / "final" / "history").exists()
    for name in ("looks_back", "remembers"):
        facts = json.loads((trained / name / "final" / "fit.json").read_text())
        assert facts["history"]["kept_eras"] == kept


def live_file(folder, tournament, era, label):
    rows = pd.read_parquet(tournament / "validation.parquet")
    live = rows[rows["era"].astype(int) == era].drop(columns=["target"])
    live["era"] = label
    live.to_parquet(folder / "live.parquet")
    return folder / "live.parquet"


def expected_at(folder, live, name, era):
    """What the final model says of live rows, with all that is known of the eras before."""
    plan = prepared(folder, "data", name)
    model = plan.model_class.load(folder / name / "final" / "model")
    rows = load_unlabelled(
        live,
        features=plan.dataset.frame.feature_names,
        dtype="int8",
        columns=Columns(),
        missing=Missing(),
        say=lambda _: None,
    ).frame
    rows = replace(rows, eras=np.array([era], dtype=np.int32))
    own = predict_with_past(model, rows, plan.past).predictions
    return pd.Series(rank_per_era(own, rows.offsets), rows.ids.to_pylist())


@pytest.mark.parametrize("name", ["looks_back", "remembers"])
@pytest.mark.parametrize("label", ["0060", "X"])
def test_live_rows_are_predicted_as_in_a_run(trained, tournament, tmp_path, lab, name, label):
    live = live_file(tmp_path, tournament, 60, label)
    result = lab("predict", trained / name, "--features", live, "--out", tmp_path / "out.csv")
    assert result.code == 0, result.err
    assert "in no file" not in result.err
    assert ("is taken as era 60: era 59 is the newest" in result.err) == (label == "X")
    told = pd.read_csv(tmp_path / "out.csv", index_col="id")["prediction"]
    expected = expected_at(trained, live, name, 60)
    assert np.allclose(told[expected.index], expected, rtol=0, atol=1e-12)


@pytest.fixture
def away(trained):
    """The data are gone."""
    (trained / "data").rename(trained / "away")
    yield
    (trained / "away").rename(trained / "data")


def test_what_is_missing_is_counted(trained, away, tournament, tmp_path, lab):
    live = live_file(tmp_path, tournament, 60, "0060")
    asked = ("--features", live, "--out", tmp_path / "a.csv")
    result = lab("predict", trained / "looks_back", *asked)
    assert result.code == 0, result.err
    assert "what happened since era 54, the last one of the final model" in result.err
    assert "5 of 9 earlier eras that the model looks back on are in no file: 55, 56" in result.err


def test_rows_of_several_eras_are_each_others_past(trained, away, tournament, tmp_path, lab):
    rows = pd.read_parquet(tournament / "validation.parquet").drop(columns=["target"])
    rows[rows["era"].astype(int) >= 55].to_parquet(tmp_path / "six.parquet")
    asked = ("--features", tmp_path / "six.parquet", "--out", tmp_path / "six.csv")
    result = lab("predict", trained / "looks_back", *asked)
    assert result.code == 0, result.err
    assert "in no file" not in result.err
    rows.loc[rows["era"].astype(int) == 58, "era"] = "X"
    rows.loc[rows["era"].astype(str) == "0059", "era"] = "Y"
    rows.to_parquet(tmp_path / "six.parquet")
    result = lab("predict", trained / "looks_back", *asked)
    assert result.code == 2
    assert "2 eras have no number, and the model looks back" in result.err


def test_downloads_tell_how_far_a_live_era_is(trained, tournament, tmp_path, lab):
    live = live_file(tmp_path, tournament, 60, "X")

    def downloaded(path, day):
        entry = LockedFile(
            *(f"{path.parent.name}/{path.name}", path.stat().st_size, None, None),
            *(
                sha256_of(path),
                None,
                f"2026-03-{day:02d}T12:00:00+00:00",
                "2026-04-01",
            ),
            *("api-tournament.numer.ai", False),
        )
        write_lock(path.parent.parent, {entry.name: entry})
        return path.parent.parent / LOCK_NAME

    locks = [downloaded(trained / "data" / "validation.parquet", 2), downloaded(live, 18)]
    try:
        asked = ("--features", live, "--out", tmp_path / "a.csv")
        result = lab("predict", trained / "looks_back", *asked)
    finally:
        for lock in locks:
            lock.unlink()
    assert result.code == 0, result.err
    assert "is taken as era 62: era 59 is the newest in the data of the run, 2 weeks" in result.err
    assert "2 of 9 earlier eras that the model looks back on are in no file: 60, 61" in result.err


def test_submit_predicts_so_too(trained, tournament, tmp_path, monkeypatch):
    monkeypatch.setattr(child_process, "START_METHOD", "fork")
    live = live_file(tmp_path, tournament, 60, "X")
    said = []
    found = child_process.predict_apart(
        RunDir(trained / "looks_back"),
        live,
        "as_run",
        seconds=120,
        result=tmp_path / "result.json",
        say=said.append,
    )
    expected = expected_at(trained, live, "looks_back", 60)
    told = pd.Series(found.values, found.ids.to_pylist())
    assert np.allclose(told[expected.index], expected, rtol=0, atol=1e-12)
    assert any("is taken as era 60" in sentence for sentence in said)


def test_a_model_that_goes_on_keeps_its_newer_past(trained, tmp_path, lab):
    asked = ("--amount", 2, "--runs-dir", tmp_path, "--json")
    result = lab("train", "--continue", trained / "remembers", *asked)
    assert result.code == 0, result.err
    facts = json.loads((Path(result.json["run_dir"]) / "final" / "fit.json").read_text())
    assert facts["last_era"] == 56
    assert facts["history"]["kept_eras"] == list(range(48, 57))
    model = load_final(RunDir(Path(result.json["run_dir"]))).model
    assert sorted(model.kept) == list(range(48, 57))


def test_kept_rows_that_are_damaged_are_not_believed(trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained / "looks_back", run)
    values = run / "final" / "history" / "features.npy"
    content = bytearray(values.read_bytes())
    content[-1] ^= 1
    values.write_bytes(content)
    with pytest.raises(RunError, match=r"history/features\.npy"):
        load_final(RunDir(run))


@pytest.mark.parametrize("n_parts", [1, 3])
def test_workers_are_shown_the_same_past(trained, n_parts):
    """What goes out to workers, done here."""
    plan = prepared(trained)
    fold = plan.plan.folds[0]
    folder = trained / "looks_back" / "folds" / "01"
    files = read_files(folder / "model")
    judged = FoldToPredict(files, fold.judged, int(fold.train[-1]))
    shared = SharedPrediction(judged, plan, n_parts)
    assert shared.n_parts == n_parts
    for (step, part), (function, *arguments) in shared.begin():
        assert not shared.take(step, part, *function(*arguments))
    told = pd.read_parquet(folder / "predictions.parquet").set_index("id")["prediction"]
    ids = plan.dataset.frame.select_eras(fold.judged).ids.to_pylist()
    assert np.array_equal(told[ids], shared.whole.predictions)


def test_a_bundle_has_no_past(trained, lab, tmp_path):
    result = lab("export", trained / "looks_back", "--out", tmp_path / "a.pkl")
    assert result.code == 2
    assert "where Numerai runs a bundle there are live rows alone" in result.err


def test_a_member_that_looks_back_does_so_live(trained, tournament, tmp_path, lab):
    config = tmp_path / "stack.yaml"
    model = "{type: weighted, params: {members: {past: {type: looks_back, params: {eras: 9}}}}}"
    split = "{type: walk_forward, first_train_eras: 30, chunk_eras: 8, purge_eras: 3}"
    text = CONFIG.format(name="stack", model="x", data=trained / "data", split=split)
    config.write_text(text.replace("{type: x, params: {eras: 9}}", model))
    runs = ("--runs-dir", tmp_path / "runs")
    result = lab("train", config, "--final", "--json", *runs)
    assert result.code == 0, result.err
    run = Path(result.json["run_dir"])
    assert (run / "final" / "members" / "past" / "history" / "features.npy").is_file()
    live = live_file(tmp_path, tournament, 60, "X")
    result = lab("predict", run, "--features", live, "--out", tmp_path / "out.csv")
    assert result.code == 0, result.err
    assert "is taken as era 60" in result.err
    told = pd.read_csv(tmp_path / "out.csv", index_col="id")["prediction"]
    # ranks of one member with a positive weight are the member's own
    member = next((tmp_path / "runs").glob("*/*/final/history")).parent.parent
    other = lab("predict", member, "--features", live, "--out", tmp_path / "member.csv")
    assert other.code == 0, other.err
    own = pd.read_csv(tmp_path / "member.csv", index_col="id")["prediction"]
    assert told.corr(own[told.index], method="spearman") == pytest.approx(1)
