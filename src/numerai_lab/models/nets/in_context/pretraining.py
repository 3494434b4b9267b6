"""`numerai-lab pretrain`: train the in-context net on tasks drawn at random; it goes on by itself.

    OUT/NAME/{config.yaml, log.jsonl, pretrain.html, checkpoint/}

`checkpoint/` is the artefact that a model reads, written when all is done. Until then
`unfinished.npz` lies beside the log, from which the same command goes on; on a CPU with as many
threads to the same bits.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from numerai_lab.errors import ModelError
from numerai_lab.files import folder_aside
from numerai_lab.models.contract import FitContext, Said
from numerai_lab.models.nets.checkpoints import Checkpoint
from numerai_lab.models.nets.device import computing, device_of, precision_of
from numerai_lab.models.nets.in_context.batches import TaskBatches
from numerai_lab.models.nets.in_context.checkpoint import read_checkpoint, write_checkpoint
from numerai_lab.models.nets.in_context.curves import (
    HeldOut,
    classes_of,
    mean_error,
    net_learner,
    ridge_learner,
    told,
)
from numerai_lab.models.nets.in_context.module import TaskBatch, new_net
from numerai_lab.models.nets.in_context.real_rows import RealRows, chosen_mixture, read_rows
from numerai_lab.models.nets.in_context.settings import PretrainSettings
from numerai_lab.models.nets.kept import read_arrays
from numerai_lab.models.nets.loop import Course, train
from numerai_lab.models.nets.processes import Processes
from numerai_lab.seeds import child_seed

_LOOK_DIMS, _LOOK_LENGTHS = 8, (8, 32)
_LENGTHS = (2, 4, 8, 12, 16, 24, 32, 48, 64, 96)
_CURVE_DIMS = (5, 10, 16)


@dataclass(frozen=True)
class Place:
    """Where a pretraining is kept, and whom it tells.

    Attributes
    ----------
    folder : of this pretraining, `OUT/NAME`. say, progress, pace : as in a `FitContext`.
    """

    folder: Path
    say: Callable[[str], None]
    progress: Callable[[int, int], None]
    pace: Callable[[str], None]
    n_threads: int = 0
    device: str = "cpu"

    @property
    def checkpoint(self) -> Path:
        """The artefact, once it is done."""
        return self.folder / "checkpoint"

    @property
    def log(self) -> Path:
        """A line of JSON for each look at held-out tasks."""
        return self.folder / "log.jsonl"


class Pretraining:
    """What the command calls: settings, and `run`."""

    Settings: ClassVar[type[PretrainSettings]] = PretrainSettings

    @staticmethod
    def run(
        settings: PretrainSettings,
        folder: Path,
        *,
        say: Callable[[str], None],
        progress: Callable[[int, int], None],
        pace: Callable[[str], None],
        n_threads: int = 0,
        device: str = "cpu",
    ) -> dict[str, Any]:
        """Pretrain, or go on, or find that it is done; return what `pretrain.html` shows.

        Parameters
        ----------
        folder : of this pretraining, `OUT/NAME`. The others : as in a `FitContext`.

        Raises
        ------
        ModelError : the folder has a checkpoint of other settings; the loss is not finite.
        """
        place = Place(folder, say, progress, pace, n_threads, device)
        if place.checkpoint.exists():
            found = read_checkpoint(place.checkpoint).facts
            if _identity(PretrainSettings.model_validate(found["settings"])) != _identity(settings):
                raise ModelError(
                    "there is a checkpoint of another config already",
                    where=str(place.checkpoint),
                    fix="give this config another name, or move that folder away",
                )
            place.say(f"{place.checkpoint} is done already")
            return dict(found)
        rows, seen, auto = None, {}, None
        if settings.rows is not None:
            rows = read_rows(settings.rows, settings.net.n_scores, settings.seed, say)
            seen = {"features_to": rows.last_era}
        chosen = settings
        if rows is not None and settings.rows is not None and settings.classes == "auto":
            best, auto = chosen_mixture(
                rows,
                settings.rows.target,
                settings.auto.mixtures,
                lambda i, earlier: _tried(settings, place, earlier, i),
                settings.seed,
            )
            seen["labels_to"] = rows.last_era
            chosen = settings.model_copy(update={"classes": settings.auto.mixtures[best]})
            say(f"classes: auto chose {auto[best]['classes']} (corr {auto[best]['corr']:.4f})")
        more = {**seen, "auto": auto, "settings": _identity(settings)}
        return pretrain(chosen, place, rows, more)


def _tried(settings: PretrainSettings, place: Place, rows: RealRows, number: int) -> Path:
    """Return the checkpoint of a mixture that `auto` may choose, pretrained for some steps."""
    changes = {"classes": settings.auto.mixtures[number], "steps": settings.auto.steps}
    one = settings.model_copy(update=changes)
    own = replace(place, folder=place.folder / "auto" / str(number))
    if not own.checkpoint.exists():
        place.say(f"classes: auto tries {changes['classes']}")
        pretrain(one, own, rows, {"features_to": rows.last_era})
    return own.checkpoint


def pretrain(
    settings: PretrainSettings, place: Place, rows: RealRows | None, more: Mapping[str, Any]
) -> dict[str, Any]:
    """Train, looking at held-out tasks now and then, and write the checkpoint.

    Parameters
    ----------
    settings : with the mixture that is trained on. more : facts for the manifest.
    """
    assert settings.classes != "auto"
    place.folder.mkdir(parents=True, exist_ok=True)
    unfinished = place.folder / "unfinished.npz"
    _check_unfinished(unfinished, settings)
    if not unfinished.exists():
        place.log.unlink(missing_ok=True)  # of a training that was stopped before it kept anything
    ctx = FitContext(
        seed=settings.seed,
        target="",
        targets=(),
        purge_eras=0,
        device="cuda" if place.device == "cuda" else "cpu",
        n_threads=place.n_threads,
        say=place.say,
    )
    said = Said(ctx)
    device = device_of(ctx, said)
    batches = TaskBatches(settings, device, rows)
    n_looks = max(1, round(settings.steps / batches.n_batches))
    if (taken := n_looks * batches.n_batches) != settings.steps:
        place.say(
            f"{taken:,} steps are taken, not {settings.steps:,}: a look at held-out tasks comes "
            f"after each {batches.n_batches:,} (steps_between_looks)"
        )
    classes = classes_of(settings.classes)
    dims = min(_LOOK_DIMS, settings.tasks.n_dims[1])
    look = HeldOut(
        classes,
        settings.held_out_tasks,
        dims,
        _LOOK_LENGTHS,
        settings.net.n_scores,
        settings.seed,
    )
    with contextlib.closing(batches), computing(place.n_threads, device):
        torch.manual_seed(child_seed(settings.seed, "icl", "weights"))
        net = new_net(settings.net.size).to(device)
        course = Course(
            epochs=n_looks,
            rate=settings.learning_rate,
            decay=settings.weight_decay,
            ema=settings.ema,
            precision=precision_of(settings.precision, device, said),
            seed=child_seed(settings.seed, "icl", "steps"),
            accumulate=settings.accumulate,
            patience=settings.patience,
        )
        looks = Looks(place, look, ridge=mean_error(look.errors(ridge_learner)))

        def judge(module: nn.Module) -> float:
            return looks.take(module, device)

        def progress(done: int) -> None:
            place.progress(done * batches.n_batches, n_looks * batches.n_batches)

        def loss(one: nn.Module, batch: TaskBatch) -> torch.Tensor:
            lost: torch.Tensor = one.losses(batch.x, batch.y, batch.truth, batch.n_context)
            return lost

        made_for = {"settings": _identity(settings), "version of torch": torch.__version__}
        curves = train(
            net,
            batches,
            loss,
            course,
            Checkpoint(unfinished, made_for, place.say),
            Processes(),
            judge,
            progress,
            place.pace,
        )
        net.cpu()
        place.say("drawing the in-context curves")
        learners = [("net", net_learner(net, torch.device("cpu"))), ("ridge", ridge_learner)]
        n_scores, seed = settings.net.n_scores, settings.seed
        found = [
            told(HeldOut(classes, settings.curve_tasks, d, _LENGTHS, n_scores, seed), learners)
            for d in dict.fromkeys(min(d, settings.tasks.n_dims[1]) for d in _CURVE_DIMS)
        ]
    facts = {
        "settings": _identity(settings),
        "title": settings.name,
        "architecture": settings.net.architecture,
        "classes": {name: settings.classes[name] for name in classes},
        "parameters": sum(weight.numel() for weight in net.parameters()),
        "steps": curves.kept * batches.n_batches,
        "tasks": curves.kept * batches.n_rows,
        "tasks_per_second": curves.rows_per_second,
        "threads": place.n_threads,
        "precision": str(course.precision)[6:],
        "device": device.type,
        "torch": torch.__version__,
        "loss": curves.loss,
        "looks": looks.so_far(),
        "look": {"n_dims": dims, "lengths": list(_LOOK_LENGTHS), "ridge": looks.ridge},
        "curves": found,
        **more,
    }
    with folder_aside(place.checkpoint) as aside:
        write_checkpoint(aside, net, settings.model_dump(mode="json"), facts)
    unfinished.unlink(missing_ok=True)
    return dict(read_checkpoint(place.checkpoint).facts)


class Looks:
    """Looks at held-out tasks, each a line of the log; those of a stopped training stay there."""

    def __init__(self, place: Place, held_out: HeldOut, ridge: float) -> None:
        self._place, self._held_out, self.ridge = place, held_out, ridge
        self._began = time.monotonic()

    def take(self, net: nn.Module, device: torch.device) -> float:
        """Judge a net; return minus its mean error, so that more is better."""
        errors = self._held_out.errors(net_learner(net, device))
        mean = mean_error(errors)
        line = {
            "error": mean,
            "classes": {name: sum(of) / len(of) for name, of in errors.items()},
            "seconds": round(time.monotonic() - self._began, 1),
            "cpu_seconds": round(time.process_time(), 1),
        }
        with self._place.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self._place.say(f"held-out error {mean:.3f} (ridge {self.ridge:.3f})")
        return -mean if math.isfinite(mean) else -math.inf

    def so_far(self) -> list[dict[str, Any]]:
        """Return what the log has; a look taken again after a kill is the same, and counts once."""
        lines = [json.loads(line) for line in self._place.log.read_text("utf-8").splitlines()]
        after = [*lines[1:], {"error": None}]
        return [a for a, b in zip(lines, after, strict=True) if a["error"] != b["error"]]


def _check_unfinished(path: Path, settings: PretrainSettings) -> None:
    """Refuse to write over what another config has left unfinished; raises ModelError."""
    if not path.exists():
        return
    _, told_of = read_arrays(path)
    if told_of["made_for"].get("settings") != _identity(settings):
        raise ModelError(
            "is left by a pretraining of another config that was stopped",
            where=str(path),
            fix="give this config another name, or remove that file",
        )


def _identity(settings: PretrainSettings) -> dict[str, Any]:
    """Return what decides the weights, as JSON values."""
    return settings.model_dump(mode="json", exclude={"workers", "curve_tasks"})
