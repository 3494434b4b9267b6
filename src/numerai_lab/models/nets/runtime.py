"""What nets are made of, in NumPy: for a bundle, where there is no torch."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import erf

from numerai_lab.models.adapting.runtime import strength_now
from numerai_lab.models.exports.runtime import MISSING

Array = Any
Arrays = dict[str, Any]

N_BINS = 5
MIDDLE = 2
SCALE = float(np.sqrt(0.5))
"""z = (bin - 2) / sqrt(2) has mean 0 and standard deviation 1 where bins are equally frequent."""
_EPSILON = 1e-5
"""Of a layer norm, as in torch."""


def era_bins(features: Array) -> Array:
    """Return the features of one era in five bins, int8 with -1 where a value is missing.

    int8 features are bins already. Of others the bin is where a value's rank within the era lies,
    ties in the middle of their ranks: a fifth of the values is in each, and a constant is in the
    middle one.
    """
    if features.dtype == np.int8:
        return features
    bins = np.full(features.shape, MISSING, dtype=np.int8)
    for column in range(features.shape[1]):
        values = features[:, column]
        known = ~np.isnan(values)
        there = values[known]
        ordered = np.sort(there)
        twice = np.searchsorted(ordered, there) + np.searchsorted(ordered, there, side="right")
        bins[known, column] = np.minimum(N_BINS * twice // max(2 * len(there), 1), N_BINS - 1)
    return bins


def mean_over_nets(
    features: Array,
    settings: dict[str, Any],
    arrays: Arrays,
    outputs: Callable[[Array, dict[str, Any], Arrays], Array],
    rows_at_once: int | None = None,
) -> Array:
    """Predict the rows of one era, float64 [n_rows], the mean over the nets.

    Parameters
    ----------
    features, settings, arrays : as a runtime's `predict` is given them.
    outputs : turns bins of rows, the settings and one net's arrays into what that net puts out.
    rows_at_once : of an era, for a net to which rows are independent; None: all.
    """
    bins = era_bins(features)
    step = rows_at_once or max(len(bins), 1)

    def mean_of(first: int) -> Array:
        total = np.zeros(len(bins))
        for seed in range(first, first + settings["n_nets"]):
            prefix = f"{seed}/"
            own = {k[len(prefix) :]: arrays[k] for k in arrays if k.startswith(prefix)}
            for start in range(0, len(bins), step):
                rows = slice(start, start + step)
                total[rows] += main_target(outputs(bins[rows], settings, own), settings["labels"])
        return total / settings["n_nets"]

    fitted = mean_of(0)
    strength = strength_now(settings, time.time()) if "strength" in settings else 0.0
    if strength == 0:
        return fitted
    # the fine-tuned copies come after the nets as they were fitted
    return fitted + strength * (mean_of(settings["n_nets"]) - fitted)


def embedded(bins: Array, arrays: Arrays, name: str) -> Array:
    """Return the layer that reads bins, float32 [n_rows, width]; see `layers.Bins`."""
    gaps = bins == MISSING
    any_gap = bool(gaps.any())
    centred = (np.where(gaps, MIDDLE, bins) if any_gap else bins).astype(np.float32) - MIDDLE
    total = centred @ (arrays[f"{name}.weight"] * np.float32(SCALE)).T
    if any_gap:
        total += gaps.astype(np.float32) @ arrays[f"{name}.missing"].T
    return total + arrays[f"{name}.bias"]


def linear(values: Array, arrays: Arrays, name: str) -> Array:
    """Return values @ weight.T + bias."""
    return values @ arrays[f"{name}.weight"].T + arrays[f"{name}.bias"]


def layer_norm(values: Array, arrays: Arrays, name: str, epsilon: float = _EPSILON) -> Array:
    """Standardise the last axis, then scale and shift it."""
    values = values - values.mean(axis=-1, keepdims=True)
    variance = np.square(values).mean(axis=-1, keepdims=True)
    values /= np.sqrt(variance + np.float32(epsilon))
    return values * arrays[f"{name}.weight"] + arrays[f"{name}.bias"]


def gelu(values: Array) -> Array:
    """Return x times the normal distribution function of x, exactly, in float32."""
    return values * (np.float32(0.5) * (1 + erf(values * np.float32(SCALE))))


def softmax(values: Array) -> Array:
    """Return shares along the last axis."""
    shares = np.exp(values - values.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


def main_target(outputs: Array, settings: dict[str, Any]) -> Array:
    """Turn a net's outputs into predictions of the main target, as `labels.Labels.predictions`.

    Parameters
    ----------
    outputs : [n_rows, n_outputs], or [n_rows, n_members, n_outputs], whose mean is predicted.
    settings : `Labels.facts`.
    """
    outputs = outputs.astype(np.float64)
    if settings["classes"] is None:
        values = outputs[..., 0] * settings["std"][0] + settings["mean"][0]
    else:
        classes = np.array(settings["classes"][0])
        values = softmax(outputs[..., : len(classes)]) @ classes
    return values if values.ndim == 1 else values.mean(axis=1)


def class_shares(outputs: Array, n_classes: int) -> Array:
    """Return the shares of the main target's classes, [n_rows, n_classes]; outputs as above."""
    shares = softmax(outputs[..., :n_classes].astype(np.float64))
    return shares if shares.ndim == 2 else shares.mean(axis=1)
