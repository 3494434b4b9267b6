r"""All of v5.3's shape through the lab, once: generate, `data prepare`, train, predict, score.

3,235,064 training and 3,618,312 validation rows x 3,555 features of random bins with one planted
signal; LightGBM grows 50 trees of depth 5 on a tenth of the features. Takes about 45 GiB of
disk, which is looked at first, and an hour; everything is removed afterwards. Prints the lines for
RESULTS.md, with the run's log below them.

    python benchmarks/full_shape.py --dir FOLDER [--out JSON]
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench_memory import CONFIG, LGBM, PURGE
from measure import (
    Run,
    generate,
    lab_command,
    machine_line,
    remove_files_when_told_to_stop,
    run_process,
    today,
)

PARQUET_BYTES_A_VALUE = 0.37
BESIDE_BYTES = 2 << 30
PEAK_TARGETS = {"data prepare": 1_000, "train": 16_000}
"""MB of 10**6 bytes."""


@dataclass(frozen=True)
class Shape:
    """How many eras, rows and features are generated."""

    train_eras: int
    validation_eras: int
    rows_per_era: int
    features: int

    @property
    def train_values(self) -> int:
        """Bytes of the training features."""
        return self.train_eras * self.rows_per_era * self.features

    @property
    def values(self) -> int:
        """Bytes of all features."""
        return (self.train_eras + self.validation_eras) * self.rows_per_era * self.features

    @property
    def disk_bytes(self) -> int:
        """Bytes of disk: parquet, era store, room that binned rows ask for (half is used), runs."""
        parquet = int(PARQUET_BYTES_A_VALUE * self.values)
        return parquet + self.values + self.train_values + BESIDE_BYTES


def run_all(shape: Shape, trees: int, parent: Path) -> dict[str, Any]:
    """Run every step as a process of its own; return what was measured."""
    files, stores, runs = parent / "data", parent / "stores", parent / "runs"
    sizes = {
        "--train-eras": shape.train_eras,
        "--validation-eras": shape.validation_eras,
        "--rows-per-era": shape.rows_per_era,
        "--features": shape.features,
    }
    steps: dict[str, Run] = {}

    def step(name: str, run: Run) -> None:
        steps[name] = run
        print(f"  {name}: {run.wall:,.0f} s, {run.peak_mb:,.0f} MiB at the peak", flush=True)

    step("generate", generate(files, *(str(part) for pair in sizes.items() for part in pair)))
    where = [str(CONFIG), "--data", str(files), "--json", "--quiet"]
    where += ["--set", f"data.store.dir={stores}"]
    step("data prepare", run_process(lab_command("data", "prepare", *where)))
    first_judged = shape.train_eras + PURGE + 1
    split = f"split={{type: holdout, train: {{to: {shape.train_eras}}}, "
    split += f"validate: {{from: {first_judged}}}}}"
    where += ["--set", "data.store.use=always", "--set", split, "--set", LGBM % trees]
    step("train", run_process(lab_command("train", *where, "--runs-dir", str(runs))))
    result = json.loads(steps["train"].stdout)
    run_dir = Path(result["run_dir"])
    fit = json.loads((run_dir / "folds" / "01" / "fit.json").read_text())
    scores = result["scores"]["prediction"]
    return {
        "date": today(),
        "machine": machine_line(),
        "trees": trees,
        "steps": {
            name: {"wall": r.wall, "cpu": r.cpu, "peak_mb": r.peak_mb, "others": r.others}
            for name, r in steps.items()
        },
        "disk_bytes": {
            "parquet": size_of(files, "*.parquet"),
            "era store": size_of(stores, "*") - size_of(stores, "*.lightgbm"),
            "binned rows": size_of(stores, "*.lightgbm"),
        },
        "seconds": {
            "binning": fit["details"]["binning_seconds"],
            "trees": fit["library_seconds"],
            "prediction": fit["predict_seconds"],
        },
        "scores": {name: scores[name] for name in ("corr", "fnc") if name in scores},
        "log": (run_dir / "log.jsonl").read_text().splitlines(),
    }


def size_of(folder: Path, pattern: str) -> int:
    """Add up the files under a folder whose names fit."""
    return sum(path.stat().st_size for path in folder.rglob(pattern) if path.is_file())


def lines(shape: Shape, facts: dict[str, Any]) -> str:
    """Return the account for RESULTS.md."""
    rows = (shape.train_eras * shape.rows_per_era, shape.validation_eras * shape.rows_per_era)
    disk, seconds = facts["disk_bytes"], facts["seconds"]
    raw = shape.train_values / 2**20
    text = [
        f"{rows[0]:,} training and {rows[1]:,} validation rows x {shape.features:,} features, "
        f"{facts['trees']} trees; {facts['machine']}; {facts['date']}, n=1.",
        "",
        "| step | wall s | CPU s | peak MiB | target MiB | cores busy with other work |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, step in facts["steps"].items():
        target = f"{PEAK_TARGETS[name] * 1e6 / 2**20:,.0f}" if name in PEAK_TARGETS else ""
        text.append(
            f"| {name} | {step['wall']:,.0f} | {step['cpu']:,.0f} | {step['peak_mb']:,.0f} | "
            f"{target} | {step['others']:.2f} |"
        )
    train = facts["steps"]["train"]
    rest = train["wall"] - sum(seconds.values())
    text += [
        "",
        f"Of train: binning {seconds['binning']:,.0f} s, trees {seconds['trees']:,.0f} s, "
        f"prediction {seconds['prediction']:,.0f} s, reading, scores and report {rest:,.0f} s. Its "
        f"peak is {train['peak_mb'] / raw:.2f} x the {raw / 1024:,.1f} GiB of training rows. ",
        f"On disk: {', '.join(f'{name} {size / 1e9:,.1f} GB' for name, size in disk.items())}. "
        + ", ".join(
            f"{name} {score['mean']:.4f} over {score['n_eras']} eras"
            for name, score in facts["scores"].items()
        )
        + ".",
    ]
    return "\n".join(text)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dir", type=Path, help="where 45 GiB have room; removed afterwards")
    parser.add_argument("--out", type=Path, help="JSON file for what was measured")
    parser.add_argument("--train-eras", type=int, default=574)
    parser.add_argument("--validation-eras", type=int, default=642)
    parser.add_argument("--rows-per-era", type=int, default=5636)
    parser.add_argument("--features", type=int, default=3555)
    parser.add_argument("--trees", type=int, default=50)
    wanted = parser.parse_args()
    remove_files_when_told_to_stop()
    shape = Shape(wanted.train_eras, wanted.validation_eras, wanted.rows_per_era, wanted.features)
    with tempfile.TemporaryDirectory(dir=wanted.dir) as parent:
        free, needed = shutil.disk_usage(parent).free, shape.disk_bytes
        print(f"needs {needed / 2**30:.1f} GiB in {parent}, {free / 2**30:.1f} GiB are free")
        if free < needed:
            sys.exit("not enough disk: choose another folder with --dir")
        facts = run_all(shape, wanted.trees, Path(parent))
    if wanted.out is not None:
        wanted.out.parent.mkdir(parents=True, exist_ok=True)
        wanted.out.write_text(json.dumps(facts, indent=1))
    print(f"\n{lines(shape, facts)}\n\nlog.jsonl:")
    print("\n".join(facts["log"]))


if __name__ == "__main__":
    main()
