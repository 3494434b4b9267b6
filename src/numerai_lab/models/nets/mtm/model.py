"""`mtm`: pretrain by masks, then learn the targets; beside it the same net from scratch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor, nn

from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.models.adapting import State
from numerai_lab.models.contract import (
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
from numerai_lab.models.nets import adapting
from numerai_lab.models.nets.adapting import AdaptingNet, How, NetAdapts
from numerai_lab.models.nets.batches import Batch
from numerai_lab.models.nets.kept import Arrays
from numerai_lab.models.nets.labels import Labels
from numerai_lab.models.nets.mtm.adapting import VARIANTS, NetAdaptation
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


class MTM(AdaptingNet):
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

    @staticmethod
    def how(params: MTMParams) -> How | None:
        """Return `adapt`, or `fine_tune`."""
        return params.adapt or params.fine_tune

    @staticmethod
    def unchanging(params: MTMParams) -> MTMParams:
        """Return the parameters without either."""
        return params.model_copy(update={"adapt": None, "fine_tune": None})

    @classmethod
    def info_for(cls, params: MTMParams) -> ModelInfo:
        """Rows without labels are asked for to pretrain; the twin stands beside what it is not."""
        pretrains, adapts = params.pretrain_epochs > 0, params.adapt is not None
        beside = VARIANTS if adapts else adapting.VARIANTS if params.fine_tune else ()
        return replace(
            super().info_for(params),
            transductive=params.era_layers > 0 or adapts,
            unlabelled=pretrains,
            artefacts=pretrains,
            variants=(
                *(cls.info.variants if params.masked else ()),
                *beside,
            ),
        )

    @classmethod
    def twin_of_variant(cls, params: MTMParams) -> tuple[str, str, MTMParams] | None:
        """Name the model that the variant is; with `epochs: auto` it is no other's."""
        if not params.masked or params.epochs == "auto":
            return super().twin_of_variant(params)
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
        if not self.params.masked:
            return super().fit(train, ctx)
        self.check_alone()
        self.guarded = self._new_guarded(ctx.seed, ctx.target, ctx.purge_eras)
        ends = [0]

        def first(done: int, total: int) -> None:
            ends[0] = total
            ctx.progress(done, 2 * total)

        report = NetModel.fit(self, train, replace(ctx, progress=first))
        epochs = self.n_steps if self.params.epochs == "auto" else self.params.epochs
        self._twin = MTM(_from_scratch(self.params).model_copy(update={"epochs": epochs}))
        beside = self._twin.fit(
            train,
            replace(
                ctx.part(SCRATCH),
                unlabelled=None,
                artefacts=None,
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
        return self.guard(train, ctx, report)

    def why_not(self) -> str | None:
        """Say that steps on a masked loss need a net that has learnt one."""
        if self.params.adapt is None:
            return None
        if not self.params.masked or self.params.modes == {"targets_hidden"}:
            return "the net has learnt no masked loss of its features that an era could be read by"
        return None

    @property
    def own_control(self) -> bool:
        """What steps on the masked loss gain must be more than with the state of another era."""
        return self.params.adapt is not None

    def _shows_control(self, open_: bool, ctx: FitContext) -> bool:
        if self.params.adapt is None:
            return super()._shows_control(open_, ctx)
        return open_  # what its guard wants to know of judged eras

    def new_adaptation(self, fitted: NetModel, ctx: FitContext) -> NetAdapts:
        """Make what adapts a net by its masked loss, or fine-tunes it."""
        if self.params.adapt is None:
            return super().new_adaptation(fitted, ctx)
        nets = [cast(MaskedNet, net) for net in fitted.nets]
        return NetAdaptation(nets, fitted.labels.facts, self.params, ctx.seed)

    def load_adaptation(self, folder: Path) -> NetAdapts:
        """Read what the adaptation wrote."""
        if self.params.adapt is None:
            return super().load_adaptation(folder)
        nets = [cast(MaskedNet, net) for net in self.nets]
        return NetAdaptation.load(folder, nets, self.labels.facts, self.params)

    def fit_more(self, new: EraFrame, ctx: FitContext, amount: int) -> FitReport:
        """Train on as every net does; the twin stays behind and is shown no more."""
        self._twin = None
        return super().fit_more(new, ctx, amount)

    def predict_apart(self, frame: EraFrame) -> tuple[Detailed, list[State | None]]:
        """Predict, beside the twin from scratch and the net as it was fitted."""
        detail, states = super().predict_apart(frame)
        scratch = {} if self._twin is None else {SCRATCH: self._twin.predict(frame)}
        return replace(detail, variants={**scratch, **detail.variants}), states

    def draw_others(self, first_era: int, states: Sequence[State | None]) -> list[State | None]:
        """Draw for each era the state of another, training eras among them."""
        if self.params.adapt is None:
            return super().draw_others(first_era, states)
        return self.guarded.draw_others(first_era, states)

    def support_of(self, frame: EraFrame) -> dict[str, float] | None:
        """Return how far the code of the first era lies from those of training eras.

        As `Guarded.support_of` tells it.
        """
        return self.guarded.support_of(frame, lambda era: NetModel.predict(self, era))

    def export(self) -> Exported:
        """Return the weights as every net does.

        Raises
        ------
        ModelError : it adapts itself to eras, which takes gradients.
        """
        if self.params.adapt is not None and self.guarded.strength > 0:
            raise ModelError(
                f"the net adapts to each era with strength {self.guarded.strength:g} by steps on "
                "its masked loss, which take torch, and a bundle has none",
                where="model.params.adapt",
                fix="write strength: 0, or submit its predictions with `numerai-lab submit`",
            )
        return super().export()

    def save(self, folder: Path) -> None:
        """Write what every net does, and the twin into `scratch/`."""
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
    without = {"pretrain_epochs": 0, "joint_weight": 0.0, "adapt": None, "fine_tune": None}
    return params.model_copy(update=without)
