"""What a net learns: losses, targets beside the main one, classes, dropout."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="tests of nets need torch: make nets")

from net_lab import context, fitted, train_frame
from numerai_lab.errors import ModelError
from numerai_lab.models.nets.batches import EraBatches
from numerai_lab.models.nets.labels import Labels
from numerai_lab.models.nets.layers import Dropout
from numerai_lab.models.nets.mlp import MLPParams
from numerai_lab.models.nets.processes import Processes

CPU = torch.device("cpu")


def losses(params, outputs, frame):
    """Return the losses of two eras, and what the net learns of their rows."""
    from numerai_lab.models.contract import Said

    ctx = context(targets=frame.target_names)
    labels = Labels.of(frame, ctx, params, Said(ctx), Processes())
    columns = labels.columns(frame)
    batches = EraBatches(
        frame,
        columns,
        None,
        eras_per_batch=2,
        rows_per_era=None,
        seed=0,
        device=CPU,
        processes=Processes(),
    )
    (batch,) = batches.epoch(0)
    first = 0 if np.array_equal(batch.labels[:3], columns[:3], equal_nan=True) else 1
    order = slice(None) if first == 0 else np.r_[30:60, 0:30]
    found = labels.losses(torch.from_numpy(outputs[order]), batch).numpy()
    return (found if first == 0 else found[::-1]), columns, labels


def test_losses_are_what_they_are_called():
    frame = train_frame(n_eras=2)
    rng = np.random.default_rng(0)
    one = rng.normal(size=(60, 1)).astype(np.float32)
    parts = (slice(0, 30), slice(30, 60))

    found, columns, _ = losses(MLPParams(), one, frame)
    errors = (one[:, 0] - columns[:, 0]) ** 2
    assert found == pytest.approx([errors[rows].mean() for rows in parts], rel=1e-5)
    assert (columns[:, 0].mean(), columns[:, 0].std()) == pytest.approx((0, 1), abs=1e-5)

    found, _, _ = losses(MLPParams(loss="corr"), one, frame)
    corr = [np.corrcoef(one[p, 0], frame.target("target")[p])[0, 1] for p in parts]
    assert found == pytest.approx(1 - np.array(corr), abs=1e-4)

    outputs = rng.normal(size=(60, 5)).astype(np.float32)
    params = MLPParams(loss="cross_entropy", class_weight_power=0.5)
    found, columns, labels = losses(params, outputs, frame)
    place = columns[:, 0].astype(int)
    counts = np.bincount(place)
    weight = (counts / 60) ** -0.5
    logs = outputs - np.log(np.exp(outputs).sum(axis=1, keepdims=True))
    rows = -logs[np.arange(60), place]
    expected = [np.average(rows[p], weights=weight[place[p]]) for p in parts]
    assert found == pytest.approx(expected, rel=1e-5)
    assert labels.classes == ((0.0, 0.25, 0.5, 0.75, 1.0),)


def test_auxiliary_targets_weigh_as_written_and_lack_rows():
    frame = train_frame(n_eras=2)
    outputs = np.random.default_rng(1).normal(size=(60, 2)).astype(np.float32)
    params = MLPParams(auxiliary_targets={"target_other": 0.5})
    found, columns, _ = losses(params, outputs, frame)
    errors = (outputs - columns) ** 2
    assert np.isnan(errors[:, 1]).any()
    expected = [
        (errors[rows, 0].mean() + 0.5 * np.nanmean(errors[rows, 1])) / 1.5
        for rows in (slice(0, 30), slice(30, 60))
    ]
    assert found == pytest.approx(expected, rel=1e-5)


def test_what_cannot_be_learnt_is_refused():
    frame = train_frame(rows=8)
    constant = replace(frame, targets=np.full_like(frame.targets, 0.5))
    with pytest.raises(ModelError, match="fewer than two values"):
        fitted(frame=constant)
    real = replace(frame, targets=np.arange(2 * frame.n_rows, dtype=np.float32).reshape(-1, 2))
    with pytest.raises(ModelError, match="at most 10 classes"):
        fitted({"loss": "cross_entropy"}, real)
    with pytest.raises(ModelError, match=r"'target_othr' is not loaded.* name it in data\.targets"):
        fitted({"auxiliary_targets": {"target_othr": 1.0}})


def test_dropout_leaves_out_its_share_and_keeps_the_mean():
    layer, values = Dropout(0.3), torch.ones(300, 401, requires_grad=True)
    torch.manual_seed(0)
    some = layer(values)
    left_out = (some == 0).float().mean().item()
    assert left_out == pytest.approx(77 / 256, abs=0.004)
    assert some.mean().item() == pytest.approx(1, abs=0.006)
    assert some.max().item() == pytest.approx(256 / 179)
    some.sum().backward()
    assert torch.equal(values.grad, some.detach())
    assert not torch.equal(layer(values), some)
    assert layer.eval()(values) is values
