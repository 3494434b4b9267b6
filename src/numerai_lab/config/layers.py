"""Where a config comes from: a file, its parents, a data profile and `--set`, laid in layers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numerai_lab.config.shipped import SUFFIXES, beside, shipped_configs
from numerai_lab.config.strict_yaml import Key, Layer, Place, parse
from numerai_lab.errors import ConfigError, MachineError, did_you_mean

PROFILES = Path("configs/data")
OWN_KEYS = ("name", "question")
"""What tells one experiment from another, and so is never inherited from a parent."""


LISTS_BY_NAME = ("members", "weights", "targets", "auxiliary_targets", "groups")
"""Parameters of models whose keys a person chooses: a list of things, each with a name."""


def lay(base: Layer, over: Layer, *, extending: bool = False) -> Layer:
    """Lay one layer over another.

    Mappings merge deeply; lists and scalars replace. A mapping whose `type` changes is
    replaced whole: the keys of a walk_forward split mean nothing to a holdout. So is one by a
    space (`{tune: int, low: 3, high: 8}`), which stands for a value. And so, where a file extends
    another, is a parameter that is a list by name: who writes the members of a stack means these,
    while `--set model.params.members.ridge=...` is about one of them.
    """
    replaced: list[Key] = []
    value = _merge(base.value, over.value, (), replaced, extending)
    kept = {
        key: place
        for key, place in base.places.items()
        if not any(key[: len(gone)] == gone for gone in replaced)
    }
    return Layer(value, kept | over.places, base.problems + over.problems)


def _merge(base: Any, over: Any, key: Key, replaced: list[Key], extending: bool) -> Any:
    mappings = isinstance(base, dict) and isinstance(over, dict)
    another_type = mappings and "type" in base and "type" in over and base["type"] != over["type"]
    space = mappings and isinstance(over.get("tune"), str)
    by_name = extending and key[-2:-1] == ("params",) and key[-1] in LISTS_BY_NAME
    if not mappings or another_type or space or by_name:
        replaced.append(key)
        return over
    merged = dict(base)
    for name, value in over.items():
        if name in base:
            merged[name] = _merge(base[name], value, (*key, name), replaced, extending)
        else:
            merged[name] = value
    return merged


def left_out(base: dict[str, Any], over: dict[str, Any]) -> tuple[str, ...]:
    """Say what of each section is dropped where `--set` gives the section another type."""
    said = []
    for name, section in over.items():
        before = base.get(name)
        if not isinstance(section, dict) or not isinstance(before, dict):
            continue
        old, new = before.get("type"), section.get("type")
        if old is None or new is None or old == new:
            continue
        lost = [key for key in before if key not in section and key != "params"]
        own = before.get("params")
        if isinstance(own, dict):
            given = section.get("params")
            lost += [f"params.{key}" for key in own if key not in (given or {})]
        if lost:
            keys = ", ".join(f"{name}.{key}" for key in lost)
            said.append(f"--set {name}.type={new} leaves out what was written for {old}: {keys}")
    return tuple(said)


def read_file(path: Path) -> tuple[Layer, str]:
    """Read one YAML file that holds a mapping; also return its text.

    Raises
    ------
    ConfigError
        When the file is not there, not text, not strict YAML, or not a mapping.
    """
    where = str(path)
    if path.is_dir():
        raise ConfigError("this is a folder, not a YAML file", where=where)
    try:
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        name = path.name if path.suffix in SUFFIXES else f"{path.name}.yaml"
        bare = path.name == str(path)
        known = [*_yaml_names(path.parent), *(_shipped_names() if bare else [])]
        hint = did_you_mean(name, known)
        raise ConfigError(f"no such file{hint}", where=where) from None
    except OSError as error:
        raise MachineError(f"cannot be read ({error.strerror})", where=where) from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        what = f"the byte 0x{raw[error.start]:02x} is not UTF-8 text"
        raise ConfigError(what, where=f"{where}:{line}", fix="save the file as UTF-8") from None
    layer = parse(text, where)
    if layer.value is None:
        raise ConfigError("the file is empty", where=where)
    if not isinstance(layer.value, dict):
        kind = "a list" if isinstance(layer.value, list) else "a single value"
        what = f"expected keys with values (key: value), the file holds {kind}"
        raise ConfigError(what, where=f"{where}:1")
    return layer, text


def _shipped_names() -> list[str]:
    folder = shipped_configs()
    return [] if folder is None else _yaml_names(folder)


def _yaml_names(folder: Path) -> list[str]:
    try:
        return sorted(p.name for p in folder.iterdir() if p.suffix in SUFFIXES)
    except OSError:
        return []


def read_with_parents(path: Path) -> tuple[Layer, str]:
    """Read a config file laid over what it `extends`; also return the text of the file itself.

    Raises
    ------
    ConfigError
        As `read_file`, and when `extends` names no file or leads back to a file on the way.
    """
    layer, text = read_file(path)
    chain, layers = [path], [layer]
    while "extends" in layers[-1].value:
        named, place = layers[-1].value["extends"], layers[-1].places[("extends",)]
        parent = _parent(chain[-1], named, place)
        if any(parent.samefile(seen) for seen in chain):
            circle = " -> ".join(map(str, [*chain, parent]))
            raise ConfigError(f"extends goes in a circle ({circle})", where=str(place))
        chain.append(parent)
        layers.append(read_file(parent)[0])
    result = layers[-1].without(["extends"])
    for child in reversed(layers[:-1]):
        result = lay(result.without(OWN_KEYS), child.without(["extends"]), extending=True)
    if "name" not in result.value:
        result = lay(result, Layer({"name": path.stem}, {("name",): Place(f"file name {path}")}))
    return result, text


def _parent(child: Path, named: Any, place: Place) -> Path:
    if not isinstance(named, str) or not named:
        raise ConfigError("extends: expected the name of one file", where=str(place))
    parent = Path(os.path.normpath(child.parent / named))
    if parent.parent == child.parent:
        parent = beside(parent.parent, parent.name)
    if parent.suffix not in SUFFIXES and not parent.is_file():
        parent = parent.with_name(parent.name + ".yaml")
    if not parent.is_file():
        hint = did_you_mean(parent.name, [*_yaml_names(parent.parent), *_shipped_names()])
        raise ConfigError(f"extends: no such file {parent}{hint}", where=str(place))
    return parent


def read_profile(named: str, own: Path = PROFILES, *, prices: bool = False) -> Layer:
    """Resolve `--data` to a layer over the `data` section.

    Parameters
    ----------
    named : a folder in Numerai's layout, a YAML file that holds a data section, or the name
        of such a file in the folder `own`, in `configs/data/`, or among those that are shipped.
    own : where the experiment keeps its profiles.
    prices : the section is one of prices (source: prices), so that a parquet or CSV file, or a
        folder without Numerai's files, holds them.

    Raises
    ------
    ConfigError
        When it is none of these, with the profiles there are.
    """
    path = Path(named)
    if prices and named and _holds_prices(path):
        here = Place(f"--data {named}")
        return Layer({"files": [named]}, {(): here, ("files",): here}).under("data")
    if named and path.is_dir():
        here = Place(f"--data {named}")
        value = {"source": "numerai", "dir": named}
        return Layer(value, {(): here, ("source",): here, ("dir",): here}).under("data")
    if path.suffix == ".parquet":
        raise ConfigError(
            "a parquet file does not say what its columns are",
            where=f"--data {named}",
            fix="write a YAML profile with source: parquet, files and columns, and name that; or, "
            "of daily prices, name an experiment on such, as prices.yaml",
        )
    if path.is_file():
        if path.suffix not in SUFFIXES:
            what = f"expected a folder, a YAML file or a profile, got the file {path.name}"
            raise ConfigError(what, where=f"--data {named}")
        return _data_section(path)
    shipped = shipped_configs()
    folders = [own, PROFILES, *([] if shipped is None else [shipped / "data"])]
    for folder in folders if path.name == named else []:
        candidate = folder / f"{named}.yaml"
        if candidate.is_file():
            return _data_section(candidate)
    known = sorted({Path(name).stem for folder in folders for name in _yaml_names(folder)})
    raise ConfigError(
        f"no such folder, YAML file or profile{did_you_mean(named, known)}",
        where=f"--data {named}",
        fix=f"profiles here: {', '.join(known) or 'none'}",
    )


def _holds_prices(path: Path) -> bool:
    if path.is_dir():
        return not any((path / name).is_file() for name in ("train.parquet", "validation.parquet"))
    return path.is_file() and path.suffix not in SUFFIXES


def _data_section(path: Path) -> Layer:
    layer, _ = read_file(path)
    if {"model", "split", "extends"} & set(layer.value):
        what = "this is an experiment, a data profile holds the keys of a data section only"
        raise ConfigError(what, where=f"--data {path}", fix="give it in place of the config")
    return layer.under("data")


def read_overrides(overrides: Sequence[str]) -> Layer:
    """Read `--set a.b=VALUE` options into one layer; VALUE is strict YAML.

    Raises
    ------
    ConfigError
        When an option is not KEY=VALUE, its value is not YAML, or two options give one key.
    """
    result = Layer({}, {})
    given: set[Key] = set()
    for option in overrides:
        where = f"--set {option}"
        name, equals, text = option.partition("=")
        key = tuple(name.strip().split("."))
        if not equals:
            raise ConfigError("expected KEY=VALUE", where=where, fix="as in --set seed=1")
        if any(c in name for c in "[]") or any(part.isdigit() for part in key):
            fix = f"give all of it: {name.strip().split('[')[0]}=[first, second]"
            raise ConfigError("a list is replaced whole", where=where, fix=fix)
        if not all(key) or any(c.isspace() for part in key for c in part):
            fix = "as in --set model.params.eta=0.1"
            raise ConfigError("expected KEY=VALUE with a dotted key", where=where, fix=fix)
        if not text.strip():
            raise ConfigError("no value", where=where, fix=f"write {name}=null to clear it")
        if key in given:
            raise ConfigError(f"{name} is set twice", where=where, fix="keep one")
        given.add(key)
        result = lay(result, _override(key, text, where))
    return result


def _override(key: tuple[str, ...], text: str, where: str) -> Layer:
    try:
        value = parse(text, "--set", numbered=False)
    except ConfigError as error:
        raise ConfigError(error.what, where=where) from None
    here = Place("--set")
    sections: dict[Key, Place] = {key[:n]: here for n in range(1, len(key) + 1)}
    layer = value.under(*key)
    return replace(layer, places=sections | layer.places)
