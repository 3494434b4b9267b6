"""How many epochs a net is trained: eras held out, trials, the highest point of a curve."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="tests of nets need torch: make nets")

from net_lab import fitted, train_frame
from numerai_lab.errors import ModelError
from numerai_lab.models.nets.epochs import find_epochs, held_out, held_out_parts


def tried(curve, eras=4):
    """Return what is found where trials score as the curve says, each era a little apart."""
    apart = np.linspace(-0.1, 0.1, eras)
    return find_epochs(lambda epochs: curve[epochs] + apart)


def test_epochs_are_the_highest_point_of_a_smooth_curve():
    """A parabola over the logarithm: one trial that is off by chance does not decide."""
    highest = {n: 0.05 - 0.004 * (np.log2(n) - np.log2(6)) ** 2 for n in (2, 4, 8, 16, 32)}
    found, told = tried(highest)
    assert found == 6
    assert [one["epochs"] for one in told] == [2, 4, 8, 16]
    assert told[1]["corr"] == pytest.approx(highest[4])
    lucky = {**highest, 2: highest[2] + 0.004}
    assert 4 <= tried(lucky)[0] <= 6
    assert tried({2: 0.04, 4: 0.02, 8: 0.02, 16: 0.03})[0] == 2  # no highest point: the best


def test_more_epochs_are_tried_where_the_most_are_best():
    rising = {2: 0.02, 4: 0.03, 8: 0.035, 16: 0.04, 32: 0.041}
    found, told = tried(rising)
    assert [one["epochs"] for one in told] == [2, 4, 8, 16, 32]
    assert 16 < found <= 32
    assert find_epochs(lambda _: np.full(3, np.nan)) == (0, [{"epochs": 2, "corr": None}])


def test_an_era_without_a_score_does_not_count():
    _, told = find_epochs(lambda epochs: np.array([np.nan, 1 / epochs]))
    assert [one["corr"] for one in told] == [0.5, 0.25, 0.125, 0.0625]


def test_the_earliest_eras_are_held_out_and_purged_on_both_sides():
    parts = held_out_parts(np.arange(1, 61, dtype=np.int32), 4)
    spans = [(part.judged[0], part.judged[-1]) for part in parts]
    assert spans == [(1, 12), (13, 24), (25, 36)]  # 36 of the 60 that would be enough
    assert parts[0].train.tolist() == list(range(17, 61))
    assert parts[1].train.tolist() == [*range(1, 9), *range(29, 61)]
    many = held_out_parts(np.arange(1, 1601, 4, dtype=np.int32), 8)
    assert [len(part.judged) for part in many] == [80]
    assert held_out_parts(np.arange(1, 30, dtype=np.int32), 4) == []
    assert held_out(np.arange(1, 30, dtype=np.int32), 4) is None


QUICK = {"epochs": "auto", "learning_rate": 0.05, "ema": 0.0, "dropout": 0.0}


def test_epochs_auto_is_judged_on_what_its_trials_never_saw():
    """With the labels of the held-out eras turned over, every trial scores below 0."""
    frame = train_frame(n_eras=310, rows=6)
    targets = frame.targets.copy()
    targets[: frame.offsets[62]] = 1 - targets[: frame.offsets[62]]
    _, report = fitted({**QUICK, "eras_per_batch": 64}, replace(frame, targets=targets))
    trials = report.details["training"]["trials"]
    assert [t["epochs"] for t in trials][:4] == [2, 4, 8, 16]
    assert max(t["corr"] for t in trials) < -0.1
    assert any("in held-out eras 1-62 (2: -0." in note for note in report.notes)


def test_epochs_auto_holds_out_more_of_few_eras():
    told = []
    frame = train_frame(n_eras=50, rows=10)
    how = {**QUICK, "eras_per_batch": 24}
    model, report = fitted(how, frame, progress=lambda *of: told.append(of))
    assert any("held-out eras 1-10, 11-20, 21-30" in note for note in report.notes)
    assert sum("float32" in note for note in report.notes) <= 1
    trials = report.details["training"]["trials"]
    assert min(t["corr"] for t in trials) > 0.1
    assert 2 <= model.n_steps <= 32
    done = [of[0] for of in told]
    assert done == sorted(done)
    assert done[-1] == told[-1][1] == 3 * sum(t["epochs"] for t in trials) + model.n_steps


def test_too_few_eras_to_choose_epochs_on_are_said():
    told = []
    model, report = fitted({"epochs": "auto"}, say=told.append)
    (words,) = told
    assert words.startswith("epochs: 6 are taken, since 12 training eras are too few to hold some")
    assert report.details["training"]["not_chosen"] == words
    assert model.n_steps == 6


def test_epochs_auto_and_early_stopping_do_not_go_together():
    with pytest.raises(ModelError, match=r"early_stopping does, too; write the most epochs"):
        fitted({"epochs": "auto"}, stop=train_frame(4, first_era=40), stop_patience=1)


CONFIG = """
extends: tiny.yaml
name: net
model: {type: mlp, params: {epochs: auto, width: 4, hidden: 4, eras_per_batch: 48}}
"""


def test_the_report_says_of_which_folds_epochs_were_not_chosen(lab, tiny_config, tmp_path):
    config = tmp_path / "net.yaml"
    config.write_text(CONFIG)
    result = lab("train", config, "--runs-dir", tmp_path / "runs")
    assert result.code == 0, result.err
    (page,) = (tmp_path / "runs").glob("net/*/report.html")
    (training,) = re.findall(r'<section id="training">.*?</section>', page.read_text(), re.DOTALL)
    taken = re.findall(r"<p>(fold \d): epochs: 6 are taken, since (\d+) training eras", training)
    tried = training.split("<caption>Corr of held-out early eras by epochs")[1].split("</table>")[0]
    assert taken == [("fold 1", "26"), ("fold 2", "36")]
    assert re.findall(r"fold \d", tried) == ["fold 3"]
