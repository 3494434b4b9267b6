"""Rows of stocks over time, for tests of nets that follow them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from net_lab import context
from numerai_lab.eraframe import EraFrame, end_to_end
from numerai_lab.models import history_before

PURGE = 2


def stock_frame(
    n_eras=40, n_stocks=40, seed=0, lag=2, first_era=1, present=0.9, dtype=np.int8
) -> EraFrame:
    """Make eras in which a label follows from what a stock's first feature was `lag` eras ago.

    Each stock is there in nine of ten eras, in another order each time. The second target is the
    same label with more noise. Beside the features stands `calm`, which an era has in common.
    """
    rng = np.random.default_rng(seed)
    bins = rng.integers(0, 5, size=(n_eras, n_stocks, 4))
    there = rng.random((n_eras, n_stocks)) < present
    there[:, 0] = True
    parts = []
    for era in range(n_eras):
        own = rng.permutation(np.flatnonzero(there[era]))
        signal = bins[max(era - lag, 0), own, 0] - 2.0
        noisy = signal[:, None] + rng.normal(size=(len(own), 2)) * [0.5, 1.0]
        calm = rng.normal() + 0.1 * rng.normal(size=len(own))
        names = [f"s{stock:02d}" for stock in own]
        features = bins[era, own].astype(np.int8)
        if dtype is np.float32:
            features = (features + rng.normal(size=features.shape) / 10).astype(np.float32)
        parts.append(
            EraFrame(
                features=features,
                eras=np.array([first_era + era], dtype=np.int32),
                offsets=np.array([0, len(own)], dtype=np.int64),
                ids=pa.array([f"{name}_{first_era + era}" for name in names]),
                targets=noisy.astype(np.float32),
                feature_names=("a", "b", "c", "d"),
                target_names=("target", "target_other"),
                entity=pa.array(names),
                side={"calm": pa.array(calm)},
            )
        )
    return end_to_end(parts)


def without_side(frame: EraFrame) -> EraFrame:
    return replace(frame, side={})


def with_side(frame: EraFrame, values) -> EraFrame:
    return replace(frame, side={"calm": pa.array(values)})


def context_of(train: EraFrame, **changes):
    """A context in which all rows of the training eras are known."""
    told = {"unlabelled": train.without_targets(), "purge_eras": PURGE}
    return context(**{**told, **changes})


def predicted(model, frame: EraFrame, known: EraFrame):
    """Predict era by era as a run does, float32 [n_rows]."""
    return np.concatenate(
        [
            model.predict(
                frame.between(era, era).without_targets(),
                history_before(known, era, model.history_eras, PURGE),
            )
            for era in frame.eras.tolist()
        ]
    )


def reordered(frame: EraFrame, seed: int) -> EraFrame:
    """Shuffle the rows of each era, with all that stands beside them."""
    rng = np.random.default_rng(seed)
    order = np.concatenate(
        [rows.start + rng.permutation(rows.stop - rows.start) for _, rows in frame.iter_eras()]
    )
    taken = pa.array(order)
    return replace(
        frame,
        features=frame.features[order],
        targets=frame.targets[order],
        ids=frame.ids.take(taken),
        entity=frame.entity.take(taken),
        side={name: column.take(taken) for name, column in frame.side.items()},
    )
