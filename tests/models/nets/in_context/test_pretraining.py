"""Pretraining: it goes on to the same bits, keeps what it was, and refuses what is not its own."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

torch = pytest.importorskip("torch", reason="tests of nets need torch: make nets")

from icl_lab import TINY_SETTINGS, Interrupted, pretrained
from net_lab import context, train_frame
from numerai_lab.checksums import read_sealed, write_sealed
from numerai_lab.errors import ModelError
from numerai_lab.models.nets.in_context import ICL, ICLParams
from numerai_lab.models.nets.in_context.batches import TaskBatches
from numerai_lab.models.nets.in_context.checkpoint import (
    read_checkpoint,
    shipped_checkpoint,
    write_checkpoint,
)
from numerai_lab.models.nets.in_context.curves import HeldOut, ridge_learner
from numerai_lab.models.nets.in_context.real_rows import read_rows
from numerai_lab.models.nets.in_context.runtime import projected
from numerai_lab.models.nets.in_context.settings import PretrainSettings, RowSettings
from numerai_lab.models.nets.kept import read_arrays, write_arrays
from numerai_lab.report.pretrain_page import render_pretraining


def settings(**changes):
    return PretrainSettings.model_validate({**TINY_SETTINGS, **changes})


def weights(checkpoint):
    return read_arrays(checkpoint / "weights.npz")[0]


def test_the_shipped_net_is_what_its_config_makes():
    """Its settings, and a log of its looks as `docs` keeps it; no row was seen."""
    path = Path(__file__).parents[4] / "configs" / "icl_pretrain.yaml"
    written = PretrainSettings.model_validate(yaml.safe_load(path.read_text("utf-8")))
    facts = read_checkpoint(shipped_checkpoint()).facts
    kept = PretrainSettings.model_validate(facts["settings"])
    decides = {"exclude": {"workers", "curve_tasks"}}
    assert kept.model_dump(**decides) == written.model_dump(**decides)
    assert (facts["steps"], facts["classes"]) == (written.steps, written.classes)
    log = path.parents[1] / "docs" / "research" / "in_context_log.jsonl"
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert [line["error"] for line in lines] == [look["error"] for look in facts["looks"]]


def test_a_stopped_pretraining_goes_on_to_the_same_bits(tiny_checkpoint, tmp_path):
    with pytest.raises(Interrupted):
        pretrained(tmp_path / "t", stop_after=4)
    assert (tmp_path / "t" / "unfinished.npz").exists()
    told = pretrained(tmp_path / "t", workers=0)
    expected, found = weights(tiny_checkpoint), weights(tmp_path / "t" / "checkpoint")
    assert expected.keys() == found.keys()
    assert all(np.array_equal(expected[name], found[name]) for name in expected)
    assert not (tmp_path / "t" / "unfinished.npz").exists()
    assert told["steps"] == 6
    assert told["tasks"] == 48
    whole = read_checkpoint(tiny_checkpoint).facts
    assert [look["error"] for look in told["looks"]] == [look["error"] for look in whole["looks"]]
    assert len(told["looks"]) == 3


def test_what_is_kept_tells_what_it_was_made_from(tiny_checkpoint):
    found = read_checkpoint(tiny_checkpoint)
    facts = found.facts
    assert facts["classes"]["sparse"] == 0.3
    assert facts["features_to"] is None
    assert facts["labels_to"] is None
    assert facts["parameters"] == sum(w.numel() for w in found.net.parameters())
    curve = facts["curves"][0]
    assert curve["errors"]["net"].keys() == curve["errors"]["ridge"].keys() == set(facts["classes"])
    assert len(curve["errors"]["net"]["trees"]) == len(curve["lengths"])
    written = json.loads((tiny_checkpoint / "settings.json").read_text())
    assert written["steps"] == 6
    assert not found.net.training


def test_what_is_done_is_not_done_again(tiny_checkpoint):
    said = []
    told = pretrained(tiny_checkpoint.parent, said=said)
    assert "done already" in said[0]
    assert told["tasks"] == 48


def test_another_configs_work_is_left_alone(tiny_checkpoint, tmp_path):
    with pytest.raises(ModelError, match="checkpoint of another config already"):
        pretrained(tiny_checkpoint.parent, seed=1)
    with pytest.raises(Interrupted):
        pretrained(tmp_path, stop_after=2)
    before = (tmp_path / "unfinished.npz").read_bytes()
    with pytest.raises(ModelError, match="left by a pretraining of another config"):
        pretrained(tmp_path, seed=1)
    assert (tmp_path / "unfinished.npz").read_bytes() == before


def test_a_newer_a_damaged_and_an_absent_checkpoint_are_refused(tiny_checkpoint, tmp_path):
    newer = tmp_path / "newer"
    shutil.copytree(tiny_checkpoint, newer)
    told = read_sealed(newer / "manifest.json")
    write_sealed(newer / "manifest.json", {**told, "version": 99})
    with pytest.raises(ModelError, match="has form 99, and this version reads up to 1"):
        read_checkpoint(newer)
    with (newer / "weights.npz").open("r+b") as file:
        file.seek(-200, 2)
        file.write(b"x" * 20)
    with pytest.raises(ModelError, match=r"weights\.npz"):
        read_checkpoint(newer)
    with pytest.raises(ModelError, match="there is no such checkpoint"):
        read_checkpoint(tmp_path / "nowhere")
    with pytest.raises(ModelError, match="is a file, and a checkpoint is a folder; name another"):
        read_checkpoint(newer / "weights.npz")
    write_sealed(newer / "manifest.json", {**told, "name": "mtm"})
    shutil.copy(tiny_checkpoint / "weights.npz", newer)
    with pytest.raises(ModelError, match="an artefact of 'mtm', not of 'icl'; name another"):
        read_checkpoint(newer)


QUICK = {"classes": {"linear": 1.0}, "curve_tasks": 1, "held_out_tasks": 2}


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """A pretraining of the quick kind that nothing stopped."""
    folder = tmp_path_factory.mktemp("quick")
    pretrained(folder, **QUICK)
    return folder / "checkpoint"


def half_done(folder, stop_after=4):
    with pytest.raises(Interrupted):
        pretrained(folder, stop_after=stop_after, **QUICK)
    return folder / "unfinished.npz", folder / "log.jsonl"


def same_net(folder, other) -> bool:
    one, two = weights(folder / "checkpoint"), weights(other)
    return all(np.array_equal(one[name], two[name]) for name in two)


@pytest.mark.parametrize("damage", ["cut", "gone", "not text", "other JSON"])
def test_a_damaged_log_costs_looks_and_changes_no_weight(damage, quick, tmp_path):
    """Killed in the middle of a line, say; it was a traceback when all steps were done."""
    _, log = half_done(tmp_path)
    whole = log.read_bytes()
    broken = {"cut": whole[:-20], "not text": b"\xff\xfe", "other JSON": b'3\n"a"\n{"error": 1}\n'}
    log.unlink() if damage == "gone" else log.write_bytes(broken[damage])
    said = []
    told = pretrained(tmp_path, said=said, **QUICK)
    lost = 1 if damage == "cut" else 2
    assert f"log.jsonl is damaged: {lost} of 2 looks are gone" in said[0]
    assert len(told["looks"]) == 3 - lost
    assert told["looks"][-1]["steps"] == 6
    assert same_net(tmp_path, quick)
    assert [json.loads(line) for line in log.read_text().splitlines()] == told["looks"]


def test_a_log_that_lost_the_last_look_has_it_taken_again(quick, tmp_path):
    """All steps are done, and the curves are not: the page shows the error at the end."""
    half_done(tmp_path, stop_after=6)
    (tmp_path / "log.jsonl").unlink()
    told = pretrained(tmp_path, **QUICK)
    last = read_checkpoint(quick).facts["looks"][-1]
    assert [look["error"] for look in told["looks"]] == [last["error"]]
    assert told["kept"] == told["looks"][0]
    assert told["tasks_per_second"] is None
    page = render_pretraining(told)
    assert "trained on cpu, float32" in page
    assert f"is {last['error']:.3f}, at the only look" in page
    assert page.count('"mode":"markers"') == len(told["classes"]), "one look is a point, no line"


def test_several_looks_are_drawn_as_lines(quick):
    page = render_pretraining(read_checkpoint(quick).facts)
    assert '"mode":"markers"' not in page
    assert "at the only look" not in page


@pytest.mark.parametrize("damage", ["cut", "of another kind", "other torch"])
def test_what_cannot_be_gone_on_from_is_said_and_its_looks_are_dropped(damage, quick, tmp_path):
    unfinished, _ = half_done(tmp_path)
    arrays, told = read_arrays(unfinished)
    if damage == "cut":
        unfinished.write_bytes(unfinished.read_bytes()[:2000])
    elif damage == "other torch":
        told["made_for"]["version of torch"] = "1.0"
        write_arrays(unfinished, arrays, told)
    else:
        write_arrays(unfinished, {"x": np.zeros(3)}, {"size": 3})
    said = []
    told = pretrained(tmp_path, said=said, **QUICK)
    assert "the net is trained from the beginning" in said[0]
    assert len(told["looks"]) == 3
    assert same_net(tmp_path, quick)


def test_a_checkpoint_that_is_damaged_or_not_understood_is_left_alone(tiny_checkpoint, tmp_path):
    folder = tmp_path / "tiny"
    shutil.copytree(tiny_checkpoint.parent, folder)
    manifest = folder / "checkpoint" / "manifest.json"
    told = read_sealed(manifest)
    write_sealed(manifest, {**told, "settings": {**told["settings"], "of_a_newer_version": 1}})
    with pytest.raises(ModelError, match="checkpoint of another config already"):
        pretrained(folder)
    with pytest.raises(ModelError, match=r"cannot be read by this version \(of_a_newer_version"):
        ICL(ICLParams(checkpoint=folder / "checkpoint", fine_tune_epochs=1)).fit(
            train_frame(20), context()
        )
    write_sealed(manifest, {key: told[key] for key in told if key != "settings"})
    with pytest.raises(ModelError, match=r"lacks settings; move .* away, and the same command"):
        pretrained(folder)
    with pytest.raises(ModelError, match=r"the checkpoint lies within it; name .*checkpoint"):
        read_checkpoint(folder)


@pytest.mark.parametrize("wrong", ["not finite", "another net's"])
def test_weights_that_cannot_be_right_are_refused(wrong, tiny_checkpoint, tmp_path):
    net = read_checkpoint(tiny_checkpoint).net
    if wrong == "not finite":
        net.row.bias.data[0] = float("nan")
    else:
        net.row = torch.nn.Linear(9, 9)
    write_checkpoint(tmp_path, net, {}, read_sealed(tiny_checkpoint / "manifest.json"))
    with pytest.raises(ModelError, match=r"not finite|has no weights of an in-context net"):
        read_checkpoint(tmp_path)


def test_patience_ends_it_early(tmp_path):
    """At a rate of nearly 0 no look is better than the one before, but for rounding."""
    told = pretrained(tmp_path, steps=40, patience=2, learning_rate=1e-30, ema=0.0)
    assert told["steps"] < 40
    assert told["kept"] == min(told["looks"], key=lambda look: look["error"])
    assert told["kept"]["steps"] == told["steps"] < told["looks"][-1]["steps"]


def test_steps_that_end_between_looks_are_told(tmp_path):
    said = []
    told = pretrained(tmp_path, said=said, steps=5)
    assert told["steps"] == 4
    assert "4 steps are taken, not 5: a look at held-out tasks comes after each 2" in said[0]


def test_steps_have_tasks_of_their_own_within_the_curriculum():
    rising = settings(steps=100, curriculum=0.5, tasks={"n_dims": [1, 4], "n_context": [2, 40]})
    assert rising.sizes_at(0) == (2, 12)
    assert rising.sizes_at(50) == rising.sizes_at(99) == (4, 40)
    batches = TaskBatches(rising, torch.device("cpu"))
    drawn = [batches.draw(step) for step in range(100)]
    assert max(tasks.n_context for tasks in drawn[:10]) <= 17
    assert max(tasks.n_context for tasks in drawn) > 25
    assert not np.array_equal(drawn[0].y[:, :2], drawn[1].y[:, :2])
    again = list(batches.epoch(2, 1))
    assert torch.equal(again[0].y, torch.from_numpy(drawn[5].y))
    assert len(again) == 1


def test_ridge_that_is_told_the_noise_is_what_curves_stand_beside():
    """With many rows it finds a linear function and its constant, with none of them it cannot."""
    held_out = HeldOut(("linear", "trees"), 40, 3, (1, 200), 4, 0)
    errors = held_out.errors(ridge_learner)
    assert errors["linear"][1] < 1.5 * 4 * 0.1 / 200  # noise of .1, 3 weights and a constant
    assert 0.4 < errors["linear"][0] < 1.1
    assert errors["trees"][1] > 0.3
    again = held_out.errors(ridge_learner)
    assert again == errors


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": {"linear": 0.5, "trees": 0.4}}, "sum to 1, and they sum to 0.9"),
        ({"classes": {"linnear": 1.0}}, "no class of functions 'linnear', did you mean 'linear'"),
        ({"tasks": {"n_dims": [2, 9]}}, "9 dimensions are more than the 4 scores"),
        ({"tasks": {"n_context": [9, 2]}}, r"n_context: \[9, 2\] is no range from 1 up"),
        ({"tasks": {"noise": [-1.0, 2.0]}}, "noise"),
        ({"net": {"width": 10, "heads": 4}}, "width: 10 is not a multiple of heads: 4"),
        ({"accumulate": 9}, "no more pieces than tasks_per_step"),
        ({"stepps": 9}, "stepps"),
        ({"name": ".."}, "name"),
        ({"workers": 100_000}, "less than or equal to 256"),
        ({"tasks": {"noise": [0.0, 1e300]}}, "less than or equal to 1000000"),
        (
            {"auto": {"mixtures": [{"liner": 1.0}, {"trees": 1.0}]}},
            "auto.mixtures: there is no class",
        ),
    ],
)
def test_wrong_settings_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        settings(**changes)


@pytest.fixture(scope="module")
def rows_of(tournament):
    return {"dir": str(tournament), "to_era": 50, "feature_set": "all"}


def test_points_may_be_rows_of_eras_and_the_checkpoint_says_which(rows_of, tmp_path):
    said = []
    told = pretrained(tmp_path, said=said, rows=rows_of, steps=2)
    assert told["features_to"] == 50
    assert told["labels_to"] is None
    wanted = RowSettings.model_validate(rows_of)
    rows = read_rows(wanted, 4, 0, said.append)
    assert rows.last_era == 50
    points = rows.draw(np.random.default_rng(0), 50, 200, 3)
    assert points.shape == (50, 200, 3)
    assert abs(points.var() - 1) < 0.2
    every = projected(rows.frame.features_in_memory(), rows.projection)
    assert np.isin(points.round(4), every.round(4)).all()
    mixture = settings(rows=rows_of).mixture
    real = mixture.draw(np.random.default_rng(0), 20, 30, 4, 3, rows.draw, 1.0)
    plain = mixture.draw(np.random.default_rng(0), 20, 30, 4, 3, rows.draw, 0.0)
    linear = real.classes == "linear"
    assert np.isin(real.x[linear][:, :, :3].round(4), every.round(4)).mean() > 0.9
    assert np.isin(plain.x[linear][:, :, :3].round(4), every.round(4)).mean() < 0.5


@pytest.mark.slow
def test_processes_that_draw_give_the_tasks_that_one_gives(rows_of):
    """Each opens the rows for itself; one that is killed is told, and none is left behind."""
    rows = read_rows(RowSettings.model_validate(rows_of), 4, 0, [].append)
    expected = TaskBatches(settings(rows=rows_of, workers=0), torch.device("cpu"), rows)
    two = TaskBatches(settings(rows=rows_of, workers=2), torch.device("cpu"), rows)
    for one, other in zip(expected.epoch(1), two.epoch(1), strict=True):
        for name in ("x", "y", "truth"):
            assert torch.equal(getattr(one, name), getattr(other, name))
    assert multiprocessing.active_children()
    for child in multiprocessing.active_children():
        child.kill()  # the pool waits for it; two who wait for one process may miss its end
    with pytest.raises(ModelError, match="a process that draws tasks was killed"):
        list(two.epoch(2))
    two.close()
    assert not multiprocessing.active_children()


def test_a_mixture_is_chosen_on_the_eras_that_are_named(rows_of, tmp_path):
    mixtures = [{"linear": 1.0}, {"trees": 1.0}]
    said = []
    told = pretrained(
        tmp_path,
        said=said,
        rows=rows_of,
        classes="auto",
        auto={"mixtures": mixtures, "steps": 2},
        steps=2,
    )
    tried = told["auto"]
    assert [one["classes"] for one in tried] == mixtures
    best = max(tried, key=lambda one: one["corr"])
    assert told["classes"] == best["classes"]
    assert told["features_to"] == told["labels_to"] == 50
    assert sum("classes: auto" in sentence for sentence in said) == 3
    again = []
    assert (
        pretrained(
            tmp_path,
            said=again,
            rows=rows_of,
            classes="auto",
            auto={"mixtures": mixtures, "steps": 2},
            steps=2,
        )["sha256"]
        == told["sha256"]
    )
    assert "is done already" in again[0]
    with pytest.raises(ModelError, match="seen features up to era 50, and training ends with era"):
        ICL(ICLParams(checkpoint=tmp_path / "checkpoint")).fit(train_frame(20), context())
    shutil.rmtree(tmp_path / "checkpoint")  # as if stopped when mixtures had been tried
    auto = {"mixtures": mixtures, "steps": 2}
    with pytest.raises(ModelError, match="auto/0/checkpoint: there is a checkpoint of another"):
        pretrained(tmp_path, rows=rows_of, classes="auto", auto=auto, steps=2, seed=1)


def test_a_mixture_is_not_chosen_without_eras(rows_of, tmp_path):
    with pytest.raises(ValidationError, match="classes: auto chooses on real eras"):
        settings(classes="auto")
    few = {**rows_of, "to_era": 12}
    with pytest.raises(ModelError, match="too few to choose a mixture on"):
        pretrained(tmp_path, rows=few, classes="auto", steps=2)
