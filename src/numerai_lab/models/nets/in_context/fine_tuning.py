"""Fine-tuning on training eras: ask for rows of an era after showing rows of others.

What is returned is never worse on the held-out eras than the pretrained net: the best epoch's
weights are kept only where the corr of held-out early training eras surely gains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from numerai_lab.arrays import Eras, Float64
from numerai_lab.config import Bootstrap
from numerai_lab.eraframe import EraFrame
from numerai_lab.models.adapting import label_overlap
from numerai_lab.models.contract import FitContext, Said
from numerai_lab.models.nets.checkpoints import Checkpoint
from numerai_lab.models.nets.device import computing
from numerai_lab.models.nets.epochs import held_out
from numerai_lab.models.nets.in_context.batches import TaskBatches
from numerai_lab.models.nets.in_context.contexts import labels_of
from numerai_lab.models.nets.in_context.module import InContextNet, TaskBatch
from numerai_lab.models.nets.in_context.params import ICLParams
from numerai_lab.models.nets.in_context.runtime import projected
from numerai_lab.models.nets.in_context.settings import PretrainSettings
from numerai_lab.models.nets.in_context.tasks import Tasks
from numerai_lab.models.nets.kept import Arrays
from numerai_lab.models.nets.loop import Course, Keys, train
from numerai_lab.models.nets.processes import Processes
from numerai_lab.models.nets.runtime import era_bins
from numerai_lab.scoring import interval_of_mean
from numerai_lab.seeds import child_seed

_TASKS, _DRAWN = 8, 32
"""Eras that a step asks for, and drawn tasks beside them."""
_SHOWN_ERAS = 8
_EMA = 0.9


@dataclass(frozen=True, eq=False)
class _Rows:
    """Labelled rows of eras, as scores and labels."""

    eras: Eras
    x: list[Any]
    y: list[Any]


class EraTasks:
    """Tasks made of training eras: rows of an era, after rows of eras at least a purge away.

    Each epoch asks for every era once. A batch is a list of parts: tasks of eras, and drawn ones.
    """

    unit = "eras"

    def __init__(
        self, rows: _Rows, purge: int, params: ICLParams, drawn: TaskBatches | None, seed: int
    ) -> None:
        self._rows, self._purge, self._params = rows, purge, params
        self._drawn, self._seed = drawn, seed
        away = [self._away(era) for era in rows.eras]
        self._asked = [i for i, others in enumerate(away) if len(others)]
        self.n_rows = len(self._asked)
        self.n_batches = -(-self.n_rows // _TASKS) if self.n_rows else 0

    def epoch(self, number: int, first: int = 0) -> Iterator[MixedBatch]:
        """Yield the batches of an epoch from the batch `first` on."""
        order = np.random.default_rng(child_seed(self._seed, "order", number))
        places = order.permutation(self._asked)
        for step, some in enumerate(np.array_split(places, self.n_batches)):
            if step < first:
                continue
            rng = np.random.default_rng(child_seed(self._seed, "rows", number, step))
            real = self._tasks([int(i) for i in some], rng)
            drawn = None
            if self._drawn is not None:
                drawn = self._drawn.draw(10**8 + number * self.n_batches + step)
            yield MixedBatch.of(real, drawn, self._params.synthetic_share)

    def _away(self, era: int) -> Any:
        return np.flatnonzero(np.abs(self._rows.eras - era) > self._purge)

    def _tasks(self, places: list[int], rng: np.random.Generator) -> Tasks:
        n_shown, rows = self._params.fine_tune_rows, self._rows
        n_asked = max(1, n_shown // 2)
        x, y = [], []
        for place in places:
            others = self._away(int(rows.eras[place]))
            shown = rng.choice(others, min(_SHOWN_ERAS, len(others)), replace=False)
            each = np.bincount(rng.integers(0, len(shown), n_shown), minlength=len(shown))
            drawn = [(e, rng.integers(0, len(rows.y[e]), n)) for e, n in zip(shown, each)]  # noqa: B905
            drawn.append((place, rng.integers(0, len(rows.y[place]), n_asked)))
            x.append(np.concatenate([rows.x[e][which] for e, which in drawn]))
            y.append(np.concatenate([rows.y[e][which] for e, which in drawn]))
        labels = np.stack(y)
        names = np.full(len(places), "era")
        return Tasks(np.stack(x), labels, labels, n_shown, names)


@dataclass(frozen=True, eq=False)
class MixedBatch:
    """Tasks of eras, and drawn ones beside them, each with its share of the loss."""

    parts: tuple[tuple[TaskBatch, float], ...]

    @classmethod
    def of(cls, real: Tasks, drawn: Tasks | None, share: float) -> MixedBatch:
        """Put both together; `share` is the weight of the drawn tasks."""
        cpu = torch.device("cpu")
        own = TaskBatch.of(real, cpu)
        if drawn is None or not share:
            return cls(((own, 1.0),))
        return cls(((own, 1 - share), (TaskBatch.of(drawn, cpu), share)))

    @property
    def n_parts(self) -> int:
        """Number of tasks."""
        return sum(batch.n_parts for batch, _ in self.parts)

    @property
    def n_rows(self) -> int:
        """Number of rows of all tasks."""
        return sum(batch.n_rows for batch, _ in self.parts)

    @property
    def device(self) -> torch.device:
        """Where the tasks are."""
        return self.parts[0][0].device

    @property
    def shares(self) -> torch.Tensor:
        """What each task counts, float32 [n_tasks]."""
        return torch.cat([batch.shares * weight for batch, weight in self.parts])

    def pieces(self, n: int) -> list[MixedBatch]:
        """Return the batch: it is small, and not cut."""
        del n
        return [self]


def fine_tuned(
    net: InContextNet,
    train_rows: EraFrame,
    projection: Arrays,
    settings: PretrainSettings,
    params: ICLParams,
    ctx: FitContext,
    said: Said,
    score: Callable[[Mapping[str, Any], EraFrame, EraFrame], Float64],
) -> tuple[InContextNet | None, dict[str, Any]]:
    """Fine-tune a pretrained net on training eras, and judge each epoch on held-out early ones.

    Parameters
    ----------
    settings : of its pretraining, for the drawn tasks. score : corr by era of weights that are
        shown the first frame, in the eras of the second.

    Returns
    -------
    The net of the best epoch, None where no epoch surely gains or eras are too few to tell; and
    what is told of it.
    """
    parts = held_out(train_rows.eras, ctx.purge_eras)
    if parts is None:
        said.aloud(
            f"not fine-tuned: {train_rows.n_eras} training eras are too few to hold some out and "
            "see whether it helps"
        )
        return None, {"gains": []}
    learnt, judged = train_rows.select_eras(parts.train), train_rows.select_eras(parts.judged)
    seed = child_seed(ctx.seed, "icl", "fine-tuning")
    drawn = None
    if params.synthetic_share:
        changes = {"seed": seed, "workers": 0, "tasks_per_step": _DRAWN}
        drawn = TaskBatches(settings.model_copy(update=changes), torch.device("cpu"))
    batches = EraTasks(
        _rows_of(learnt, ctx.target, projection, params), ctx.purge_eras, params, drawn, seed
    )
    if not batches.n_batches:
        said.aloud("not fine-tuned: no training era has another one at least a purge away")
        return None, {"gains": []}
    base = score(_numpy_of(net), learnt, judged)

    def judge(module: nn.Module) -> float:
        return float(np.nanmean(score(_numpy_of(module), learnt, judged) - base))

    def loss(module: nn.Module, batch: MixedBatch) -> torch.Tensor:
        return torch.cat([module.losses(b.x, b.y, b.truth, b.n_context) for b, _ in batch.parts])

    course = Course(
        epochs=params.fine_tune_epochs,
        rate=params.fine_tune_rate,
        decay=0.0,
        ema=_EMA,
        precision=torch.float32,
        seed=seed,
        patience=params.fine_tune_epochs,  # all are tried, and the best is kept
        keys=Keys(rate="model.params.fine_tune_rate"),
    )
    learner = deepcopy(net)
    path = None if ctx.unfinished is None else ctx.unfinished / "fine_tuning.npz"
    made_for = {
        "parameters": params.model_dump_json(),
        "rows": learnt.identity(),
        "checkpoint": settings.model_dump_json(),
        "seed": seed,
        "version of torch": torch.__version__,
    }
    with computing(ctx.n_threads, torch.device("cpu")):
        curves = train(
            learner,
            batches,
            loss,
            course,
            Checkpoint(path, made_for, ctx.say),
            Processes(),
            judge,
            lambda done: ctx.progress(done, params.fine_tune_epochs),
            ctx.pace,
        )
    gained = score(_numpy_of(learner), learnt, judged) - base
    known = np.isfinite(gained)
    blocks = Bootstrap(samples=1000, block_eras=4 * label_overlap(ctx.purge_eras))
    use = child_seed(seed, "bootstrap")
    low, high, _ = interval_of_mean(gained[known], judged.eras[known], 20, blocks, use)
    span = f"held-out eras {judged.eras[0]}-{judged.eras[-1]}"
    shown = (
        "no score" if low is None else f"corr {gained[known].mean():+.4f} [{low:+.4f}, {high:+.4f}]"
    )
    sure = low is not None and low > 0
    told = {
        "held_out": [int(judged.eras[0]), int(judged.eras[-1])],
        "gains": [gain if np.isfinite(gain) else None for gain in curves.corr],
        "interval": [low, high],
        "block_eras": blocks.block_eras,
        "kept": curves.kept if sure else 0,
    }
    if not sure:
        said.note(f"not fine-tuned: no epoch surely gains on {span} (best {shown})")
        return None, told
    said.note(f"fine-tuned for {curves.kept} epochs: {shown} on {span}")
    return learner.eval(), told


def _rows_of(frame: EraFrame, target: str, projection: Arrays, params: ICLParams) -> _Rows:
    x, y = [], []
    values = frame.target(target)
    for _, rows in frame.iter_eras():
        x.append(projected(era_bins(frame.features[rows]), projection).astype(np.float32))
        y.append(labels_of(values[rows], params.target))
    return _Rows(frame.eras, x, y)


def _numpy_of(net: nn.Module) -> dict[str, Any]:
    return {name: weight.detach().cpu().numpy() for name, weight in net.state_dict().items()}
