"""What a pretraining config (configs/icl_pretrain.yaml) may hold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from numerai_lab.config import EXPERIMENT_NAME
from numerai_lab.errors import ModelError
from numerai_lab.models.contract import Params
from numerai_lab.models.nets.in_context.module import Architecture, Size
from numerai_lab.models.nets.in_context.priors import WEIGHTS
from numerai_lab.models.nets.in_context.tasks import Mixture, check_weights
from numerai_lab.models.nets.params import Count, Positive

Pair = Annotated[list[int], Field(min_length=2, max_length=2)]
Share = Annotated[float, Field(ge=0, le=1)]
Noise = Annotated[float, Field(ge=0, le=1e6)]


class NetSettings(Params):
    """The size of the net."""

    architecture: Architecture = Field(
        "set",
        description="set: rows of the context attend to each other, those asked for to the "
        "context; encoder_decoder: the context is encoded first; decoder: x and y alternate, and "
        "each attends to what was before it",
    )
    n_scores: Count = Field(16, description="numbers of a row, and the most dimensions of a task")
    width: Count = Field(64, description="numbers of a token; a multiple of heads")
    hidden: Count = Field(128, description="numbers inside a residual block")
    layers: Count = Field(4, description="of attention; encoder_decoder halves them")
    heads: Count = Field(4, description="of attention")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width: {self.width} is not a multiple of heads: {self.heads}")
        if self.architecture == "encoder_decoder" and self.layers < 2:
            raise ValueError("layers: an encoder_decoder has at least 2, one on either side")
        return self

    @property
    def size(self) -> Size:
        """What `module.new_net` takes."""
        return Size(**self.model_dump())


class TaskSettings(Params):
    """What a task looks like."""

    n_dims: Pair = Field([2, 16], description="fewest and most dimensions, drawn for each step")
    n_context: Pair = Field(
        [2, 96],
        description="fewest and most rows of a context, drawn for each step, its logarithm uniform",
    )
    n_queries: Count = Field(16, description="rows that are asked for")
    noise: Annotated[list[Noise], Field(min_length=2, max_length=2)] = Field(
        [0.05, 5.0],
        description="least and greatest variance of the noise as a multiple of the function's, "
        "drawn for each task, its logarithm uniform; [0, 0]: none",
    )
    binned: Share = Field(0.2, description="share of tasks whose labels are put in five bins")
    masked: Share = Field(
        0.1, description="share of tasks in which up to 30 % of the values of x are missing (0)"
    )

    @model_validator(mode="after")
    def _rising(self) -> Self:
        for name in ("n_dims", "n_context", "noise"):
            low, high = getattr(self, name)
            least = 0 if name == "noise" else 1
            if not least <= low <= high:
                raise ValueError(
                    f"{name}: [{low:g}, {high:g}] is no range from {least} up: write [fewest, most]"
                )
        return self


class RowSettings(Params):
    """Rows of real eras that the pretraining may see."""

    dir: Annotated[Path, Field(strict=False)] = Field(
        description="folder in Numerai's layout, as in an experiment's data section"
    )
    feature_set: str = "all"
    target: str = Field("target", description="read by `classes: auto` alone")
    to_era: Count = Field(
        description="the last era that is seen; no run can use the net to judge an earlier one"
    )
    share: Share = Field(
        0.5,
        description="share of a step's classes whose points are rows of an era, not normal ones",
    )


class AutoSettings(Params):
    """What `classes: auto` chooses from."""

    mixtures: Annotated[list[dict[str, float]], Field(min_length=2)] = Field(
        [
            WEIGHTS,
            {"linear": 0.5, "sparse": 0.5},
            {"network": 0.5, "trees": 0.5},
            {"linear": 0.4, "time_series": 0.6},
        ],
        description="shares of classes to choose from; each is pretrained for `steps`",
    )
    steps: Count = 1000


class PretrainSettings(Params):
    """A pretraining of the in-context net on tasks drawn at random."""

    pretrain: Literal["icl"] = Field(description="what is pretrained")
    name: Annotated[str, Field(pattern=EXPERIMENT_NAME)] = Field(
        description="of the folder that it is kept in"
    )
    seed: int = 42
    classes: Literal["auto"] | dict[str, float] = Field(
        WEIGHTS,
        description="share of each class of functions; they sum to 1. auto: the mixture of "
        "`auto.mixtures` that is worth most on `rows`, by being shown some of their eras",
    )
    auto: AutoSettings = AutoSettings()
    rows: RowSettings | None = Field(
        None, description="real rows as points of the tasks; left out: no row is ever seen"
    )
    kinds: dict[str, dict[str, float]] = Field(
        {}, description="weights of a class's kinds, as {linear: {lasso: 1.0}}; else all alike"
    )
    net: NetSettings = NetSettings()
    tasks: TaskSettings = TaskSettings()
    curriculum: Share = Field(
        0.3,
        description="share of the steps in which dimensions and rows rise from a quarter of the "
        "most to the most",
    )
    steps: Count = 20_000
    tasks_per_step: Count = 64
    learning_rate: Positive = Field(
        0.001, description="highest rate of AdamW, after a tenth of all steps; 1 % of it at the end"
    )
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    ema: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.998, description="decay of the moving average of the weights, which is what is kept"
    )
    accumulate: Count = Field(1, description="pieces that a step is computed in")
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    steps_between_looks: Count = Field(
        500, description="steps between looks at held-out tasks, and between checkpoints"
    )
    held_out_tasks: Count = Field(64, description="held-out tasks of each class at a look")
    curve_tasks: Count = Field(
        128, description="tasks of each class and length for the curves at the end"
    )
    patience: Annotated[int, Field(ge=0)] = Field(
        0, description="looks without a lower error on held-out tasks before it stops; 0: never"
    )
    workers: Annotated[int, Field(ge=0, le=256)] = Field(
        1,
        description="who draws tasks ahead: 1: a thread; more: so many processes, for a net that "
        "takes more than a core draws; 0: nobody. Changes no number",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        try:
            for mixture in self.auto.mixtures:
                check_weights(mixture, self.kinds, "auto.mixtures")
            if self.classes != "auto":
                check_weights(self.classes, self.kinds)
        except ModelError as error:  # told with the config's other mistakes
            raise ValueError(str(error)) from None
        if self.classes == "auto" and self.rows is None:
            raise ValueError(
                "classes: auto chooses on real eras: write rows: {dir: data, to_era: 376}"
            )
        if self.tasks.n_dims[1] > self.net.n_scores:
            raise ValueError(
                f"tasks.n_dims: {self.tasks.n_dims[1]} dimensions are more than the "
                f"{self.net.n_scores} scores that the net reads: write a larger net.n_scores"
            )
        if self.accumulate > self.tasks_per_step:
            raise ValueError("accumulate: a step has no more pieces than tasks_per_step")
        return self

    @property
    def mixture(self) -> Mixture:
        """What tasks are drawn from."""
        low, high = self.tasks.noise
        assert self.classes != "auto"
        return Mixture(
            self.classes,
            self.kinds,
            self.net.n_scores,
            (low, high),
            self.tasks.binned,
            self.tasks.masked,
        )

    def sizes_at(self, step: int) -> tuple[int, int]:
        """Return the most dimensions and rows of a context at a step of the curriculum."""
        rising = self.curriculum * self.steps
        share = 1.0 if step >= rising else 0.25 + 0.75 * step / rising
        most = (self.tasks.n_dims, self.tasks.n_context)
        dims, rows = (max(low, round(low + (high - low) * share)) for low, high in most)
        return dims, rows
