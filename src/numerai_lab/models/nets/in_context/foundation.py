"""`tabicl`: a public foundation model for tables, shown labelled rows of other eras.

TabICL (Qu et al. 2025, arXiv 2502.05564; package `tabicl`, BSD-3) was pretrained on made-up tables.
It is read from a checkpoint on this disk; nothing is ever downloaded.
"""

from __future__ import annotations

import hashlib
import pickle
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from numerai_lab.arrays import Float32, Float64
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError, in_one_line
from numerai_lab.models.contract import (
    Detailed,
    FitContext,
    FitReport,
    ModelInfo,
    Needs,
    Params,
    Said,
    Shape,
    TrainedFeatures,
    Variant,
    load_meta,
    save_meta,
)
from numerai_lab.models.nets.in_context.contexts import (
    check_context,
    fit_projection,
    pool_of,
    shown_eras,
    shuffled,
)
from numerai_lab.models.nets.in_context.model import ANCIENT, SHUFFLED
from numerai_lab.models.nets.in_context.params import UNUSED, ICLParams
from numerai_lab.models.nets.in_context.runtime import contexts, projected
from numerai_lab.models.nets.kept import Arrays, read_arrays, write_arrays
from numerai_lab.models.nets.params import Count
from numerai_lab.models.nets.runtime import era_bins
from numerai_lab.seeds import child_seed

_FILE = "context.npz"
_ROWS_AT_ONCE = 2048
_HOW = (
    "name the file of a regression checkpoint, such as tabicl-regressor-v2-20260212.ckpt of "
    "huggingface.co/jingang/TabICL, which numerai_lab does not download"
)


class TabICLParams(Params):
    """Parameters of `tabicl`: where the foundation model is, and what it is shown."""

    SPACE: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "context": {"tune": "choice", "choice": ["newest", "spread"]},
        "context_rows": {"tune": "choice", "choice": [512, 1024, 2048, 4096]},
        "context_eras": {"tune": "choice", "choice": [8, 16, 32, 64]},
        "n_scores": {"tune": "choice", "choice": [16, 32, 64]},
    }

    checkpoint: Annotated[Path, Field(strict=False)] = Field(
        description="file of a regression checkpoint (.ckpt) on this disk; none is downloaded"
    )
    n_scores: Count = Field(
        32, description="numbers of a row: the directions in which training rows vary most"
    )
    context: Literal["newest", "spread"] = Field(
        "newest", description="which training eras are shown: the newest, or evenly spread ones"
    )
    context_rows: Count = Field(
        1024, description="rows that are shown, nearly, equally many an era"
    )
    context_eras: Count = Field(16, description="eras that they are drawn from")
    target: Literal["standardised", "gaussian", "classes"] = Field(
        "standardised",
        description="labels are standardised within their era; or become the normal quantiles of "
        "their ranks; or five classes of 5, 20, 50, 20 and 5 % by rank, one apart",
    )
    n_estimators: Count = Field(
        4, description="views of the rows (columns in other orders, power transforms), averaged"
    )
    controls: bool = Field(
        True,
        description="also predict with the context's labels shuffled, and from the oldest eras",
    )

    @model_validator(mode="before")
    @classmethod
    def _has_checkpoint(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("checkpoint") is None:
            raise ValueError(f"checkpoint: tabicl has none of its own: {_HOW}")
        return given

    @property
    def shown(self) -> ICLParams:
        """The same words for what chooses and keeps rows."""
        names = ("context", "context_rows", "context_eras", "target")
        return ICLParams(**{name: getattr(self, name) for name in names})


class TabICL:
    """A foundation model for tables, shown labelled rows, asked for others; nothing is learnt.

    A saved model has its rows and the SHA-256 of the checkpoint, which must stay where it is.
    """

    info: ClassVar[ModelInfo] = ModelInfo(
        summary="a public foundation model for tables (TabICL), shown labelled rows of other eras",
        unit="fits",
        tolerance=1e-3,
        variants=(SHUFFLED, ANCIENT),
        not_finite_hint="the checkpoint may be damaged, or of another version of tabicl",
    )
    Params: ClassVar[type[TabICLParams]] = TabICLParams

    def __init__(self, params: TabICLParams) -> None:
        self.params = params
        self._arrays: Arrays = {}
        self._facts: dict[str, Any] = {}
        self._trained = TrainedFeatures()
        self._readers: dict[str, Any] = {}

    @classmethod
    def info_for(cls, params: TabICLParams) -> ModelInfo:
        """Name the variants that there are."""
        variants: tuple[Variant, ...] = (SHUFFLED, ANCIENT) if params.controls else ()
        return replace(cls.info, variants=variants)

    def fit(self, train: EraFrame, ctx: FitContext) -> FitReport:
        """Fit the projection and choose the rows to show.

        Raises
        ------
        ModelError : the checkpoint is not there or cannot be read, `tabicl` is not installed, or
            the context has one row, or one class of label.
        """
        start, said, params = time.perf_counter(), Said(ctx), self.params
        checksum = _checksum_of(params.checkpoint)
        self._trained = TrainedFeatures.of(train)
        self._readers = {}
        for what, given in (("weights", ctx.weights), ("stop", ctx.stop)):
            if given is not None:
                said.aloud(UNUSED[what].format("tabicl"))
        n_scores = min(params.n_scores, train.n_features)
        if n_scores < params.n_scores:
            said.note(f"{train.n_features} features make {n_scores} scores, not {params.n_scores}")
        label = train.target(ctx.target).astype(np.float64)
        self._facts = {
            "mean": float(label.mean()),
            "std": float(label.std()) or 1.0,
            "seed": ctx.seed,
            "device": ctx.device,
            "checkpoint": checksum,
        }
        self._arrays = dict(fit_projection(train, n_scores, params.shown, ctx.seed))
        eras = shown_eras(train.eras, params.shown)
        pools = {"pool": eras}
        if params.controls:
            pools["ancient"] = train.eras[: params.context_eras]
        for name, some in pools.items():
            self._arrays |= pool_of(
                train, some, ctx.target, params.shown, self._arrays, ctx.seed, name
            )
        for sentence in check_context(self._arrays, params.shown, len(eras)):
            said.aloud(sentence)
        self._reader("", ctx.n_threads)  # a checkpoint that cannot be read is told now
        n, shown = len(self._arrays["pool_y"]), self._arrays["pool_eras"]
        said.note(
            f"shown {n:,} rows of {len(shown)} eras, {shown[0]}-{shown[-1]} ({params.context}), by "
            f"{params.checkpoint.name}"
        )
        ctx.progress(1, 1)
        return FitReport(
            size=n,
            unit="rows",
            library_seconds=time.perf_counter() - start,
            notes=tuple(said.notes),
            details={"tabicl": {"context_eras": shown.tolist(), "checkpoint": checksum}},
        )

    def predict(self, frame: EraFrame) -> Float32:
        """Predict float32 [n_rows].

        Raises
        ------
        ModelError : the features are not those trained on, or the checkpoint is not what it was.
        """
        return self._predicted(frame, ()).predictions

    def predict_in_detail(self, frame: EraFrame, history: EraFrame | None = None) -> Detailed:  # noqa: ARG002
        """Predict, and beside it what the controls predict; raises as `predict`."""
        wanted = tuple(variant.name for variant in self.info_for(self.params).variants)
        return self._predicted(frame, wanted)

    def _predicted(self, frame: EraFrame, wanted: tuple[str, ...]) -> Detailed:
        self._trained.check(frame)
        found = {name: np.empty(frame.n_rows, dtype=np.float32) for name in ("", *wanted)}
        for _, rows in frame.iter_eras():
            scores = projected(era_bins(frame.features[rows]), self._arrays)
            for name, values in found.items():
                values[rows] = self._asked(name, scores)
        return Detailed(found.pop(""), found)

    def _asked(self, variant: str, scores: Float32) -> Float64:
        """Ask one reader for the rows of an era, on the target's scale."""
        reader = self._reader(variant)
        parts = [
            np.asarray(reader.predict(scores[i : i + _ROWS_AT_ONCE]), dtype=np.float64)
            for i in range(0, len(scores), _ROWS_AT_ONCE)
        ]
        values: Float64 = np.concatenate(parts) * self._facts["std"] + self._facts["mean"]
        return values

    def _reader(self, variant: str, n_threads: int = 0) -> Any:
        """Return the foundation model as it has been shown a context; made once in a process."""
        if variant not in self._readers:
            x, y = next(self._context(variant))
            if self._facts["checkpoint"] != _checksum_of(self.params.checkpoint):
                raise ModelError(
                    "is not the checkpoint that this model was made with (its SHA-256 differs)",
                    where=str(self.params.checkpoint),
                    fix="bring that one back, or train the model again",
                )
            self._readers[variant] = _shown(self.params, self._facts, x, y, n_threads)
        return self._readers[variant]

    def _context(self, variant: str) -> Iterator[tuple[Float32, Float32]]:
        name = "ancient" if variant == ANCIENT.name else "pool"
        given = self._arrays
        if variant == SHUFFLED.name:
            given = shuffled(given, self._facts["seed"])
        every = np.arange(len(given[f"{name}_eras"]))
        return contexts(given, every, 1, name)

    def save(self, folder: Path) -> None:
        """Write `context.npz`, the rows that are shown, and `meta.json`; not the checkpoint."""
        write_arrays(folder / _FILE, self._arrays, {"net": "tabicl"})
        save_meta(folder, self.params, {"facts": self._facts, **self._trained.facts()})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raises ModelError where a file is gone or damaged."""
        params, meta = load_meta(folder, TabICLParams)
        model = cls(params)
        model._arrays, _ = read_arrays(folder / _FILE)
        model._facts, model._trained = meta["facts"], TrainedFeatures.from_facts(meta)
        return model

    def memory_needed(self, shape: Shape) -> Needs:
        """Return the bytes that a fit takes beside the rows: torch, and products of features."""
        return Needs(host=(800 << 20) + 24 * shape.n_features**2)

    def ways_to_take_less(self) -> tuple[str, ...]:
        """Fewer features."""
        return ("data.feature_set with fewer features",)


def _shown(
    params: TabICLParams, facts: Mapping[str, Any], x: Float32, y: Float32, n_threads: int
) -> Any:
    """Read the checkpoint and show it rows; raises ModelError in one sentence where it cannot."""
    try:
        from tabicl import TabICLRegressor
    except ImportError as error:
        raise ModelError(
            f"tabicl needs a library that is not there ({in_one_line(error)})",
            where="model.type tabicl",
            fix="pip install 'numerai_lab[icl]'",
        ) from None
    reader = TabICLRegressor(
        n_estimators=params.n_estimators,
        model_path=params.checkpoint,
        allow_auto_download=False,
        device=facts["device"],
        use_amp=False,
        random_state=child_seed(facts["seed"], "tabicl"),
        n_jobs=n_threads or None,
    )
    try:
        reader.fit(x, y)
    except (
        AssertionError,  # it lacks its config or weights
        RuntimeError,  # weights of other shapes, or bytes that torch does not know
        TypeError,  # a config of another version
        KeyError,
        EOFError,
        pickle.UnpicklingError,
        zipfile.BadZipFile,
    ) as error:
        raise ModelError(
            f"cannot be read as a checkpoint of tabicl ({in_one_line(error)})",
            where=str(params.checkpoint),
            fix=_HOW,
        ) from error
    if reader.model_config_.get("max_classes", 0):
        raise ModelError(
            "is a checkpoint that tells classes apart, and labels here are numbers",
            where=str(params.checkpoint),
            fix=_HOW,
        )
    return reader


def _checksum_of(path: Path) -> str:
    """Return the SHA-256 of a checkpoint; raises ModelError where there is none."""
    if not path.is_file():
        raise ModelError("there is no such checkpoint", where=str(path), fix=_HOW)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
