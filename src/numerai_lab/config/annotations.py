"""What a field of a pydantic class takes: its type taken apart, and said in words."""

from __future__ import annotations

import types
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

NONE = type(None)
WORDS: dict[type, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    NONE: "null",
    Path: "a path",
    dict: "a mapping (key: value)",
    list: "a list",
    tuple: "a list",
    set: "a list",
    frozenset: "a list",
}
PLURALS = {
    "a whole number": "whole numbers",
    "a number": "numbers",
    "a path": "paths",
    "a mapping (key: value)": "mappings",
    "a list": "lists",
}
LISTS = (list, tuple, set, frozenset)
BOUNDS = {
    "ge": ">= {}",
    "gt": "> {}",
    "le": "<= {}",
    "lt": "< {}",
    "min_length": "(at least {})",
    "max_length": "(at most {})",
}


def describe(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """Say in words what an annotation takes; empty when there are no plain words for it."""
    annotation, found = unwrap(annotation, tuple(metadata))
    arguments = get_args(annotation)
    if get_origin(annotation) is Literal:
        return choices(_words(annotation))
    if is_tagged(annotation):
        return f"a mapping with type {choices(all_tags(annotation))}"
    if is_union(annotation):
        words = [word for member in members(annotation) for word in _words(member)]
        return choices(list(dict.fromkeys(words))) if all(words) else ""
    if is_model(annotation):
        return WORDS[dict]
    kind = get_origin(annotation) or annotation
    word = WORDS.get(kind, "") if isinstance(kind, type) else ""
    if kind in LISTS and arguments and (of := describe(arguments[0])):
        for singular, plural in PLURALS.items():
            of = of.replace(singular, plural)
        word += f" of {of}"
    bounds = [
        text.format(limit)
        for item in found
        for name, text in BOUNDS.items()
        if (limit := getattr(item, name, None)) is not None
    ]
    return f"{word} {' and '.join(bounds)}" if word and bounds else word


def _words(annotation: Any) -> list[str]:
    """Say what one member of a union takes, each literal by itself."""
    if get_origin(annotation) is Literal:
        return [f"'{v}'" if isinstance(v, str) else str(v) for v in get_args(annotation)]
    return [describe(annotation)]


def choices(words: Sequence[str]) -> str:
    """Join words as in "a, b or c"."""
    return " or ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def unwrap(annotation: Any, metadata: tuple[Any, ...] = ()) -> tuple[Any, tuple[Any, ...]]:
    """Take off Annotated, and Optional around a single type; return the type and its limits."""
    if get_origin(annotation) is Annotated:
        inner, *extra = get_args(annotation)
        limits = [m for e in extra for m in (e.metadata if isinstance(e, FieldInfo) else [e])]
        return unwrap(inner, metadata + tuple(limits))
    known = [member for member in members(annotation) if member is not NONE]
    if len(known) == 1 and known[0] is not annotation:
        return unwrap(known[0], metadata)
    return annotation, metadata


def members(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the one type that is not a union."""
    if get_origin(annotation) in (Union, types.UnionType):
        return get_args(annotation)
    return (annotation,)


def models(annotation: Any) -> tuple[type[BaseModel], ...]:
    """Return those members of an annotation that are pydantic classes."""
    return tuple(m for m in (unwrap(a)[0] for a in members(annotation)) if is_model(m))


def is_model(annotation: Any) -> bool:
    """Whether an annotation is a pydantic class."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def is_union(annotation: Any) -> bool:
    """Whether an annotation is a union whose members nothing written tells apart."""
    return len(members(annotation)) > 1 and not is_tagged(annotation)


def is_tagged(annotation: Any) -> bool:
    """Whether an annotation is a union of classes told apart by their literal `type`."""
    kinds = members(annotation)
    return len(kinds) > 1 and all(is_model(m) and tags(m) for m in kinds)


def tags(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the values of `type` that choose this class; empty when it has no such field."""
    field = model.model_fields.get("type")
    if field is None or get_origin(field.annotation) is not Literal:
        return ()
    return tuple(map(str, get_args(field.annotation)))


def all_tags(annotation: Any) -> list[str]:
    """Return every `type` of a tagged union, in the order of its classes."""
    return [tag for model in models(annotation) for tag in tags(model)]


def fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of a class by the name a person writes."""
    return {field.alias or name: field for name, field in model.model_fields.items()}
