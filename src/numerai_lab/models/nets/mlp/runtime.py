"""How an exported `mlp` predicts, in NumPy: `module.RowNet` without torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from numerai_lab.models.nets.runtime import embedded, gelu, layer_norm, linear, mean_over_nets

Array = Any
Arrays = dict[str, Any]

_ROWS_AT_ONCE = 4096


def predict(features: Array, settings: dict[str, Any], arrays: Arrays, _parts: list[Any]) -> Array:
    """Predict the rows of one era, float64 [n_rows], the mean over the nets."""
    return mean_over_nets(features, settings, arrays, row_outputs, _ROWS_AT_ONCE)


def row_outputs(bins: Array, settings: dict[str, Any], arrays: Arrays) -> Array:
    """Return the outputs of one net, [n_rows, n_outputs] or [n_rows, n_members, n_outputs]."""
    params = settings["params"]
    plain, members = params["form"] == "plain", params["tabm"]
    read = embedded(bins, arrays, "input")
    if plain:
        read = gelu(read)
    if members is not None:
        read = np.repeat(read[:, None], members, axis=1)
    for block in range(params["blocks"]):
        name = f"blocks.{block}"
        if plain:
            read = gelu(_shared(read, arrays, f"{name}.layer"))
        else:
            wide = _shared(layer_norm(read, arrays, f"{name}.norm"), arrays, f"{name}.wide")
            read = read + _shared(gelu(wide), arrays, f"{name}.back")
    if not plain:
        read = layer_norm(read, arrays, "norm")
    return _shared(read, arrays, "head")


def _shared(values: Array, arrays: Arrays, name: str) -> Array:
    """Apply `module.Shared`."""
    if f"{name}.reads" not in arrays:
        return linear(values, arrays, name)
    product = (values * arrays[f"{name}.reads"]) @ arrays[f"{name}.weight"].T
    return product * arrays[f"{name}.gives"] + arrays[f"{name}.bias"]
