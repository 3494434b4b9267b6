"""Just enough GraphQL to be strict: one root field, its arguments, the fields that were asked for.

A query asks for fields by name, and the stand-in refuses a name it does not know, so a mistyped
query fails here as it would at Numerai.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

Selection = dict[str, "Selection"]


class QueryError(Exception):
    """A query that cannot be answered; becomes a GraphQL error."""


@dataclass(frozen=True, slots=True)
class Query:
    """One operation: `query` or `mutation`, its root field, arguments and selection."""

    kind: str
    field: str
    arguments: dict[str, Any]
    selection: Selection


def parse(text: str, variables: dict[str, Any]) -> Query:
    """Read a query with one root field, as all of numerapi's have."""
    tokens = re.findall(r'"[^"]*"|[$\w.]+|[{}():!,\[\]]', text)
    kind = "query"
    start = 0
    if tokens and tokens[0] in ("query", "mutation"):
        kind = tokens[0]
        start = _matching(tokens, 1) + 1 if tokens[1:2] == ["("] else 1
    if tokens[start : start + 1] != ["{"]:
        raise QueryError("syntax error before the first field")
    name = tokens[start + 1]
    position = start + 2
    arguments: dict[str, Any] = {}
    if tokens[position] == "(":
        end = _matching(tokens, position)
        arguments = _arguments(tokens[position + 1 : end], variables)
        position = end + 1
    selection: Selection = {}
    if tokens[position] == "{":
        selection, _ = _selection(tokens, position + 1)
    return Query(kind, name, arguments, selection)


def project(value: Any, selection: Selection, path: str) -> Any:
    """Return only the fields asked for. Raises QueryError for one that is not known."""
    if isinstance(value, list):
        return [project(item, selection, path) for item in value]
    if value is None or not selection:
        return value
    for name in selection:
        if name not in value:
            raise QueryError(f'Cannot query field "{name}" on "{path}".')
    return {name: project(value[name], inner, name) for name, inner in selection.items()}


def _matching(tokens: list[str], opening: int) -> int:
    depth = 0
    for position in range(opening, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[position], 0)
        if depth == 0:
            return position
    raise QueryError("syntax error: a parenthesis is not closed")


def _arguments(tokens: list[str], variables: dict[str, Any]) -> dict[str, Any]:
    names = [position - 1 for position, token in enumerate(tokens) if token == ":"]
    found = {}
    for position in names:
        value = tokens[position + 2]
        found[tokens[position]] = (
            variables.get(value[1:])
            if value.startswith("$")
            else int(value)
            if value.isdigit()
            else value.strip('"')
        )
    return found


def _selection(tokens: list[str], position: int) -> tuple[Selection, int]:
    found: Selection = {}
    last = ""
    while position < len(tokens):
        token = tokens[position]
        if token == "}":
            return found, position + 1
        if token == "{":
            found[last], position = _selection(tokens, position + 1)
            continue
        if token != ",":
            last = token
            found[token] = {}
        position += 1
    raise QueryError("syntax error: a brace is not closed")
