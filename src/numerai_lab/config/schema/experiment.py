"""What a person may write in an experiment: all its sections together.

Every section is strict: unknown keys are errors, and a string never becomes a number. The
model's own parameters (`model.params`) are checked later by the model they belong to.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from numerai_lab.config.schema.base import LocalPath, NonNegative, Section
from numerai_lab.config.schema.data import Data
from numerai_lab.config.schema.scoring import Neutralize, Scoring
from numerai_lab.config.schema.split import EarlyStopping, Split, Weights
from numerai_lab.config.schema.tune import Tune, Tuned

EXPERIMENT_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
"""What an experiment may be called: its runs lie in a folder of that name."""
RESIDUAL = "residual_of_benchmark"
"""What `train_on` calls the part of the main target that a benchmark leaves."""


class ModelSection(Section):
    """Which model learns, and its parameters (`numerai-lab models NAME` explains them)."""

    type: str
    params: dict[str, Any] = Field(default_factory=dict)


class ResidualOfRun(Section):
    """Learn what a run of the lab leaves of the main target."""

    residual_of_run: LocalPath = Field(
        description="a finished walk-forward run, whose out-of-fold predictions are the benchmark"
    )


class Experiment(Section):
    """One experiment: what learns from which rows, and how it is judged."""

    name: Annotated[str, Field(pattern=EXPERIMENT_NAME)]
    question: str = Field("", description="what this experiment is to find out")
    seed: NonNegative = 0
    device: Literal["cpu", "cuda"] = "cpu"
    threads: NonNegative = Field(0, description="0: all cores")
    artefacts_dir: LocalPath = Field(
        Path("data/artefacts"), description="folder of what models make once and use again"
    )
    data: Data = Field(default_factory=Data)
    split: Split
    train_on: str | ResidualOfRun | None = Field(
        None,
        description="what the model learns, where that is not the main target, which is judged all "
        "the same: another target or average; residual_of_benchmark, what the benchmark of "
        "scoring.benchmark leaves of it; or {residual_of_run: RUN}",
    )
    weights: Weights = Field(default_factory=Weights)
    early_stopping: EarlyStopping | None = None
    transforms: list[dict[str, Any]] = Field(
        default_factory=list,
        description="columns made of the features, in steps (docs/features.md): the model becomes "
        "`transformed`, with the one that is written here within it",
    )
    placebo: NonNegative | None = Field(
        None,
        description="with transforms: how many twins are fitted on columns without meaning; 1 if "
        "left out; 0: none, nor one without the columns",
    )
    model: ModelSection
    neutralize: Neutralize | None = None
    scoring: Scoring = Field(default_factory=Scoring)
    compare_to: list[str] = Field(
        default_factory=list, description="other experiments beside this config file, by name"
    )
    expect: dict[str, Literal[-1, 1]] = Field(
        default_factory=dict,
        description="feature: +1 or -1, the direction in which it should move predictions, which "
        "`numerai-lab explain` holds against every era; nothing is trained by it",
    )
    tune: Tune | None = Field(None, description="how `numerai-lab tune` judges trials")
    tuned: Tuned | None = Field(None, description="where these values were found")

    @model_validator(mode="after")
    def _placebo_of_transforms(self) -> Experiment:
        # where there are transforms, both stand within the model by now
        if self.placebo is not None and not self.transforms:
            raise ValueError("placebo is for transforms, and the config has none")
        return self

    @property
    def label(self) -> str:
        """Name of the target that the model learns."""
        if self.train_on is None:
            return self.data.targets[0]
        return RESIDUAL if isinstance(self.train_on, ResidualOfRun) else self.train_on
