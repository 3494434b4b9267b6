"""A stack as plain values, for a bundle: the blend of its members."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numerai_lab.errors import ModelError
from numerai_lab.models.contract import ExportableModel, Exported, Model


def exported_blend(
    weights: Mapping[str, float],
    parts: Mapping[str, Exported],
    models: Mapping[str, Model],
    types: Mapping[str, str],
    trained: Mapping[str, Any],
) -> Exported:
    """Return a blend of the members, without those of weight 0.

    Parameters
    ----------
    weights : of all members, by name, in order. parts : those that are runs of their own, exported.
    models : those that are the stack's own. types : their models' names, as a config has them.
    trained : `TrainedFeatures.facts` of the stack.

    Raises
    ------
    ModelError : a member has no form that runs without this package.
    """
    made_of = dict(parts)
    for name, model in models.items():
        if not isinstance(model, ExportableModel):
            raise ModelError(
                f"member '{name}' ({types[name]}) cannot be bundled for model upload",
                fix="submit its predictions with `numerai-lab submit`",
            )
        made_of[name] = model.export()
    kept = [(name, weight) for name, weight in weights.items() if weight]
    return Exported(
        "blend",
        {"weights": [weight for _, weight in kept]},
        {},
        **trained,
        parts=tuple(made_of[name] for name, _ in kept),
    )
