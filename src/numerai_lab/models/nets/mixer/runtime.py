"""How an exported `mixer` predicts, in NumPy: `module.MixerNet` without torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from numerai_lab.models.nets.runtime import embedded, gelu, layer_norm, linear, mean_over_nets

Array = Any
Arrays = dict[str, Any]

EPSILON = 1e-3
"""Of the block's norms, that of the published code (the default of Keras)."""
_ROWS_AT_ONCE = 4096


def predict(features: Array, settings: dict[str, Any], arrays: Arrays, _parts: list[Any]) -> Array:
    """Predict the rows of one era, float64 [n_rows], the mean over the nets."""
    return mean_over_nets(features, settings, arrays, _outputs, _ROWS_AT_ONCE)


def _outputs(bins: Array, settings: dict[str, Any], arrays: Arrays) -> Array:
    return linear(gelu(codes(bins, settings["params"], arrays)), arrays, "head")


def codes(bins: Array, params: dict[str, Any], arrays: Arrays) -> Array:
    """Return the bottleneck of one net, float32 [n_rows, bottleneck]."""
    read = embedded(bins, arrays, "input").reshape(len(bins), params["subsets"], params["width"])
    for number in range(params["blocks"]):
        read = block(read, params["activation"], arrays, f"blocks.{number}")
    return linear(read.reshape(len(bins), -1), arrays, "bottleneck")


def block(read: Array, activation: str, arrays: Arrays, name: str) -> Array:
    """Apply `module.MixerBlock` to [n_rows, length, channels]."""
    act = gelu if activation == "gelu" else _relu
    along = _norm(read, arrays, f"{name}.norm_along").swapaxes(1, 2)
    read = read + act(linear(along, arrays, f"{name}.along")).swapaxes(1, 2)
    wide = act(linear(_norm(read, arrays, f"{name}.norm_across"), arrays, f"{name}.wide"))
    return read + linear(wide, arrays, f"{name}.back")


def _norm(read: Array, arrays: Arrays, name: str) -> Array:
    """Standardise over sequence and channels together."""
    flat = {f"norm.{part}": arrays[f"{name}.{part}"].ravel() for part in ("weight", "bias")}
    return layer_norm(read.reshape(len(read), -1), flat, "norm", EPSILON).reshape(read.shape)


def _relu(values: Array) -> Array:
    return np.maximum(values, np.float32(0))
