"""Self-supervised tasks, one a file: the file's name is the task's name in a config.

A further task is one further file here. It defines `TASK`, a class with the methods of
`task.AuxiliaryTask`; nothing else has to know of it.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numerai_lab.models.xgb_ttt.task import AuxiliaryTask


def task_names() -> list[str]:
    """Return the names of all tasks, without importing them."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def task_class(name: str) -> type[AuxiliaryTask]:
    """Import a task. `name` is one of `task_names`, as the parameters have checked."""
    found: type[AuxiliaryTask] = importlib.import_module(f"{__name__}.{name}").TASK
    return found
