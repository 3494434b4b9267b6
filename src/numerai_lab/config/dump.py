"""An experiment written out again: as YAML, as a hash, and the schema of what may be written."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import yaml

from numerai_lab.config.schema import Experiment
from numerai_lab.config.spaces import Space, put
from numerai_lab.config.strict_yaml import BOOL, FLOAT, INT, NULL, Key, dotted

NOT_HASHED = {"question", "expect", "tune", "artefacts_dir"}
"""Words for people, what is for `explain` or `tune` alone, and a place: nothing that a run computes
changes."""
ADDED = {"tuned", "train_on", "transforms", "placebo"}
"""Sections younger than runs on disk: hashed only where they are set, so that those keep theirs."""
ADDED_TO_DATA = {"version", "entity", "side", "rows", "averages", "join", "prices"}
"""The same of `data`."""
ADDED_TO_SPLIT = {"test"}
"""The same of `split`."""
ADDED_TO_SCORING = {"portfolio"}
"""The same of `scoring`."""


class _Flow(dict[str, Any]):
    """A mapping that stands on one line."""


def resolved_yaml(
    experiment: Experiment,
    places: Mapping[str, str] | None = None,
    spaces: Mapping[Key, Space] | None = None,
) -> str:
    """Write an experiment with every default filled in; reading it gives an equal experiment.

    Parameters
    ----------
    experiment : what to write.
    places : `Resolved.places`, to end each line with where its value comes from.
    spaces : `Resolved.spaces`, to write them where their defaults stand.
    """
    plain = _plain(experiment)
    for key, space in (spaces or {}).items():
        written = space.model_dump(mode="json", exclude_unset=True)
        plain = put(plain, key, _Flow({"tune": space.tune} | written))
    return "\n".join(_lines(plain, (), places)) + "\n"


def written_yaml(experiment: Experiment) -> str:
    """Write what an experiment's file, parents and options said, without defaults."""
    said = experiment.model_dump(mode="json", by_alias=True, exclude_unset=True)
    said = {name: value for name, value in said.items() if value not in (None, [], {}, "")}
    return "\n".join(_lines(said, (), None)) + "\n"


def config_hash(experiment: Experiment) -> str:
    """Return 8 hex digits that change with what changes a result, not with the order of keys."""
    content = {
        k: v for k, v in _plain(experiment).items() if k not in NOT_HASHED and (k not in ADDED or v)
    }
    for name, added in (
        ("data", ADDED_TO_DATA),
        ("split", ADDED_TO_SPLIT),
        ("scoring", ADDED_TO_SCORING),
    ):
        section = content[name]
        content[name] = {k: v for k, v in section.items() if k not in added or v}
    del content["data"]["store"]  # where features are kept changes no number
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of an experiment's file, for editors and other tools."""
    schema = Experiment.model_json_schema(by_alias=True)
    required = [name for name in schema.pop("required") if name != "name"]
    schema["properties"]["extends"] = {
        "type": "string",
        "description": "one parent file beside this one; mappings merge, lists replace",
    }
    schema["anyOf"] = [{"required": ["extends"]}, {"required": required}]
    return schema


def _plain(experiment: Experiment) -> dict[str, Any]:
    return experiment.model_dump(mode="json", by_alias=True)


def _lines(
    section: Mapping[str, Any], above: Key, places: Mapping[str, str] | None
) -> Iterator[str]:
    indent = "  " * len(above)
    for name, value in sorted(section.items(), key=lambda item: item[0] != "type"):
        key = (*above, name)
        head = f"{indent}{_inline(name)}:"
        if isinstance(value, dict) and value and not isinstance(value, _Flow):
            yield head
            yield from _lines(value, key, places)
        else:
            origin = "" if places is None else f"  # {places.get(dotted(key), 'default')}"
            yield f"{head} {_inline(value)}{origin}"


class _Dumper(yaml.SafeDumper):
    """Quotes whatever YAML 1.1 or our own reading would take for something but text."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - anchors are not read back
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    one_line = text.isprintable()  # else only double quotes keep it on one line
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if one_line else '"')


_Dumper.add_representer(str, _text)
for _name, _regex in (("null", NULL), ("bool", BOOL), ("int", INT), ("float", FLOAT)):
    _whole = re.compile(rf"(?:{_regex.pattern})\Z")  # PyYAML matches from the start only
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", _whole, None)


def _inline(value: Any) -> str:
    if value is None or isinstance(value, bool | int):
        return json.dumps(value)  # YAML writes them alike, and takes far longer
    return _text_of(value) if isinstance(value, str) else _dumped(value)


@lru_cache(1000)
def _text_of(text: str) -> str:
    return _dumped(text)


def _dumped(value: Any) -> str:
    dumped = yaml.dump(
        dict(value) if isinstance(value, _Flow) else value,
        Dumper=_Dumper,
        default_flow_style=True,
        width=math.inf,
        allow_unicode=True,
        sort_keys=False,
    )
    return dumped.removesuffix("\n").removesuffix("\n...")
