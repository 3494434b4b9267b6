"""AdamW, by torch's function for it.

`torch.optim.AdamW` calls the same function, but its first object imports torch's compiler: 1.2 s of
CPU and 70 MB in every process that trains a net, which a small fit waits for longer than it learns.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

BETAS = (0.9, 0.98)
_EPS = 1e-8


class AdamW:
    """Moves the weights of a net by their gradients (Loshchilov and Hutter 2019, arXiv 1711.05101).

    Matrices decay, vectors (biases, scales of norms) do not. The same bits as `torch.optim.AdamW`
    with `fused=True`.

    Parameters
    ----------
    net : on its device; its weights that take gradients are learnt.
    decay : of matrices, as a share of the rate.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        learnt = [weight for weight in net.parameters() if weight.requires_grad]
        matrices = [weight for weight in learnt if weight.dim() >= 2]
        vectors = [weight for weight in learnt if weight.dim() < 2]
        self._groups = [_Group(matrices, decay), _Group(vectors, 0.0)]

    def zero_grad(self) -> None:
        """Set all gradients to 0, also of weights that a loss has never reached.

        Processes that train together sum the gradients of all weights.
        """
        for group in self._groups:
            group.zero_grad()

    def step(self, rate: float) -> None:
        """Take one step at a learning rate."""
        for group in self._groups:
            group.step(rate)

    def state(self) -> dict[str, Tensor]:
        """Return all that changes from step to step, as the tensors themselves by name."""
        kept = [one for group in self._groups for one in group.state()]
        return {f"{i}/{name}": tensor for i, own in enumerate(kept) for name, tensor in own.items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` returned."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])


class _Group:
    """Weights that decay alike: mean of gradients, of their squares, steps taken."""

    def __init__(self, weights: list[nn.Parameter], decay: float) -> None:
        self._weights, self._decay = weights, decay
        self._means = [torch.zeros_like(weight) for weight in weights]
        self._squares = [torch.zeros_like(weight) for weight in weights]
        self._steps = [torch.zeros((), device=weight.device) for weight in weights]

    def zero_grad(self) -> None:
        for weight in self._weights:
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
            else:
                weight.grad.zero_()

    def step(self, rate: float) -> None:
        with torch.no_grad():
            adamw(
                list(self._weights),
                [weight.grad for weight in self._weights if weight.grad is not None],
                self._means,
                self._squares,
                [],
                self._steps,
                fused=True,
                amsgrad=False,
                beta1=BETAS[0],
                beta2=BETAS[1],
                lr=rate,
                weight_decay=self._decay,
                eps=_EPS,
                maximize=False,
            )

    def state(self) -> list[dict[str, Tensor]]:
        kept = zip(self._steps, self._means, self._squares, strict=True)
        return [{"step": n, "exp_avg": mean, "exp_avg_sq": square} for n, mean, square in kept]
