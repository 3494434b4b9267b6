"""`InContextNet`: a transformer that reads rows with labels and predicts others from them.

Three forms, one class each, behind one method: `forward(x, y, asked)` with labelled rows (the
context) and rows that are asked for. In none of them does a row that is asked for change another.

- `SetNet`: a token a row, (x, y); rows of the context attend to each other, those asked for to the
  context. No position, so the order of the context cannot matter.
- `EncoderDecoderNet`: the context is encoded first, as a set; rows asked for attend to what came
  of it.
- `DecoderNet`: x and y alternate, each attending to what was before (Garg et al. 2022,
  arXiv 2208.01066); there order may matter.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from numerai_lab.models.nets.attention import Attention, Wide
from numerai_lab.models.nets.in_context.tasks import Tasks

Architecture = Literal["set", "decoder", "encoder_decoder"]


@dataclass(frozen=True)
class Size:
    """What a net is made of; JSON values, kept with its weights.

    Attributes
    ----------
    n_scores : numbers of a row. width : of a token, a multiple of heads. hidden : numbers inside a
        residual block. layers : of attention; `encoder_decoder` has half of them on either side.
    """

    architecture: Architecture = "set"
    n_scores: int = 16
    width: int = 64
    hidden: int = 128
    layers: int = 4
    heads: int = 4


class Block(nn.Module):
    """Attention to what is read, then a residual block; norms before what they feed."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size.width)
        self.attention = Attention(size.width, size.heads)
        self.wide = Wide(size.width, size.hidden, 0.0)

    def forward(self, tokens: Tensor, normed: Tensor, read: Tensor, bias: Tensor | None) -> Tensor:
        """Let tokens, and what they are normed, attend to `read`."""
        tokens = tokens + self.attention(normed, read, bias=bias)
        added: Tensor = self.wide(tokens)
        return tokens + added


class InContextNet(nn.Module, ABC):
    """What the forms share: how rows and labels become tokens, and tokens predictions.

    Shape
    -----
    x float32 [n_tasks, n_context, n_scores], y float32 [n_tasks, n_context], asked float32
    [n_tasks, n_asked, n_scores] -> float32 [n_tasks, n_asked].
    """

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        self.row = nn.Linear(size.n_scores, size.width)
        self.label = nn.Linear(1, size.width)
        self.blocks = nn.ModuleList([Block(size) for _ in range(size.layers)])
        self.norm = nn.LayerNorm(size.width)
        self.head = nn.Linear(size.width, 1)
        nn.init.zeros_(self.head.weight)

    @abstractmethod
    def forward(self, x: Tensor, y: Tensor, asked: Tensor) -> Tensor:
        """Predict the labels of rows from a context."""

    def losses(self, x: Tensor, y: Tensor, truth: Tensor, n_context: int) -> Tensor:
        """Return the mean squared error of the rows after the context, float32 [n_tasks]."""
        given = self(x[:, :n_context], y[:, :n_context], x[:, n_context:])
        return torch.square(given.float() - truth[:, n_context:]).mean(dim=1)

    def outputs(self, tokens: Tensor) -> Tensor:
        """Read predictions from tokens, [n_tasks, n_tokens]."""
        read: Tensor = self.head(self.norm(tokens))
        return read[..., 0]


class SetNet(InContextNet):
    """Rows of the context attend to each other, those asked for to the context."""

    def forward(self, x: Tensor, y: Tensor, asked: Tensor) -> Tensor:
        """Predict the labels of rows from a context."""
        n = x.shape[1]
        known = self.row(x) + self.label(y[..., None])
        tokens = torch.cat([known, self.row(asked)], dim=1)
        for block in self.blocks:
            normed = block.norm(tokens)
            tokens = block(tokens, normed, normed[:, :n], None)
        return self.outputs(tokens[:, n:])


class EncoderDecoderNet(InContextNet):
    """The context is encoded as a set; rows asked for attend to what came of it."""

    def __init__(self, size: Size) -> None:
        super().__init__(size)
        self.between = nn.LayerNorm(size.width)

    def forward(self, x: Tensor, y: Tensor, asked: Tensor) -> Tensor:
        """Predict the labels of rows from a context."""
        half = self.size.layers // 2
        known, tokens = self.row(x) + self.label(y[..., None]), self.row(asked)
        for block in self.blocks[:half]:
            normed = block.norm(known)
            known = block(known, normed, normed, None)
        known = self.between(known)
        for block in self.blocks[half:]:
            tokens = block(tokens, block.norm(tokens), known, None)
        return self.outputs(tokens)


class DecoderNet(InContextNet):
    """x and y alternate, and each token attends to those before it, and to a first one.

    Places enter as a penalty on distance in half of the heads (Press et al. 2022, ALiBi,
    arXiv 2108.12409), so that a context may be longer than those learnt from.
    """

    def __init__(self, size: Size) -> None:
        super().__init__(size)
        self.first = nn.Parameter(torch.randn(size.width) / math.sqrt(size.width))
        self.register_buffer("slopes", slopes(size.heads), persistent=False)

    def forward(self, x: Tensor, y: Tensor, asked: Tensor) -> Tensor:
        """Predict the labels of rows from a context."""
        before = self._sequence(x, y)
        tokens = torch.cat([before, self.row(asked)], dim=1)
        n = before.shape[1]
        place = torch.arange(tokens.shape[1], device=x.device).clamp(max=n)
        return self.outputs(self._attended(tokens, place, n)[:, n:])

    def losses(self, x: Tensor, y: Tensor, truth: Tensor, n_context: int) -> Tensor:  # noqa: ARG002
        """Return the mean squared error of every row, each predicted from those before it."""
        tokens = self._sequence(x, y)
        place = torch.arange(tokens.shape[1], device=x.device)
        given = self.outputs(self._attended(tokens, place, len(place))[:, 1::2])
        return torch.square(given.float() - truth).mean(dim=1)

    def _sequence(self, x: Tensor, y: Tensor) -> Tensor:
        """Return a first token, then x and y in turn, [n_tasks, 1 + 2 n_context, width]."""
        pairs = torch.stack([self.row(x), self.label(y[..., None])], dim=2).flatten(1, 2)
        return torch.cat([self.first.expand(len(x), 1, -1), pairs], dim=1)

    def _attended(self, tokens: Tensor, place: Tensor, n_read: int) -> Tensor:
        """Let tokens attend to those of the first `n_read` that are before their place."""
        away = place[:, None] - place[None, :n_read]
        bias = -self.slopes[:, None, None] * away
        bias = bias.masked_fill((away <= 0) & (place[None, :n_read] > 0), -math.inf)
        for block in self.blocks:
            normed = block.norm(tokens)
            tokens = block(tokens, normed, normed[:, :n_read], bias)
        return tokens


def slopes(heads: int) -> Tensor:
    """Return how much a step of distance takes off in each head: 1/2, 1/4, ..., then 0."""
    near = heads // 2
    return torch.tensor([2.0 ** -(i + 1) if i < near else 0.0 for i in range(heads)])


NETS: dict[str, type[InContextNet]] = {
    "set": SetNet,
    "decoder": DecoderNet,
    "encoder_decoder": EncoderDecoderNet,
}


def new_net(size: Size) -> InContextNet:
    """Make a net with random weights; torch's seed is set."""
    return NETS[size.architecture](size)


@dataclass(frozen=True, eq=False)
class TaskBatch:
    """Tasks on a device, as the training loop asks for them.

    Attributes
    ----------
    shares : float32 [n_tasks]; the loss of a batch is the sum of shares x losses of its tasks.
    """

    x: Tensor
    y: Tensor
    truth: Tensor
    n_context: int
    shares: Tensor

    @classmethod
    def of(cls, tasks: Tasks, device: torch.device) -> TaskBatch:
        """Bring tasks to a device."""
        n = len(tasks.x)
        x, y, truth = (torch.from_numpy(a).to(device) for a in (tasks.x, tasks.y, tasks.truth))
        return cls(x, y, truth, tasks.n_context, torch.full((n,), 1 / n, device=device))

    @property
    def n_parts(self) -> int:
        """Number of tasks."""
        return len(self.x)

    @property
    def n_rows(self) -> int:
        """Number of rows of all tasks."""
        return len(self.x) * int(self.x.shape[1])

    @property
    def device(self) -> torch.device:
        """Where the tasks are."""
        return self.x.device

    def pieces(self, n: int) -> list[TaskBatch]:
        """Cut the batch between its tasks into at most n pieces."""
        cuts = torch.arange(self.n_parts).tensor_split(min(n, self.n_parts))
        rows = [slice(int(some[0]), int(some[-1]) + 1) for some in cuts]
        return [
            TaskBatch(self.x[r], self.y[r], self.truth[r], self.n_context, self.shares[r])
            for r in rows
        ]
