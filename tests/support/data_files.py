"""Small parquet files for the tests of `data`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from hypothesis import strategies as st

from numerai_lab.config import Data
from numerai_lab.data import Dataset, load_data
from numerai_lab.data.reading.files import SYNTHETIC_MARK


def table(n_eras=6, rows=10, n_features=4, first_era=1, seed=0, data_type=None):
    """Rows in Numerai's layout as a DataFrame with `id` as index."""
    draw = np.random.default_rng(seed)
    n = n_eras * rows
    eras = [f"{first_era + i // rows:04d}" for i in range(n)]
    data = {"era": eras}
    if data_type:
        data["data_type"] = data_type
    for number in range(n_features):
        data[f"feature_{number}"] = draw.integers(0, 5, n).astype(np.int8)
    data["target"] = (draw.integers(0, 5, n) / 4).astype(np.float32)
    data["target_ender_60"] = (draw.integers(0, 5, n) / 4).astype(np.float32)
    index = pd.Index([f"n{seed:03x}{i:012x}" for i in range(n)], name="id")
    return pd.DataFrame(data, index=index)


def numerai_folder(folder: Path, train=None, validation=None, sets=None) -> Path:
    """Write a folder in Numerai's layout."""
    folder.mkdir(parents=True, exist_ok=True)
    train = table() if train is None else train
    train.to_parquet(folder / "train.parquet")
    if validation is not None:
        validation.to_parquet(folder / "validation.parquet")
    names = [name for name in train.columns if name.startswith("feature")]
    sets = {"small": names[:2], "all": names} if sets is None else sets
    (folder / "features.json").write_text(json.dumps({"feature_sets": sets, "targets": []}))
    return folder


def parquet(path: Path, frame: pd.DataFrame, **options) -> dict:
    """Write one file, and return the data section that reads it."""
    frame.to_parquet(path, **options)
    return {"source": "parquet", "files": [path]}


def without_mark(folder: Path) -> Path:
    """Take the mark of the synthetic tournament out of a folder's files: as Numerai's have none."""
    for path in folder.glob("*.parquet"):
        table = pq.read_table(path)
        kept = {k: v for k, v in table.schema.metadata.items() if k != SYNTHETIC_MARK}
        pq.write_table(table.replace_schema_metadata(kept), path)
    return folder


def load(said: list | None = None, *, arguments: dict | None = None, **data) -> Dataset:
    """Load a data section given as keywords; sentences said go to `said`."""
    lines = [] if said is None else said
    return load_data(Data.model_validate(data), say=lines.append, **(arguments or {}))


@st.composite
def files_and_choice(draw):
    n_files = draw(st.integers(1, 2))
    frames = []
    n_features = draw(st.integers(1, 5))
    for number in range(n_files):
        n = draw(st.integers(1, 40))
        seed = draw(st.integers(0, 1000))
        random = np.random.default_rng(seed)
        eras = random.integers(1, draw(st.integers(2, 9)), n)
        if draw(st.booleans()):
            eras = np.sort(eras)
        frame = pd.DataFrame({"era": [f"{era:04d}" for era in eras]})
        for i in random.permutation(n_features):
            values = random.integers(0, 5, n)
            column = pd.array(values, dtype="Int8")
            if draw(st.booleans()):
                column[random.random(n) < 0.3] = pd.NA
            frame[f"feature_{i}"] = column
        target = random.integers(0, 5, n) / 4
        target[random.random(n) < 0.2] = np.nan
        frame["target"] = target.astype(np.float32)
        frame["id"] = [f"id{number}_{i}" for i in random.permutation(n)]
        frames.append(frame)
    return {
        "frames": frames,
        "group": draw(st.integers(1, 20)),
        "step": draw(st.integers(1, 3)),
        "first": draw(st.none() | st.integers(1, 5)),
        "features": [f"feature_{i}" for i in draw(st.permutations(range(n_features)))],
        "require_label": draw(st.booleans()),
    }


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def parts(folder: Path) -> list[str]:
    """Names of what downloads have begun."""
    return sorted(path.name for path in folder.rglob(".*.part*"))
