"""`transforms:` in a config is short for a model that contains the one that is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from numerai_lab.config.strict_yaml import Key, Layer, Place

TRANSFORMED = "transformed"
_WITHIN: tuple[tuple[Key, Key], ...] = (
    (("model", "params", "transforms"), ("transforms",)),
    (("model", "params", "placebo"), ("placebo",)),
    (("model", "params", "model"), ("model",)),
)
"""Where a key stands in what is read, and where it was written."""


def fold_transforms(layer: Layer) -> Layer:
    """Turn `transforms` and `placebo` beside a model into a model of type `transformed`.

    What is no list, or stands beside no model, is left for the schema to refuse.
    """
    layer = _fold_joins(layer)
    value = layer.value
    steps, model = value.get("transforms"), value.get("model")
    if not isinstance(steps, list) or not steps or not isinstance(model, dict):
        return layer
    params: dict[str, Any] = {"transforms": steps, "model": model}
    if value.get("placebo") is not None:
        params["placebo"] = value["placebo"]
    rest = {key: one for key, one in value.items() if key not in ("transforms", "placebo")}
    folded = {**rest, "model": {"type": TRANSFORMED, "params": params}}
    places: dict[Key, Place] = {}
    for key, place in layer.places.items():
        places[_inside(key)] = place
    places[("model",)] = layer.places.get(("model",), layer.places[("transforms",)])
    problems = tuple(p._replace(key=_inside(p.key)) for p in layer.problems)
    return replace(layer, value=folded, places=places, problems=problems)


def _fold_joins(layer: Layer) -> Layer:
    """Turn `data.join` into steps of type `join` before the others."""
    value = layer.value
    data, steps = value.get("data"), value.get("transforms", [])
    joins = data.get("join") if isinstance(data, dict) else None
    if not isinstance(joins, list) or not joins or not isinstance(steps, list):
        return layer
    own = [{"type": "join", **one} if isinstance(one, dict) else one for one in joins]
    rest = {key: one for key, one in data.items() if key != "join"}
    places: dict[Key, Place] = {}
    for key, place in layer.places.items():
        if key[:2] == ("data", "join"):
            key = ("transforms", *key[2:])
        elif key[:1] == ("transforms",) and len(key) > 1:
            key = ("transforms", int(key[1]) + len(own), *key[2:])
        places.setdefault(key, place)
    return replace(
        layer, value={**value, "data": rest, "transforms": [*own, *steps]}, places=places
    )


def as_written(key: Key, value: Mapping[str, Any]) -> Key:
    """Return the key as a person wrote it, of a config that may have been folded."""
    model = value.get("model")
    if isinstance(model, dict) and model.get("type") == TRANSFORMED:
        for inside, written in _WITHIN:
            if key[: len(inside)] == inside:
                return (*written, *key[len(inside) :])
    return key


def _inside(key: Key) -> Key:
    for inside, written in _WITHIN:
        if key[: len(written)] == written:
            return (*inside, *key[len(written) :])
    return key
