"""What lets a training go on after a kill, as if it had never been stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from numerai_lab.errors import ModelError
from numerai_lab.models.nets.adamw import AdamW
from numerai_lab.models.nets.kept import Arrays, read_arrays, write_arrays

_SECONDS = 60.0
"""Between two checkpoints within an epoch; how often they are written changes no number."""


@dataclass
class Learning:
    """What changes from step to step: a net, the average of its weights, the optimizer.

    `best` are the weights of the best epoch so far, where a training looks for one.
    """

    net: nn.Module
    average: nn.Module
    optimizer: AdamW
    best: dict[str, Any] | None = None


@dataclass
class Checkpoint:
    """The file of one training, `NAME.npz`: weights, their average, AdamW's state, random numbers.

    Parameters
    ----------
    path : of the file; None: nothing is kept.
    made_for : JSON values that say which training it is, rows and all. A file of another one is
        left out, and said.
    say : called with a sentence when a file is there and is not gone on from.
    """

    path: Path | None
    made_for: Mapping[str, Any]
    say: Callable[[str], None]
    _written: float = 0.0

    def restore(self, learning: Learning) -> dict[str, Any] | None:
        """Bring everything back to where it was, and return the facts; None to begin anew."""
        self._written = time.monotonic()
        if self.path is None or not self.path.exists():
            return None
        try:
            arrays, told = read_unfinished(self.path)
        except ModelError as error:
            self.say(f"{error.where} {error.what}: the net is trained from the beginning")
            return None
        other = [key for key in self.made_for if told["made_for"].get(key) != self.made_for[key]]
        if other:
            self.say(
                f"{self.path} is of a training with other {', '.join(other)}: the net is trained "
                "from the beginning"
            )
            return None
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        learning.net.load_state_dict(_under("net", tensors))
        learning.average.load_state_dict(_under("average", tensors))
        learning.optimizer.restore(_under("optimizer", tensors))
        learning.best = _under("best", tensors) or None
        torch.set_rng_state(tensors["random"])
        if "random_cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random_cuda"])
        facts: dict[str, Any] = told["facts"]
        return facts

    def due(self) -> bool:
        """Whether it is time to write one within an epoch."""
        return self.path is not None and time.monotonic() - self._written > _SECONDS

    def write(self, learning: Learning, facts: Mapping[str, Any]) -> None:
        """Write all that `restore` needs, whole or not at all; `facts` are JSON values."""
        if self.path is None:
            return
        state = {
            **_named("net", learning.net.state_dict()),
            **_named("average", learning.average.state_dict()),
            **_named("optimizer", learning.optimizer.state()),
            **_named("best", learning.best or {}),
            "random": torch.get_rng_state(),
        }
        if next(learning.net.parameters()).is_cuda:
            state["random_cuda"] = torch.cuda.get_rng_state()
        arrays = {name: tensor.detach().cpu().numpy() for name, tensor in state.items()}
        write_arrays(self.path, arrays, {"made_for": self.made_for, "facts": facts})
        self._written = time.monotonic()


def read_unfinished(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """Read arrays, and `made_for` and `facts`; raises ModelError if it is no checkpoint."""
    arrays, told = read_arrays(path)
    if not isinstance(told, dict) or not {"made_for", "facts"} <= told.keys():
        raise ModelError("is no checkpoint of a training", where=str(path), fix="remove it")
    return arrays, told


def _named(prefix: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def _under(prefix: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
    return {n[len(prefix) + 1 :]: t for n, t in tensors.items() if n.startswith(f"{prefix}/")}
