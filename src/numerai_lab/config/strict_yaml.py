"""YAML read strictly, with the place of every key.

The values of a plain (unquoted) scalar follow YAML 1.2's core schema, which has none of
YAML 1.1's surprises: `no`, `on` and `12:30` are text, `1e-3` is a number, and a leading zero
means nothing, so era `0575` is 575. Stricter than any YAML: a repeated key is an error, keys
are text, numbers are finite, and anchors, merge keys and tags are refused.

Source: YAML 1.2.2, section 10.3 (core schema).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import yaml
from yaml.error import MarkedYAMLError
from yaml.reader import ReaderError

from numerai_lab.errors import ConfigError

Key = tuple[str | int, ...]
"""Where a value sits in a config: `("model", "params", "eta")`; integers index lists."""

NULL = re.compile(r"~|null|Null|NULL|")
BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
    r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)

MAX_DEPTH = 50
MAX_DIGITS = 40  # int() itself refuses thousands of digits with a traceback


class Place(NamedTuple):
    """Where something was written: a file and its line, or an option of the command line."""

    source: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


class Problem(NamedTuple):
    """One thing wrong with one key."""

    place: Place
    key: Key
    text: str

    def __str__(self) -> str:
        return f"{self.place} {dotted(self.key)}: {self.text}"


@dataclass(frozen=True)
class Layer:
    """One source of configuration: its values, where each was written, what is wrong with it."""

    value: Any
    places: dict[Key, Place]
    problems: tuple[Problem, ...] = ()

    def under(self, *prefix: str) -> Layer:
        """Return the same layer as the content of the section `prefix`."""
        value = self.value
        for name in reversed(prefix):
            value = {name: value}
        places = {prefix + key: place for key, place in self.places.items()}
        problems = tuple(p._replace(key=prefix + p.key) for p in self.problems)
        return Layer(value, places, problems)

    def without(self, names: Iterable[str]) -> Layer:
        """Return the layer without some of its top-level keys."""
        gone = set(names)
        return replace(
            self,
            value={k: v for k, v in self.value.items() if k not in gone},
            places={k: p for k, p in self.places.items() if not k or k[0] not in gone},
        )


def dotted(key: Key) -> str:
    """Write a key as a person does: `model.params.eta`, `data.targets[1]`."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


class _Loader(yaml.SafeLoader):
    """Composes nodes only; every value is read by `_Reading`."""

    depth = 0

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:  # noqa: ARG002
        """Tag a node: "plain" for unquoted scalars; no YAML 1.1 guessing."""
        if kind is yaml.ScalarNode:
            return "plain" if implicit[0] else "text"
        return "collection"

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose a node, refusing what a config has no use for."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        refused = None
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            refused = "anchors and aliases (& and *) are not read, write the value out"
        elif getattr(event, "tag", None):
            shown = event.tag.replace("tag:yaml.org,2002:", "!!")
            refused = f"tags ({shown}) are not read, write text in quotes"
        elif self.depth > MAX_DEPTH:
            refused = f"nested more than {MAX_DEPTH} deep"
        if refused:
            raise MarkedYAMLError(problem=refused, problem_mark=event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Reading:
    """Turns composed nodes into values, noting places and problems on the way."""

    def __init__(self, source: str, *, numbered: bool) -> None:
        self.source, self.numbered = source, numbered
        self.places: dict[Key, Place] = {}
        self.problems: list[Problem] = []

    def place(self, node: yaml.Node) -> Place:
        return Place(self.source, node.start_mark.line + 1 if self.numbered else 0)

    def value(self, node: yaml.Node, key: Key) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, key)
        if isinstance(node, yaml.SequenceNode):
            return [self.item(item, (*key, i)) for i, item in enumerate(node.value)]
        return self.scalar(node, key)

    def item(self, node: yaml.Node, key: Key) -> Any:
        self.places[key] = self.place(node)
        return self.value(node, key)

    def mapping(self, node: yaml.MappingNode, key: Key) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = self.place(key_node)
            name = key_node.value
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(Problem(place, (*key, "?"), "a key must be text"))
            elif key_node.tag == "plain" and name == "<<":
                text = "merge keys (<<) are not read; use extends, or write the values out"
                self.problems.append(Problem(place, (*key, name), text))
            elif key_node.tag == "plain" and not isinstance(read_plain(name), str):
                text = "a key must be text; put it in quotes if this is a name"
                self.problems.append(Problem(place, (*key, name), text))
            elif name in result:
                first = self.places[(*key, name)].line
                text = "repeated key" + (f", already given on line {first}" if first else "")
                self.problems.append(Problem(place, (*key, name), text))
            else:
                self.places[(*key, name)] = place
                result[name] = self.value(value_node, (*key, name))
        return result

    def scalar(self, node: yaml.Node, key: Key) -> Any:
        if node.tag != "plain":
            return node.value
        value = read_plain(node.value)
        if isinstance(value, float) and not math.isfinite(value):
            text = f"expected a finite number, got {node.value}"
            self.problems.append(Problem(self.place(node), key, text))
        if isinstance(value, int) and len(node.value) > MAX_DIGITS:
            text = f"a number of {len(node.value)} digits is too large"
            self.problems.append(Problem(self.place(node), key, text))
        return value


def read_plain(text: str) -> str | int | float | bool | None:
    """Read an unquoted scalar by the core schema; anything it does not know is text."""
    if NULL.fullmatch(text):
        return None
    if BOOL.fullmatch(text):
        return text.lower() == "true"
    if INT.fullmatch(text):
        if text.startswith(("0o", "0x")):
            return int(text, 0)
        return int(text[:MAX_DIGITS])  # longer ones are reported by their text
    if FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def parse(text: str, source: str, *, numbered: bool = True) -> Layer:
    """Read one YAML document.

    Parameters
    ----------
    text : the document.
    source : what a place calls it: a file's path, or an option.
    numbered : whether places carry line numbers.

    Raises
    ------
    ConfigError
        When it is not YAML, or uses what is refused here (see the module's text). Problems
        of single keys are returned in the layer instead, to be told together.
    """
    reading = _Reading(source, numbered=numbered)
    try:
        node = _Loader(text).get_single_node()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(source, mark.line + 1 if mark and numbered else 0)
        raise ConfigError(_syntax(error), where=str(place)) from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        place = Place(source, line if numbered else 0)
        what = f"the character {chr(int(error.character))!r} is not allowed in YAML"
        raise ConfigError(what, where=str(place), fix="remove it") from None
    value = None if node is None else reading.value(node, ())
    return Layer(value, reading.places, tuple(reading.problems))


def _syntax(error: MarkedYAMLError) -> str:
    problem = error.problem or "it does not end where it should"
    if "'\\t'" in problem:
        return "a tab where YAML wants spaces; indent with spaces"
    if problem.startswith("mapping values are not allowed"):
        return "not valid YAML, a second ': ' on one line; put text that holds ': ' in quotes"
    if problem.startswith("but found another document"):
        return "a second document (---) in one file; keep one"
    if error.problem_mark is not None and "are not read" in problem:
        return problem
    context = f" {error.context}" if error.context else ""
    return f"not valid YAML{context}: {problem}"
