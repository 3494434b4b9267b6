"""`mtm` after a kill, and in two processes."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="tests of nets need torch: make nets")

from net_lab import MASKS_TOGETHER, fitted, judged_frame, train_frame
from numerai_lab.models.nets import loop
from numerai_lab.models.nets.mtm import MTM

TINY = {
    "epochs": 2, "width": 8, "hidden": 8, "layers": 1, "heads": 2, "n_groups": 3,
    "pretrain_epochs": 2, "masks": "auto", "joint_weight": 0.5,
}  # fmt: skip


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def whole():
    model, report = fitted(TINY, model_type=MTM)
    return model.predict_in_detail(judged_frame()), report


@pytest.mark.parametrize(
    ("training", "left", "steps"),
    [
        (1, {"pretraining_360_1_12.npz"}, 3 + 6 + 6),  # in its second epoch: 3 steps are left
        (2, {"pretraining_360_1_12.npz", "net_0.npz"}, 3 + 6),
        (3, {"pretraining_360_1_12.npz", "net_0.npz", "scratch"}, 3),
    ],
)
def test_a_fit_that_is_killed_goes_on_to_the_same_bits(
    training, left, steps, whole, tmp_path, monkeypatch
):
    """Killed in the last step of pretraining, of what follows, or of the twin from scratch."""
    rate_at, asked = loop.rate_at, []

    def kills(step, n_steps, *of):
        asked.append(step)
        if asked.count(0) == training and step == n_steps - 1:
            raise Killed
        return rate_at(step, n_steps, *of)

    monkeypatch.setattr(loop, "rate_at", kills)
    with pytest.raises(Killed):
        fitted(TINY, model_type=MTM, unfinished=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == left
    asked.clear()
    monkeypatch.setattr(loop, "rate_at", lambda *of: asked.append(of) or rate_at(*of))
    model, report = fitted(TINY, model_type=MTM, unfinished=tmp_path)
    assert len(asked) == steps
    expected, before = whole
    shown = model.predict_in_detail(judged_frame())
    assert np.array_equal(shown.predictions, expected.predictions)
    assert np.array_equal(shown.variants["scratch"], expected.variants["scratch"])
    told = [one.details["training"] for one in (report, before)]
    assert told[0]["nets"] == told[1]["nets"]
    assert told[0]["pretraining"]["loss"] == told[1]["pretraining"]["loss"]


@pytest.mark.slow  # two processes that each import torch: some 10 s
@pytest.mark.parametrize("masked", [False, True])
def test_two_processes_on_eras_of_their_own(masked, tmp_path):
    """Without masks they have the weights of one; each draws its masks, but both end alike."""
    more = {"pretrain_epochs": 1} if masked else {}
    frame = train_frame(n_eras=22, rows=40, missing=0.05)
    shared = {"size": 2, "rendezvous": str(tmp_path / "meet"), "folder": str(tmp_path)}
    asked = "from net_lab import fit_a_shard; fit_a_shard"
    told = {**shared, "model": "mtm", "params": {**MASKS_TOGETHER, **more}}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", f"{asked}({rank}, **{told!r})"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for rank in (0, 1)
    ]
    assert [process.wait(timeout=200) for process in both] == [0, 0]
    one, two = (MTM.load(tmp_path / str(rank)).predict(judged_frame()) for rank in (0, 1))
    assert np.array_equal(one, two)
    assert np.std(one) > 1e-4
    if not masked:
        alone, _ = fitted(MASKS_TOGETHER, frame, model_type=MTM)
        expected = alone.predict(judged_frame())
        assert np.abs(one - expected).max() <= MTM.info.tolerance * expected.std()
