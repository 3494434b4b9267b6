"""Batches of tasks for the training loop, drawn ahead by a thread or by processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Protocol

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from numerai_lab.arrays import Float32
from numerai_lab.errors import ModelError
from numerai_lab.models.nets.in_context.module import TaskBatch
from numerai_lab.models.nets.in_context.settings import PretrainSettings
from numerai_lab.models.nets.in_context.tasks import Tasks
from numerai_lab.seeds import child_seed


class Rows(Protocol):
    """Real rows as points of tasks (`real_rows`)."""

    def draw(self, rng: np.random.Generator, n_tasks: int, n_points: int, n_dims: int) -> Float32:
        """Draw points, float32 [n_tasks, n_points, n_dims]."""
        ...

    def reopened(self) -> Callable[[], Rows]:
        """Return what opens the same rows in another process; it pickles."""
        ...


class TaskBatches:
    """An endless stream of tasks, cut into epochs: the tasks between two looks.

    Each step has a seed of its own, so that a training that was stopped goes on with the tasks it
    would have had, and who draws them changes nothing. A step draws its dimensions and rows of
    context, the same for all of its tasks. `close` ends the processes that draw.
    """

    unit = "tasks"

    def __init__(
        self, settings: PretrainSettings, device: torch.device, rows: Rows | None = None
    ) -> None:
        self._settings, self._device, self._rows = settings, device, rows
        self.n_batches = min(settings.steps_between_looks, settings.steps)
        self.n_rows = self.n_batches * settings.tasks_per_step
        self._pool: Executor | None = None

    def epoch(self, number: int, first: int = 0) -> Iterator[TaskBatch]:
        """Yield the batches of an epoch from the batch `first` on.

        Raises
        ------
        ModelError : a process that draws tasks was killed.
        """
        steps = range(number * self.n_batches + first, (number + 1) * self.n_batches)
        for tasks in self._drawn(steps):
            yield TaskBatch.of(tasks, self._device)

    def draw(self, step: int) -> Tasks:
        """Draw the tasks of a step."""
        return _tasks_of(self._settings, self._rows, step)

    def close(self) -> None:
        """End the thread or processes that draw ahead."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def _drawn(self, steps: range) -> Iterator[Tasks]:
        if not self._settings.workers:
            yield from map(self.draw, steps)
            return
        draw: Callable[[int], Tasks] = self.draw
        if self._settings.workers > 1:
            draw = _draw_here
        ahead: deque[Future[Tasks]] = deque()
        pool = self._started()
        try:
            for step in steps:
                ahead.append(pool.submit(draw, step))
                if len(ahead) > 2 * self._settings.workers:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        except BrokenProcessPool:
            pool.shutdown(wait=True)  # until the others, which it ends, are gone
            self._pool = None
            raise ModelError(
                "a process that draws tasks was killed, by the system if memory was short",
                where="workers",
                fix="the same command goes on from the last checkpoint; write workers: 1 for a "
                "thread in place of processes",
            ) from None

    def _started(self) -> Executor:
        """Return the thread or processes that draw; they stay for all epochs."""
        n = self._settings.workers
        if self._pool is None and n == 1:
            self._pool = ThreadPoolExecutor(1)
        elif self._pool is None:
            reopen = None if self._rows is None else self._rows.reopened()
            self._pool = ProcessPoolExecutor(
                n,
                mp_context=multiprocessing.get_context("spawn"),  # torch has threads: no fork
                initializer=_begin,
                initargs=(self._settings, reopen),
            )
        return self._pool


_OURS: list[tuple[PretrainSettings, Rows | None]] = []
"""In a process that draws: what it draws by."""


def _begin(settings: PretrainSettings, reopen: Callable[[], Rows] | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started it hears Ctrl-C, and ends it
    parent = multiprocessing.parent_process()
    if parent is not None:  # killed, it could not end this process
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    threadpool_limits(1)
    _OURS[:] = [(settings, None if reopen is None else reopen())]


def _end_with(parent: int) -> None:
    wait([parent])
    os._exit(1)


def _draw_here(step: int) -> Tasks:
    settings, rows = _OURS[0]
    return _tasks_of(settings, rows, step)


def _tasks_of(settings: PretrainSettings, rows: Rows | None, step: int) -> Tasks:
    """Draw the tasks of a step from its own seed."""
    rng = np.random.default_rng(child_seed(settings.seed, "icl", "tasks", step))
    most_dims, most_rows = settings.sizes_at(step)
    n_dims = int(rng.integers(settings.tasks.n_dims[0], most_dims + 1))
    low, high = np.log(settings.tasks.n_context[0]), np.log(most_rows + 1)
    n_context = min(int(np.exp(rng.uniform(low, high))), most_rows)
    share = 0.0 if settings.rows is None else settings.rows.share
    return settings.mixture.draw(
        rng,
        settings.tasks_per_step,
        n_context,
        settings.tasks.n_queries,
        n_dims,
        None if rows is None else rows.draw,
        share,
    )
