"""The core of all nets on tiny rows: batches, the loop, checkpoints, devices."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="tests of nets need torch: make nets")

from net_lab import TOGETHER, fitted, judged_frame, train_frame
from numerai_lab.errors import ModelError
from numerai_lab.models.conformance.toy import toy_frame
from numerai_lab.models.nets.batches import EraBatches
from numerai_lab.models.nets.mlp import MLP
from numerai_lab.models.nets.processes import Processes
from numerai_lab.models.nets.schedule import rate_at

CPU = torch.device("cpu")


class OnDisk:
    """Features that hand out rows as arrays, as an era store does; at most an era of them."""

    def __init__(self, values):
        self._values = values
        self.shape, self.dtype, self.itemsize = values.shape, values.dtype, values.itemsize

    def __getitem__(self, rows):
        assert rows.stop - rows.start <= 25
        return self._values[rows].copy()


def batches_of(frame, rows_per_era=10, **how):
    labels = np.arange(frame.n_rows, dtype=np.float32)[:, None]
    given = {"eras_per_batch": 4, "seed": 5, "device": CPU, "processes": Processes(), **how}
    return EraBatches(frame, labels, None, rows_per_era=rows_per_era, **given)


def test_every_row_is_in_one_batch_of_an_epoch():
    frame = train_frame(n_eras=37, rows=33)
    batches = batches_of(frame)
    every = list(batches.epoch(2))
    assert len(every) == batches.n_batches == 12 + 12 + 4  # windows of 16, 16 and 5 eras
    rows = torch.cat([batch.labels[:, 0] for batch in every]).long().numpy()
    assert sorted(rows) == list(range(frame.n_rows))
    bins = torch.cat([batch.bins for batch in every]).numpy()
    assert np.array_equal(bins, frame.features[rows])
    for batch in every:  # a part has rows of one era only
        eras = frame.row_eras[batch.labels[:, 0].long().numpy()]
        for first, stop in zip(batch.offsets[:-1], batch.offsets[1:], strict=True):
            assert len(set(eras[first:stop])) == 1
            assert stop - first == 11


def test_epochs_of_uneven_eras_have_equally_many_batches_and_all_rows():
    """A window of large eras has more parts than one of small eras, and windows change."""
    sizes = np.random.default_rng(0).integers(5, 90, size=95)
    frame = toy_frame(7, rows_per_era=sizes)
    for eras_per_batch in (1, 4, 7, 30):
        batches = batches_of(frame, rows_per_era=20, eras_per_batch=eras_per_batch)
        for epoch in range(6):
            every = list(batches.epoch(epoch))
            assert len(every) == batches.n_batches
            assert sum(len(batch.bins) for batch in every) == frame.n_rows
            assert min(batch.n_parts for batch in every) > 0
            assert max(batch.n_parts for batch in every) <= 1.5 * eras_per_batch + 1


def test_the_order_is_drawn_from_the_seed_and_the_epoch():
    def rows(epoch, **how):
        return torch.cat([b.labels for b in batches_of(train_frame(), **how).epoch(epoch)]).numpy()

    assert np.array_equal(rows(0), rows(0))
    assert not np.array_equal(rows(0), rows(1))
    assert not np.array_equal(rows(0), rows(0, seed=6))


def test_a_batch_of_whole_eras_has_them_whole():
    frame = train_frame(n_eras=5, rows=21)
    some = next(iter(batches_of(frame, rows_per_era=None, eras_per_batch=2).epoch(0)))
    assert some.offsets == (0, 21, 42)
    assert np.array_equal(np.diff(some.labels[:21, 0].numpy()), np.ones(20))


def test_an_epoch_goes_on_from_any_batch():
    batches = batches_of(train_frame(n_eras=20))
    every = [batch.labels for batch in batches.epoch(1)]
    for first in (0, 1, 13, len(every)):
        rest = [batch.labels for batch in batches.epoch(1, first)]
        assert len(rest) == len(every) - first
        assert all(map(torch.equal, rest, every[first:]))


def test_the_rate_rises_for_a_tenth_and_falls_to_a_hundredth():
    rates = [rate_at(step, 100) for step in range(100)]
    assert rates[:2] == [0.1, 0.2]
    assert max(rates) == rates[9] == rates[10] == 1
    assert rates[-1] == pytest.approx(0.01)
    assert np.diff(rates[10:]).max() <= 0
    assert rate_at(0, 1) == 1
    longer = [rate_at(step, 100, 0.29) for step in range(100)]
    assert longer.index(1) == 28
    assert longer[-1] == pytest.approx(0.01)


def test_a_stopped_training_goes_on_to_the_same_bits(tmp_path):
    whole, report = fitted()
    expected = whole.predict(judged_frame())

    class Stop(Exception):
        pass

    def stop_at(epoch):
        def progress(done, total):
            if done == epoch:
                raise Stop

        return progress

    for epoch in (1, 3):
        place = tmp_path / str(epoch)
        with pytest.raises(Stop):
            fitted(unfinished=place, progress=stop_at(epoch))
        assert [path.name for path in place.iterdir()] == ["net_0.npz"]
        went_on, told = fitted(unfinished=place)
        assert np.array_equal(went_on.predict(judged_frame()), expected)
        nets = [r.details["training"]["nets"] for r in (told, report)]
        assert nets[0] == nets[1]
        assert ("rows a second" in " ".join(told.notes)) == (epoch < 3)  # 3 were all


def test_early_stopping_goes_on_to_the_same_bits(tmp_path):
    how = {"params": {"epochs": 6}, "stop": train_frame(4, first_era=40), "stop_patience": 1}
    whole, report = fitted(**how)
    corr = report.details["training"]["nets"][0]["corr"]
    kept = report.details["training"]["nets"][0]["kept"]
    assert kept == 1 + int(np.argmax(corr)) == whole.n_steps
    assert len(corr) in (6, kept + 1)

    def progress(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitted(unfinished=tmp_path, progress=progress, **how)
    went_on, _ = fitted(unfinished=tmp_path, **how)
    assert np.array_equal(went_on.predict(judged_frame()), whole.predict(judged_frame()))


def cut_in_half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path):
    whole = bytearray(path.read_bytes())
    whole[whole.rindex(b"\x93NUMPY") + 128] ^= 1  # after the header of the last array
    path.write_bytes(whole)


@pytest.mark.parametrize(
    ("spoil", "how", "said"),
    [
        (cut_in_half, {}, "is not what was written"),
        (flip_a_bit, {}, "is not what was written"),
        (None, {"params": {"width": 9}}, "with other parameters"),
        (None, {"frame": train_frame(n_features=7)}, "with other features"),
        (None, {"frame": train_frame(n_eras=11)}, "with other eras"),
        (None, {"seed": 4}, "with other training"),
    ],
)
def test_a_checkpoint_that_is_no_use_is_left_out_and_said(tmp_path, spoil, how, said):
    fitted(unfinished=tmp_path)
    if spoil:
        spoil(tmp_path / "net_0.npz")
    told = []
    anew, _ = fitted(unfinished=tmp_path, say=told.append, **how)
    assert len(told) == 1
    assert re.search(rf"net_0.npz.* {said}.*: the net is trained from the beginning$", told[0])
    expected, _ = fitted(**how)
    frame = judged_frame(n_features=anew.nets[0].input.weight.shape[1])
    assert np.array_equal(anew.predict(frame), expected.predict(frame))


def test_a_batch_in_pieces_gives_the_same_step():
    params = {"dropout": 0.0, "epochs": 2}
    whole, _ = fitted(params)
    for n in (2, 4):
        pieces, _ = fitted({**params, "accumulate": n})
        apart = pieces.predict(judged_frame()) - whole.predict(judged_frame())
        assert 0 < np.abs(apart).max() < 1e-5


@pytest.mark.parametrize("dtype", [np.int8, np.float32])
def test_rows_that_stay_on_disk_give_the_same_net(dtype):
    frame = train_frame(n_eras=20, rows=25, missing=0.1, dtype=dtype)
    judged = judged_frame(dtype=dtype)
    apart, _ = fitted(frame=replace(frame, features=OnDisk(frame.features)))
    expected, _ = fitted(frame=frame)
    assert np.array_equal(apart.predict(judged), expected.predict(judged))


def test_a_loss_that_is_not_finite_stops_with_step_and_reason():
    with pytest.raises(
        ModelError, match=r"loss is (nan|inf) at step [1-9]\d* of 40 .*smaller lear"
    ):
        fitted({"learning_rate": 1e20, "epochs": 10}, frame=train_frame(16))


class Hungry(MLP):
    """A net that fits into memory with at most so many rows at once."""

    def loss(self, net, batch, labels):
        if len(batch.bins) > 60:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().loss(net, batch, labels)


def test_a_batch_that_does_not_fit_is_answered_with_one_that_does():
    with pytest.raises(ModelError, match=r"120 rows .*model.params.accumulate: 2: .* 60 rows fit"):
        fitted(model_type=Hungry)
    assert fitted({"accumulate": 2}, model_type=Hungry)
    with pytest.raises(ModelError, match=r"a smaller model\.params\.rows_per_era"):
        fitted(model_type=Hungry, frame=train_frame(rows=70))


def test_no_gpu_is_said_and_the_cpu_is_used():
    told = []
    model, report = fitted(device="cuda", say=told.append)
    if not torch.cuda.is_available():
        assert told == ["device cuda was asked for but torch finds no GPU: trained on the CPU"]
        assert report.details["training"]["device"] == "cpu"
        expected, _ = fitted()
        assert np.array_equal(model.predict(judged_frame()), expected.predict(judged_frame()))


def test_torch_is_left_as_it_was():
    before = torch.get_rng_state(), torch.get_num_threads()
    fitted()
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.get_num_threads() == before[1]
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.slow  # two processes that each import torch: some 10 s
def test_two_processes_on_eras_of_their_own_give_the_weights_of_one(tmp_path):
    frame = train_frame(n_eras=22, rows=40, missing=0.05)
    alone, _ = fitted(TOGETHER, frame)
    shared = {"size": 2, "rendezvous": str(tmp_path / "meet"), "folder": str(tmp_path)}
    asked = "from net_lab import fit_a_shard; fit_a_shard"
    both = [
        subprocess.Popen(
            [sys.executable, "-c", f"{asked}({rank}, **{shared!r})"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for rank in (0, 1)
    ]
    assert [process.wait(timeout=200) for process in both] == [0, 0]
    together = [MLP.load(tmp_path / str(rank)) for rank in (0, 1)]
    expected = alone.predict(judged_frame())
    for model in together:
        apart = np.abs(model.predict(judged_frame()) - expected).max()
        assert apart <= MLP.info.tolerance * expected.std()
    first, second = (model.nets[0].state_dict() for model in together)
    for name, weights in alone.nets[0].state_dict().items():
        assert torch.equal(first[name], second[name])
        assert torch.allclose(first[name], weights, rtol=0, atol=1e-5), name
