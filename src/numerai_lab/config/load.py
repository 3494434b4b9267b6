"""From a YAML file to a checked experiment, with the place of every key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from numerai_lab.config.layers import (
    lay,
    left_out,
    read_file,
    read_overrides,
    read_profile,
    read_with_parents,
)
from numerai_lab.config.messages import explain
from numerai_lab.config.schema import Data, Experiment
from numerai_lab.config.strict_yaml import Key, Layer, Place, Problem, dotted
from numerai_lab.errors import ConfigError, ModelError

ParamsOf = Callable[[str], type[BaseModel]]
"""Gives the class of a model's parameters by the model's name; raises ModelError."""

AnySection = TypeVar("AnySection", bound=BaseModel)


@dataclass(frozen=True)
class Resolved:
    """A checked experiment and where it came from.

    Attributes
    ----------
    experiment : the config that runs.
    path : the experiment's file, as it was given.
    raw : the text of that file.
    places : where each key was written, by dotted key (`model.params.eta` ->
        `configs/x.yaml:14`, `--set`, `--data folder`). Keys left at their default are absent.
    notes : what the user must be told: parameters that a `--set` of another type left out.
    """

    experiment: Experiment
    path: Path
    raw: str
    places: dict[str, str]
    notes: tuple[str, ...] = ()


def load_experiment(
    path: str | Path,
    *,
    data: str | None = None,
    overrides: Sequence[str] = (),
    params_of: ParamsOf | None = None,
) -> Resolved:
    """Read an experiment: parent < file < data profile (over `data:`) < `--set`.

    Parameters
    ----------
    path : the YAML file. Its `extends` names one parent beside it; `name` and `question` are
        its own, and a file without a name is called after itself. Other paths in a config are
        relative to the current directory.
    data : a folder in Numerai's layout, a YAML file with a data section, or a profile's name.
    overrides : `KEY=VALUE` texts, VALUE in YAML.
    params_of : also check `model.params`, against the class this gives for `model.type`.

    Raises
    ------
    ConfigError
        With every mistake of the config in one message, each with its place.
    """
    path = Path(path)
    layer, raw = read_with_parents(path)
    if data is not None:
        layer = lay(layer, read_profile(data, path.parent / "data"))
    overriding = read_overrides(overrides)
    notes = left_out(layer.value, overriding.value)
    layer = lay(layer, overriding)

    places = _by_name(layer, Place(str(path)))
    experiment, found = None, []
    try:
        experiment = Experiment.model_validate(layer.value, by_alias=True, by_name=False)
    except ValidationError as error:
        found += _problems(error, Experiment, (), places)
    if params_of is not None:
        found += _params_problems(layer.value.get("model"), params_of, places)
    # What the YAML itself got wrong is told once: the schema trips over the same value.
    known = {(problem.place, problem.key) for problem in layer.problems}
    problems = [*layer.problems, *(p for p in found if (p.place, p.key) not in known)]
    if problems or experiment is None:
        raise ConfigError(_tell(problems, str(path)))
    told = {name: str(place) for name, place in places.items() if name}
    return Resolved(experiment, path, raw, told, notes)


def validate_params(params_class: type[BaseModel], resolved: Resolved) -> BaseModel:
    """Check `model.params` with a model's own class and return its instance.

    Raises
    ------
    ConfigError
        With every mistake, in the words and with the places of `load_experiment`.
    """
    try:
        return params_class.model_validate(resolved.experiment.model.params)
    except ValidationError as error:
        read = {name: _read_place(text) for name, text in resolved.places.items()}
        places = {"": Place(str(resolved.path))} | read
        written = resolved.experiment.model.params
        problems = _problems(error, params_class, ("model", "params"), places, written)
        raise ConfigError(_tell(problems, str(resolved.path))) from None


def data_section(base: Data, named: str) -> Data:
    """Lay what `--data` names over a data section, for commands that have no config file.

    Parameters
    ----------
    base : the section of a run, or the default one.
    named : as `data` in `load_experiment`; profiles are looked for in `configs/data/`.

    Raises
    ------
    ConfigError
        With every mistake in the profile.
    """
    profile = read_profile(named)
    written = base.model_dump(mode="json", by_alias=True)
    layer = lay(Layer({"data": written}, {}), profile)
    problems = list(layer.problems)
    try:
        section = Data.model_validate(layer.value["data"], by_alias=True, by_name=False)
    except ValidationError as error:
        places = _by_name(layer, Place(f"--data {named}"))
        problems += _problems(error, Data, ("data",), places)
    if problems:
        raise ConfigError(_tell(problems, named))
    return section


def read_section(path: Path, schema: type[AnySection]) -> AnySection:
    """Read a YAML file that is not an experiment, as strictly and with the same messages.

    Parameters
    ----------
    path : the file. schema : what it may hold.

    Raises
    ------
    ConfigError
        With every mistake of the file in one message, each with its line.
    """
    layer, _ = read_file(path)
    section, problems = None, list(layer.problems)
    try:
        section = schema.model_validate(layer.value, by_alias=True, by_name=False)
    except ValidationError as error:
        known = {problem.key for problem in problems}
        found = _problems(error, schema, (), _by_name(layer, Place(str(path))))
        problems += [problem for problem in found if problem.key not in known]
    if problems or section is None:
        raise ConfigError(_tell(problems, str(path)))
    return section


def _params_problems(
    model: Any, params_of: ParamsOf, places: Mapping[str, Place]
) -> Iterable[Problem]:
    name = model.get("type") if isinstance(model, dict) else None
    params = model.get("params", {}) if isinstance(model, dict) else None
    if not isinstance(name, str) or not isinstance(params, dict):
        return []  # the schema says so
    try:
        params_class = params_of(name)
    except ModelError as error:
        key = ("model", "type")
        return [Problem(_place(key, places), key, str(error))]
    try:
        params_class.model_validate(params)
    except ValidationError as error:
        return _problems(error, params_class, ("model", "params"), places, params)
    return []


def _problems(
    error: ValidationError,
    model: type[BaseModel],
    prefix: Key,
    places: Mapping[str, Place],
    written: Any = None,
) -> list[Problem]:
    keys = [(prefix + key, text) for key, text in explain(error.errors(), model, written)]
    return [Problem(_place(key, places), key, text) for key, text in keys]


def _by_name(layer: Layer, whole: Place) -> dict[str, Place]:
    return {"": whole} | {dotted(key): place for key, place in layer.places.items()}


def _read_place(text: str) -> Place:
    source, _, line = text.rpartition(":")
    return Place(source, int(line)) if source and line.isdigit() else Place(text)


def _place(key: Key, places: Mapping[str, Place]) -> Place:
    """Where a key was written, or the nearest section around it that was."""
    names = [dotted(key[:n]) for n in range(len(key), -1, -1)]
    return next(places[name] for name in names if name in places)


def _tell(problems: Sequence[Problem], first: str) -> str:
    """Write the problems one a line, in the order of the files, `first` before the others."""

    def order(problem: Problem) -> tuple[bool, str, int, str]:
        place = problem.place
        return place.source != first, place.source, place.line, dotted(problem.key)

    lines = [str(problem) for problem in sorted(problems, key=order)]
    if len(lines) == 1:
        return lines[0]
    return "\n  ".join([f"{len(lines)} errors:", *lines])
