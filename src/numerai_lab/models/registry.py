"""Which models there are: a literal table of built-ins, and plugins through entry points.

A plugin is any installed package with

    [project.entry-points."numerai_lab.models"]
    my_model = "my_package.my_module:MyModel"

and `"my_package.my_module:MyModel [torch]"` where the model needs the package's extra `torch`.
"""

from __future__ import annotations

import difflib
import importlib
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from numerai_lab.errors import ModelError, did_you_mean
from numerai_lab.machine import short_of_memory
from numerai_lab.models.contract import Model, ModelInfo
from numerai_lab.models.libraries import absent_libraries, libraries

GROUP = "numerai_lab.models"
PACKAGE = "numerai_lab"


@dataclass(frozen=True)
class BuiltIn:
    """A model of this package.

    Attributes
    ----------
    target : `module:Class`. extra : the optional part of this package that it needs, if any.
    """

    target: str
    extra: str = ""


BUILT_IN = {
    "xgb": BuiltIn("numerai_lab.models.trees.xgb:XGB"),
    "xgb_ttt": BuiltIn("numerai_lab.models.trees.xgb_ttt:XGBTTT"),
    "lgbm_ensemble": BuiltIn("numerai_lab.models.trees.lgbm_ensemble:LGBMEnsemble"),
    "random_forest": BuiltIn("numerai_lab.models.trees.forests:RandomForest"),
    "extra_trees": BuiltIn("numerai_lab.models.trees.forests:ExtraTrees"),
    "stack": BuiltIn("numerai_lab.models.combined.stack:Stack"),
    "residual": BuiltIn("numerai_lab.models.combined.residual:Residual"),
    "transformed": BuiltIn("numerai_lab.models.combined.transformed:Transformed"),
    "ridge": BuiltIn("numerai_lab.models.simple:Ridge"),
    "max_sharpe": BuiltIn("numerai_lab.models.simple:MaxSharpe"),
    "mlp": BuiltIn("numerai_lab.models.nets.mlp:MLP", extra="torch"),
    "mixer": BuiltIn("numerai_lab.models.nets.mixer:Mixer", extra="torch"),
    "era_set": BuiltIn("numerai_lab.models.nets.era_set:EraSet", extra="torch"),
    "mtm": BuiltIn("numerai_lab.models.nets.mtm:MTM", extra="torch"),
    "era_rnn": BuiltIn("numerai_lab.models.nets.era_rnn:EraRNN", extra="torch"),
    "icl": BuiltIn("numerai_lab.models.nets.in_context:ICL", extra="torch"),
    "tabicl": BuiltIn("numerai_lab.models.nets.in_context.foundation:TabICL", extra="icl"),
    "stock_transformer": BuiltIn("numerai_lab.models.nets.stocks:StockTransformer", extra="torch"),
    "stock_rnn": BuiltIn("numerai_lab.models.nets.stocks:StockRNN", extra="torch"),
}
PRETRAINING = {
    "icl": BuiltIn("numerai_lab.models.nets.in_context.pretraining:Pretraining", extra="torch"),
}
"""What `numerai-lab pretrain` runs, by the `pretrain` of its config: a class with `Settings`, and
`run`."""
GIVEN = {
    "estimator": BuiltIn("numerai_lab.models.given:Estimator"),
    "imported": BuiltIn("numerai_lab.models.given:Imported"),
}
"""What is no model to choose: its predictions come from elsewhere. Listed nowhere."""


@dataclass(frozen=True)
class ModelEntry:
    """One line of `numerai-lab models`.

    Attributes
    ----------
    name : what an experiment writes as `model.type`.
    summary : the model's own one line; empty when it is not available.
    where : `module:Class`, followed by the package for a plugin.
    available, reason : whether it can be used, and if not, why; for a library that is not
        installed, what to type.
    """

    name: str
    summary: str
    where: str
    available: bool
    reason: str | None = None


@dataclass(frozen=True)
class _Found:
    name: str
    where: str
    target: str
    refused: str | None = None
    package: str = ""
    extras: tuple[str, ...] = ()

    def to_install(self) -> str:
        """Return the command that installs the libraries that are not there, if any are not."""
        absent = [extra for extra in self.extras if absent_libraries(self.package, extra)]
        return f"pip install {self.package}[{','.join(absent)}]" if absent else ""


def _find() -> list[_Found]:
    found = [
        _Found(name, one.target, one.target, None, PACKAGE, (one.extra,) if one.extra else ())
        for name, one in BUILT_IN.items()
    ]
    owners = {name: one.target for name, one in (BUILT_IN | GIVEN).items()}
    for plugin in _plugins():
        target = f"{plugin.module}:{plugin.attr}"
        package = plugin.dist.name if plugin.dist else ""
        where = f"{target} ({package})" if package else target
        if plugin.name in BUILT_IN | GIVEN:
            refused = f"the name belongs to the built-in {owners[plugin.name]}"
        elif plugin.name in owners:
            refused = f"the name is taken by {owners[plugin.name]}"
        else:
            refused = None
            owners[plugin.name] = where
        extras = tuple(plugin.extras)
        found.append(_Found(plugin.name, where, target, refused, package, extras))
    return found


def _plugins() -> list[EntryPoint]:
    """Return the entry points of other packages, in order of their names."""
    places = [Path(place) for place in sys.path]
    return _plugins_in(tuple((p, p.stat().st_mtime_ns) for p in places if p.exists()))


@cache
def _plugins_in(places: tuple[tuple[Path, int], ...]) -> list[EntryPoint]:  # noqa: ARG001
    # reads the metadata of every package there is, as long as no package came or went
    found = entry_points(group=GROUP)
    return sorted(found, key=lambda p: (p.name, p.value, p.dist.name if p.dist else ""))


@cache
def _load(target: str) -> type[Model] | str:
    """Return the class behind `module:Class`, or the reason why there is none."""
    module, _, attribute = target.partition(":")
    try:
        loaded: object = getattr(importlib.import_module(module), attribute)
    except ModelError as error:  # it says by itself what to change
        return str(error)
    except Exception as error:  # a plugin's import may fail in any way
        if short_of_memory(error) is not None:
            raise  # the next start may have more; nothing is wrong with the package
        return f"{type(error).__name__}: {error}"
    if not isinstance(loaded, type):
        return f"{target} is not a class"
    missing = [name for name in ("fit", "predict", "save", "load") if not hasattr(loaded, name)]
    if not isinstance(getattr(loaded, "info", None), ModelInfo):
        missing.append("info (a ModelInfo)")
    params = getattr(loaded, "Params", None)
    if not (isinstance(params, type) and issubclass(params, BaseModel)):
        missing.append("Params (a pydantic model)")
    if missing:
        return f"{target} is not a model: it lacks {', '.join(missing)}"
    return loaded


def get_model(name: str) -> type[Model]:
    """Return the class of a model by its name in `model.type`.

    Raises
    ------
    ModelError
        The name is unknown, or the model cannot be imported here.
    """
    found = _find()
    given = [_Found(key, one.target, one.target, None, PACKAGE) for key, one in GIVEN.items()]
    for entry in (*found, *given):
        if entry.name == name and entry.refused is None:
            if command := entry.to_install():
                raise ModelError(f"model '{name}' is unavailable: {command}")
            loaded = _load(entry.target)
            if isinstance(loaded, str):
                raise ModelError(
                    f"model '{name}' is not available: {loaded}",
                    where=entry.where,
                    fix="mend or reinstall the package it comes from",
                )
            return loaded
    known = sorted({entry.name for entry in found})
    hint = did_you_mean(name, known)
    if not hint:  # lgbm is near to lgbm_ensemble, though most letters differ
        first_words = {entry.partition("_")[0]: entry for entry in reversed(known)}
        near = difflib.get_close_matches(name, first_words, n=1)
        hint = f", did you mean '{first_words[near[0]]}'?" if near else ""
    raise ModelError(f"there is no model '{name}'{hint} (models: {', '.join(known)})")


def get_pretraining(name: str) -> Any:
    """Return what pretrains a model, a class with `Settings` and `run`.

    Raises
    ------
    ModelError : there is none of that name, or it needs a library that is not installed.
    """
    if name not in PRETRAINING:
        raise ModelError(
            f"there is nothing to pretrain called '{name}'" + did_you_mean(name, PRETRAINING),
            where="pretrain",
            fix=f"write one of {', '.join(PRETRAINING)}",
        )
    one = PRETRAINING[name]
    if absent_libraries(PACKAGE, one.extra):
        raise ModelError(
            f"pretraining '{name}' needs libraries that are not installed",
            where="pretrain",
            fix=f"pip install {PACKAGE}[{one.extra}]",
        )
    module, _, attribute = one.target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def list_models() -> list[ModelEntry]:
    """List built-in models and plugins, also those that cannot be used, with the reason."""
    entries = []
    for entry in _find():
        loaded = entry.refused or entry.to_install() or _load(entry.target)
        if isinstance(loaded, str):
            entries.append(ModelEntry(entry.name, "", entry.where, False, loaded))
        else:
            entries.append(ModelEntry(entry.name, loaded.info.summary, entry.where, True))
    return entries


def libraries_of(name: str) -> tuple[str, ...]:
    """Name the libraries that a model brings beside those that this package always has.

    Returns
    -------
    Names of distributions: those of its extras, and for a plugin the package and what it requires.
    """
    for entry in _find():
        if entry.name == name and entry.refused is None:
            named = [lib for extra in entry.extras for lib in libraries(entry.package, extra)]
            if entry.package != PACKAGE and entry.package:
                named = [entry.package, *libraries(entry.package), *named]
            always = {PACKAGE, *libraries(PACKAGE)}
            return tuple(lib for lib in dict.fromkeys(named) if lib not in always)
    return ()
