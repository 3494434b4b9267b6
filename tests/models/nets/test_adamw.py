"""AdamW by torch's function is torch's AdamW, without its compiler."""

from __future__ import annotations

import subprocess
import sys

import pytest

torch = pytest.importorskip("torch", reason="tests of nets need torch: make nets")

from numerai_lab.models.nets.adamw import BETAS, AdamW
from numerai_lab.models.nets.loop import weights_of

RATES = [0.001 * n for n in range(1, 6)]


def new_net():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.LayerNorm(8), torch.nn.Linear(8, 1))


def taught(net, optimizer, rates, *, theirs=False):
    rows = torch.arange(24.0).reshape(6, 4) / 10
    for rate in rates:
        optimizer.zero_grad()
        net(rows).square().mean().backward()
        if theirs:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
        else:
            optimizer.step(rate)
    return weights_of(net)


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_it_takes_the_steps_of_torchs_own_to_the_bit():
    theirs, ours = new_net(), new_net()
    matrices = [w for w in theirs.parameters() if w.dim() >= 2]
    vectors = [w for w in theirs.parameters() if w.dim() < 2]
    groups = [
        {"params": matrices, "weight_decay": 0.1},
        {"params": vectors, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, betas=BETAS, fused=True)
    expected = taught(theirs, optimizer, RATES, theirs=True)
    found = taught(ours, AdamW(ours, 0.1), RATES)
    assert same(found, expected)
    assert not same(found, weights_of(new_net()))


def test_a_weight_that_no_loss_reaches_has_a_gradient_of_nothing_and_only_decays():
    net = new_net()
    net.register_parameter("unused", torch.nn.Parameter(torch.ones(2, 2)))
    net.register_parameter("frozen", torch.nn.Parameter(torch.ones(3), requires_grad=False))
    optimizer = AdamW(net, 0.5)
    optimizer.zero_grad()
    assert torch.equal(net.unused.grad, torch.zeros(2, 2))
    optimizer.step(0.1)
    assert net.unused.detach().tolist() == [[pytest.approx(0.95)] * 2] * 2
    assert net.frozen.tolist() == [1, 1, 1]


def test_what_it_keeps_brings_it_back_to_where_it_was():
    net = new_net()
    optimizer = AdamW(net, 0.1)
    half = taught(net, optimizer, RATES[:2])
    kept = {name: tensor.clone() for name, tensor in optimizer.state().items()}
    expected = taught(net, optimizer, RATES[2:])
    again = new_net()
    again.load_state_dict(half)
    other = AdamW(again, 0.1)
    other.restore(kept)
    assert same(taught(again, other, RATES[2:]), expected)


def test_a_fit_does_not_wait_for_torchs_compiler():
    code = (
        "import sys; from net_lab import fitted; fitted();"
        "sys.exit('torch._dynamo' in sys.modules and 'torch._dynamo was imported')"
    )
    path = [entry for entry in sys.path if entry.endswith("support")]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}; {code}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
