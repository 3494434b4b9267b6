"""numerai_lab: era-aware experiments for the Numerai tournament.

The command line (`numerai-lab --help`) is the usual way in. From Python (docs/python.md):

>>> import numerai_lab
>>> run = numerai_lab.train("configs/xgb.yaml", data="synthetic")  # doctest: +SKIP

Packages import one way only; ARCHITECTURE.md says which.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numerai_lab.api import (
        FittedModel,
        LoadedFrame,
        Run,
        Scores,
        blend,
        compare,
        load,
        neutralize,
        score,
        train,
    )

__version__ = "0.1.0"
__all__ = [
    "FittedModel",
    "LoadedFrame",
    "Run",
    "Scores",
    "blend",
    "compare",
    "load",
    "neutralize",
    "score",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import what is exported when it is asked for: nothing heavy comes with the package."""
    if name not in __all__:
        raise AttributeError(f"module 'numerai_lab' has no attribute {name!r}")
    from numerai_lab import api

    return getattr(api, name)


def __dir__() -> list[str]:
    """List what is exported, too."""
    return sorted([*globals(), *__all__])
