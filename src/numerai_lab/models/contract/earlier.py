"""What the fits of earlier folds can tell a later one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numerai_lab.eraframe import EraFrame


@dataclass(frozen=True)
class EarlierFit:
    """A model that was fitted on eras before, and the eras that it was judged on since.

    Attributes
    ----------
    trained_to : the last era it learnt from.
    rows : its judged eras with their labels, as far as these are known before the first era that
        the model now fitted is judged on; for the final model all of them.
    load : reads it as it was right after its fit.
    """

    trained_to: int
    rows: EraFrame
    load: Callable[[], Any]
