"""The one training loop of all nets. It reads from top to bottom.

A step: the rate by the schedule, the losses of the parts of a batch, their gradients, a clip,
AdamW, the moving average. Everything random is drawn from one seed; nothing asks the clock but
how fast it goes and when to write a checkpoint.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, TypeVar

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from numerai_lab.errors import ModelError
from numerai_lab.models.nets.adamw import AdamW
from numerai_lab.models.nets.checkpoints import Checkpoint, Learning
from numerai_lab.models.nets.processes import Processes
from numerai_lab.models.nets.schedule import WARM_UP, rate_at

CLIP = 1.0
"""The largest norm of all gradients together."""


class Piece(Protocol):
    """A batch, or a piece of one: rows of some parts, which are eras, or tasks drawn at random."""

    @property
    def n_parts(self) -> int:
        """Number of parts."""
        ...

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        ...

    @property
    def device(self) -> torch.device:
        """Where the rows are."""
        ...

    @property
    def shares(self) -> Tensor:
        """What each part counts, float32 [n_parts]."""
        ...

    def pieces(self, n: int) -> Iterable[Self]:
        """Cut it between its parts into at most n pieces."""
        ...


B = TypeVar("B", bound=Piece)
B_co = TypeVar("B_co", bound=Piece, covariant=True)


class Batches(Protocol[B_co]):
    """Batches of an epoch, in an order that its number alone decides.

    Attributes
    ----------
    n_batches, n_rows : of an epoch; rows, or whatever `unit` counts.
    """

    n_batches: int
    n_rows: int
    unit: str

    def epoch(self, number: int, first: int = 0) -> Iterable[B_co]:
        """Yield the batches of an epoch, from one on."""
        ...


Loss = Callable[[nn.Module, B], Tensor]
"""The loss in each part of a batch, float32 [n_parts]."""


def _nothing(*_: object) -> None:
    return None


@dataclass(frozen=True)
class Keys:
    """What a config calls whatever an error advises to change."""

    rate: str = "model.params.learning_rate"
    pieces: str = "model.params.accumulate"
    smaller: str = "write a smaller model.params.rows_per_era, or choose fewer features"


@dataclass(frozen=True)
class Course:
    """How a net is trained.

    Attributes
    ----------
    epochs : times that every row is seen. patience : epochs without a new best corr after which
        to stop, 0: never; the weights of the best epoch are kept then.
    rate, decay, ema, accumulate : `NetParams` has them in words.
    precision : of what is multiplied. seed : of whatever the net draws while it learns.
    warm_up : share of the steps in which the rate rises. keys : names in errors.
    """

    epochs: int
    rate: float
    decay: float
    ema: float
    precision: torch.dtype
    seed: int
    accumulate: int = 1
    patience: int = 0
    warm_up: float = WARM_UP
    keys: Keys = Keys()


@dataclass
class Curves:
    """What a training tells, a number an epoch.

    Attributes
    ----------
    loss : mean over its steps. corr : on judged eras after it; empty where none are judged.
    kept : the epochs whose weights are kept. rows_per_second : over what this process trained.
    """

    loss: list[float] = field(default_factory=list)
    corr: list[float] = field(default_factory=list)
    kept: int = 0
    rows_per_second: float = 0.0


def train(
    net: nn.Module,
    batches: Batches[B],
    loss: Loss[B],
    course: Course,
    checkpoint: Checkpoint,
    processes: Processes,
    judge: Callable[[nn.Module], float] | None = None,
    progress: Callable[[int], None] = _nothing,
    pace: Callable[[str], None] = _nothing,
) -> Curves:
    """Train a net in place; it ends with the moving average of its weights.

    Parameters
    ----------
    net : on the device of the batches. loss : float32 [n_parts] of a batch.
    judge : returns the corr of a net on eras that it does not learn from; asked each epoch.
    progress : called with the epochs done. pace : with a few words, about once a second.

    Raises
    ------
    ModelError : the loss is not finite, or a batch does not fit into the GPU's memory.
    """
    # What learns.
    device = next(net.parameters()).device
    optimizer = AdamW(net, course.decay)
    average = AveragedModel(net, multi_avg_fn=_moving_average(course.ema))
    learning = Learning(net, average, optimizer)
    low = course.precision != torch.float32
    n_steps = course.epochs * batches.n_batches

    # Where it begins: at the first step, or where a killed training was.
    torch.manual_seed(course.seed)
    curves, step, sum_of_losses = Curves(), 0, 0.0
    found = checkpoint.restore(learning)
    if found is not None:
        step, sum_of_losses = found["step"], found["sum_of_losses"]
        curves = Curves(**found["curves"])
    began, first_step, last_told = time.monotonic(), step, 0.0

    def keep() -> None:
        facts = {"step": step, "sum_of_losses": sum_of_losses, "curves": vars(curves)}
        checkpoint.write(learning, facts)

    net.train()
    while step < n_steps and not _stopped(curves, course.patience):
        epoch, batch_number = divmod(step, batches.n_batches)
        for batch in batches.epoch(epoch, batch_number):
            # The rate of this step, and the gradients of the batch, a piece after another.
            rate = course.rate * rate_at(step, n_steps, course.warm_up)
            optimizer.zero_grad()
            value = torch.zeros((), device=device)
            try:
                for piece in batch.pieces(course.accumulate) if batch.n_parts else ():
                    with torch.autocast(device.type, course.precision, enabled=low):
                        losses = loss(net, piece)
                    share = (losses * piece.shares).sum()
                    share.backward()
                    value += share.detach()
            except torch.OutOfMemoryError as error:
                raise _what_fits(net, batch, loss, course, low) from error
            processes.sum_gradients(net)
            lost = float(processes.total(value))
            if not math.isfinite(lost):
                before = sum_of_losses, batches.n_batches
                raise _not_finite(lost, step, n_steps, curves, *before, course.keys.rate)

            # The step itself.
            nn.utils.clip_grad_norm_(net.parameters(), CLIP)
            optimizer.step(rate)
            average.update_parameters(net)
            step += 1
            sum_of_losses += lost

            # What the user sees, and what a killed training goes on from.
            now = time.monotonic()
            if now - last_told > 1.0:
                last_told = now
                pace(_pace(now - began, step - first_step, n_steps - step, batches))
            if step % batches.n_batches and checkpoint.due():
                keep()

        # The end of an epoch.
        curves.loss.append(sum_of_losses / batches.n_batches)
        sum_of_losses = 0.0
        curves.kept = epoch + 1
        if judge is not None:
            average.eval()
            curves.corr.append(judge(average.module))
            if course.patience and curves.corr[-1] == max(curves.corr):
                learning.best = weights_of(average.module)
        keep()
        progress(epoch + 1)

    # What is kept.
    seconds = time.monotonic() - began
    done = (step - first_step) / batches.n_batches * batches.n_rows
    curves.rows_per_second = done / seconds if done else curves.rows_per_second
    net.load_state_dict(average.module.state_dict())
    if learning.best is not None:
        net.load_state_dict(learning.best)
        curves.kept = curves.corr.index(max(curves.corr)) + 1
    net.eval()
    return curves


def weights_of(net: nn.Module) -> dict[str, Tensor]:
    """Return a copy of all weights by name."""
    return {name: weight.detach().clone() for name, weight in net.state_dict().items()}


def _moving_average(decay: float) -> Callable[..., None]:
    """Return how the average moves; over the first steps it moves faster, as it knows little."""

    def move(averages: Any, weights: Any, n_averaged: Any) -> None:
        n = int(n_averaged)
        torch._foreach_lerp_(averages, weights, 1 - min(decay, (1 + n) / (10 + n)))

    return move


def _stopped(curves: Curves, patience: int) -> bool:
    """Whether so many epochs have brought no new best corr."""
    if not patience or not curves.corr:
        return False
    return len(curves.corr) - 1 - curves.corr.index(max(curves.corr)) >= patience


def _pace(seconds: float, steps: int, left: int, batches: Batches[Any]) -> str:
    rows = steps / batches.n_batches * batches.n_rows / seconds
    remaining = seconds / steps * left
    time_left = f"{remaining / 60:.0f} min" if remaining > 90 else f"{remaining:.0f} s"
    return f"{rows:,.0f} {batches.unit}/s, {time_left} left"


def _not_finite(
    lost: float,
    step: int,
    n_steps: int,
    curves: Curves,
    sum_before: float,
    n_batches: int,
    rate_key: str,
) -> ModelError:
    """Say at which step, what the loss was before, and what the likely reason is."""
    done = step % n_batches
    before = sum_before / done if done else curves.loss[-1] if curves.loss else None
    told = "in the first step" if before is None else f"it was {before:.3g} on average before"
    return ModelError(
        f"the loss is {lost} at step {step + 1} of {n_steps} ({told})",
        where=rate_key,
        fix=f"a smaller {rate_key.rpartition('.')[2]} is the usual way out"
        if step
        else "look for a feature or target with huge values; the rate was nearly 0 by then",
    )


def _what_fits(net: nn.Module, batch: B, loss: Loss[B], course: Course, low: bool) -> ModelError:
    """Try smaller pieces of a batch that did not fit into memory, and say which does."""
    for n in range(course.accumulate + 1, batch.n_parts + 1):
        net.zero_grad()
        piece = next(iter(batch.pieces(n)))
        try:
            with torch.autocast(batch.device.type, course.precision, enabled=low):
                loss(net, piece).sum().backward()
        except torch.OutOfMemoryError:
            continue
        fix = f"write {course.keys.pieces}: {n}: pieces of {piece.n_rows:,} rows fit"
        break
    else:
        fix = course.keys.smaller
    return ModelError(
        f"a batch of {batch.n_rows:,} rows in {course.accumulate} piece(s) does not fit into "
        "the memory of the device",
        where="model.params",
        fix=fix,
    )
