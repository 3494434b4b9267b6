"""A run's final model as one self-contained pickle for Numerai's model upload.

The pickle holds functions by value (the text of `runtime.py` and of the runtimes of the model's
kinds, compiled under a neutral name), settings as JSON values, and one .npz as bytes: nothing that
another version of pandas, XGBoost or LightGBM would have to read. Python's own byte code is in it,
so it loads in the same Python 3.x only; Numerai has a container for each.

Source: numerai/numerai-predict, predict.py and py3.11/requirements.txt (read 2026-11).
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import numpy.typing as npt

from numerai_lab.errors import ModelError
from numerai_lab.experiment import FinalMember, FinalModel, NextEra, next_era
from numerai_lab.files import write_aside
from numerai_lab.models import (
    CarryingModel,
    ExportableModel,
    Exported,
    RememberingModel,
    Runtimes,
    assemble_exported,
    history_eras_of,
)

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
"""The Python that a bundle made here runs in, as in `Python 3.11`."""

Say = Callable[[str], None]
_RUNTIME = "numerai_lab.tournament.bundles.runtime"


def build_bundle(final: FinalModel, say: Say = lambda _: None) -> bytes:
    """Return the pickle of `predict(live_features, live_benchmark_models=None)`.

    It predicts as `numerai-lab predict` does: missing values as in training, a transductive
    model adapts to each era first, what the run takes out is taken out, ranks within (0, 1).

    Raises
    ------
    ModelError : the model, or its parameters, have no form that runs without this package.
    """
    kind = f"model '{final.experiment.model.type}'"
    following = next_era(final, say) if carries_past(final) else None
    where = _Where(str(final.run.path), day_of_fit(final), following)
    exported = _exported(kind, final, where)
    runtimes = Runtimes()
    assembled = assemble_exported(exported, final.feature_names, final.feature_dtype, runtimes)
    missing = final.experiment.data.missing
    settings: dict[str, Any] = {
        "model": assembled.node,
        "feature_names": list(final.feature_names),
        "dtype": final.feature_dtype,
        "missing": missing.model_dump(
            mode="json", include={"policy", "value", "all_twos_is_missing"}
        ),
        "neutralize": _neutralize(final),
        "asks": _asks(final, assembled.asks, following),
    }
    make = runtimes[_RUNTIME]["make"]
    if following is not None:
        stale = date(1970, 1, 1) + timedelta(days=following.known_day + 7)
        say(
            f"what it needs of earlier eras goes along, and ends before era {following.number}: "
            f"from the week after that on, by the calendar {stale}, it is stale (it warns), and is "
            "to be exported anew"
        )
    packed: bytes = cloudpickle.dumps(make(settings, _packed(assembled.arrays), assembled.kinds))
    return packed


@dataclass(frozen=True)
class _Where:
    """What all models of a bundle are told: the run, the day of its fit, and the next era."""

    run: str
    fitted_day: int
    following: NextEra | None


def carries_past(final: FinalModel | FinalMember) -> bool:
    """Tell whether some model of a final model has to take its past along."""
    mine = bool(history_eras_of(final.model)) and isinstance(final.model, CarryingModel)
    return mine or any(map(carries_past, final.members.values()))


def _exported(kind: str, final: FinalModel | FinalMember, where: _Where) -> Exported:
    """Return a model as plain values, and within it the models that it is made of."""
    model, fix = final.model, "submit its predictions with `numerai-lab submit`"
    looks_back = bool(history_eras_of(model)) and not isinstance(model, RememberingModel)
    if looks_back and not isinstance(model, CarryingModel):
        raise ModelError(
            f"{kind} looks back on earlier eras, and where Numerai runs a bundle there are live "
            "rows alone",
            where=where.run,
            fix=fix,
        )
    if not isinstance(model, ExportableModel):
        raise ModelError(f"{kind} cannot be bundled for model upload", where=where.run, fix=fix)
    parts = {
        name: _exported(f"member '{name}'", member, where) for name, member in final.members.items()
    }
    if looks_back:
        assert isinstance(model, CarryingModel)
        assert where.following is not None
        exported = model.export_with(where.following.history(final), where.following.number)
    else:
        exported = model.export(**({"parts": parts} if parts else {}))
    if "by_age" in exported.settings:
        settings = {**exported.settings, "fitted_day": where.fitted_day}
        exported = replace(exported, settings=settings)
    return exported


def _asks(
    final: FinalModel, asks: tuple[str, ...], following: NextEra | None
) -> dict[str, Any] | None:
    """Say what the bundle looks up of an era beside its features; None: nothing."""
    if not asks:
        return None
    data = final.experiment.data
    told: dict[str, Any] = {"side": [ask[5:] for ask in asks if ask.startswith("side:")]}
    told["entity"] = data.entity if "entity" in asks else None
    if "number" in asks:
        assert following is not None
        told |= {"next_era": following.number, "known_day": following.known_day}
    return told


def day_of_fit(final: FinalModel) -> int:
    """Return the day on which a final model's run began, counted from 1970-01-01, in UTC."""
    begun = datetime.fromisoformat(final.manifest["created_utc"])
    return int(begun.timestamp() // 86400)


def _neutralize(final: FinalModel) -> dict[str, Any] | None:
    how = final.experiment.neutralize
    if how is None:
        return None
    found: dict[str, Any] = {"against": how.against, "proportion": how.proportion}
    if how.against == "benchmark":
        return found | {"benchmark": final.neutralizers[0]}
    whole = final.neutralizers == final.feature_names
    place = {name: i for i, name in enumerate(final.feature_names)}
    return found | {"columns": None if whole else [place[name] for name in final.neutralizers]}


def _packed(arrays: dict[str, npt.NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def default_path(final: FinalModel) -> Path:
    """Return where a run's bundle is written: in the run, with the version of Python."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", final.experiment.name)
    return final.run.path / f"{name}-python-{PYTHON}.pkl"


def write_bundle(final: FinalModel, path: Path, say: Say = lambda _: None) -> int:
    """Write a run's bundle and return its size in bytes; `say` what its user must know.

    Raises
    ------
    ModelError : as `build_bundle`. MachineError : it cannot be written.
    """
    data = build_bundle(final, say)
    with write_aside(path) as part:
        part.write_bytes(data)
    return len(data)
