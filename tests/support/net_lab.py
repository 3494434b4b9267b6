"""What tests of nets share: tiny parameters, frames and fits."""

from __future__ import annotations

import numpy as np
import pandas as pd

from numerai_lab.models import FitContext, get_model
from numerai_lab.models.conformance.toy import toy_frame
from numerai_lab.models.nets.mlp import MLP

TINY = {"epochs": 3, "width": 8, "hidden": 8}


def context(**changes) -> FitContext:
    told = {"seed": 3, "target": "target", "targets": ("target",), "purge_eras": 2, "n_threads": 1}
    return FitContext(**{**told, **changes})


def train_frame(n_eras: int = 12, rows: int = 30, **how):
    return toy_frame(7, rows_per_era=np.full(n_eras, rows, dtype=np.int64), **how)


def fitted(params=None, frame=None, model_type=MLP, **changes):
    model = model_type(model_type.Params.model_validate({**TINY, **(params or {})}))
    report = model.fit(train_frame() if frame is None else frame, context(**changes))
    return model, report


def judged_frame(**how):
    return toy_frame(8, rows_per_era=np.array([25, 1, 40]), first_era=90, **how).without_targets()


def write_eras(source, folder, last):
    """Write the source's labelled rows up to an era: the data as it was then."""
    folder.mkdir(exist_ok=True)
    for name in ("train.parquet", "validation.parquet"):
        rows = pd.read_parquet(source / name)
        rows[rows["era"].astype(int) <= last].to_parquet(folder / name)
    (folder / "features.json").write_bytes((source / "features.json").read_bytes())


def fit_a_shard(
    rank: int, size: int, rendezvous: str, folder: str, model: str = "mlp", params=None
) -> None:
    """Fit one net together with other processes, on every `size`-th era; save it in `folder`."""
    from pathlib import Path

    from torch import distributed

    distributed.init_process_group(
        "gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=size
    )
    frame = train_frame(n_eras=22, rows=40, missing=0.05)
    mine = frame.select_eras(frame.eras[rank::size])
    net, _ = fitted(params or TOGETHER, mine, get_model(model))
    place = Path(folder) / str(rank)
    place.mkdir()
    net.save(place)
    distributed.destroy_process_group()


TOGETHER = {
    "epochs": 3,
    "dropout": 0.0,
    "precision": "float32",
    "rows_per_era": 12,
    "learning_rate": 0.01,
}
MASKS_TOGETHER = {
    **TOGETHER,
    "layers": 1,
    "heads": 2,
    "pretrain_epochs": 0,
    "groups": {"a": ["feature_0", "feature_1", "feature_2"], "b": ["feature_3", "feature_4"]},
}
"""Groups by correlation would take all eras, and each process has some."""
