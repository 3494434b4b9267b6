"""The loop's steps, against the formulas written out in NumPy; what a fit says of its precision."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="tests of nets need torch: make nets")

from net_lab import fitted, judged_frame, train_frame
from numerai_lab.models.nets.batches import EraBatches
from numerai_lab.models.nets.checkpoints import Checkpoint
from numerai_lab.models.nets.device import has_bfloat16
from numerai_lab.models.nets.loop import Course, train
from numerai_lab.models.nets.processes import Processes

CPU = torch.device("cpu")
RATE, DECAY, EMA, EPOCHS = 0.02, 0.3, 0.8, 4


class Line(torch.nn.Module):
    """A linear net of raw bins."""

    def __init__(self, n_features):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1, n_features))
        self.bias = torch.nn.Parameter(torch.zeros(1))

    def forward(self, batch):
        return (batch.bins.float() @ self.weight.T)[:, 0] + self.bias


def squared(net, batch):
    errors = (net(batch) - batch.labels[:, 0]).square()
    return batch.sums(errors) / batch.sums(torch.ones_like(errors))


def written_out(batches, n_features):
    """AdamW with a clip, warm-up, cosine and a moving average, of a linear net, in float64."""
    weights, bias = np.zeros(n_features), 0.0
    means, squares = np.zeros(n_features + 1), np.zeros(n_features + 1)
    average = np.zeros(n_features + 1)
    n_steps, step, clipped = EPOCHS * batches.n_batches, 0, 0
    rising = max(1, round(0.1 * n_steps))
    for epoch in range(EPOCHS):
        for batch in batches.epoch(epoch):
            rows, labels = batch.bins.numpy().astype(float), batch.labels[:, 0].numpy()
            errors = rows @ weights + bias - labels
            sizes = np.diff(batch.offsets)
            share = np.repeat(batch.shares.numpy() / sizes, sizes)
            gradient = np.append(2 * (share * errors) @ rows, 2 * (share * errors).sum())
            norm = np.sqrt((gradient**2).sum())
            clipped += norm > 1
            gradient = gradient * min(1.0, 1 / (norm + 1e-6))
            done = (step - rising) / (n_steps - 1 - rising)
            rate = RATE * (
                (step + 1) / rising
                if step < rising
                else 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done))
            )
            step += 1
            weights = weights * (1 - rate * DECAY)  # the bias does not decay
            means = 0.9 * means + 0.1 * gradient
            squares = 0.98 * squares + 0.02 * gradient**2
            moved = means / (1 - 0.9**step) / (np.sqrt(squares / (1 - 0.98**step)) + 1e-8)
            weights, bias = weights - rate * moved[:-1], bias - rate * moved[-1]
            now = np.append(weights, bias)
            keep = min(EMA, step / (9 + step)) if step > 1 else 0.0  # it begins at the first ones
            average = keep * average + (1 - keep) * now
    return average, clipped, step


def test_a_training_takes_the_steps_that_are_promised():
    frame = train_frame(n_eras=9, rows=20)
    rng = np.random.default_rng(0)
    wanted = frame.features @ rng.normal(size=frame.n_features) / 15 + 0.2
    labels = wanted.astype(np.float32)[:, None]
    batches = EraBatches(
        frame, labels, None, eras_per_batch=2, rows_per_era=10, seed=1, device=CPU,
        processes=Processes(),
    )  # fmt: skip
    course = Course(epochs=EPOCHS, rate=RATE, decay=DECAY, ema=EMA, precision=torch.float32, seed=0)
    net = Line(frame.n_features)
    train(net, batches, squared, course, Checkpoint(None, {}, print), Processes())
    expected, clipped, n_steps = written_out(batches, frame.n_features)
    assert 0 < clipped < n_steps
    found = torch.cat([net.weight[0], net.bias]).detach().numpy()
    assert np.abs(expected).max() > 0.05
    assert found == pytest.approx(expected, abs=1e-5)


def test_rows_a_second_and_the_time_left_are_told():
    told = []
    fitted(pace=told.append)
    assert told
    assert all(re.fullmatch(r"[\d,]+ rows/s, \d+ (s|min) left", words) for words in told)


def test_the_precision_is_chosen_by_the_machine_or_as_written_and_said():
    fast = has_bfloat16(CPU)
    chosen, report = fitted()
    has = "bfloat16: this CPU has fast" if fast else "float32: this CPU has no fast"
    assert f"trained in {has} bfloat16" in report.notes
    told = {}
    for precision in ("float32", "bfloat16"):
        aloud = []
        model, said = fitted({"precision": precision}, say=aloud.append)
        assert said.details["training"]["precision"] == precision
        assert bool(aloud) == (precision == "bfloat16" and not fast)
        told[precision] = model.predict(judged_frame())
    same = told["bfloat16" if fast else "float32"]
    assert np.array_equal(chosen.predict(judged_frame()), same)
    assert not np.array_equal(told["float32"], told["bfloat16"])


@pytest.mark.parametrize("own", [None, "300"])
def test_programs_of_shapes_that_were_met_are_few_unless_somebody_says_how_many(own):
    """The environment is read once in a process, so that it takes one of its own."""
    name = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    given = {key: value for key, value in os.environ.items() if key != name}
    code = f"import os, numerai_lab.models.nets.device; print(os.environ['{name}'])"
    told = subprocess.run(
        [sys.executable, "-c", code],
        env=given if own is None else given | {name: own},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(told.stdout) == (300 if own else 16)
