"""Pretraining of `icl` on a GPU beside the CPU: tasks a second, memory, and whether both agree.

    .venv/bin/python benchmarks/gpu_icl.py      some minutes; needs torch and an NVIDIA GPU

The shipped config for `--steps` steps, drawn by one thread and by `--workers` processes. The
comparison is in float32: what is left between the devices are sums in another order.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from measure import machine_line, today
from numerai_lab.models.nets.in_context.pretraining import Pretraining
from numerai_lab.models.nets.in_context.settings import PretrainSettings

SHIPPED: dict[str, Any] = {"pretrain": "icl", "name": "bench", "curve_tasks": 8, "curriculum": 0.0}


def main() -> None:
    """Print a line for each device, precision and number of processes, and how far they differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--devices", default="cpu,cuda")
    asked = parser.parse_args()
    devices = asked.devices.split(",")
    if "cuda" in devices and not torch.cuda.is_available():
        sys.exit("torch finds no GPU here: nothing is measured")
    name = torch.cuda.get_device_name() if "cuda" in devices else "no GPU asked for"
    print(f"{machine_line()}, torch {torch.__version__}, {name}")
    errors: dict[str, float] = {}
    for device in devices:
        for precision in ("float32", "bfloat16"):
            for workers in (1, asked.workers):
                changes = {"steps": asked.steps, "precision": precision, "workers": workers}
                told, seconds = pretrained(device, {**changes, "steps_between_looks": asked.steps})
                if precision == "float32":
                    errors[device] = told["looks"][-1]["error"]
                memory = torch.cuda.max_memory_allocated() >> 20 if device == "cuda" else 0
                print(
                    f"{device}, {precision}, workers {workers}: "
                    f"{told['tasks_per_second']:,.0f} tasks/s, {seconds:.1f} s in all, "
                    f"GPU {memory:,} MiB"
                )
    if len(errors) == 2:
        print(f"held-out error in float32: {errors['cpu']:.4f} and {errors['cuda']:.4f}")
    print(today())


def pretrained(device: str, changes: dict[str, Any]) -> tuple[dict[str, Any], float]:
    """Pretrain in a folder that goes; return what is told, and seconds of wall time."""
    settings = PretrainSettings.model_validate({**SHIPPED, **changes})
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        told = Pretraining.run(
            settings,
            Path(folder) / "bench",
            say=lambda _: None,
            progress=lambda *_: None,
            pace=lambda _: None,
            device=device,
        )
    return told, time.perf_counter() - began


if __name__ == "__main__":
    main()
