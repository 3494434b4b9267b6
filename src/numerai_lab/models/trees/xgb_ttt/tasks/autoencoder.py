"""`autoencoder`: rebuild rows from a noisy copy through a bottleneck, which gives the code."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.eraframe import EraFrame
from numerai_lab.models.contract import Float32
from numerai_lab.models.trees.xgb_ttt.principal import Summary
from numerai_lab.models.trees.xgb_ttt.statistics import EraStatistics
from numerai_lab.models.trees.xgb_ttt.task import AuxiliaryTask, readable_eras

_ROWS, _BATCH, _PASSES, _STEP = 40_000, 200, 10, 0.003
_DROPPED = 0.3
"""Share of a row's features that are set to their mean in the noisy copy."""


class Autoencoder(AuxiliaryTask):
    """A denoising autoencoder of rows, trained once on training eras, read era by era.

    With z a row's standardised features and z' the same with three in ten set to 0:

        h = tanh(z' E + b),   z is rebuilt as h F + d,   minimise |z - h F - d|^2

    by Adam. The era's statistics are the second moments of its bottleneck, mean of h h' over
    rows: which of the found patterns are strong, and which go together. A row's targets are
    its own h.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.encoder = np.zeros((self.n_features, 0), dtype=np.float32)
        self.bias = np.zeros(0, dtype=np.float32)

    def prepare(self, train: EraFrame, columns: npt.NDArray[np.int64], seed: int) -> None:
        """Train encoder and decoder on rows of all training eras, at most 40,000."""
        share = min(1.0, _ROWS / train.n_rows)
        rng = np.random.default_rng(seed)
        parts = [
            era.values[rng.random(len(era.values)) < share]
            for _, _, era in readable_eras(train, columns)
        ]
        if parts:
            self.encoder, self.bias = train_autoencoder(
                np.concatenate(parts), self.params.auxiliary.bottleneck, rng
            )

    def row_targets(self, era: EraStatistics) -> Float32:
        """Return the bottleneck of the era's rows, float32 [n_rows, bottleneck]."""
        return np.asarray(np.tanh(era.values @ self.encoder + self.bias))

    def summary(self, era: EraStatistics) -> Summary:
        """Return the second moments of the bottleneck; every era can tell all of them."""
        narrow = self.row_targets(era)
        moments = narrow.T @ narrow / np.float32(len(narrow))
        values = moments[np.triu_indices(len(moments))]
        return Summary(values, np.ones(len(values), dtype=bool))

    def more_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the encoder."""
        return {"encoder": self.encoder, "bias": self.bias}

    def restore(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Take it back."""
        self.encoder, self.bias = arrays["encoder"], arrays["bias"]


def train_autoencoder(
    rows: Float32, bottleneck: int, rng: np.random.Generator
) -> tuple[Float32, Float32]:
    """Train a denoising autoencoder with one narrow layer.

    Parameters
    ----------
    rows : float32 [n_rows, n_features], standardised.
    bottleneck : units of the narrow layer.

    Returns
    -------
    Weights float32 [n_features, bottleneck] and bias [bottleneck] of the encoder.

    Source of the steps: Kingma and Ba, Adam (2015), beta .9 and .999.
    """
    n_features = rows.shape[1]
    scale = np.float32(1 / np.sqrt(n_features))
    weights = [
        (rng.standard_normal((n_features, bottleneck), dtype=np.float32) * scale),
        np.zeros(bottleneck, dtype=np.float32),
        (rng.standard_normal((bottleneck, n_features), dtype=np.float32) * scale),
        np.zeros(n_features, dtype=np.float32),
    ]
    mean = [np.zeros_like(array) for array in weights]
    square = [np.zeros_like(array) for array in weights]
    done = 0
    for _ in range(_PASSES):
        order = rng.permutation(len(rows))
        for start in range(0, len(rows), _BATCH):
            batch = rows[order[start : start + _BATCH]]
            noisy = batch * (rng.random(batch.shape, dtype=np.float32) >= _DROPPED)
            done += 1
            for array, slope, m, v in zip(
                weights, _gradients(batch, noisy, weights), mean, square, strict=True
            ):
                m += np.float32(0.1) * (slope - m)
                v += np.float32(0.001) * (slope * slope - v)
                step = _STEP * np.sqrt(1 - 0.999**done) / (1 - 0.9**done)
                array -= np.float32(step) * m / (np.sqrt(v) + np.float32(1e-8))
    return weights[0], weights[1]


def _gradients(batch: Float32, noisy: Float32, weights: list[Float32]) -> list[Float32]:
    """Return the gradients of half the mean squared error per row."""
    encoder, bias, decoder, shift = weights
    narrow = np.tanh(noisy @ encoder + bias)
    wrong = (narrow @ decoder + shift - batch) / np.float32(len(batch))
    back = (wrong @ decoder.T) * (1 - narrow * narrow)
    return [noisy.T @ back, back.sum(axis=0), narrow.T @ wrong, wrong.sum(axis=0)]


TASK = Autoencoder
