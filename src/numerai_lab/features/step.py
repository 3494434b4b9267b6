"""`Step`: what the transforms of this package do alike, with a function of the runtime each."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import ValidationError

from numerai_lab.arrays import Int8
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError, did_you_mean
from numerai_lab.features import runtime
from numerai_lab.features.protocol import Past, StepContext, StepParams, TransformInfo

_META, _ARRAYS = "step.json", "arrays.npz"


class Step(ABC):
    """A transform whose columns a function of `runtime.KINDS` computes from plain values.

    A subclass finds `settings`, `arrays` and `names` in its `fit`.
    """

    info: ClassVar[TransformInfo]
    Params: ClassVar[type[StepParams]]
    kind: ClassVar[str]
    runtime: ClassVar[str] = ""

    def __init__(self, params: Any) -> None:
        self.params = params
        self.settings: dict[str, Any] = {}
        self.arrays: dict[str, Any] = {}
        self._names: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self._names

    @property
    def history_eras(self) -> int:
        """None."""
        return 0

    @abstractmethod
    def fit(self, train: EraFrame, ctx: StepContext) -> None:
        """Find settings, arrays and names."""

    def apply(self, era: EraFrame, past: Past | None) -> Int8:  # noqa: ARG002 - others look back
        """Return the columns for the rows of one era."""
        columns: Int8 = runtime.KINDS[self.kind](
            era.features_in_memory(), self.settings, self.arrays
        )
        return columns

    def save(self, folder: Path) -> None:
        """Write `step.json` and `arrays.npz`."""
        facts = {
            "params": self.params.model_dump(mode="json", by_alias=True),
            "settings": self.settings,
            "names": self._names,
        }
        (folder / _META).write_text(json.dumps(facts, indent=1), encoding="utf-8")
        np.savez(folder / _ARRAYS, **self.arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote. Raises ModelError where it is gone or damaged."""
        try:
            facts = json.loads((folder / _META).read_text(encoding="utf-8"))
            step = cls(cls.Params.model_validate(facts["params"]))
            with np.load(folder / _ARRAYS, allow_pickle=False) as saved:
                step.arrays = {name: saved[name] for name in saved.files}
            step.settings, step._names = facts["settings"], tuple(facts["names"])
        except (OSError, ValueError, KeyError, ValidationError) as error:
            raise ModelError(
                f"what was saved of a transform cannot be read ({type(error).__name__}: {error})",
                where=str(folder),
                fix="train the model again",
            ) from None
        return step

    def wrong(self, what: str, key: str = "", fix: str | None = None) -> ModelError:
        """Return an error that names this step, and the key that is wrong."""
        where = f"transforms '{self.params.label}'"
        return ModelError(what, where=f"{where} {key}".rstrip(), fix=fix)

    def places(self, frame: EraFrame, names: Sequence[str], key: str) -> list[int]:
        """Return the numbers of columns by name. Raises ModelError where one is not there."""
        place = {name: i for i, name in enumerate(frame.feature_names)}
        absent = [name for name in names if name not in place]
        if absent:
            raise self.wrong(
                f"feature '{absent[0]}' is not among those of data.feature_set and the steps "
                f"before" + did_you_mean(absent[0], place),
                key,
                "name one that is there",
            )
        if len(set(names)) < len(names):
            twice = next(name for name in names if list(names).count(name) > 1)
            raise self.wrong(f"names '{twice}' twice", key)
        return [place[name] for name in names]

    def groups(
        self, frame: EraFrame, ctx: StepContext, wanted: Sequence[str] | None, key: str = "groups"
    ) -> dict[str, list[int]]:
        """Return the columns of groups of features, in the order of features.json.

        Parameters
        ----------
        wanted : sets of features.json or of data.feature_sets; None: every one that holds some of
            the features but not all, and is not `small` or `medium`.

        Raises ModelError : there is none so.
        """
        sets: Mapping[str, Sequence[str]] = ctx.feature_sets
        place = {name: i for i, name in enumerate(frame.feature_names)}
        unknown = [name for name in wanted or () if name not in sets]
        if unknown:
            raise self.wrong(
                f"the data have no set of features '{unknown[0]}'" + did_you_mean(unknown[0], sets),
                key,
                "name sets of features.json, or define one in data.feature_sets",
            )
        n_raw = len(ctx.raw_names)
        found: dict[str, list[int]] = {}
        for name in wanted if wanted is not None else sets:
            columns = sorted(place[feature] for feature in sets[name] if feature in place)
            if wanted is None and (name in ("small", "medium") or len(columns) == n_raw):
                continue
            if columns and columns not in found.values():
                found[name] = columns
        if not found:
            raise self.wrong(
                "no set of features.json is a group: each holds all the features trained on, or "
                "none",
                key,
                "name sets in data.feature_sets, as {cheap: [feature_a, feature_b]}",
            )
        return found
