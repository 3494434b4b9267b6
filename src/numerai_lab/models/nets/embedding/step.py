"""The transform `embedding`."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, field_validator

from numerai_lab.arrays import Float64, Int8
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import SplitError
from numerai_lab.features import Past, Step, StepContext, StepParams, TransformInfo
from numerai_lab.models.contract import ExportableModel, FitContext
from numerai_lab.models.nested import ModelChoice
from numerai_lab.models.nets.embedding.runtime import embedding, raw_codes
from numerai_lab.seeds import child_seed
from numerai_lab.splits import inner_blocks

_NETS = ("mixer", "mlp")
_ALIGNED_ERAS = 40
"""Eras on which means and components of codes are taken, and the codes of two nets compared."""

Encoder = tuple[dict[str, Any], dict[str, Any]]
"""Settings and arrays that `runtime.embedding` reads."""


class EmbeddingParams(StepParams):
    """Parameters of `embedding`."""

    model: ModelChoice = Field(
        default_factory=lambda: ModelChoice(type="mixer"),
        description="net whose last numbers before the prediction are taken: mixer (its "
        "bottleneck) or mlp",
    )
    columns: Annotated[int, Field(ge=1, le=64)] = Field(
        8, description="principal components of these numbers, where there are more"
    )
    folds: Annotated[int, Field(ge=2, le=20)] = Field(
        4,
        description="blocks of training eras; the columns of each are made by a net of the others, "
        "purged on both sides",
    )

    @field_validator("model")
    @classmethod
    def _encodes(cls, choice: ModelChoice) -> ModelChoice:
        if choice.type not in _NETS:
            raise ValueError(
                f"'{choice.type}' has no bottleneck to take: write {' or '.join(_NETS)}"
            )
        if getattr(choice.params, "tabm", None) is not None:
            raise ValueError("an mlp with tabm has as many bottlenecks as members: leave tabm out")
        return choice

    def n_given(self, n_features: int) -> int:
        """Those before, and the components; fewer where the net has fewer numbers."""
        return n_features + self.columns


class Embedding(Step):
    """The bottleneck of a net, each number ranked within the era.

    The net of later eras is fitted on all training eras; its codes c become (c - mean) turned to
    their principal components, over eras of the fit. A net has learnt the labels of its own eras,
    so columns of training eras come from nets of the other blocks. Two nets' codes mean alike but
    for a turn: those of a block's net are turned to the first one's (orthogonal Procrustes, over
    eras that both were fitted on).
    """

    info: ClassVar[TransformInfo] = TransformInfo(
        summary="the bottleneck of a net, out of fold on the training eras", state="fitted"
    )
    Params: ClassVar[type[StepParams]] = EmbeddingParams
    kind = "embedding"
    runtime: ClassVar[str] = "numerai_lab.models.nets.embedding.runtime"

    def __init__(self, params: Any) -> None:
        super().__init__(params)
        self._blocks: list[tuple[frozenset[int], Encoder]] = []

    def fit(self, train: EraFrame, ctx: StepContext) -> None:
        """Fit a net on all training eras, and one on the others of each block.

        Raises ModelError : the training eras are too few, or a net cannot be fitted.
        """
        rows = train.with_features(ctx.raw_names)
        try:
            blocks = inner_blocks(train.eras, self.params.folds, ctx.purge_eras)
        except SplitError as error:
            raise self.wrong(error.what, "folds", error.fix) from None
        told = FitContext(
            seed=child_seed(ctx.seed, "embedding", self.params.label),
            target=ctx.target,
            targets=(ctx.target,),
            purge_eras=ctx.purge_eras,
            n_threads=ctx.n_threads,
            feature_sets=ctx.feature_sets,
            say=ctx.say,
        )
        self.settings, self.arrays = self._encoder(rows, told)
        some = _few_eras(rows)
        codes = _codes(some, self.settings, self.arrays)
        turn = _components(codes, min(self.params.columns, codes.shape[1]))
        self.arrays |= {"mean": codes.mean(axis=0), "turn": turn}
        self._blocks = []
        for block in blocks:
            others = rows.select_eras(block.train)
            settings, arrays = self._encoder(others, told)
            both = _few_eras(others)
            mine = _codes(both, settings, arrays)
            whole = (_codes(both, self.settings, self.arrays) - self.arrays["mean"]) @ turn
            mean = mine.mean(axis=0)
            left, _, right = np.linalg.svd((mine - mean).T @ whole, full_matrices=False)
            arrays |= {"mean": mean, "turn": left @ right}
            self._blocks.append((frozenset(block.judged.tolist()), (settings, arrays)))
        self._names = tuple(f"{self.params.label}.{i + 1}" for i in range(turn.shape[1]))

    def apply(self, era: EraFrame, past: Past | None) -> Int8:  # noqa: ARG002 - one era is enough
        """Return the ranked codes of the net of all training eras."""
        columns: Int8 = embedding(era.features_in_memory(), self.settings, self.arrays)
        return columns

    def apply_in_training(self, era: EraFrame, past: Past | None) -> Int8:
        """Return those of the net that has not seen the era, one of the training eras."""
        number = int(era.eras[0])
        for judged, encoder in self._blocks:
            if number in judged:
                columns: Int8 = embedding(era.features_in_memory(), *encoder)
                return columns
        return self.apply(era, past)

    def _encoder(self, rows: EraFrame, told: FitContext) -> Encoder:
        net = self.params.model.new()
        net.fit(rows, told)
        assert isinstance(net, ExportableModel)
        exported = net.export()
        settings = {
            "net": self.params.model.type,
            "params": exported.settings["params"],
            "n_nets": exported.settings["n_nets"],
            "n_raw": rows.n_features,
            "bins": self.params.bins,
        }
        return settings, {name: np.array(array) for name, array in exported.arrays.items()}


def _few_eras(rows: EraFrame) -> EraFrame:
    step = max(1, rows.n_eras // _ALIGNED_ERAS)
    return rows.select_eras(rows.eras[::step]).without_targets()


def _codes(rows: EraFrame, settings: dict[str, Any], arrays: dict[str, Any]) -> Float64:
    found = [raw_codes(rows.features[mine], settings, arrays) for _, mine in rows.iter_eras()]
    return np.concatenate(found)


def _components(codes: Float64, n: int) -> Float64:
    """Return the n components of most variance as columns, scaled to unit scores."""
    spread, axes = np.linalg.eigh(
        np.cov(codes, rowvar=False, bias=True).reshape(codes.shape[1], -1)
    )
    spread, axes = spread[::-1][:n], axes[:, ::-1][:, :n]
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(n)])
    scaled: Float64 = axes * signs / np.sqrt(np.maximum(spread, 1e-12))
    return scaled
