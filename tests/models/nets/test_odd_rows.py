"""Every net on rows that are odd: one era, tiny and huge ones, nothing known, one value only."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="tests of nets need torch: make nets")

from net_lab import fitted, judged_frame, train_frame
from numerai_lab.errors import ModelError
from numerai_lab.models import get_model
from numerai_lab.models.conformance.toy import toy_frame

ATTENDS = {"heads": 2, "points": 3}
NETS = {
    "mlp": {},
    "mixer": {"width": 4, "bottleneck": 2},
    "era_set": ATTENDS,
    "mtm": {**ATTENDS, "n_groups": 3, "layers": 1, "pretrain_epochs": 1, "era_layers": 1},
}


def learnt(name, frame, **how):
    return fitted({"epochs": 1, **NETS[name]}, frame, get_model(name), **how)


@pytest.mark.parametrize("name", NETS)
def test_one_era_is_enough(name):
    model, _ = learnt(name, train_frame(n_eras=1))
    assert np.isfinite(model.predict(judged_frame())).all()


@pytest.mark.parametrize("name", NETS)
def test_eras_of_20_rows_and_of_20_000(name):
    sizes = np.array([20, 1, 20_000, 20])
    model, _ = learnt(name, toy_frame(1, rows_per_era=sizes))
    judged = toy_frame(2, rows_per_era=sizes, first_era=50).without_targets()
    found = model.predict(judged)
    assert np.isfinite(found).all()
    huge = found[21:20_021]
    alone = model.predict(judged.between(52, 52))
    assert np.abs(alone - huge).max() <= 1e-4 * huge.std()


@pytest.mark.parametrize("name", NETS)
def test_features_that_are_missing_everywhere_are_said(name):
    told = []
    frame = train_frame()
    nothing = replace(frame, features=np.full_like(frame.features, -1))
    model, _ = learnt(name, nothing, say=told.append)
    assert any("every value of every feature is missing" in words for words in told)
    assert np.isfinite(model.predict(judged_frame())).all()


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
@pytest.mark.parametrize("name", NETS)
def test_one_value_of_the_target_is_refused(name, loss):
    frame = train_frame()
    alike = replace(frame, targets=np.full_like(frame.targets, 0.5))
    with pytest.raises(ModelError, match=r"fewer than two values .* nothing to learn"):
        fitted({**NETS[name], "loss": loss}, alike, get_model(name))


def test_a_checkpoint_of_another_net_is_left_out_and_said(tmp_path):
    learnt("era_set", train_frame(), unfinished=tmp_path)
    told = []
    model, _ = learnt("mlp", train_frame(), unfinished=tmp_path, say=told.append)
    (words,) = told
    assert re.search(r"net_0.npz is of a training with other net, .* from the beginning$", words)
    expected, _ = learnt("mlp", train_frame())
    assert np.array_equal(model.predict(judged_frame()), expected.predict(judged_frame()))


def test_a_checkpoint_of_other_labels_is_left_out_and_said(tmp_path):
    learnt("mlp", train_frame(), unfinished=tmp_path)
    frame, told = train_frame(), []
    turned = replace(frame, targets=1 - frame.targets)
    model, _ = learnt("mlp", turned, unfinished=tmp_path, say=told.append)
    (words,) = told
    assert re.search(r"net_0.npz is of a training with other labels: .* from the beginning$", words)
    expected, _ = learnt("mlp", turned)
    assert np.array_equal(model.predict(judged_frame()), expected.predict(judged_frame()))
