"""Which transforms there are: a literal table, and plugins through entry points.

A plugin is any installed package with

    [project.entry-points."numerai_lab.transforms"]
    my_transform = "my_package.my_module:MyTransform"
"""

from __future__ import annotations

import importlib
import importlib.util
from functools import cache
from importlib.metadata import entry_points
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, SerializeAsAny

from numerai_lab.errors import ModelError, did_you_mean
from numerai_lab.features.protocol import StepParams, Transform, TransformInfo

GROUP = "numerai_lab.transforms"
_HERE = "numerai_lab.features"
BUILT_IN = {
    "relative": f"{_HERE}.within_rows:Relative",
    "group_scores": f"{_HERE}.within_rows:GroupScores",
    "interactions": f"{_HERE}.interactions:Interactions",
    "pca": f"{_HERE}.pca:PCA",
    "era_aggregates": f"{_HERE}.gates:EraAggregates",
    "lags": f"{_HERE}.over_time:Lags",
    "decompose": f"{_HERE}.over_time:Decompose",
    "join": f"{_HERE}.join:Join",
    "knn_graph": f"{_HERE}.knn:KNNGraph",
    "network_momentum": f"{_HERE}.momentum:NetworkMomentum",
    "impute": f"{_HERE}.impute:Impute",
    "embedding": "numerai_lab.models.nets.embedding:Embedding",
    "select": f"{_HERE}.select:Select",
    "noise": f"{_HERE}.noise:Noise",
}
"""Name -> `module:Class`, imported when it is asked for."""
EXTRAS = {"embedding": ("torch", "numerai_lab[torch]")}
"""Name -> a library that not everybody has, and what to install."""


@cache
def get_transform(name: str) -> type[Transform]:
    """Return the class of a transform by its name in `transforms`.

    Raises ModelError : the name is unknown, or what it stands for is no transform.
    """
    named = {plugin.name: plugin.value for plugin in entry_points(group=GROUP)} | BUILT_IN
    if name not in named:
        raise ModelError(
            f"there is no transform '{name}'{did_you_mean(name, named)} "
            f"(transforms: {', '.join(sorted(named))})"
        )
    library, package = EXTRAS.get(name, ("", "")) if name in BUILT_IN else ("", "")
    if library and importlib.util.find_spec(library) is None:
        raise ModelError(f"transform '{name}' is unavailable: pip install {package}")
    module, _, attribute = named[name].partition(":")
    try:
        found: Any = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # noqa: BLE001 - a plugin's import may fail in any way
        raise ModelError(
            f"transform '{name}' is not available: {type(error).__name__}: {error}",
            where=named[name],
            fix="mend or reinstall the package it comes from",
        ) from None
    lacking = [key for key in ("fit", "apply", "save", "load") if not hasattr(found, key)]
    if not isinstance(getattr(found, "info", None), TransformInfo):
        lacking.append("info (a TransformInfo)")
    params = getattr(found, "Params", None)
    if not (isinstance(params, type) and issubclass(params, StepParams)):
        lacking.append("Params (a StepParams)")
    if lacking:
        raise ModelError(f"{named[name]} is not a transform: it lacks {', '.join(lacking)}")
    kind: type[Transform] = found
    return kind


def list_transforms() -> dict[str, str]:
    """Return the one line of each transform, by name; the reason of those that cannot be used."""
    plugins = {plugin.name for plugin in entry_points(group=GROUP)}
    said = {}
    for name in sorted(plugins | set(BUILT_IN)):
        try:
            said[name] = get_transform(name).info.summary
        except ModelError as error:
            said[name] = str(error)
    return said


def _checked(written: Any) -> Any:
    if isinstance(written, StepParams):
        return written
    if not isinstance(written, dict) or not isinstance(written.get("type"), str):
        return written  # pydantic says what is expected
    try:
        kind = get_transform(written["type"])
    except ModelError as error:
        raise ValueError(str(error)) from None
    # pydantic takes the errors of this validation among those of the whole, with their places
    return kind.Params.model_validate(written)


def params_of_step(written: Any) -> type[BaseModel] | None:
    """Return the class with which a step is checked, for messages; None where none is named."""
    try:
        return get_transform(written["type"]).Params
    except (ModelError, TypeError, KeyError):
        return None


StepChoice = Annotated[SerializeAsAny[StepParams], BeforeValidator(_checked)]
"""A step as it is written, checked with the parameters of the transform that `type` names."""
