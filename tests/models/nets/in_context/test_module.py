"""The nets: a row that is asked for changes no other, and a set has no order."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="tests of nets need torch: make nets")

from numerai_lab.models.nets.in_context.module import NETS, Size, TaskBatch, new_net
from numerai_lab.models.nets.in_context.tasks import Mixture

SETS = [name for name in NETS if name != "decoder"]


def net_of(architecture, seed=0):
    torch.manual_seed(seed)
    net = new_net(Size(architecture, n_scores=4, width=16, hidden=16, layers=2, heads=4))
    with torch.no_grad():  # blocks and head begin as 0
        for weight in net.parameters():
            weight += 0.3 * torch.randn(weight.shape)
    return net.eval()


def rows(n_context=9, n_asked=5, seed=1):
    torch.manual_seed(seed)
    x, asked = torch.randn(3, n_context, 4), torch.randn(3, n_asked, 4)
    return x, torch.randn(3, n_context), asked


@pytest.mark.parametrize("architecture", NETS)
def test_a_row_that_is_asked_for_changes_no_other(architecture):
    net, (x, y, asked) = net_of(architecture), rows()
    with torch.inference_mode():
        together = net(x, y, asked)
        for i in range(asked.shape[1]):
            alone = net(x, y, asked[:, i : i + 1])
            assert torch.allclose(alone[:, 0], together[:, i], atol=1e-5)
    assert together.std() > 0.1


@pytest.mark.parametrize("architecture", NETS)
def test_the_context_decides_and_may_have_any_length(architecture):
    net = net_of(architecture)
    for n in (1, 2, 60):
        x, y, asked = rows(n)
        with torch.inference_mode():
            before = net(x, y, asked)
            after = net(x, y + 1, asked)
        assert before.shape == (3, 5)
        assert (before - after).abs().max() > 1e-3


@pytest.mark.parametrize("architecture", SETS)
def test_the_order_of_the_context_cannot_matter(architecture):
    net, (x, y, asked) = net_of(architecture), rows()
    order = torch.randperm(x.shape[1])
    with torch.inference_mode():
        assert torch.allclose(net(x[:, order], y[:, order], asked), net(x, y, asked), atol=1e-5)


def test_to_the_decoder_order_matters():
    net, (x, y, asked) = net_of("decoder"), rows()
    with torch.inference_mode():
        assert (net(x.flip(1), y.flip(1), asked) - net(x, y, asked)).abs().max() > 1e-3


def test_the_decoder_learns_from_every_prefix_what_it_predicts_from_it():
    """The error of row t in training is that of asking for it after the rows before."""
    net, (x, y, _) = net_of("decoder"), rows()
    with torch.inference_mode():
        lost = net.losses(x, y, y, 0)
        asked = [net(x[:, :t], y[:, :t], x[:, t : t + 1])[:, 0] for t in range(1, x.shape[1])]
        first = net(x[:, :0], y[:, :0], x[:, :1])[:, 0]
        apart = torch.stack([first, *asked], dim=1)
    assert torch.allclose(lost, torch.square(apart - y).mean(dim=1), atol=1e-5)


def test_a_batch_is_cut_between_tasks():
    mixture = Mixture({"linear": 1.0}, {}, 4, (0.1, 0.1))
    tasks = mixture.draw(np.random.default_rng(0), 7, 5, 3, 4)
    batch = TaskBatch.of(tasks, torch.device("cpu"))
    pieces = batch.pieces(3)
    assert [piece.n_parts for piece in pieces] == [3, 2, 2]
    assert torch.equal(torch.cat([piece.y for piece in pieces]), batch.y)
    assert sum(float(piece.shares.sum()) for piece in pieces) == pytest.approx(1)
    assert batch.n_rows == 7 * 8


@pytest.mark.parametrize("architecture", NETS)
def test_it_learns_to_read_a_context(architecture):
    """After some steps on one-dimensional linear functions, far better than the mean."""
    mixture = Mixture({"linear": 1.0}, {}, 1, (0.01, 0.01))
    torch.manual_seed(0)
    net = new_net(Size(architecture, n_scores=1, width=16, hidden=32, layers=2, heads=2))
    optimizer = torch.optim.AdamW(net.parameters(), lr=8e-3)
    for step in range(70):
        tasks = mixture.draw(np.random.default_rng(step), 24, 8, 8, 1)
        batch = TaskBatch.of(tasks, torch.device("cpu"))
        optimizer.zero_grad()
        net.losses(batch.x, batch.y, batch.truth, 8).mean().backward()
        optimizer.step()
    tasks = mixture.draw(np.random.default_rng(10_000), 200, 8, 8, 1)
    batch = TaskBatch.of(tasks, torch.device("cpu"))
    with torch.inference_mode():
        given = net(batch.x[:, :8], batch.y[:, :8], batch.x[:, 8:])
    assert torch.square(given - batch.truth[:, 8:]).mean() < 0.5
