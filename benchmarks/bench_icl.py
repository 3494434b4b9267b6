"""`icl`: tasks a second, drawn and trained on, and the prediction of a live era.

    .venv/bin/python benchmarks/bench_icl.py [--threads 1,2] [--steps 40]

Seconds are CPU seconds, so that what else the machine does counts little; with two threads those of
both are added up. The net is of the shipped size. A live era has 7,000 rows x 780 features, a
context 1,024 rows.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from measure import machine_line, today
from numerai_lab.models.nets.in_context import ICL, ICLParams
from numerai_lab.models.nets.in_context.batches import TaskBatches
from numerai_lab.models.nets.in_context.checkpoint import read_checkpoint, shipped_checkpoint
from numerai_lab.models.nets.in_context.module import TaskBatch, new_net
from numerai_lab.models.nets.in_context.settings import PretrainSettings
from numerai_lab.models.nets.in_context.tasks import Tasks

LIVE = (7_000, 780)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--steps", type=int, default=40)
    asked = parser.parse_args()
    shipped = read_checkpoint(shipped_checkpoint()).facts["settings"]
    settings = PretrainSettings.model_validate({**shipped, "workers": 0, "curriculum": 0.0})
    batches = TaskBatches(settings, torch.device("cpu"))
    print(f"{today()}; {machine_line()}\n")
    began = time.process_time()
    tasks = [batches.draw(step) for step in range(asked.steps)]
    drawn = asked.steps * settings.tasks_per_step / (time.process_time() - began)
    print(f"drawn                          {drawn:10,.0f} tasks a CPU second")
    for threads in map(int, asked.threads.split(",")):
        for low in (False, True):
            rate, wall = trained(settings, tasks, threads, low)
            name = f"trained on, {threads} thread(s), {'bfloat16' if low else 'float32'}"
            print(f"{name:38} {rate:8,.0f} tasks a CPU second, {wall:,.0f} a second")
    live()


def trained(
    settings: PretrainSettings, tasks: list[Tasks], threads: int, low: bool
) -> tuple[float, float]:
    """Take a step on each batch of tasks; return tasks a CPU second, and a second."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    net = new_net(settings.net.size)
    optimizer = torch.optim.AdamW(net.parameters(), fused=True)
    cpu, wall = time.process_time(), time.perf_counter()
    for one in tasks:
        batch = TaskBatch.of(one, torch.device("cpu"))
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            lost = net.losses(batch.x, batch.y, batch.truth, batch.n_context).mean()
        lost.backward()
        optimizer.step()
    n = len(tasks) * settings.tasks_per_step
    return n / (time.process_time() - cpu), n / (time.perf_counter() - wall)


def live() -> None:
    """Predict a live era as a final model does."""
    from numerai_lab.models import FitContext
    from numerai_lab.models.conformance.toy import toy_frame

    n_rows, n_features = LIVE
    train = toy_frame(1, rows_per_era=np.full(20, 200), n_features=n_features)
    model = ICL(ICLParams(controls=False))
    model.fit(train, FitContext(seed=0, target="target", targets=("target",), purge_eras=8))
    era = toy_frame(2, rows_per_era=np.array([n_rows]), first_era=90, n_features=n_features)
    cpu, wall = time.process_time(), time.perf_counter()
    model.predict(era.without_targets())
    print(
        f"\na live era of {n_rows:,} rows x {n_features} features, 1,024 rows of context: "
        f"{time.process_time() - cpu:.1f} CPU seconds, {time.perf_counter() - wall:.1f} s"
    )


if __name__ == "__main__":
    main()
