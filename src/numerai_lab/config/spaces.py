"""Spaces: what `numerai-lab tune` searches, written in a config where a value would stand.

`max_depth: {tune: int, low: 3, high: 8}`; `tune: float` likewise, both with `log: true` or a
`step`; `booster: {tune: choice, choice: [gbtree, dart]}`. `default` is the value that the tuned one
is compared with; without it that is the config with the key left out.
"""

from __future__ import annotations

import copy
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, Field, ValidationError, model_validator

from numerai_lab.config.messages import explain
from numerai_lab.config.schema import Experiment, Positive, Section
from numerai_lab.config.strict_yaml import Key, dotted
from numerai_lab.errors import ConfigError, did_you_mean

PLACES = ("model.params", "weights", "early_stopping", "neutralize")
"""Where a space may stand: what learns, not the rows and not how they are judged."""
LEFT_OUT: Any = object()
"""In place of a value: the key is not written."""


class _Space(Section, ABC):
    default: Any = Field(None, description="the value that the tuned one is compared with")

    @property
    def default_value(self) -> Any:
        """What stands here in the config that is not tuned; `LEFT_OUT` where it is not written."""
        return self.default if "default" in self.model_fields_set else LEFT_OUT

    @abstractmethod
    def holds(self, value: Any) -> bool:
        """Whether a value is one that may be found."""

    def _with_default_inside(self) -> Self:
        default = self.default_value
        if default is not LEFT_OUT and not self.holds(default):
            raise ValueError(f"default {_text(default)} is none of the values of the space")
        return self


class _Range(_Space):
    log: bool = Field(False, description="even in the logarithm")

    def _within(self, value: Any, low: float, high: float, step: float | None) -> bool:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and low <= value <= high and (step is None or _whole((value - low) / step))

    def _check_range(self, low: float, high: float, step: float | None) -> None:
        if low >= high:
            raise ValueError(f"low {low} is not below high {high}")
        if self.log and low <= 0:
            raise ValueError(f"log: true needs a low above 0, got {low}")
        if step is not None:
            if self.log:
                raise ValueError("step and log: true do not go together")
            if not _whole((high - low) / step):
                raise ValueError(f"steps of {step} do not lead from low {low} to high {high}")


class IntSpace(_Range):
    """Whole numbers from low to high, both included."""

    tune: Literal["int"]
    low: int
    high: int
    step: Positive = 1

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        self._check_range(self.low, self.high, None if self.step == 1 else self.step)
        return self._with_default_inside()

    def holds(self, value: Any) -> bool:
        """Whether a value is one that may be found."""
        return isinstance(value, int) and self._within(value, self.low, self.high, self.step)

    @property
    def ends(self) -> tuple[Any, ...]:
        """Values that show whether the space fits where it stands."""
        return self.low, self.high


class FloatSpace(_Range):
    """Numbers from low to high, both included."""

    tune: Literal["float"]
    low: float
    high: float
    step: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        self._check_range(self.low, self.high, self.step)
        return self._with_default_inside()

    def holds(self, value: Any) -> bool:
        """Whether a value is one that may be found."""
        return self._within(value, self.low, self.high, self.step)

    @property
    def ends(self) -> tuple[Any, ...]:
        """Values that show whether the space fits where it stands."""
        return self.low, self.high


class ChoiceSpace(_Space):
    """One of several values of any kind."""

    tune: Literal["choice"]
    choice: Annotated[list[Any], Field(min_length=2)]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len({_text(value) for value in self.choice}) < len(self.choice):
            raise ValueError("a value stands twice in choice")
        return self._with_default_inside()

    def holds(self, value: Any) -> bool:
        """Whether a value is one that may be found."""
        return _text(value) in map(_text, self.choice)

    @property
    def ends(self) -> tuple[Any, ...]:
        """Values that show whether the space fits where it stands."""
        return tuple(self.choice)


Space = IntSpace | FloatSpace | ChoiceSpace
KINDS: dict[str, type[IntSpace | FloatSpace | ChoiceSpace]] = {
    "int": IntSpace,
    "float": FloatSpace,
    "choice": ChoiceSpace,
}


class FoundSpaces(NamedTuple):
    """The spaces of a config.

    Attributes
    ----------
    meant : keys of all that are meant as one. spaces : those that are right.
    wrong : what is wrong with the others, with the key that it is about.
    """

    meant: tuple[Key, ...]
    spaces: dict[Key, Space]
    wrong: tuple[tuple[Key, str], ...]


def find_spaces(value: Any) -> FoundSpaces:
    """Find the spaces of a config, and what is wrong with them."""
    meant = dict(_mappings(value, ()))
    spaces: dict[Key, Space] = {}
    wrong: list[tuple[Key, str]] = []
    for key, written in meant.items():
        kind = written["tune"]
        if not _may_stand(key):
            wrong.append((key, f"cannot be tuned: a space stands under {_places()} only"))
        elif not isinstance(kind, str) or kind not in KINDS:
            near = did_you_mean(str(kind), KINDS)
            text = f"unknown value '{kind}'{near} (one of {', '.join(KINDS)})"
            wrong.append(((*key, "tune"), text))
        else:
            try:
                spaces[key] = KINDS[kind].model_validate(written)
            except ValidationError as error:
                found = explain(error.errors(), KINDS[kind])
                wrong += [((*key, *at), text) for at, text in found]
        if key in spaces and isinstance(key[-1], int) and spaces[key].default_value is LEFT_OUT:
            wrong.append((key, "in a list a space needs a default"))
    return FoundSpaces(tuple(meant), spaces, tuple(wrong))


def _places() -> str:
    return f"{', '.join(PLACES[:-1])} or {PLACES[-1]}"


def _mappings(value: Any, key: Key) -> Iterator[tuple[Key, dict[str, Any]]]:
    """Yield every mapping with a key `tune`, but for the whole config, whose section that is."""
    if isinstance(value, dict):
        if "tune" in value and key:
            yield key, value
            return
        for name, item in value.items():
            yield from _mappings(item, (*key, name))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _mappings(item, (*key, i))


def _may_stand(key: Key) -> bool:
    return any(dotted(key).startswith(f"{place}.") for place in PLACES)


def read_space(written: Mapping[str, Any], where: str) -> Space:
    """Read one space from a mapping as it is written in YAML. Raises ConfigError."""
    found = find_spaces({"model": {"params": {"value": dict(written)}}})
    for _, text in found.wrong:
        raise ConfigError(text, where=where)
    if not found.spaces:
        raise ConfigError("expected a space, as {tune: int, low: 3, high: 8}", where=where)
    return next(iter(found.spaces.values()))


def put(value: Any, key: Key, new: Any) -> Any:
    """Return a config's value with another one at a key, `LEFT_OUT` taking the key away.

    Sections on the way that are not there are made.
    """
    result = copy.deepcopy(value)
    at = result
    for name in key[:-1]:
        at = at.setdefault(name, {}) if isinstance(at, dict) else at[name]
    if new is LEFT_OUT:
        at.pop(key[-1], None)
    else:
        at[key[-1]] = new
    return result


def with_values(experiment: Experiment, values: Mapping[Key, Any]) -> Experiment:
    """Return an experiment with other values at keys that a space may stand at.

    Raises
    ------
    ConfigError : a section does not take its value; `model.params` are checked by the model.
    """
    sections: dict[str, Any] = {}
    for key, value in values.items():
        name = str(key[0])
        if name not in sections:
            section: BaseModel = getattr(experiment, name)
            sections[name] = section.model_dump(by_alias=True)
        sections[name] = put(sections[name], key[1:], value)
    try:
        checked = {
            name: type(getattr(experiment, name)).model_validate(section)
            for name, section in sections.items()
        }
    except ValidationError as error:
        raise ConfigError(str(error.errors()[0]["msg"])) from None
    return experiment.model_copy(update=checked)


def _whole(number: float) -> bool:
    return math.isclose(number, round(number), abs_tol=1e-9)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
