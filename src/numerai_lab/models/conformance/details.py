"""What a model shows beside its prediction, checked: part of `check_model`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from numerai_lab.eraframe import EraFrame
from numerai_lab.models.contract import ControlledModel, DetailedModel, Float32, ModelInfo


def problem_of_details(
    model: DetailedModel,
    info: ModelInfo,
    frame: EraFrame,
    expected: Float32,
    given: Mapping[str, Any],
) -> str:
    """Say what is wrong with the details; nothing if all is well.

    Parameters
    ----------
    info : what the model declares with its parameters.
    frame : eras without targets. expected : what `predict` predicts for them. given : what the
        model is given besides.
    """
    detail = model.predict_in_detail(frame, **given)
    if not np.array_equal(detail.predictions, expected):
        return "predict_in_detail predicts otherwise than predict"
    declared = [variant.name for variant in info.variants]
    for name, values in detail.variants.items():
        if name not in declared:
            return f"variant '{name}' is not declared in info.variants"
        if values.dtype != np.float32 or values.shape != (frame.n_rows,):
            return f"variant '{name}' is not float32 with one value a row"
        if not np.isfinite(values).all():
            return f"variant '{name}' is not finite everywhere"
    counts = {f"per_era '{name}'": len(facts) for name, facts in detail.per_era.items()}
    for name, n in {**counts, "remarks": len(detail.remarks) or frame.n_eras}.items():
        if n != frame.n_eras:
            return f"{name} has {n} values, not one an era"
    return ""


def problem_of_parts(
    model: ControlledModel,
    info: ModelInfo,
    frame: EraFrame,
    same: Callable[[Float32, Float32], bool],
) -> str:
    """Say how eras predicted in two parts differ from all at once; nothing if they do not.

    Parameters
    ----------
    info : what the model declares with its parameters; without a control nothing is asked.
    same : whether predictions of other batches count as the same.
    """
    control = info.control
    if control is None:
        return ""
    first, middle, last = (int(frame.eras[i]) for i in (0, frame.n_eras // 2, -1))
    parts = [frame.between(first, middle - 1), frame.between(middle, last)]
    done = [model.predict_apart(part) for part in parts]
    states = [state for _, of_part in done for state in of_part]
    if len(states) != frame.n_eras:
        return f"predict_apart returns {len(states)} states for {frame.n_eras} eras"
    others = iter(model.draw_others(first, states))
    shared = [
        {
            "prediction": apart.predictions,
            **apart.variants,
            control: model.predict_control(part, apart, [next(others) for _ in part.eras]),
        }
        for part, (apart, _) in zip(parts, done, strict=True)
    ]
    whole = model.predict_in_detail(frame)
    for name, values in {"prediction": whole.predictions, **whole.variants}.items():
        if not same(np.concatenate([part[name] for part in shared]), values):
            return f"'{name}' of eras in two parts differs from that of all at once"
    return ""
