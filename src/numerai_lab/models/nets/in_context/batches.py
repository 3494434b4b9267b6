"""Batches of tasks for the training loop, drawn ahead by other threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from numerai_lab.models.nets.in_context.module import TaskBatch
from numerai_lab.models.nets.in_context.settings import PretrainSettings
from numerai_lab.models.nets.in_context.tasks import Points, Tasks
from numerai_lab.seeds import child_seed


class TaskBatches:
    """An endless stream of tasks, cut into epochs: the tasks between two looks.

    Each step has a seed of its own, so that a training that was stopped goes on with the tasks it
    would have had, and the number of threads changes nothing. A step draws its dimensions and rows
    of context, the same for all of its tasks. `points` draws those that are real rows.
    """

    unit = "tasks"

    def __init__(
        self, settings: PretrainSettings, device: torch.device, points: Points | None = None
    ) -> None:
        self._settings, self._device, self._points = settings, device, points
        self.n_batches = min(settings.steps_between_looks, settings.steps)
        self.n_rows = self.n_batches * settings.tasks_per_step

    def epoch(self, number: int, first: int = 0) -> Iterator[TaskBatch]:
        """Yield the batches of an epoch from the batch `first` on."""
        steps = range(number * self.n_batches + first, (number + 1) * self.n_batches)
        for tasks in self._drawn(steps):
            yield TaskBatch.of(tasks, self._device)

    def draw(self, step: int) -> Tasks:
        """Draw the tasks of a step."""
        settings = self._settings
        rng = np.random.default_rng(child_seed(settings.seed, "icl", "tasks", step))
        most_dims, most_rows = settings.sizes_at(step)
        n_dims = int(rng.integers(settings.tasks.n_dims[0], most_dims + 1))
        low, high = np.log(settings.tasks.n_context[0]), np.log(most_rows + 1)
        n_context = min(int(np.exp(rng.uniform(low, high))), most_rows)
        n_queries = settings.tasks.n_queries
        share = 0.0 if settings.rows is None else settings.rows.share
        return settings.mixture.draw(
            rng, settings.tasks_per_step, n_context, n_queries, n_dims, self._points, share
        )

    def _drawn(self, steps: range) -> Iterator[Tasks]:
        if not self._settings.workers:
            yield from map(self.draw, steps)
            return
        ahead: deque[Future[Tasks]] = deque()
        with ThreadPoolExecutor(self._settings.workers) as pool:
            for step in steps:
                ahead.append(pool.submit(self.draw, step))
                if len(ahead) > 2 * self._settings.workers:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
