"""From a YAML file to a checked experiment, with the place of every key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
from numerai_lab.config.shipped import found_config, is_shipped
from numerai_lab.config.spaces import LEFT_OUT, Space, find_spaces, put
from numerai_lab.config.strict_yaml import Key, Layer, Place, Problem, dotted
from numerai_lab.config.transforms import as_written, fold_transforms
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
    spaces : what `numerai-lab tune` searches, by key; `experiment` has their defaults.
    """

    experiment: Experiment
    path: Path
    raw: str
    places: dict[str, str]
    notes: tuple[str, ...] = ()
    spaces: dict[Key, Space] = field(default_factory=dict)


def load_experiment(
    path: str | Path,
    *,
    data: str | None = None,
    overrides: Sequence[str] = (),
    params_of: ParamsOf | None = None,
    tunable: bool = False,
) -> Resolved:
    """Read an experiment: parent < file < data profile (over `data:`) < `--set`.

    Parameters
    ----------
    path : the YAML file, or a name that is looked for in `configs/` and among the shipped ones. Its
        `extends` names one parent beside it, or a shipped one; `name` and `question` are its own,
        and a file without a name is called after itself. Other paths in a config are relative to
        the current directory.
    data : a folder in Numerai's layout, a YAML file with a data section, or a profile's name.
    overrides : `KEY=VALUE` texts, VALUE in YAML.
    params_of : also check `model.params`, against the class this gives for `model.type`.
    tunable : whether spaces may stand where values do; each is checked with the values at its ends.

    Raises
    ------
    ConfigError
        With every mistake of the config in one message, each with its place.
    """
    asked = Path(path)
    path = found_config(asked)
    layer, raw = read_with_parents(path)
    if "pretrain" in layer.value:
        raise ConfigError(
            "is a config of a pretraining, no experiment",
            where=str(path),
            fix=f"run `numerai-lab pretrain {path}`",
        )
    if data is not None:
        layer = lay(layer, read_profile(data, path.parent / "data", prices=_of_prices(layer)))
    overriding = read_overrides(overrides)
    notes = left_out(layer.value, overriding.value)
    if path != asked:
        notes = (f"there is no file {asked}: {path} is meant", *notes)
    parents = {Path(place.source) for place in layer.places.values()} - {path}
    notes += tuple(
        f"extends: {one.name} is {one}, which comes with numerai_lab"
        for one in sorted(parents)
        if is_shipped(one, path)
    )
    layer = lay(layer, overriding)
    folded = fold_transforms(layer)
    was_folded, layer = folded is not layer, folded

    places = _by_name(layer, Place(str(path)))
    spaces = find_spaces(layer.value)
    if spaces.meant and not tunable:
        raise ConfigError(_for_tune_alone(spaces.meant, places))
    bare = layer.value
    for key in spaces.meant:
        known = spaces.spaces.get(key)
        bare = put(bare, key, LEFT_OUT if known is None else known.default_value)
    experiment, found = _check(bare, params_of, places)
    found = [_needs_default(p) if p.key in spaces.meant else p for p in found]
    if spaces.wrong:
        found = [p for p in found if p.key not in spaces.meant]
        found += [Problem(_place(key, places), key, text) for key, text in spaces.wrong]
    elif not found:
        found = list(_unfit(bare, spaces.spaces, params_of, places))
    # What the YAML itself got wrong is told once: the schema trips over the same value.
    told_already = {(problem.place, problem.key) for problem in layer.problems}
    problems = [*layer.problems, *(p for p in found if (p.place, p.key) not in told_already)]
    if was_folded:
        problems = [p._replace(key=as_written(p.key, layer.value)) for p in problems]
    if problems or experiment is None:
        raise ConfigError(_tell(problems, str(path)))
    told = {name: str(place) for name, place in places.items() if name}
    return Resolved(experiment, path, raw, told, notes, spaces.spaces)


def _of_prices(layer: Layer) -> bool:
    """Tell whether a config's rows are made of prices, so that --data names files of them."""
    data = layer.value.get("data")
    return isinstance(data, dict) and data.get("source") == "prices"


def _check(
    value: Any, params_of: ParamsOf | None, places: Mapping[str, Place]
) -> tuple[Experiment | None, list[Problem]]:
    experiment, found = None, []
    try:
        experiment = Experiment.model_validate(value, by_alias=True, by_name=False)
    except ValidationError as error:
        found += _problems(error, Experiment, (), places)
    if params_of is not None:
        found += _params_problems(value.get("model"), params_of, places)
    return experiment, found


def _for_tune_alone(meant: Sequence[Key], places: Mapping[str, Place]) -> str:
    """Say that spaces are no values, in one sentence for all of them."""
    more = f" (so do {len(meant) - 1} more keys)" if len(meant) > 1 else ""
    text = f"holds a space, not a value{more}: `numerai-lab tune` finds values; or write them"
    return str(Problem(_place(meant[0], places), meant[0], text))


def _needs_default(problem: Problem) -> Problem:
    """Say how a space gets a default where a value must be written."""
    if not problem.text.startswith("missing"):
        return problem
    return problem._replace(
        text=f"{problem.text}: give the space a default, as {{..., default: 5}}"
    )


def _unfit(
    bare: Any,
    spaces: Mapping[Key, Space],
    params_of: ParamsOf | None,
    places: Mapping[str, Place],
) -> Iterator[Problem]:
    """Say where the values at a space's ends are not taken."""
    for key, space in spaces.items():
        for value in space.ends:
            _, found = _check(put(bare, key, value), params_of, places)
            if found:
                text = found[0].text
                text = text if text.startswith("unknown key") else f"with the value {value}: {text}"
                yield Problem(_place(key, places), key, text)
                break


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
    profile = read_profile(named, prices=base.source == "prices")
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


def pretraining_in(path: Path) -> str:
    """Return what a YAML file says under `pretrain`, such as `icl`; empty where it has no such key.

    Raises ConfigError : the file is not there, not text, or not strict YAML.
    """
    layer, _ = read_file(path)
    return str(layer.value.get("pretrain") or "")


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
