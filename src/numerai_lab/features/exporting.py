"""What a fitted pipeline hands to a bundle: its steps as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numerai_lab.errors import ModelError
from numerai_lab.features.protocol import CarryingTransform, ExportedTransform, Past, Transform

_FIX = "submit its predictions with `numerai-lab submit`"


@dataclass(frozen=True)
class Form:
    """A step's kind, settings and arrays, its runtime ("": the common one), and what it asks."""

    kind: str
    settings: dict[str, Any]
    arrays: dict[str, Any]
    runtime: str
    asks: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExportedSteps:
    """All steps.

    Attributes
    ----------
    steps, arrays : as `runtime.add_columns` reads them. runtime : "" where all kinds are in
        `runtime.KINDS`. asks : what the steps are told of an era, as of `Carried`.
    """

    steps: list[dict[str, Any]]
    arrays: dict[str, Any]
    runtime: str
    asks: tuple[str, ...]


def form_of(
    step: Transform, label: str, names: Sequence[str], past: Past | None, era: int | None
) -> Form:
    """Return the form of a fitted step that is given columns of these names.

    Raises ModelError : it has none, or it looks back and no past is given.
    """
    if isinstance(step, ExportedTransform) and step.kind and not step.history_eras:
        return Form(step.kind, step.settings, step.arrays, step.runtime)
    if not isinstance(step, CarryingTransform):
        why = (
            "looks back on earlier eras, and what it needs of them cannot go along"
            if step.history_eras
            else "has no form that runs in a bundle"
        )
        raise _refused(f"transform '{step.info.summary}' {why}", label)
    if step.history_eras and past is None:
        raise _refused(f"transform '{step.info.summary}' needs earlier eras, none are given", label)
    carried = step.carried(past, era or 0)
    settings = dict(carried.settings)
    if carried.features:
        place = {name: i for i, name in enumerate(names)}
        settings["columns"] = [place[name] for name in carried.features]
    return Form(carried.kind, settings, carried.arrays, carried.runtime, carried.asks)


def exported_steps(found: Sequence[tuple[int, Form]]) -> ExportedSteps:
    """Put forms together. Raises ModelError where they have two runtimes of their own."""
    steps: list[dict[str, Any]] = []
    arrays: dict[str, Any] = {}
    asks: dict[str, None] = {}
    for i, form in found:
        step = {"number": i, "kind": form.kind, "settings": form.settings}
        steps.append({**step, "asks": list(form.asks)} if form.asks else step)
        arrays |= {f"{i}/{name}": array for name, array in form.arrays.items()}
        asks |= dict.fromkeys(form.asks)
    runtimes = sorted({form.runtime for _, form in found} - {""})
    if len(runtimes) > 1:
        raise ModelError(
            f"the steps have {len(runtimes)} runtimes of their own ({', '.join(runtimes)}), and a "
            "bundle takes one",
            where="transforms",
            fix=_FIX,
        )
    return ExportedSteps(steps, arrays, runtimes[0] if runtimes else "", tuple(asks))


def _refused(what: str, label: str) -> ModelError:
    return ModelError(what, where=f"transforms '{label}'", fix=_FIX)
