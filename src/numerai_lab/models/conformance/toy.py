"""Small frames on which `check_model` tries a model out."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from numerai_lab.arrays import Float32
from numerai_lab.config import Payout
from numerai_lab.eraframe import MISSING_INT8, EraFrame, end_to_end
from numerai_lab.models.conformance import toy_runtime
from numerai_lab.models.contract import (
    BENCHMARK,
    META_MODEL,
    Exported,
    Members,
    TrainedFeatures,
)
from numerai_lab.scoring import payout_rule

TARGETS = ("target", "target_other")
JUDGED_ROWS = np.array([35, 1, 50, 41], dtype=np.int64)
"""Rows of the eras that are predicted; one has a single row."""


def toy_frame(
    seed: int,
    *,
    rows_per_era: npt.NDArray[np.int64] | None = None,
    first_era: int = 1,
    n_features: int = 8,
    dtype: type[np.int8] | type[np.float32] = np.int8,
    missing: float = 0.0,
    constant: int = 0,
    entities: bool = False,
) -> EraFrame:
    """Make a labelled frame with a signal that a model of any kind can find.

    Parameters
    ----------
    seed : the same seed gives the same frame.
    rows_per_era : int64 [n_eras]; by default 30 eras of 40 to 50 rows.
    first_era : number of the first era; the others follow without gaps.
    n_features : number of features, the first of which carry the signal.
    dtype : int8 with values 0..4, or float32 with values 0..1.
    missing : share of the values of features that are not constant that are missing.
    constant : how many of the last features are constant.
    entities : whether rows tell what they are about; the same entities are there in all eras.

    Returns
    -------
    Targets are `TARGETS` in five bins; the second is NaN in a tenth of the rows.
    """
    rng = np.random.default_rng(seed)
    counts = 40 + np.arange(30) % 11 if rows_per_era is None else rows_per_era
    n = int(counts.sum())
    values = rng.integers(0, 5, size=(n, n_features))
    values[:, n_features - constant :] = 2
    signal = values[:, 0] - values[:, 1] + (values[:, 2] > 2)
    noisy = signal[:, None] + rng.normal(scale=2.0, size=(n, 2))
    edges = np.quantile(noisy, [0.05, 0.25, 0.75, 0.95])
    targets = (np.searchsorted(edges, noisy) / 4).astype(np.float32)
    targets[rng.random(n) < 0.1, 1] = np.nan
    absent = rng.random((n, n_features)) < missing
    absent[:, n_features - constant :] = False
    if dtype is np.int8:
        features = np.where(absent, MISSING_INT8, values).astype(np.int8)
    else:
        features = np.where(absent, np.nan, values / 4).astype(np.float32)
    return EraFrame(
        features=features,
        eras=(first_era + np.arange(len(counts))).astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        ids=pa.array([f"n{seed:x}{first_era:x}{i:08x}" for i in range(n)]),
        targets=targets,
        feature_names=tuple(f"feature_{i}" for i in range(n_features)),
        target_names=TARGETS,
        entity=_entities(counts) if entities else None,
    )


def _entities(counts: npt.NDArray[np.int64]) -> pa.Array:
    return pa.array([f"s{i:03d}" for count in counts.tolist() for i in range(count)])


def shuffled_rows(frame: EraFrame, seed: int) -> tuple[EraFrame, npt.NDArray[np.int64]]:
    """Shuffle the rows inside each era; return the frame and the order, int64 [n_rows]."""
    rng = np.random.default_rng(seed)
    order = np.concatenate(
        [rows.start + rng.permutation(rows.stop - rows.start) for _, rows in frame.iter_eras()]
    ).astype(np.int64)
    shuffled = replace(
        frame,
        features=frame.features[order],
        ids=frame.ids.take(pa.array(order)),
        targets=frame.targets[order],
        entity=None if frame.entity is None else frame.entity.take(pa.array(order)),
    )
    return shuffled, order


def judged_frame(seed: int, *, entities: bool = False) -> EraFrame:
    """Make the labelled eras that a model fitted on `toy_frame(seed)` predicts."""
    return toy_frame(seed + 1, rows_per_era=JUDGED_ROWS, first_era=40, entities=entities)


def known_frame(seed: int, *, entities: bool = False) -> EraFrame:
    """Make every era there is beside `judged_frame(seed)`: training, judged, some between."""
    between = toy_frame(
        seed + 4, rows_per_era=np.full(6, 30, dtype=np.int64), first_era=33, entities=entities
    )
    train = toy_frame(seed, entities=entities)
    return end_to_end([train, between, judged_frame(seed, entities=entities)])


def toy_members(names: Sequence[str], frame: EraFrame) -> dict[str, Float32]:
    """Make up what members predict of a frame's rows: a feature each, and noise by id.

    Rows do not depend on one another. The first member has none for about one row in eleven.
    """
    noise = np.array([zlib.crc32(one.encode()) for one in frame.ids.to_pylist()], dtype=np.int64)
    features = np.nan_to_num(frame.features_in_memory().astype(np.float32))
    made = {
        name: (features[:, i % frame.n_features] + noise * (i + 1) % 97 / 97).astype(np.float32)
        for i, name in enumerate(names)
    }
    made[names[0]][noise % 11 == 0] = np.nan
    return made


def toy_exports(names: Sequence[str], frame: EraFrame) -> dict[str, Exported]:
    """Export made-up members, each of which predicts a feature: `settings["column"]`."""
    return {
        name: Exported(
            kind="toy",
            settings={"column": i % frame.n_features},
            arrays={},
            **TrainedFeatures.of(frame).facts(),
            runtime=toy_runtime.__name__,
        )
        for i, name in enumerate(names)
    }


def toy_out_of_fold(names: Sequence[str], train: EraFrame) -> Members:
    """Make up members' predictions of the later training eras, as if these were earlier folds."""
    rows = train.between(int(train.eras[train.n_eras // 2]), int(train.eras[-1]))
    folds = 1 + np.arange(rows.n_eras, dtype=np.int32) * 2 // rows.n_eras
    others = toy_members((BENCHMARK, META_MODEL), rows)
    return Members(
        rows,
        folds.astype(np.int32),
        toy_members(names, rows),
        purge_eras=1,
        references={name: values.astype(np.float64) for name, values in others.items()},
        payout=payout_rule(Payout(), 20),
    )
