"""`numerai-lab pretrain`: train the in-context net on tasks drawn at random; it goes on by itself.

    OUT/NAME/{config.yaml, log.jsonl, pretrain.html, checkpoint/}

`checkpoint/` is the artefact that a model reads, written when all is done. Until then
`unfinished.npz` lies beside the log, from which the same command goes on; on a CPU with as many
threads to the same bits.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from pydantic import ValidationError
from torch import nn

from numerai_lab.errors import ModelError
from numerai_lab.files import folder_aside
from numerai_lab.models.contract import FitContext, Said
from numerai_lab.models.nets.checkpoints import Checkpoint, read_unfinished
from numerai_lab.models.nets.device import computing, device_of, precision_of
from numerai_lab.models.nets.in_context.batches import TaskBatches
from numerai_lab.models.nets.in_context.checkpoint import read_checkpoint, write_checkpoint
from numerai_lab.models.nets.in_context.curves import (
    N_ASKED,
    HeldOut,
    classes_of,
    net_learner,
    ridge_learner,
    told,
)
from numerai_lab.models.nets.in_context.looks import Looks
from numerai_lab.models.nets.in_context.memory import check_memory
from numerai_lab.models.nets.in_context.module import TaskBatch, new_net
from numerai_lab.models.nets.in_context.real_rows import RealRows, chosen_mixture, read_rows
from numerai_lab.models.nets.in_context.settings import PretrainSettings
from numerai_lab.models.nets.loop import Course, Keys, train
from numerai_lab.models.nets.processes import Processes
from numerai_lab.seeds import child_seed

_LOOK_DIMS, _LOOK_LENGTHS = 8, (8, 32)
_LENGTHS = (2, 4, 8, 12, 16, 24, 32, 48, 64, 96)
_CURVE_DIMS = (5, 10, 16)
_KEYS = Keys("learning_rate", "accumulate", "write fewer tasks_per_step, or a smaller net")


@dataclass(frozen=True)
class Place:
    """Where a pretraining is kept, and whom it tells.

    Attributes
    ----------
    folder : of this pretraining, `OUT/NAME`. warn : called with what the user must read.
    say : with what may be left out. progress, pace : as in a `FitContext`.
    """

    folder: Path
    warn: Callable[[str], None]
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
        warn: Callable[[str], None] | None = None,
        n_threads: int = 0,
        device: str = "cpu",
    ) -> dict[str, Any]:
        """Pretrain, or go on, or find that it is done; return what `pretrain.html` shows.

        Parameters
        ----------
        folder : of this pretraining, `OUT/NAME`. warn : called with sentences that must be read,
            in place of `say`. The others : as in a `FitContext`.

        Raises
        ------
        ModelError : the folder has a checkpoint of other settings; the loss is not finite.
        """
        place = Place(folder, warn or say, say, progress, pace, n_threads, device)
        if place.checkpoint.exists():
            found = _made_before(settings, place)
            place.say(f"{place.checkpoint} is done already")
            return found
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
    if own.checkpoint.exists():
        _made_before(one, own, rows)
    else:
        place.say(f"classes: auto tries {changes['classes']}")
        pretrain(one, own, rows, {"features_to": rows.last_era})
    return own.checkpoint


def _made_before(
    settings: PretrainSettings, place: Place, rows: RealRows | None = None
) -> dict[str, Any]:
    """Return the facts of a checkpoint that is there.

    Parameters
    ----------
    rows : those that it must have been made from, where this is to be checked.

    Raises
    ------
    ModelError : it is damaged, or of another config or other rows.
    """
    away = f"move {place.checkpoint} away, and the same command pretrains it anew"
    try:
        found = dict(read_checkpoint(place.checkpoint).facts)
    except ModelError as error:
        raise ModelError(error.what, where=error.where, fix=away) from None
    if rows is not None and found.get("rows") != rows.frame.identity():
        raise ModelError("was made from other rows", where=str(place.checkpoint), fix=away)
    try:
        same = _identity(PretrainSettings.model_validate(found["settings"])) == _identity(settings)
    except ValidationError:  # it has settings that this version does not know
        same = False
    if not same:
        raise ModelError(
            "there is a checkpoint of another config already",
            where=str(place.checkpoint),
            fix="give this config another name, or move that folder away",
        )
    return found


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
    for part in place.folder.glob(".*.part"):  # of a process that was killed as it wrote
        shutil.rmtree(part) if part.is_dir() else part.unlink()
    unfinished = place.folder / "unfinished.npz"
    made_for: dict[str, Any] = {
        "settings": _identity(settings),
        "version of torch": torch.__version__,
    }
    if rows is not None:
        made_for["rows"] = rows.frame.identity()
    taken = _looks_taken(unfinished, made_for)
    ctx = FitContext(
        seed=settings.seed,
        target="",
        targets=(),
        purge_eras=0,
        device="cuda" if place.device == "cuda" else "cpu",
        n_threads=place.n_threads,
        say=place.warn,
    )
    said = Said(ctx)
    device = device_of(ctx, said)
    check_memory(settings, _LENGTHS[-1] + N_ASKED, device)
    batches = TaskBatches(settings, device, rows)
    n_looks = max(1, round(settings.steps / batches.n_batches))
    if (n_steps := n_looks * batches.n_batches) != settings.steps:
        place.warn(
            f"{n_steps:,} steps are taken, not {settings.steps:,}: a look at held-out tasks comes "
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
            keys=_KEYS,
        )
        looks = Looks(place.log, look, batches.n_batches, taken, place.say, place.warn)

        def judge(module: nn.Module) -> float:
            return looks.take(module, device)

        def progress(done: int) -> None:
            place.progress(done * batches.n_batches, n_looks * batches.n_batches)

        def loss(one: nn.Module, batch: TaskBatch) -> torch.Tensor:
            lost: torch.Tensor = one.losses(batch.x, batch.y, batch.truth, batch.n_context)
            return lost

        curves = train(
            net,
            batches,
            loss,
            course,
            Checkpoint(unfinished, made_for, place.warn),
            Processes(),
            judge,
            progress,
            place.pace,
        )
        kept = looks.kept(net, device, curves.kept * batches.n_batches)
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
        "tasks_per_second": curves.rows_per_second or None,  # none were left to train
        "threads": place.n_threads,
        "precision": str(course.precision)[6:],
        "device": device.type,
        "torch": torch.__version__,
        "loss": curves.loss,
        "looks": looks.lines,
        "kept": kept,
        "look": {"n_dims": dims, "lengths": list(_LOOK_LENGTHS), "ridge": looks.ridge},
        "curves": found,
        **({} if rows is None else {"rows": made_for["rows"]}),
        **more,
    }
    with folder_aside(place.checkpoint) as aside:
        write_checkpoint(aside, net, settings.model_dump(mode="json"), facts)
    unfinished.unlink(missing_ok=True)
    return dict(read_checkpoint(place.checkpoint).facts)


def _looks_taken(path: Path, made_for: Mapping[str, Any]) -> int:
    """Return how many looks a stopped training has taken, if it is gone on from.

    Raises
    ------
    ModelError : another config has left it, which must not be written over.
    """
    if not path.exists():
        return 0
    try:
        _, told_of = read_unfinished(path)
    except ModelError:
        return 0  # damaged: the loop says so, and begins anew
    if told_of["made_for"].get("settings") != made_for["settings"]:
        raise ModelError(
            "is left by a pretraining of another config that was stopped",
            where=str(path),
            fix="give this config another name, or remove that file",
        )
    return len(told_of["facts"]["curves"]["corr"]) if told_of["made_for"] == made_for else 0


def _identity(settings: PretrainSettings) -> dict[str, Any]:
    """Return what decides the weights, as JSON values."""
    return settings.model_dump(mode="json", exclude={"workers", "curve_tasks"})
