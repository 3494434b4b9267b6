"""Looks at held-out tasks while a net is pretrained, and the log that has a line of each."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from numerai_lab.errors import ModelError
from numerai_lab.files import write_errors, write_text
from numerai_lab.models.nets.in_context.curves import (
    HeldOut,
    mean_error,
    net_learner,
    ridge_learner,
)


class Looks:
    """Looks at held-out tasks, each a line of the log.

    Parameters
    ----------
    log : file of JSON lines. steps : between two looks.
    taken : looks of the training that is gone on from. Lines beyond belong to steps that a kill
        took back, and are removed; lines that are gone or damaged are said.
    """

    def __init__(
        self,
        log: Path,
        held_out: HeldOut,
        steps: int,
        taken: int,
        say: Callable[[str], None],
        warn: Callable[[str], None],
    ) -> None:
        self._log, self._held_out, self._steps, self._say = log, held_out, steps, say
        self.ridge = mean_error(held_out.errors(ridge_learner))
        self._n, self._began = taken, time.monotonic()
        self.lines = _lines_of(log, steps, taken)
        if len(self.lines) < taken:
            warn(
                f"{log} is damaged: {taken - len(self.lines)} of {taken} looks are gone, which "
                "changes no weight"
            )
        if self.lines:
            write_text(log, *(json.dumps(line) + "\n" for line in self.lines))
        else:
            log.unlink(missing_ok=True)

    def take(self, net: nn.Module, device: torch.device) -> float:
        """Judge a net; return minus its mean error, so that more is better.

        Raises
        ------
        ModelError : the error is not finite.
        """
        errors = self._held_out.errors(net_learner(net, device))
        mean = mean_error(errors)
        self._n += 1
        if not math.isfinite(mean):
            raise ModelError(
                f"the held-out error is {mean} after {self._n * self._steps:,} steps",
                where="learning_rate",
                fix="a smaller learning_rate is the usual way out",
            )
        line = {
            "steps": self._n * self._steps,
            "error": mean,
            "classes": {name: sum(of) / len(of) for name, of in errors.items()},
            "seconds": round(time.monotonic() - self._began, 1),
            "cpu_seconds": round(time.process_time(), 1),
        }
        with write_errors(self._log), self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self.lines.append(line)
        self._say(f"held-out error {mean:.3f} (ridge {self.ridge:.3f})")
        return -mean

    def kept(self, net: nn.Module, device: torch.device, steps: int) -> dict[str, Any]:
        """Return the look of the net that is kept, of so many steps; taken again if it is lost."""
        if all(line["steps"] != steps for line in self.lines):
            self._n = steps // self._steps - 1
            self.take(net, device)
            self.lines.sort(key=lambda line: line["steps"])
        return next(line for line in self.lines if line["steps"] == steps)


def _lines_of(log: Path, steps: int, taken: int) -> list[dict[str, Any]]:
    """Return the looks of a log that count; what is no look is left out."""
    try:
        texts = log.read_bytes().splitlines()
    except OSError:
        return []
    found: dict[int, dict[str, Any]] = {}
    for n, text in enumerate(texts, 1):
        try:
            line = json.loads(text)
            after = line.setdefault("steps", n * steps)  # older logs do not say
            if after <= taken * steps and line["error"] + sum(line["classes"].values()) >= 0:
                found[after] = line
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return [found[n] for n in sorted(found)]
