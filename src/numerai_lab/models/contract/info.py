"""What a model declares about itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelInfo:
    """What a model declares about itself.

    Attributes
    ----------
    summary : one line for `numerai-lab models`.
    multi_target : trains on every loaded target, not on the main one only; the purge then
        follows the longest horizon among all of them.
    transductive : reads the whole unlabelled era at prediction.
    stateful : a prediction may depend on eras predicted before it.
    exportable : can be bundled for Numerai's model upload.
    in_parts : several workers can fit it together, each on some of the eras (`ctx.world`).
    """

    summary: str
    multi_target: bool = False
    transductive: bool = False
    stateful: bool = False
    exportable: bool = False
    in_parts: bool = False
