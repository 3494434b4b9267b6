"""`mlp` beside plain PyTorch scripts of the same net: rows a second in training, and peak memory.

    .venv/bin/python benchmarks/bench_nets.py [REPEATS] [--features 140,700,3555] [--threads 1,2]
                                              [--nets mlp,tabm,mixer,era_set,mtm]

Both begin with the same int8 rows in a file, read them, and train one epoch of the same residual
net with AdamW, 2,048 rows a step. `script` is what most people write: TensorDataset and DataLoader
over float32 rows, standardised, with 0 where a value is missing, beside a mask of them. `slices`
cuts batches from the same float32 tensor itself, and multiplies in the precision that `mlp` has
chosen (bfloat16 where the CPU has instructions for it). Each is a process of its own, in turns;
seconds are CPU seconds of its training, reading included and imports not, so that what else the
machine does counts little; in brackets with torch's compiler, which `torch.optim.AdamW` imports.
Then each side predicts the rows. `--nets` measures other nets of the lab beside the same scripts
(`mtm` without its pretraining and its twin, which each cost as much again). At the end each net
predicts a live era of 7,000 rows x 780 features.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from measure import (
    Run,
    machine_line,
    ratio,
    remove_files_when_told_to_stop,
    run_process,
    spread,
    today,
)

NETS: dict[str, tuple[str, dict[str, Any]]] = {
    "mlp": ("mlp", {}),
    "tabm": ("mlp", {"tabm": 16}),
    "mixer": ("mixer", {}),
    "era_set": ("era_set", {}),
    "mtm": ("mtm", {"pretrain_epochs": 0}),
}
SCRIPTS = ("slices", "script")
BATCH = 2048
LIVE = (7_000, 780)


def write_rows(folder: Path, n_eras: int, rows: int, n_features: int) -> None:
    """Write int8 rows, and labels in five bins."""
    features = np.lib.format.open_memmap(
        folder / "features.npy", mode="w+", dtype=np.int8, shape=(n_eras * rows, n_features)
    )
    for era in range(n_eras):
        rng, here = np.random.default_rng(era), slice(era * rows, (era + 1) * rows)
        features[here] = rng.integers(0, 5, (rows, n_features), dtype=np.int8)
    features.flush()
    labels = np.random.default_rng(0).integers(0, 5, n_eras * rows) / 4
    np.save(folder / "labels.npy", labels.astype(np.float32))


def lab(name: str, folder: Path, rows: int, threads: int) -> tuple[int, float, float]:
    """Fit a net for one epoch, and let it predict the rows.

    Returns
    -------
    The rows, and the CPU seconds of both.
    """
    import pyarrow as pa

    from numerai_lab.eraframe import EraFrame
    from numerai_lab.models import FitContext, get_model

    kind = get_model(NETS[name][0])
    start = time.process_time()
    features, labels = np.load(folder / "features.npy"), np.load(folder / "labels.npy")
    n = len(labels)
    offsets = np.arange(0, n + 1, rows)
    frame = EraFrame(
        features=features,
        eras=np.arange(1, len(offsets), dtype=np.int32),
        offsets=offsets,
        ids=pa.array(np.arange(n)).cast(pa.string()),
        targets=labels[:, None],
        feature_names=tuple(f"feature_{i}" for i in range(features.shape[1])),
        target_names=("target",),
    )
    model = kind(kind.Params.model_validate({"epochs": 1, **NETS[name][1]}))
    ctx = FitContext(seed=0, target="target", targets=("target",), purge_eras=8, n_threads=threads)
    model.fit(frame, ctx)
    fitted = time.process_time()
    model.predict(frame.without_targets())
    return n, fitted - start, time.process_time() - fitted


def script(folder: Path, threads: int, *, loader: bool) -> tuple[int, float, float, float]:
    """Train the net of `mlp` as a script would, the slices in the precision that `mlp` has here.

    Returns
    -------
    The rows, the CPU seconds of training and of predicting the int8 rows, and those of the training
    in which the first AdamW of torch imports torch's compiler.
    """
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    start = time.process_time()
    torch.set_num_threads(threads)
    torch.manual_seed(0)

    def numbers(bins: Any) -> torch.Tensor:
        bins = torch.from_numpy(bins).float()
        gaps = bins < 0
        return torch.cat([torch.where(gaps, 0.0, (bins - 2) / 2**0.5), gaps.float()], dim=1)

    features = np.load(folder / "features.npy")
    rows = numbers(features)
    labels = torch.from_numpy(np.load(folder / "labels.npy"))
    labels = (labels - labels.mean()) / labels.std()

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(
                nn.LayerNorm(128), nn.Linear(128, 256), nn.GELU(), nn.Dropout(0.3),
                nn.Linear(256, 128),
            )  # fmt: skip

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.inner(x)

    net = nn.Sequential(
        nn.Linear(rows.shape[1], 128), Block(), nn.LayerNorm(128), nn.Dropout(0.3),
        nn.Linear(128, 1),
    )  # fmt: skip
    before = time.process_time()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.1)
    imports = time.process_time() - before
    n_steps = -(-len(rows) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=n_steps)
    order = torch.randperm(len(rows))
    batches = (
        DataLoader(TensorDataset(rows, labels), batch_size=BATCH, shuffle=True)
        if loader
        else ((rows[i], labels[i]) for i in order.split(BATCH))
    )
    low = not loader and fast_bfloat16()
    for x, y in batches:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            outputs = net(x)[:, 0]
        nn.functional.mse_loss(outputs.float(), y).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    trained = time.process_time()
    net.eval()
    with torch.inference_mode():
        for i in range(0, len(features), BATCH):
            net(numbers(features[i : i + BATCH]))
    return len(rows), trained - start, time.process_time() - trained, imports


def fast_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 faster than float32."""
    import torch

    asked: Any = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(asked()) if asked is not None else False


def side(name: str, folder: Path, rows: int, threads: int) -> None:
    """Train one side in this process, and predict.

    Prints rows a second of CPU, without and with its imports, and those of prediction. Imports of
    torch itself, and of the lab, are in none of them.
    """
    import torch.utils.data  # noqa: F401

    if name in NETS:
        n, training, prediction = lab(name, folder, rows, threads)
        imports = 0.0
    else:
        n, training, prediction, imports = script(folder, threads, loader=name == "script")
    print(n / (training - imports), n / training, n / prediction)


def live() -> None:
    """Predict a live era with every net of rows, in this process."""
    import pyarrow as pa

    from numerai_lab.eraframe import EraFrame
    from numerai_lab.models import FitContext, get_model

    def era(first: int, n_eras: int, rows: int, n_features: int) -> EraFrame:
        n = n_eras * rows
        rng = np.random.default_rng(first)
        return EraFrame(
            features=rng.integers(0, 5, (n, n_features), dtype=np.int8),
            eras=np.arange(first, first + n_eras, dtype=np.int32),
            offsets=np.arange(0, n + 1, rows),
            ids=pa.array(np.arange(n)).cast(pa.string()),
            targets=(rng.integers(0, 5, (n, 1)) / 4).astype(np.float32),
            feature_names=tuple(f"feature_{i}" for i in range(n_features)),
            target_names=("target",),
        )

    for name, params in NETS.values():
        kind = get_model(name)
        model = kind(kind.Params.model_validate({"epochs": 1, **params}))
        ctx = FitContext(seed=0, target="target", targets=("target",), purge_eras=8, n_threads=1)
        model.fit(era(1, 4, 100, LIVE[1]), ctx)
        one = era(100, 1, *LIVE).without_targets()
        model.predict(one)
        wall, cpu = time.perf_counter(), time.process_time()
        model.predict(one)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(f"{name} {params or ''}: {wall:.2f} s, CPU {cpu:.2f} s")


def main() -> None:
    """Print rows a second and memory of each side, as ratios to those of the script."""
    parser = argparse.ArgumentParser()
    parser.add_argument("repeats", nargs="?", type=int, default=3)
    parser.add_argument("--features", default="140,700,3555")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--mib", type=int, default=60, help="of int8 rows")
    parser.add_argument("--nets", default="mlp", help=f"of {', '.join(NETS)}")
    parser.add_argument("--side")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--rows", type=int, default=2048)
    asked = parser.parse_args()
    if asked.side == "live":
        return live()
    if asked.side:
        return side(asked.side, asked.folder, asked.rows, int(asked.threads))
    if find_spec("torch") is None:
        print("nothing is measured: torch is not there (make nets)")
        return None
    remove_files_when_told_to_stop()
    print(f"{machine_line()}, torch {metadata.version('torch')}")
    sides = (*asked.nets.split(","), *SCRIPTS)
    for n_features in map(int, asked.features.split(",")):
        n_eras = max(4, (asked.mib << 20) // (n_features * asked.rows))
        with tempfile.TemporaryDirectory() as temporary:
            write_rows(Path(temporary), n_eras, asked.rows, n_features)
            for threads in map(int, asked.threads.split(",")):
                os.environ["OMP_NUM_THREADS"] = str(threads)
                runs: dict[str, list[Run]] = {name: [] for name in sides}
                for _ in range(asked.repeats):
                    for name in sides:
                        command = [sys.executable, __file__, "--side", name, "--folder", temporary]
                        command += ["--threads", str(threads), "--rows", str(asked.rows)]
                        runs[name].append(run_process(command))
                _print(f"{n_eras * asked.rows:,} x {n_features}, {threads} thread(s)", runs)
    print(run_process([sys.executable, __file__, "--side", "live"]).stdout, today())
    return None


def _print(what: str, runs: dict[str, list[Run]]) -> None:
    def column(place: int) -> dict[str, list[float]]:
        return {n: [float(run.stdout.split()[place]) for run in some] for n, some in runs.items()}

    rates, whole, predicted = (column(place) for place in range(3))
    peaks = {name: [run.peak_mb for run in some] for name, some in runs.items()}
    print(f"\n{what}")
    for name in runs:
        beside = (
            ""
            if name == "script"
            else f", {ratio(rates[name], rates['script'])} of the script "
            f"({ratio(whole[name], whole['script'])})"
        )
        peak = "" if name == "script" else f", {ratio(peaks[name], peaks['script'])} of its peak"
        faster = "" if name == "script" else f", {ratio(predicted[name], predicted['script'])}"
        print(
            f"{name}: {spread(rates[name], 0)} rows a CPU second{beside}; predicted "
            f"{spread(predicted[name], 0)}{faster}; peak {spread(peaks[name], 0)} MiB{peak}"
        )


if __name__ == "__main__":
    main()
