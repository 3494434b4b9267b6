"""A model's parameters as a table, for `numerai-lab models NAME`."""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from numerai_lab.models.contract import LEFT_OUT
from numerai_lab.models.registry import get_model


class ParamRow(NamedTuple):
    """One parameter: its key in `model.params`, type, default and meaning, all as text."""

    key: str
    type: str
    default: str
    description: str


def describe_params(name: str) -> list[ParamRow]:
    """List what may be written under `model.params` for a model.

    Keys of nested sections are dotted (`era_boosting.rounds`).

    Raises
    ------
    ModelError
        The model is unknown or not available.
    """
    return describe_fields(get_model(name).Params)


def describe_fields(params: type[BaseModel]) -> list[ParamRow]:
    """List what may be written for a class of parameters, as `describe_params`."""
    return _rows(params, prefix="")


def _rows(params: type[BaseModel], prefix: str) -> list[ParamRow]:
    rows = []
    for name, field in params.model_fields.items():
        if field.exclude:  # names that are known only to be refused with the way out
            continue
        key = prefix + (field.alias or name)
        if field.is_required():
            default = "required"
        elif _sections(field.annotation):  # its keys and their defaults follow, one a row
            default = ""
        elif field.default is PydanticUndefined:
            default = str(field.get_default(call_default_factory=True))
        elif field.default is None and isinstance(field.json_schema_extra, dict):
            default = str(field.json_schema_extra.get(LEFT_OUT, ""))
        else:
            default = "" if field.default is None else str(field.default)
        rows.append(ParamRow(key, _type_text(field.annotation), default, field.description or ""))
        for section in _sections(field.annotation):
            rows += _rows(section, prefix=f"{key}.")
    return rows


def _sections(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, types.UnionType):
        return [section for part in get_args(annotation) for section in _sections(part)]
    return []


def _type_text(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " | ".join(map(str, arguments))
    if origin is Annotated:
        return _type_text(arguments[0])
    if origin in (Union, types.UnionType):
        return " | ".join(_type_text(part) for part in arguments if part is not types.NoneType)
    if origin is list:
        return f"list of {_type_text(arguments[0])}"
    if (isinstance(annotation, type) and issubclass(annotation, BaseModel)) or origin is dict:
        return "mapping"
    names = {bool: "true | false", int: "int", float: "number", str: "text"}
    return names.get(annotation, str(annotation))
