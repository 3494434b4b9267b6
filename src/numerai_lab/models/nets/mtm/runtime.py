"""How an exported `mtm` predicts, in NumPy: `module.MaskedNet` without torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from numerai_lab.models.exports.runtime import MISSING
from numerai_lab.models.nets.attention_runtime import attention, era_stage, wide
from numerai_lab.models.nets.runtime import (
    MIDDLE,
    SCALE,
    layer_norm,
    linear,
    mean_over_nets,
)

Array = Any
Arrays = dict[str, Any]

_ROWS_AT_ONCE = 1024


def predict(features: Array, settings: dict[str, Any], arrays: Arrays, _parts: list[Any]) -> Array:
    """Predict the rows of one era, float64 [n_rows], the mean over the nets."""
    return mean_over_nets(features, settings, arrays, _outputs)


def _outputs(bins: Array, settings: dict[str, Any], arrays: Arrays) -> Array:
    groups = [group["columns"] for group in settings["own"]["groups"]]
    params = settings["params"]
    steps = range(0, len(bins), _ROWS_AT_ONCE)
    tokens = [_tokens(bins[i : i + _ROWS_AT_ONCE], groups, params, arrays) for i in steps]
    row = before = np.concatenate([some[0] for some in tokens])
    target = np.concatenate([some[1] for some in tokens])
    for layer in range(params["era_layers"]):
        row = era_stage(row, arrays, f"stages.{layer}", params["heads"])
    target = layer_norm(target + (row - before)[:, None], arrays, "norm")
    return linear(target.reshape(len(bins), -1), arrays, "head")


def _tokens(
    bins: Array, groups: list[list[int]], params: dict[str, Any], own: Arrays
) -> tuple[Array, Array]:
    """Return the token of each row, [n_rows, width], and those of its targets, after attention."""
    gaps = bins == MISSING
    numbers = np.where(gaps, 0, bins.astype(np.float32) - MIDDLE) * np.float32(SCALE)
    tokens = np.repeat(own["places"][None], len(bins), axis=0)
    for i, columns in enumerate(groups):
        read = numbers[:, columns] @ own["weight"][i, : len(columns)]
        absent = gaps[:, columns].astype(np.float32) @ own["missing"][i, : len(columns)]
        tokens[:, 1 + i] += read + absent
    heads = params["heads"]
    for layer in range(params["layers"]):
        name = f"layers.{layer}"
        normed = layer_norm(tokens, own, f"{name}.norm")
        tokens = tokens + attention(normed, normed, own, f"{name}.attention", heads)
        tokens = tokens + wide(tokens, own, f"{name}.wide")
    return tokens[:, 0], tokens[:, 1 + len(groups) :]
