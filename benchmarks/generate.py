r"""Parquet files of the size of Numerai's, made of random bins with one planted signal.

Unlike the synthetic tournament of the package they have no factors and no regimes, which makes
them fast to write: what they are for is memory and time, not scores.

    python benchmarks/generate.py FOLDER --train-eras 300 --features 700
    python benchmarks/generate.py FOLDER --train-eras 574 --validation-eras 642 --features 3555 \
        --rows-per-era 5636

With `--sixty` there is a second target, `target_ender_60`: the first one with more noise.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SIGNAL_FEATURES = 20
SIGNAL = 0.04
GROUP_BYTES = 1 << 28


def write(
    path: Path, eras: range, rows: int, features: int, kind: str, seed: int, sixty: bool = False
) -> None:
    """Write one file; each era has its own generator, so files can be made in any order."""
    names = [f"feature_{i:04d}" for i in range(features)]
    fields = [("era", pa.string()), ("data_type", pa.string()), ("target", pa.float32())]
    fields += [("target_ender_60", pa.float32())] if sixty else []
    schema = pa.schema([*fields, *((name, pa.int8()) for name in names), ("id", pa.string())])
    group = max(1, GROUP_BYTES // (rows * features))
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=1) as writer:
        for first in range(eras.start, eras.stop, group):
            part = range(first, min(first + group, eras.stop))
            bins = np.empty((features, rows * len(part)), dtype=np.int8)
            targets = np.empty(rows * len(part), dtype=np.float32)
            for i, era in enumerate(part):
                here = slice(i * rows, (i + 1) * rows)
                rng = np.random.default_rng((seed, era))
                bins[:, here] = rng.integers(0, 5, size=(features, rows), dtype=np.int8)
                skill = (bins[:SIGNAL_FEATURES, here] - 2.0).sum(axis=0)
                noise = rng.standard_normal(rows) * skill.std() / SIGNAL
                edges = np.quantile(skill + noise, [0.05, 0.25, 0.75, 0.95])
                targets[here] = np.digitize(skill + noise, edges) / 4
            columns = [
                pa.array(np.repeat([f"{era:04d}" for era in part], rows)),
                pa.array([kind] * (rows * len(part))),
                pa.array(targets),
                *([pa.array(noisier(targets, (seed, 0, part.start)))] if sixty else []),
                *(pa.array(column) for column in bins),
                pa.array([f"n{era:05d}{row:010d}" for era in part for row in range(rows)]),
            ]
            table = pa.Table.from_arrays(columns, schema=schema)
            writer.write_table(table, row_group_size=len(table))


def noisier(targets: np.ndarray, seed: tuple[int, ...]) -> np.ndarray:
    """Return the targets with a third of them in another order."""
    rng = np.random.default_rng(seed)
    changed = np.flatnonzero(rng.random(len(targets)) < 1 / 3)
    mixed = targets.copy()
    mixed[changed] = targets[rng.permutation(changed)]
    return mixed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train-eras", type=int, default=300)
    parser.add_argument("--validation-eras", type=int, default=0)
    parser.add_argument("--rows-per-era", type=int, default=5000)
    parser.add_argument("--features", type=int, default=700)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sixty", action="store_true", help="a second target beside the first")
    wanted = parser.parse_args()
    wanted.folder.mkdir(parents=True, exist_ok=True)
    last = wanted.train_eras + wanted.validation_eras
    shape = (wanted.rows_per_era, wanted.features)
    write(
        wanted.folder / "train.parquet",
        range(1, wanted.train_eras + 1),
        *shape,
        "train",
        wanted.seed,
        wanted.sixty,
    )
    if wanted.validation_eras:
        eras = range(wanted.train_eras + 1, last + 1)
        path = wanted.folder / "validation.parquet"
        write(path, eras, *shape, "validation", wanted.seed, wanted.sixty)
    names = [f"feature_{i:04d}" for i in range(wanted.features)]
    sets = {"small": names[:42], "medium": names[:780], "fncv3_features": names[:416], "all": names}
    content = {"feature_sets": sets}
    (wanted.folder / "features.json").write_text(json.dumps(content))


if __name__ == "__main__":
    main()
