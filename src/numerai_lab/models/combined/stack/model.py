"""`stack`: named members of any kind under weights that follow what they were worth so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from numerai_lab.arrays import Float64
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.models.combined.blend import blend
from numerai_lab.models.combined.stack.evidence import Evidence
from numerai_lab.models.combined.stack.export import exported_blend
from numerai_lab.models.combined.stack.inner import (
    Models,
    explain_members,
    fit_members,
    grow_members,
    predict_members,
)
from numerai_lab.models.combined.stack.params import EQUAL, WITHOUT, StackParams
from numerai_lab.models.combined.stack.resolved import (
    any_ages,
    any_online,
    observe_members,
    replay_members,
)
from numerai_lab.models.combined.stack.weighing import columns, missing_in, weigh
from numerai_lab.models.contract import (
    Contributions,
    Detailed,
    Exported,
    FitContext,
    FitReport,
    Float32,
    Members,
    ModelInfo,
    TrainedFeatures,
    Variant,
    cannot_go_on,
    load_meta,
    save_meta,
)
from numerai_lab.models.member_choice import MemberChoice
from numerai_lab.models.registry import get_model

_MIDDLE = 0.5
"""Shown for a member in an era that it does not predict: a constant, which has no corr."""


class Stack:
    """The rank of a weighted sum of members' gaussian ranks, era by era.

    With `weights_from: earlier_folds` each member is a run of its own, and the weights of a fold
    are found on what members predicted in the folds before it, as far as labels were known: a stack
    of finished runs trains nothing. With `inner` members are trained within the fit, once on all
    training eras and once before each inner part, on which the weights are found.
    """

    info: ClassVar[ModelInfo] = ModelInfo(
        summary="members of any kind, weighted by what they were worth in earlier folds",
        unit="eras",
        transductive=True,
        needs_members=True,
        exportable=True,
    )
    Params: ClassVar[type[StackParams]] = StackParams

    def __init__(self, params: StackParams) -> None:
        self.params = params
        self._weights: Float64 = np.full(len(params.members), 1 / len(params.members))
        self._evidence: Evidence | None = None
        self._n_steps = 0
        self._last_era = 0
        self._models: Models = {}
        self._trained = TrainedFeatures()

    @classmethod
    def info_for(cls, params: StackParams) -> ModelInfo:
        """Add members alone, equal weights where there are others, the stack without each."""
        inner = params.weights_from == "inner"
        names = list(params.members)
        variants = [Variant(name, f"member {name} alone") for name in names]
        if params.weights != EQUAL:  # else it would be the prediction itself
            variants.insert(0, Variant(EQUAL, "same members, equal weights"))
        if len(names) > 2:
            variants += [Variant(WITHOUT + name, f"stack without {name}") for name in names]
        others = [one for one in params.members.values() if one.targets or one.info.multi_target]
        return replace(
            cls.info,
            needs_members=not inner,
            references=() if params.reference is None else (params.reference,),
            multi_target=inner and bool(others),
            variants=tuple(variants),
        )

    @classmethod
    def members(cls, params: StackParams) -> Mapping[str, MemberChoice]:
        """Return the members that a run finds or trains."""
        return params.members

    def fit(self, train: EraFrame, ctx: FitContext) -> FitReport:
        """Find the weights, and with `weights_from: inner` train the members.

        Raises
        ------
        ModelError : the training eras are too few, or a member cannot be trained.
        """
        self._trained = TrainedFeatures.of(train)
        notes: list[str] = []
        seconds = 0.0
        given = ctx.members
        if self.params.weights_from == "inner":
            self._models, reports, given, notes = fit_members(train, ctx, self.params)
            seconds = sum(report.library_seconds for report in reports)
            notes += [note for report in reports for note in report.notes]
        if given is None:
            raise ModelError("the run hands no members over")
        found = weigh(given, ctx.target, self.params)
        self._weights, self._evidence = found.weights, found.evidence
        self._n_steps, self._last_era = train.n_eras, int(train.eras[-1])
        return FitReport(
            size=int(np.count_nonzero(found.weights)),
            unit="members",
            library_seconds=seconds,
            notes=(*notes, *found.notes),
            details=found.details,
        )

    @property
    def n_steps(self) -> int:
        """Eras learnt from so far."""
        return self._n_steps

    def cannot_go_on(self) -> str | None:
        """Say why the stack cannot go on; None: it can, with those members that can."""
        if self._evidence is None:
            return "the stack was saved by a version that did not keep what its weights rest on"
        types = {name: choice.type for name, choice in self.params.members.items()}
        said = [cannot_go_on(model, types[name]) for name, model in self._models.items()]
        return f"none of its members can go on: {said[0]}" if said and all(said) else None

    def fit_more(self, new: EraFrame, ctx: FitContext, amount: int) -> FitReport:
        """Fit the weights again, with what members predict of new eras, and let members go on.

        Eras within the purge of the last one learnt from teach no weights: members know a part
        of their labels. Members that cannot go on stay as they are, which is said. Members that are
        runs go on by themselves; their predictions from before that are in `ctx.members`.

        Raises
        ------
        ModelError
            The features are not those of the fit, or `amount` is not the number of new eras.
        """
        self._trained.check(new)
        if amount != new.n_eras:
            raise ModelError(
                f"a stack learns from each of {new.n_eras} new eras once, which makes "
                f"{new.n_eras} steps, not {amount}",
                fix="leave --amount out",
            )
        given, reports, notes = ctx.members, list[FitReport](), list[str]()
        if self._models:
            predictions = predict_members(self._models, self.params, new)
            none = np.zeros(new.n_eras, dtype=np.int32)
            given = Members(new, none, predictions, ctx.purge_eras)
            share = new.n_eras / self._n_steps
            reports, notes = grow_members(self._models, new, ctx, self.params, share)
        details: dict[str, Any] = {}
        before = np.count_nonzero(self._weights)
        if given is not None:
            eras = given.rows.eras
            given = given.of(eras[eras > self._last_era + given.purge_eras])
        if given is None or given.rows.n_eras == 0:
            notes.append(
                f"no new era lies more than the purge of {ctx.purge_eras} eras after era "
                f"{self._last_era}: the weights stay"
            )
        else:
            found = weigh(given, ctx.target, self.params, self._evidence)
            self._weights, self._evidence = found.weights, found.evidence
            details = found.details
            notes += found.notes
        self._n_steps, self._last_era = self._n_steps + new.n_eras, int(new.eras[-1])
        return FitReport(
            size=int(np.count_nonzero(self._weights) - before),
            unit="members",
            library_seconds=sum(report.library_seconds for report in reports),
            notes=(*notes, *(note for report in reports for note in report.notes)),
            details=details,
        )

    @property
    def online(self) -> bool:
        """Whether labels that become known change what members of its own predict later."""
        return any_online(self._models)

    def observe(self, resolved: EraFrame) -> None:
        """Hand eras whose labels have become known to members of its own; the weights stay."""
        observe_members(self._models, self.params, resolved)

    @property
    def ages(self) -> bool:
        """Whether what members of its own predict depends on the end of their fit."""
        return any_ages(self._models)

    def replay(self, rows: EraFrame) -> None:
        """Lead members of its own through labelled eras after the fit, as if they were live."""
        replay_members(self._models, self.params, rows)

    def predict(self, frame: EraFrame, members: Mapping[str, Float32] | None = None) -> Float32:
        """Predict float32 [n_rows], ranks in (0, 1) within each era.

        A member that lacks more than a fifth of an era's rows does not count in it: the other
        weights take its share.

        Raises
        ------
        ModelError : an era that no member predicts, or features that are not those of the fit.
        """
        given = self._given(frame, members)
        predictions, _ = self._blended(frame, given, self._weights)
        return predictions

    def predict_in_detail(
        self, frame: EraFrame, members: Mapping[str, Float32] | None = None
    ) -> Detailed:
        """Predict, beside members alone, equal weights and the stack without each member."""
        given = self._given(frame, members)
        names = list(given)
        predictions, remarks = self._blended(frame, given, self._weights)
        variants: dict[str, Float32] = {}
        if self.params.weights != EQUAL:
            equal = np.full(len(names), 1 / len(names))
            variants[EQUAL], _ = self._blended(frame, given, equal)
        alone = np.vstack([columns(given, rows) for _, rows in frame.iter_eras()])
        for name, values in zip(names, alone.T, strict=True):
            variants[name] = np.where(np.isnan(values), _MIDDLE, values).astype(np.float32)
        if len(names) > 2:
            for i, name in enumerate(names):
                rest = np.delete(self._weights, i)
                others = {other: given[other] for other in names if other != name}
                # the only member of any weight has no others: then these weigh the same
                rest = rest if np.any(rest) else np.full(len(rest), 1 / len(rest))
                variants[WITHOUT + name], _ = self._blended(frame, others, rest)
        return Detailed(predictions, variants, remarks=remarks if any(remarks) else [])

    @classmethod
    def twin_of_variant(cls, _: StackParams) -> None:
        """No variant is another experiment's prediction with the same seed: members are runs."""
        return

    def save(self, folder: Path) -> None:
        """Write `meta.json` with the weights, and `members/NAME/` where they are its own."""
        for name, model in self._models.items():
            inside = folder / "members" / name
            inside.mkdir(parents=True)
            model.save(inside)
        facts = {
            "weights": self._weights.tolist(),
            "n_steps": self._n_steps,
            "last_era": self._last_era,
            **self._trained.facts(),
        }
        if self._evidence is not None:
            facts["evidence"] = self._evidence.facts()
        save_meta(folder, self.params, facts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        params, meta = load_meta(folder, cls.Params)
        model = cls(params)
        model._weights = np.array(meta["weights"])
        if "evidence" in meta:
            model._evidence = Evidence.from_facts(meta["evidence"])
            model._n_steps, model._last_era = meta["n_steps"], meta["last_era"]
        if params.weights_from == "inner":
            for name, member in params.members.items():
                model._models[name] = get_model(member.type).load(folder / "members" / name)
        model._trained = TrainedFeatures.from_facts(meta)
        return model

    def export(self, parts: Mapping[str, Exported] | None = None) -> Exported:
        """Return a blend of the members, without those of weight 0.

        Parameters
        ----------
        parts : the members of the final model, exported, by name; None where they are its own.

        Raises
        ------
        ModelError : a member has no form that runs without this package.
        """
        own = {name: self.params.members[name].type for name in self._models}
        weights = dict(zip(self.params.members, self._weights.tolist(), strict=True))
        return exported_blend(weights, parts or {}, self._models, own, self._trained.facts())

    def contributions(
        self, frame: EraFrame, rows: npt.NDArray[np.int64] | None = None
    ) -> tuple[Contributions, ...]:
        """Return the members' contributions, without those of weight 0.

        Raises
        ------
        ModelError : the features are not those of the fit, the members are runs of their own, or
            one has no contributions.
        """
        self._trained.check(frame)
        if not self._models:
            raise ModelError("the members are runs of their own, and only these have contributions")
        weighed = zip(self.params.members, self._weights, strict=True)
        counting = {name: self._models[name] for name, weight in weighed if weight}
        return self.weigh_contributions(explain_members(counting, self.params, frame, rows))

    def weigh_contributions(
        self, members: Mapping[str, tuple[Contributions, ...]]
    ) -> tuple[Contributions, ...]:
        """Return members' contributions with their weights; those of weight 0 are left out."""
        return tuple(
            replace(
                one,
                name=f"{name}/{one.name}" if one.name else name,
                weight=float(weight) * one.weight,
            )
            for name, weight in zip(self.params.members, self._weights, strict=True)
            if weight
            for one in members[name]
        )

    def _given(
        self, frame: EraFrame, members: Mapping[str, Float32] | None
    ) -> Mapping[str, Float32]:
        self._trained.check(frame)
        if self._models:
            return predict_members(self._models, self.params, frame)
        if members is None:
            raise ModelError("a stack predicts from what its members predict, and none was given")
        return {name: members[name] for name in self.params.members}

    def _blended(
        self, frame: EraFrame, given: Mapping[str, Float32], weights: Float64
    ) -> tuple[Float32, list[str | None]]:
        predictions = np.empty(frame.n_rows, dtype=np.float32)
        remarks: list[str | None] = []
        for era, rows in frame.iter_eras():
            values = columns(given, rows)
            there = ~missing_in(values)
            if not there.any():
                raise ModelError(f"no member predicts the rows of era {era}")
            mine = weights[there]
            if not np.any(mine):
                mine = np.full(len(mine), 1 / len(mine))
            predictions[rows] = blend(values[:, there], mine)
            absent = [name for name, here in zip(given, there.tolist(), strict=True) if not here]
            remarks.append(f"predicted without {', '.join(absent)}" if absent else None)
        return predictions, remarks
