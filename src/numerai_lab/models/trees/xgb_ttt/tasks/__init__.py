"""Self-supervised tasks, one a file: the file's name is the task's name in a config.

A further task is one further file here. It defines `TASK`, a class with the methods of
`task.AuxiliaryTask`; nothing else has to know of it.
"""

from __future__ import annotations

import pkgutil


def task_names() -> list[str]:
    """Return the names of all tasks, without importing them."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))
