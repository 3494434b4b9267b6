"""`mtm`: pretrain by masks, then learn the targets; beside it the same net from scratch."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor, nn

from numerai_lab.arrays import Float32
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.models.adapting import Guarded
from numerai_lab.models.contract import (
    ClassProbabilities,
    Detailed,
    Exported,
    FitContext,
    FitReport,
    ModelInfo,
    Needs,
    Said,
    Shape,
    Variant,
)
from numerai_lab.models.nets.batches import Batch
from numerai_lab.models.nets.kept import Arrays
from numerai_lab.models.nets.labels import Labels
from numerai_lab.models.nets.mtm.adapting import (
    FROZEN,
    SHUFFLED,
    VARIANTS,
    NetAdaptation,
    Predict,
    find_strength,
)
from numerai_lab.models.nets.mtm.groups import (
    check_bins,
    clustered_groups,
    named_groups,
    sets_named,
)
from numerai_lab.models.nets.mtm.masks import draw
from numerai_lab.models.nets.mtm.module import MaskedNet
from numerai_lab.models.nets.mtm.params import MTMParams
from numerai_lab.models.nets.mtm.pretraining import begin_with, pretrained
from numerai_lab.models.nets.net import NetModel
from numerai_lab.models.nets.processes import Processes
from numerai_lab.seeds import child_seed

SCRATCH = "scratch"
"""The variant: the same net, trained for the targets alone, from random weights."""


class MTM(NetModel):
    """A transformer over groups of features, pretrained by masks (Wu et al. 2023).

    What is learnt without labels is learnt from `ctx.unlabelled`, which ends before the first
    judged era, and where `epochs: auto` tries how long to train it sees none of the eras held out.
    A model with `pretrain_epochs: 0` and `joint_weight: 0` is the twin from scratch of the others.
    With `adapt` a prediction is f + a change(era), f the net as it was trained and a the strength
    that a guard has left on (`adapting.NetAdaptation`).
    """

    info: ClassVar[ModelInfo] = ModelInfo(
        summary="a transformer over groups of features, pretrained by masking them, by torch",
        unit="epochs",
        transductive=True,
        exportable=True,
        unlabelled=True,
        artefacts=True,
        tolerance=1e-4,
        variants=(Variant(SCRATCH, "same net, not pretrained"),),
        not_finite_hint="a smaller learning_rate is the usual way out",
    )
    Params: ClassVar[type[MTMParams]] = MTMParams
    name: ClassVar[str] = "mtm"
    row_by_row: ClassVar[bool] = False

    params: MTMParams

    def __init__(self, params: MTMParams) -> None:
        super().__init__(params)
        self._twin: MTM | None = None
        self._begun: dict[bytes, tuple[Arrays, dict[str, Any]]] = {}
        self._guarded = self._new_guarded()

    @classmethod
    def info_for(cls, params: MTMParams) -> ModelInfo:
        """Rows without labels are asked for to pretrain; the twin stands beside what it is not."""
        pretrains, adapts = params.pretrain_epochs > 0, params.adapt is not None
        return replace(
            super().info_for(params),
            transductive=params.era_layers > 0 or adapts,
            unlabelled=pretrains,
            artefacts=pretrains,
            variants=(
                *(cls.info.variants if params.masked else ()),
                *(VARIANTS if adapts else ()),
            ),
        )

    @classmethod
    def twin_of_variant(cls, params: MTMParams) -> tuple[str, str, MTMParams] | None:
        """Name the model that the variant is; with `epochs: auto` it is no other's."""
        if not params.masked or params.epochs == "auto":
            return None
        return SCRATCH, cls.name, _from_scratch(params)

    def new_net(self, n_features: int, n_outputs: int) -> MaskedNet:  # noqa: ARG002
        """Make a net with random weights."""
        groups = [group["columns"] for group in self.own["groups"]]
        return MaskedNet(groups, self._n_targets, n_outputs, self.params)

    @property
    def _n_targets(self) -> int:
        return 1 + len(self.params.auxiliary_targets or {})

    def prepare(self, train: EraFrame, ctx: FitContext, said: Said) -> None:
        """Group the features, by name or by how they correlate in the first training eras.

        These are seen whole, also where `epochs: auto` holds some of them out: a grouping tells
        nothing of a target.

        Raises
        ------
        ModelError : no group has a feature, or features are no bins from 0 to 4.
        """
        check_bins(train)
        wanted = self.params.groups
        if isinstance(wanted, list):
            named = sets_named(wanted, ctx.feature_sets)
            self.own["groups"] = named_groups(train.feature_names, named, said)
        elif isinstance(wanted, dict):
            self.own["groups"] = named_groups(train.feature_names, wanted, said)
        elif Processes().size > 1:
            raise ModelError(
                "groups: correlation looks at all eras, and each process has only some of them",
                where="model.params.groups",
                fix="name the groups, such as those that a fit in one process has found",
            )
        else:
            seed = child_seed(ctx.seed, "mtm", "groups")
            self.own["groups"] = clustered_groups(train, self.params.n_groups, seed, said)

    def start(self, net: nn.Module, train: EraFrame, ctx: FitContext, said: Said) -> None:
        """Pretrain, or find what was pretrained; all seeds begin with the same weights."""
        if not self.params.pretrain_epochs:
            return
        rows = train if ctx.unlabelled is None else ctx.unlabelled
        key = rows.eras.tobytes()
        if key not in self._begun:
            device = next(net.parameters()).device
            self._begun[key] = pretrained(
                lambda: self.new_net(rows.n_features, 1),
                rows,
                self.own["groups"],
                self._n_targets,
                self.params,
                ctx,
                said,
                device,
            )
        begin_with(net, self._begun[key][0])

    def loss(self, net: nn.Module, batch: Batch, labels: Labels) -> Tensor:
        """Return that of the targets, and with a weight that behind a mask, in each part.

        Behind a mask it is that of the features and of those targets that are hidden, too.
        """
        lost = super().loss(net, batch, labels)
        if not self.params.joint_weight:
            return lost
        assert isinstance(net, MaskedNet)
        mask = draw(batch, net.n_groups, net.n_targets, self.params)
        outputs, features = net.masked(batch, mask)
        unknown = batch.labels.masked_fill(~mask.targets, torch.nan)
        behind = features + labels.losses(outputs, replace(batch, labels=unknown))
        return lost + self.params.joint_weight * behind

    def fit(self, train: EraFrame, ctx: FitContext) -> FitReport:
        """Pretrain and train, train the twin from scratch for as many epochs, then learn to adapt.

        Raises
        ------
        ModelError : as every net, or features cannot be grouped.
        """
        self._twin, self._begun = None, {}
        self._guarded = self._new_guarded(ctx.seed, ctx.target, ctx.purge_eras)
        if not self.params.masked:
            return self._guard(train, ctx, super().fit(train, ctx), self.n_steps)
        ends = [0]

        def first(done: int, total: int) -> None:
            ends[0] = total
            ctx.progress(done, 2 * total)

        report = super().fit(train, replace(ctx, progress=first))
        epochs = self.n_steps if self.params.epochs == "auto" else self.params.epochs
        self._twin = MTM(_from_scratch(self.params).model_copy(update={"epochs": epochs}))
        place = None if ctx.unfinished is None else ctx.unfinished / SCRATCH
        beside = self._twin.fit(
            train,
            replace(
                ctx,
                unlabelled=None,
                artefacts=None,
                unfinished=place,
                say=lambda _: None,  # it is all said already
                progress=lambda done, total: ctx.progress(ends[0] + done, ends[0] + total),
            ),
        )
        told = {**report.details["training"], "scratch": beside.details["training"]["nets"]}
        if self._begun:
            # trials hold some eras out
            told["pretraining"] = self._begun[max(self._begun, key=len)][1]
        self._begun = {}
        report = replace(
            report,
            library_seconds=report.library_seconds + beside.library_seconds,
            details={**report.details, "training": told},
        )
        return self._guard(train, ctx, report, epochs)

    def _guard(self, train: EraFrame, ctx: FitContext, report: FitReport, epochs: int) -> FitReport:
        """Let trials on training eras decide how strongly to adapt; add to the report why."""
        if self.params.adapt is None:
            return report
        start = time.perf_counter()
        plain = self.params.model_copy(update={"adapt": None, "epochs": epochs})

        def fitted(past: EraFrame, inner: FitContext) -> tuple[NetAdaptation, Predict]:
            one = MTM(plain)
            NetModel.fit(one, past, inner)  # without its twin
            return self._new_adaptation(one, ctx.seed), one.predict

        decision, trials = find_strength(train, ctx, self.params, fitted)
        if decision.strength > 0:
            adaptation = self._new_adaptation(self, ctx.seed)
            adaptation.fit(train)
            decision = self._guarded.begin(adaptation, decision, trials)
        return replace(
            report,
            notes=(*report.notes, decision.reason),
            library_seconds=report.library_seconds + time.perf_counter() - start,
            details={
                **report.details,
                "guard": decision.as_dict(),
                "strength": decision.strength,
            },
        )

    def _new_adaptation(self, fitted: MTM, seed: int) -> NetAdaptation:
        assert fitted._labels is not None
        nets = [cast(MaskedNet, net) for net in fitted.nets]
        return NetAdaptation(nets, fitted._labels.facts, self.params, seed)

    def _new_guarded(
        self, seed: int = 0, target: str = "", purge_eras: int = 0
    ) -> Guarded[NetAdaptation]:
        return Guarded("mtm", "net", seed, target, purge_eras)

    def fit_more(self, new: EraFrame, ctx: FitContext, amount: int) -> FitReport:
        """Train on as every net does; the twin stays behind and is shown no more.

        The strength of the adaptation stays what the guard has chosen in the fit.
        """
        self._twin = None
        return super().fit_more(new, ctx, amount)

    def predict(self, frame: EraFrame) -> Float32:
        """Predict as every net does, and adapt to each era as strongly as the guard has left on."""
        return self._guarded.predict(frame, super().predict(frame))

    def predict_in_detail(self, frame: EraFrame) -> Detailed:
        """Predict, beside the twin from scratch, the net unadapted and adapted to other eras."""
        unadapted = super().predict(frame)
        detail, states = self._guarded.predict_apart(frame, unadapted)
        variants = {} if self._twin is None else {SCRATCH: self._twin.predict(frame)}
        if self.params.adapt is None:
            return Detailed(unadapted, variants)
        others = self._guarded.draw_others(int(frame.eras[0]), states)
        control = self._guarded.predict_control(frame, unadapted, others)
        return replace(detail, variants={**variants, FROZEN: unadapted, SHUFFLED: control})

    def predict_classes(self, frame: EraFrame, target: str) -> ClassProbabilities:
        """Return shares of classes as every net does; raises ModelError where it adapts itself."""
        if self._guarded.strength > 0:
            raise ModelError(
                "the net adapts its prediction to each era, and classes have no probability then",
                fix="write adapt: {strength: 0} for those of the net unadapted",
            )
        return super().predict_classes(frame, target)

    def export(self) -> Exported:
        """Return the weights as every net does.

        Raises
        ------
        ModelError : it adapts itself to eras, which takes gradients.
        """
        if self._guarded.strength > 0:
            raise ModelError(
                f"the net adapts to each era with strength {self._guarded.strength:g} by steps on "
                "its masked loss, which take torch, and a bundle has none",
                where="model.params.adapt",
                fix="write strength: 0, or submit its predictions with `numerai-lab submit`",
            )
        return super().export()

    def save(self, folder: Path) -> None:
        """Write what every net does, and the twin into `scratch/`."""
        if self.params.adapt is not None:
            self.own["guarded"] = self._guarded.save(folder)
        super().save(folder)
        if self._twin is not None:
            (folder / SCRATCH).mkdir()
            self._twin.save(folder / SCRATCH)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raises as every net."""
        model = super().load(folder)
        if (folder / SCRATCH).is_dir():
            model._twin = MTM.load(folder / SCRATCH)
        if model.params.adapt is not None:
            facts = model.own["guarded"]
            model._guarded = model._new_guarded(facts["seed"], facts["target"], facts["purge_eras"])
            model._guarded.restore(
                folder,
                facts,
                lambda own: NetAdaptation.load(
                    own,
                    [cast(MaskedNet, net) for net in model.nets],
                    model._labels.facts if model._labels else {},
                    model.params,
                ),
            )
        return model

    def memory_needed(self, shape: Shape) -> Needs:
        """Return the bytes that training takes beside the rows, with the tokens of a batch."""
        params = self.params
        needs = super().memory_needed(shape)
        rows = 6_000 if params.rows_per_era == "all" else params.rows_per_era
        rows *= -(-params.eras_per_batch // params.accumulate)
        n = params.n_groups if params.groups == "correlation" else len(params.groups) + 1
        tokens = 1 + n + self._n_targets
        each = (16 * params.width + 4 * params.hidden + 4 * params.heads * tokens) * params.layers
        return replace(needs, host=needs.host + 4 * rows * (tokens * each + 24 * shape.n_features))


def _from_scratch(params: MTMParams) -> MTMParams:
    return params.model_copy(update={"pretrain_epochs": 0, "joint_weight": 0.0, "adapt": None})
