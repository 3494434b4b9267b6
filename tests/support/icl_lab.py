"""What tests of the in-context net share: a tiny pretraining."""

from __future__ import annotations

from numerai_lab.models.nets.in_context.pretraining import Pretraining
from numerai_lab.models.nets.in_context.settings import PretrainSettings

TINY_SETTINGS = {
    "pretrain": "icl",
    "name": "tiny",
    "net": {"n_scores": 4, "width": 8, "hidden": 8, "layers": 2, "heads": 2},
    "tasks": {"n_dims": [1, 4], "n_context": [2, 12], "n_queries": 4},
    "steps": 6,
    "tasks_per_step": 8,
    "steps_between_looks": 2,
    "held_out_tasks": 4,
    "curve_tasks": 4,
    "precision": "float32",
}


class Interrupted(Exception):
    """A training that was stopped."""


def pretrained(folder, stop_after: int | None = None, said: list | None = None, **changes):
    """Pretrain the tiny net with other settings; stop after so many steps."""

    def progress(done, total):
        if stop_after is not None and done >= stop_after:
            raise Interrupted

    return Pretraining.run(
        PretrainSettings.model_validate({**TINY_SETTINGS, **changes}),
        folder,
        say=[].append if said is None else said.append,
        progress=progress,
        pace=lambda words: None,
        n_threads=1,
    )
