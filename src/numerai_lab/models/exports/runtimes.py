"""Modules compiled anew, so that their functions can leave this machine by value."""

from __future__ import annotations

import ast
import importlib.util
import sys
from importlib.abc import InspectLoader
from typing import Any

from numerai_lab.errors import ModelError

NEUTRAL_NAME = "numerai_lab_bundle"
_THERE = sys.stdlib_module_names | {"numpy", "pandas", "scipy"}
"""Modules that the bundle imports where it runs."""


class Runtimes:
    """Runtimes compiled from their text under a name that no module has, each once.

    cloudpickle then takes their functions by value, and no path of this machine goes along. What
    a runtime imports of this package, or of the package it comes from, is compiled anew as well.
    """

    def __init__(self) -> None:
        self._spaces: dict[str, dict[str, Any]] = {}

    def __getitem__(self, module: str) -> dict[str, Any]:
        """Return what a module defines.

        Raises
        ------
        ModelError : there is no such text, it does not run, or it imports what a bundle lacks.
        """
        if module in self._spaces:
            return self._spaces[module]
        space = self._spaces[module] = {"__name__": NEUTRAL_NAME}
        try:
            tree = ast.parse(_text(module))
            for node in self._taken_along(module, tree):
                self._import(module, node, space)
                tree.body.remove(node)
            exec(compile(tree, f"<{NEUTRAL_NAME}>", "exec", dont_inherit=True), space)
        except ModelError:
            raise
        except Exception as error:  # a module from outside may fail in any way
            raise _wrong(module, f"does not run: {type(error).__name__}: {error}") from error
        return space

    def _taken_along(self, module: str, tree: ast.Module) -> list[ast.ImportFrom]:
        """Return the imports that are compiled anew; refuse those that a bundle cannot have."""
        own = {"numerai_lab", module.partition(".")[0]}
        along = []
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = ["." * node.level + (node.module or "")]
            else:
                continue
            absent = [name for name in names if name.partition(".")[0] not in _THERE]
            if not absent:
                continue
            at_top = isinstance(node, ast.ImportFrom) and node in tree.body
            if not at_top or absent[0].partition(".")[0] not in own:
                raise _wrong(module, f"imports {absent[0]} in line {node.lineno}")
            assert isinstance(node, ast.ImportFrom)
            along.append(node)
        return along

    def _import(self, module: str, node: ast.ImportFrom, space: dict[str, Any]) -> None:
        """Do what `from other import names` does, with `other` compiled anew."""
        assert node.module is not None
        other = self[node.module]
        for alias in node.names:
            if alias.name not in other:
                raise _wrong(module, f"imports {alias.name}, which {node.module} does not define")
            space[alias.asname or alias.name] = other[alias.name]


def _text(module: str) -> str:
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        raise _wrong(module, "is not there")
    if spec.submodule_search_locations is not None:
        raise _wrong(module, "is a package, not a module")
    text = spec.loader.get_source(module) if isinstance(spec.loader, InspectLoader) else None
    if text is None:
        raise _wrong(module, "has no source text")
    return text


def _wrong(module: str, how: str) -> ModelError:
    return ModelError(
        f"the runtime {module} {how}",
        where="the model's export()",
        fix="a runtime is a module that imports the standard library, numpy, pandas, scipy, and "
        "by `from module import name` at its top other such modules of its package",
    )
