"""Where a net computes: threads, a GPU, the precision, and the same result every time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any, Literal

import torch

from numerai_lab.machine import usable_cores
from numerai_lab.models.contract import FitContext, Said

Precision = Literal["auto", "float32", "bfloat16"]

# What multiplies on a CPU (oneDNN) keeps a program for each shape it has met, 1,024 of them, which
# lie between the blocks of large tensors, so that freed ones cannot be joined: memory grows from
# step to step where batches differ in rows. The few of a step suffice, and are as fast. Read at the
# first product of a process; who has set it is left alone.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16")


@contextlib.contextmanager
def computing(n_threads: int, device: torch.device) -> Iterator[None]:
    """Compute with so many threads (0: all cores), by deterministic algorithms only.

    What torch is set to, and its random numbers, are afterwards what they were before.
    """
    if device.type == "cuda":  # read when cuBLAS starts; without it its sums vary
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # use_deterministic_algorithms says the same to a compiler, too, whose import takes seconds
    threads, mode = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.set_num_threads(n_threads or usable_cores())
        torch.set_deterministic_debug_mode("error")
        try:
            yield
        finally:
            torch.set_deterministic_debug_mode(mode)
            torch.set_num_threads(threads)


def device_of(ctx: FitContext, said: Said) -> torch.device:
    """Return the device that the run asks for; the CPU, said aloud, where torch finds no GPU."""
    if ctx.device == "cuda" and not torch.cuda.is_available():
        said.aloud("device cuda was asked for but torch finds no GPU: trained on the CPU")
        return torch.device("cpu")
    return torch.device(ctx.device)


def precision_of(wanted: Precision, device: torch.device, said: Said) -> torch.dtype:
    """Return the type that training multiplies in; what was chosen and why is noted."""
    fast = has_bfloat16(device)
    where = "GPU" if device.type == "cuda" else "CPU"
    if wanted == "auto":
        have = "has" if fast else "has no"
        said.note(
            f"trained in {'bfloat16' if fast else 'float32'}: this {where} {have} fast bfloat16"
        )
    elif wanted == "bfloat16" and not fast:
        said.aloud(f"precision bfloat16 is slow here: this {where} has no instructions for it")
    return torch.bfloat16 if wanted == "bfloat16" or (wanted == "auto" and fast) else torch.float32


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 faster than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    asked: Any = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(asked()) if asked is not None else False
