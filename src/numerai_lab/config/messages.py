"""pydantic's validation errors, told by key as a person wrote it, with what was expected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel

from numerai_lab.config.annotations import (
    LISTS,
    all_tags,
    choices,
    describe,
    fields,
    is_model,
    is_tagged,
    is_union,
    members,
    models,
    tags,
    unwrap,
)
from numerai_lab.config.strict_yaml import Key, read_plain
from numerai_lab.errors import did_you_mean

MAX_LISTED = 20
"""How many known keys a message still lists."""


class Spot(NamedTuple):
    """What pydantic's `loc` points at.

    Attributes
    ----------
    key : the key as written, without the names pydantic adds for members of unions.
    annotation, limits : what the key may hold.
    owner : the class the last part of the key belongs to.
    kin : the classes of the tagged union that `owner` is one of, else empty.
    """

    key: Key
    annotation: Any
    limits: tuple[Any, ...] = ()
    owner: type[BaseModel] | None = None
    kin: tuple[type[BaseModel], ...] = ()


def explain(
    errors: Sequence[Mapping[str, Any]], model: type[BaseModel], written: Any = None
) -> Iterator[tuple[Key, str]]:
    """Turn the errors of one validation into (key, sentence).

    The members of a union each report why they did not fit: they become one line, or, where
    the member that is a mapping was meant, only the lines about what is inside it.

    Parameters
    ----------
    errors : what `ValidationError.errors()` returns.
    model : the class that was validated.
    written : what was validated; it tells which class a nested model's parameters have.
    """
    found = [(locate(model, error["loc"], written), error) for error in errors]
    unions = {spot.key for spot, _ in found if is_union(spot.annotation)}
    entered = {
        key for key in unions for spot, _ in found if spot.key[: len(key)] == key != spot.key
    }
    told: set[Key] = set()
    for spot, error in found:
        if spot.key in entered or (spot.key in unions and spot.key in told):
            continue
        told.add(spot.key)
        yield _key(spot, error), _sentence(spot, error)


def locate(model: type[BaseModel], loc: Sequence[str | int], written: Any = None) -> Spot:
    """Follow pydantic's `loc` from a class down to the key it is about.

    A class may have `section_of(key, written)`, which names the class of a key's content where
    that depends on what is written (the parameters of a model within a model), and
    `item_of(key, written)`, which does so for each item of a list.
    """
    annotation: Any = model
    item_of: Any = None
    limits: tuple[Any, ...] = ()
    kin: tuple[type[BaseModel], ...] = ()
    spot = Spot((), model)
    for part in loc:
        owner = None
        if is_union(annotation) or is_tagged(annotation):
            kin = models(annotation)
            chosen = [m for m in kin if str(part) in (*tags(m), m.__name__)]
            if not chosen:
                return spot
            annotation = chosen[0]
            continue  # a tag is no key; what is wrong with the member as a whole is said there
        arguments = get_args(annotation)
        if is_model(annotation):
            owner, field = annotation, fields(annotation).get(str(part))
            annotation, limits = (field.annotation, tuple(field.metadata)) if field else (Any, ())
            section_of = getattr(owner, "section_of", None)
            if section_of is not None:
                annotation = section_of(str(part), written) or annotation
            item_of = getattr(owner, "item_of", None)
        elif get_origin(annotation) is dict and part != "[key]":
            annotation, limits = arguments[1], ()
        elif get_origin(annotation) in LISTS:
            annotation, limits = arguments[0], ()
            if item_of is not None:
                annotation = item_of(str(spot.key[-1]), _inside(written, part)) or annotation
        elif annotation is not Any:
            return spot
        annotation, limits = unwrap(annotation, limits)
        written = _inside(written, part)
        spot = Spot((*spot.key, part), annotation, limits, owner, kin if owner in kin else ())
    return spot


def _inside(written: Any, part: str | int) -> Any:
    if isinstance(written, dict):
        return written.get(part)
    inside = isinstance(written, list) and isinstance(part, int) and part < len(written)
    return written[part] if inside else None


def _key(spot: Spot, error: Mapping[str, Any]) -> Key:
    about_type = error["type"] in ("union_tag_invalid", "union_tag_not_found")
    return (*spot.key, "type") if about_type else spot.key


def _sentence(spot: Spot, error: Mapping[str, Any]) -> str:
    kind, value = error["type"], error["input"]
    expected = describe(spot.annotation, spot.limits)
    if kind == "extra_forbidden":
        return _unknown_key(spot)
    if kind == "missing":
        return f"missing, expected {expected}" if expected else "missing"
    if kind == "union_tag_not_found":
        return f"missing, expected {choices(all_tags(spot.annotation))}"
    if kind == "union_tag_invalid":
        return _unknown_choice("type", error["ctx"]["tag"], all_tags(spot.annotation))
    if kind in ("value_error", "assertion_error"):
        return str(error["ctx"]["error"])
    if kind == "string_pattern_mismatch":
        return f"expected text matching {error['ctx']['pattern']}, {_got(value)}"
    if spot.annotation is bool:
        return f"write true or false ({_got(value)})"
    if get_origin(spot.annotation) is Literal and isinstance(value, str):
        return _unknown_choice("value", value, [str(v) for v in get_args(spot.annotation)])
    if kind == "too_short" and error["ctx"]["actual_length"]:
        return f"expected {expected}, got {error['ctx']['actual_length']}"
    if not expected:
        return f"{error['msg']}, {_got(value)}"
    return f"expected {expected}, {_got(value)}{_quoted_number(spot, value)}"


def _unknown_key(spot: Spot) -> str:
    if spot.owner is None:
        return "unknown key"
    name, known = str(spot.key[-1]), fields(spot.owner)
    if elsewhere := [tag for m in spot.kin if name in fields(m) for tag in tags(m)]:
        return f"unknown key of this type, it belongs to type {choices(elsewhere)}"
    if "." in name:
        return "unknown key; write nested mappings, dots are for --set"
    hint = getattr(spot.owner, "hint_unknown_key", None)  # a model's parameters may know it
    if hint is not None and (said := hint(name)):
        return f"unknown key, {said}"
    if near := did_you_mean(name, known):
        return f"unknown key{near}"
    for section, field in known.items():
        if any(name in fields(m) for m in models(field.annotation)):
            return f"unknown key, did you mean '{section}.{name}'?"
    if len(known) > MAX_LISTED:
        return "unknown key"
    return f"unknown key (known: {', '.join(known) or 'none'})"


def _unknown_choice(what: str, value: object, known: Sequence[str]) -> str:
    near = did_you_mean(str(value), known)
    return f"unknown {what} '{value}'{near} (one of {', '.join(known)})"


def _quoted_number(spot: Spot, value: object) -> str:
    numeric = any(unwrap(m)[0] in (int, float) for m in members(spot.annotation))
    if numeric and isinstance(value, str) and isinstance(read_plain(value.strip()), int | float):
        return "; write it without quotes"
    return ""


def _got(value: object) -> str:
    if isinstance(value, str):
        return f"got the text {value if len(value) <= 60 else value[:57] + '...'!r}"
    if isinstance(value, dict):
        return "got a mapping"
    if isinstance(value, list):
        return "got a list" if value else "got an empty list"
    if value is None:
        return "got nothing"
    return f"got {str(value).lower() if isinstance(value, bool) else value}"
