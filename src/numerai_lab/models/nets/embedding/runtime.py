"""What a net's prediction of a row is made from, in NumPy, and in a bundle."""

from __future__ import annotations

from typing import Any

import numpy as np

from numerai_lab.features.runtime import predict_with, rank_bins
from numerai_lab.models.nets.mixer.runtime import codes
from numerai_lab.models.nets.mlp.runtime import row_outputs
from numerai_lab.models.nets.runtime import era_bins

Array = Any
Arrays = dict[str, Any]

_ROWS_AT_ONCE = 4096
_DECIMALS = 4
"""Of codes in units of their deviation: a matrix product rounds otherwise in another order."""


def predict(features: Array, settings: dict[str, Any], arrays: Arrays, parts: list[Any]) -> Array:
    """Predict the rows of one era, as a `transformed` does with this kind of step."""
    return predict_with({"embedding": embedding}, features, settings, arrays, parts)


def embedding(features: Array, settings: dict[str, Any], arrays: Arrays) -> Array:
    """Return the ranked codes of a row, int8 [n_rows, n_columns]."""
    return rank_bins(scores(features, settings, arrays), settings["bins"])


def scores(features: Array, settings: dict[str, Any], arrays: Arrays) -> Array:
    """Return the codes less their mean over the fit's eras, times `turn`, rounded."""
    found = raw_codes(features[:, : settings["n_raw"]], settings, arrays)
    return np.round((found - arrays["mean"]) @ arrays["turn"], _DECIMALS)


def raw_codes(features: Array, settings: dict[str, Any], arrays: Arrays) -> Array:
    """Return what the prediction of each net is made from, float64 [n_rows, width x nets]."""
    bins = era_bins(features)
    found = []
    for seed in range(settings["n_nets"]):
        prefix = f"{seed}/"
        own = {k[len(prefix) :]: arrays[k] for k in arrays if k.startswith(prefix)}
        pieces = [
            _of_net(bins[i : i + _ROWS_AT_ONCE], settings["net"], settings["params"], own)
            for i in range(0, max(len(bins), 1), _ROWS_AT_ONCE)
        ]
        found.append(np.concatenate(pieces))
    return np.concatenate(found, axis=1).astype(np.float64)


def _of_net(bins: Array, net: str, params: dict[str, Any], arrays: Arrays) -> Array:
    if net == "mixer":
        return codes(bins, params, arrays)
    # a head that hands on what it is given shows what an mlp's head reads
    width = arrays["head.weight"].shape[1]
    head = {"head.weight": np.eye(width, dtype=np.float32), "head.bias": np.float32(0)}
    return row_outputs(bins, {"params": params}, {**arrays, **head})
