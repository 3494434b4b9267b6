"""`mlp`: promises of a model, forms and losses, what is kept, exported, gone on with."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="tests of nets need torch: make nets")

from net_lab import TINY, context, fitted, judged_frame, train_frame, write_eras
from numerai_lab.errors import ModelError
from numerai_lab.models import assemble_exported, check_model, get_model, info_of
from numerai_lab.models.nets.mlp import MLP

FORMS = [
    {},
    {"loss": "cross_entropy", "tabm": 2, "seeds": 2, "blocks": 2},
    {"loss": "corr", "form": "plain", "auxiliary_targets": {"target_other": 0.5}},
]


@pytest.mark.parametrize("form", FORMS[:2])
def test_it_keeps_every_promise_of_a_model(form):
    check_model(MLP, {**TINY, **form})


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [np.int8, np.float32])
def test_exported_it_predicts_the_same_with_gaps(form, dtype):
    frame = train_frame(missing=0.2, dtype=dtype)
    model, _ = fitted(form, frame, targets=("target", "target_other"))
    judged = judged_frame(missing=0.3, dtype=dtype)
    exported = assemble_exported(model.export(), judged.feature_names, judged.features.dtype.name)
    predicted = model.predict(judged)
    for _, rows in judged.iter_eras():
        apart = np.abs(exported.predict(judged.features[rows]) - predicted[rows])
        assert apart.max() < 1e-6
    assert np.std(predicted) > 1e-4


def test_it_learns():
    frame = train_frame(n_eras=40, rows=40)
    judged = train_frame(n_eras=10, rows=200, first_era=60)
    model, report = fitted({"epochs": 12, "learning_rate": 0.01}, frame)
    corr = np.corrcoef(model.predict(judged.without_targets()), judged.target("target"))[0, 1]
    assert corr > 0.3
    losses = report.details["training"]["nets"][0]["loss"]
    assert len(losses) == 12
    assert losses[-1] < losses[0]


def test_missing_values_teach_by_themselves():
    """A label that only the mask of gaps tells is learnt."""
    frame = train_frame(n_eras=30, rows=40, missing=0.5)
    gap = (frame.features[:, 3] < 0).astype(np.float32)
    known = replace(frame, targets=np.stack([gap, gap], axis=1))
    model, _ = fitted({"epochs": 20, "learning_rate": 0.02}, known)
    assert np.corrcoef(model.predict(frame.without_targets()), gap)[0, 1] > 0.9


def test_a_binary_target_is_two_classes():
    frame = train_frame()
    half = replace(frame, targets=(frame.targets > 0.5).astype(np.float32))
    model, _ = fitted({"loss": "cross_entropy"}, half)
    predicted = model.predict(judged_frame())
    assert predicted.min() > 0
    assert predicted.max() < 1
    assert model.nets[0].head.weight.shape[0] == 2


def test_probabilities_of_classes_are_those_behind_the_prediction():
    model, _ = fitted(FORMS[1])
    frame = judged_frame()
    told = model.predict_classes(frame.without_targets(), "target")
    assert told.probabilities.shape == (frame.n_rows, len(told.values))
    expected = told.probabilities @ np.array(told.values)
    np.testing.assert_allclose(model.predict(frame), expected, atol=1e-6)
    assert told.probabilities.std(axis=0).min() > 0
    number, _ = fitted()
    with pytest.raises(ModelError, match="the net learnt the target as a number"):
        number.predict_classes(frame, "target")


def test_seeds_are_averaged():
    one, _ = fitted()
    two, report = fitted({"seeds": 2})
    frame = judged_frame()
    first, second = two.nets
    assert [net["seed"] for net in report.details["training"]["nets"]] == [0, 1]
    assert np.array_equal(first.head.weight.detach(), one.nets[0].head.weight.detach())
    assert not np.array_equal(first.head.weight.detach(), second.head.weight.detach())
    other = one.predict(frame) - two.predict(frame)
    assert np.abs(other).max() > 1e-4


def test_weights_of_rows_count():
    frame = train_frame(n_eras=10, rows=40)
    turned = frame.targets.copy()
    turned[frame.offsets[5] :] = 1 - turned[frame.offsets[5] :]
    weights = np.repeat([2.0, 0.0], frame.n_rows // 2).astype(np.float32)
    params = {"epochs": 15, "learning_rate": 0.02}
    model, _ = fitted(params, replace(frame, targets=turned), weights=weights)
    judged = train_frame(n_eras=10, rows=100, first_era=60)
    corr = np.corrcoef(model.predict(judged.without_targets()), judged.target("target"))[0, 1]
    assert corr > 0.2


def test_going_on_trains_more_epochs_on_new_eras(tmp_path):
    model, _ = fitted()
    before = model.predict(judged_frame())
    model.save(tmp_path)
    model = MLP.load(tmp_path)
    report = model.fit_more(train_frame(4, first_era=40), context(), 2)
    assert model.n_steps == 5
    assert len(report.details["training"]["nets"][0]["loss"]) == 2
    moved = np.abs(model.predict(judged_frame()) - before).max()
    assert 1e-6 < moved < 0.1
    with pytest.raises(ModelError, match="features the model was trained on are absent"):
        model.fit_more(train_frame(4, first_era=50, n_features=7), context(), 1)


def test_it_goes_on_as_slowly_as_is_written():
    moved = []
    for rate in (0.001, 0.1, 1.0):
        model, _ = fitted({"going_on": {"rate": rate}})
        before = model.predict(judged_frame())
        model.fit_more(train_frame(4, first_era=40), context(), 2)
        moved.append(float(np.abs(model.predict(judged_frame()) - before).max()))
    assert 0 < moved[0] < moved[1] / 20
    assert moved[1] < moved[2] / 3


def test_eras_that_are_to_be_replayed_and_are_not_there_are_missed():
    told = []
    model, _ = fitted({"going_on": {"replay": 0.5}})
    assert info_of(MLP, model.params).replay == 0.5
    model.fit_more(train_frame(4, first_era=40), context(say=told.append), 1)
    assert told == [
        "going_on.replay: no earlier era is replayed, for none was handed over; a net within "
        "another model learns new eras alone"
    ]
    model.fit_more(train_frame(8, first_era=36), context(say=told.append, replayed=4), 1)
    assert len(told) == 1


def saved(folder, **params):
    model, _ = fitted(params)
    folder.mkdir()
    model.save(folder)
    return folder


def test_weights_of_another_net_or_damaged_ones_are_refused(tmp_path):
    here, there = saved(tmp_path / "a"), saved(tmp_path / "b", width=9)
    (here / "weights.npz").replace(here / "kept.npz")
    with pytest.raises(ModelError, match=r"weights.npz: is not what was written .*train the model"):
        MLP.load(here)
    (there / "weights.npz").replace(here / "weights.npz")
    with pytest.raises(ModelError, match=r"weights.npz: has weights that do not fit this net"):
        MLP.load(here)
    whole = (here / "kept.npz").read_bytes()
    (here / "weights.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="is not what was written"):
        MLP.load(here)
    (here / "weights.npz").write_bytes(whole)
    assert MLP.load(here).n_steps == 3


CONFIG = """
extends: tiny.yaml
name: net
model:
  type: mlp
  params: {epochs: 2, width: 8, hidden: 8, going_on: {replay: 0.5}}
"""


def test_an_experiment_with_it_runs_from_training_to_a_refreshed_final_model(
    lab, tiny_config, tournament, tmp_path
):
    config, data = tmp_path / "net.yaml", tmp_path / "data"
    write_eras(tournament, data, 46)
    tiny_config.write_text(tiny_config.read_text().replace(str(tournament), str(data)))
    config.write_text(CONFIG)
    runs = ("--runs-dir", tmp_path / "runs")
    result = lab("train", config, *runs, "--final", "--json")
    assert result.code == 0, result.err
    (run,) = (tmp_path / "runs" / "net").glob("*/")
    fit = json.loads((run / "folds" / "01" / "fit.json").read_text())
    assert fit["unit"] == "parameters"
    assert len(fit["details"]["training"]["nets"][0]["loss"]) == 2
    assert not (run / "unfinished").exists()
    page = (run / "report.html").read_text()
    assert 'id="training"' in page
    explained = lab("explain", run, *runs, "--rows", "50", "--permute", "2")
    assert explained.code == 0, explained.err
    bundle = tmp_path / "net.pkl"
    exported = lab("export", run, *runs, "--out", bundle)
    assert exported.code == 0, exported.err
    assert b"torch" not in bundle.read_bytes()
    final = json.loads((run / "final" / "fit.json").read_text())
    write_eras(tournament, data, 60)
    more = lab("train", "--continue", run, "--amount", "1", *runs)
    assert more.code == 0, more.err
    assert "1 epochs more" in more.err
    said = re.search(r"(\d+) earlier eras, (\d+) to (\d+), are learnt again", more.err)
    n, first, last = map(int, said.groups())
    (later,) = (one for one in (tmp_path / "runs" / "net").glob("*/") if one != run)
    grown = json.loads((later / "final" / "fit.json").read_text())
    assert 1 <= first < last <= final["last_era"] < grown["last_era"]
    assert n == grown["train"]["n_eras"] - final["train"]["n_eras"]  # as many as are new


def test_the_report_draws_the_loss_and_the_corr_that_stops_it(lab, tiny_config, tmp_path):
    config = tmp_path / "net.yaml"
    config.write_text(CONFIG + "early_stopping: {eras: 6, rounds: 2}\n")
    for sets, drawn in (([], ["loss", "corr"]), (["--set", "early_stopping=null"], ["loss"])):
        runs = tmp_path / str(len(drawn))
        result = lab("train", config, "--runs-dir", runs, *sets)
        assert result.code == 0, result.err
        (page,) = runs.glob("net/*/report.html")
        found = re.findall(r'id="chart-training-(\w+)"', page.read_text())
        assert found == drawn


def test_a_killed_run_goes_on_from_the_epoch_it_was_at(lab, tiny_config, tmp_path, monkeypatch):
    config = tmp_path / "net.yaml"
    config.write_text(CONFIG)
    whole = lab("train", config, "--runs-dir", tmp_path / "whole")
    assert whole.code == 0, whole.err
    from numerai_lab.models.nets import loop

    rate_at, asked = loop.rate_at, []

    def stops(step, n_steps, *of):
        asked.append(step)
        if asked.count(0) == 2 and step == n_steps - 2:  # in the last epoch of the second fold
            raise KeyboardInterrupt
        return rate_at(step, n_steps, *of)

    monkeypatch.setattr(loop, "rate_at", stops)
    runs = ("--runs-dir", tmp_path / "runs")
    assert lab("train", config, *runs).code == 130
    (run,) = (tmp_path / "runs" / "net").glob("*/")
    assert list(run.glob("unfinished/*/net_0.npz")) == [run / "unfinished" / "02" / "net_0.npz"]
    asked.clear()
    monkeypatch.setattr(loop, "rate_at", lambda *of: asked.append(of) or rate_at(*of))
    assert lab("train", config, *runs, "--resume").code == 0
    first, n_steps, _ = asked[0]
    assert first == n_steps / 2
    (other,) = (tmp_path / "whole" / "net").glob("*/")
    same = [(one / "predictions.parquet").read_bytes() for one in (run, other)]
    assert same[0] == same[1]
    assert not (run / "unfinished").exists()


@pytest.mark.slow  # a process of its own, killed at work, and three folds twice
def test_a_run_that_is_killed_outright_goes_on_to_the_same_bits(lab, tiny_config, tmp_path):
    config = tmp_path / "net.yaml"
    config.write_text(CONFIG.replace("epochs: 2", "epochs: 8"))
    assert lab("train", config, "--runs-dir", tmp_path / "whole").code == 0
    command = ["from numerai_lab.cli import main; main()", "train", str(config)]
    process = subprocess.Popen(
        [sys.executable, "-c", *command, "--runs-dir", str(tmp_path / "runs")],
        stderr=subprocess.DEVNULL,
    )
    while not list((tmp_path / "runs").glob("net/*/unfinished/02/net_0.npz")):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    went_on = lab("train", config, "--runs-dir", tmp_path / "runs", "--resume")
    assert went_on.code == 0, went_on.err
    found = [*tmp_path.glob("*/net/*/predictions.parquet")]
    assert len({path.read_bytes() for path in found}) == 1
    assert len(found) == 2


def test_eras_of_any_size_are_learnt_from_and_predicted():
    alone, _ = fitted(frame=train_frame(n_eras=1, rows=20))
    assert np.isfinite(alone.predict(judged_frame())).all()
    huge = train_frame(n_eras=1, rows=20_000)
    model, report = fitted({"epochs": 1, "rows_per_era": 512}, huge)
    assert report.size == sum(weight.numel() for weight in model.nets[0].parameters())
    whole = model.predict(huge.without_targets())
    few = huge.take(np.arange(100, 200)).without_targets()
    assert np.abs(model.predict(few) - whole[100:200]).max() <= 1e-4 * whole.std()


@pytest.mark.parametrize("dtype", [np.int8, np.float32])
def test_features_that_are_missing_everywhere_teach_nothing_and_that_is_said(dtype):
    frame, told = train_frame(missing=1.0, dtype=dtype), []
    model, _ = fitted(frame=frame, say=told.append)
    assert told == [
        "every value of every feature is missing in the training rows: the net learns nothing but "
        "the mean of the target"
    ]
    assert np.ptp(model.predict(judged_frame(missing=1.0, dtype=dtype))) < 1e-6


@pytest.mark.slow  # some forty fits
def test_as_the_first_of_a_residual_it_is_like_any_other_model():
    first = {"type": "mlp", "params": {**TINY, "epochs": 1}}
    check_model(get_model("residual"), {"first": first, "second": {"type": "ridge"}})
