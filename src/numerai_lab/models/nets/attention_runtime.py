"""`attention` in NumPy, for one era at a time: for a bundle, where there is no torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from numerai_lab.models.nets.runtime import gelu, layer_norm, linear, softmax

Array = Any
Arrays = dict[str, Any]


def attention(
    asking: Array, read: Array, arrays: Arrays, name: str, heads: int, bias: Array | None = None
) -> Array:
    """Apply `attention.Attention`; [..., n_asking, width] and [..., n_read, width].

    bias, [heads, n_asking, n_read], is added to the scores.
    """
    query = _by_head(linear(asking, arrays, f"{name}.query"), heads)
    both = linear(read, arrays, f"{name}.key_value")
    width = both.shape[-1] // 2
    key, value = _by_head(both[..., :width], heads), _by_head(both[..., width:], heads)
    scale = np.float32(query.shape[-1] ** -0.5)
    scores = query @ np.swapaxes(key, -1, -2) * scale
    found = softmax(scores if bias is None else scores + bias) @ value
    found = np.swapaxes(found, -2, -3)
    return linear(found.reshape(*found.shape[:-2], width), arrays, f"{name}.out")


def wide(values: Array, arrays: Arrays, name: str) -> Array:
    """Apply `attention.Wide`."""
    normed = layer_norm(values, arrays, f"{name}.norm")
    return linear(gelu(linear(normed, arrays, f"{name}.wide")), arrays, f"{name}.back")


def era_stage(rows: Array, arrays: Arrays, name: str, heads: int) -> Array:
    """Apply `attention.EraStage` to the rows of one era, [n_rows, width]."""
    points = arrays[f"{name}.points"]
    normed = layer_norm(rows, arrays, f"{name}.norm")
    read = points + attention(points, normed, arrays, f"{name}.reading", heads)
    read = layer_norm(read, arrays, f"{name}.read_norm")
    rows = rows + attention(normed, read, arrays, f"{name}.giving", heads)
    return rows + wide(rows, arrays, f"{name}.wide")


def _by_head(values: Array, heads: int) -> Array:
    split = values.reshape(*values.shape[:-1], heads, -1)
    return np.swapaxes(split, -2, -3)
