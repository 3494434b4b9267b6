"""How exported nets of stocks predict, in NumPy: `recurrent` and `transformer` without torch.

The rows of earlier eras go along, by the stocks' names: what an era is read with is found here as
`past.Known` finds it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit

from numerai_lab.models.exports.runtime import MISSING
from numerai_lab.models.nets.attention_runtime import attention, era_stage, wide
from numerai_lab.models.nets.runtime import (
    MIDDLE,
    SCALE,
    era_bins,
    layer_norm,
    linear,
    main_target,
    softmax,
)

Array = Any
Arrays = dict[str, Any]
Settings = dict[str, Any]
Era = dict[str, Any]

FURTHEST = 3.0
"""As `transformer.FURTHEST`."""


def predict(
    features: Array,
    settings: Settings,
    arrays: Arrays,
    _parts: list[Any],
    era: Era | None = None,
) -> Array:
    """Predict the rows of one era, float64 [n_rows], the mean over the nets.

    `era` has the number, the rows' names (`entity`), and columns beside the features (`side`).
    """
    params = settings["params"]
    bins = era_bins(features)
    past, there = window(bins, settings, arrays, era)
    whole = np.concatenate([past, bins[:, None]], axis=1)
    present = np.concatenate([there, np.ones((len(bins), 1), dtype=bool)], axis=1)
    market = [] if era is None else [era["side"][name] for name in settings["market"]]
    told = statistics(market)
    outputs = recurrent if settings["net"] == "stock_rnn" else transformer
    total = np.zeros(len(bins))
    for seed in range(settings["n_nets"]):
        prefix = f"{seed}/"
        own = {k[len(prefix) :]: arrays[k] for k in arrays if k.startswith(prefix)}
        total += main_target(outputs(whole, present, told, params, own), settings["labels"])
    values = total / settings["n_nets"]
    if params["short_history"] == "masked":
        return values
    short = present.sum(axis=1) < params["min_history"]
    mean = settings["labels"]["mean"][0] if short.all() else values[~short].mean()
    return np.where(short, mean, values)


def window(bins: Array, settings: Settings, arrays: Arrays, era: Era | None) -> tuple[Array, Array]:
    """Return the rows of each stock in the eras before, [n, window - 1, n_features], and where
    they are there.
    """
    n = settings["params"]["window"] - 1
    past = np.full((len(bins), n, bins.shape[1]), MIDDLE, dtype=np.int8)
    there = np.zeros((len(bins), n), dtype=bool)
    if era is None or not n:
        return past, there
    place = {name: i for i, name in enumerate(settings["stocks"])}
    keys = zip(arrays["known_stocks"].tolist(), arrays["known_eras"].tolist(), strict=True)
    found = {key: row for row, key in enumerate(keys)}
    for row, name in enumerate(era["entity"]):
        for step in range(n):
            at = found.get((place.get(name), era["number"] - n + step))
            if at is not None:
                past[row, step], there[row, step] = arrays["known_bins"][at], True
    return past, there


def statistics(columns: list[Array]) -> Array:
    """Return mean of each column of an era, then deviations; see `market.market_statistics`."""
    means, spreads = [], []
    for column in columns:
        raw = np.array([np.nan if one is None else float(one) for one in column])
        values = np.sign(raw) * np.log1p(np.abs(raw))
        known = values[np.isfinite(values)]
        means.append(known.mean() if len(known) else np.nan)
        spreads.append(known.std() if len(known) else np.nan)
    return np.array([*means, *spreads], dtype=np.float32)


def read(bins: Array, arrays: Arrays, scale: Array | None) -> Array:
    """Apply `layers.Bins.read`; bins [n, T, n_features]."""
    gaps = bins == MISSING
    numbers = np.where(gaps, MIDDLE, bins).astype(np.float32) - MIDDLE
    if scale is not None:
        numbers = numbers * scale
    total = numbers @ (arrays["input.weight"] * np.float32(SCALE)).T
    if gaps.any():
        total += gaps.astype(np.float32) @ arrays["input.missing"].T
    return total + arrays["input.bias"]


def recurrent(
    whole: Array, present: Array, _told: Array, params: Settings, arrays: Arrays
) -> Array:
    """Apply `recurrent.RecurrentNet`, [n, n_outputs]."""
    states = read(whole, arrays, None) + arrays["age"]
    layer = gru if params["encoder"] == "gru" else lstm
    for i in range(params["layers"]):
        states = layer(states, present, arrays, f"layers.{i}")
    return linear(layer_norm(states[:, -1], arrays, "norm"), arrays, "head")


def gru(given: Array, present: Array, arrays: Arrays, name: str) -> Array:
    """Apply `recurrent.GRULayer`."""
    asked, states = linear(given, arrays, f"{name}.read"), []
    state = np.zeros_like(given[:, 0])
    for step in range(given.shape[1]):
        reset, update, new = np.split(asked[:, step], 3, axis=1)
        kept = np.split(linear(state, arrays, f"{name}.kept"), 3, axis=1)
        share = expit(update + kept[1])
        new = np.tanh(new + expit(reset + kept[0]) * kept[2])
        state = np.where(present[:, step, None], (1 - share) * new + share * state, state)
        states.append(state)
    return np.stack(states, axis=1)


def lstm(given: Array, present: Array, arrays: Arrays, name: str) -> Array:
    """Apply `recurrent.LSTMLayer`."""
    asked, states = linear(given, arrays, f"{name}.read"), []
    state = cell = np.zeros_like(given[:, 0])
    for step in range(given.shape[1]):
        gates = asked[:, step] + linear(state, arrays, f"{name}.kept")
        inward, forget, new, outward = np.split(gates, 4, axis=1)
        after, there = expit(forget) * cell + expit(inward) * np.tanh(new), present[:, step, None]
        state = np.where(there, expit(outward) * np.tanh(after), state)
        cell = np.where(there, after, cell)
        states.append(state)
    return np.stack(states, axis=1)


def transformer(
    whole: Array, present: Array, told: Array, params: Settings, arrays: Arrays
) -> Array:
    """Apply `transformer.TransformerNet` to the stocks of one era, [n, n_outputs]."""
    scale = gate(told, params["temperature"], arrays) if len(told) else None
    eras = read(whole, arrays, scale) + arrays["age"]
    heads = params["heads"]
    away = np.where(present, np.float32(0), np.float32(-np.inf))[:, None, None]
    for i in range(params["layers"]):
        normed = layer_norm(eras, arrays, f"along.{i}.norm")
        eras = eras + attention(normed, normed, arrays, f"along.{i}.attention", heads, away)
        eras = eras + wide(eras, arrays, f"along.{i}.wide")
    normed = layer_norm(eras, arrays, "gather_norm")
    rows = eras[:, -1] + attention(normed[:, -1:], normed, arrays, "gather", heads, away)[:, 0]
    for i in range(params["across_layers"]):
        rows = era_stage(rows, arrays, f"across.{i}", heads)
    return linear(layer_norm(rows, arrays, "norm"), arrays, "head")


def gate(told: Array, temperature: float, arrays: Arrays) -> Array:
    """Apply `transformer.Gate` to the statistics of one era, [n_features]."""
    apart = np.clip((told - arrays["gate.mean"]) / arrays["gate.spread"], -FURTHEST, FURTHEST)
    asked = linear(np.where(np.isnan(apart), np.float32(0), apart), arrays, "gate.weigh")
    shares = softmax(asked / np.float32(temperature))
    return shares * np.float32(len(shares))
