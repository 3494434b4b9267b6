"""What a person may write in an experiment: the pydantic schema of the YAML.

Every section is strict: unknown keys are errors, and a string never becomes a number. The
model's own parameters (`model.params`) are checked later by the model they belong to.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from numerai_lab.config.remote import from_home, local_or_remote
from numerai_lab.weeks import week_written

Auto = Literal["auto"]
Aim = Literal["corr", "mmc", "bmc", "payout"]
"""What predictions are made for: the target, or what they add to the meta model or benchmark."""
NonNegative = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
LocalPath = Annotated[Path, Field(strict=False), AfterValidator(from_home)]
EraNumber = Annotated[int, BeforeValidator(week_written)]
"""An era's number; a date (2013-01-04) stands for the number of its week."""
EraFormat = Literal["auto", "week_number", "date", "days_since_1970"]


class Section(BaseModel):
    """Base of every section: frozen, strict types, unknown keys rejected."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class EraRange(Section):
    """A run of eras, both ends included; a bound left out is open."""

    from_: EraNumber | None = Field(
        None, alias="from", description="first era: its number, or a date where eras are dates"
    )
    to: EraNumber | None = Field(None, description="last era, included: a number or a date")

    @model_validator(mode="after")
    def _ordered(self) -> EraRange:
        if self.from_ is not None and self.to is not None and self.from_ > self.to:
            raise ValueError(f"from {self.from_} is after to {self.to}")
        return self


class EraSelection(EraRange):
    """Which eras to load at all."""

    step: Positive = Field(1, description="keep every step-th era, by era number")
    offset: NonNegative = Field(0, description="keep eras with (number - 1) % step == offset")

    @model_validator(mode="after")
    def _offset_below_step(self) -> EraSelection:
        if self.offset >= self.step:
            raise ValueError(f"offset {self.offset} must be below step {self.step}")
        return self


class EraColumn(Section):
    """The column that tells a row's era, and what its values count."""

    column: str = Field("era", description="its name")
    format: EraFormat = Field(
        "auto",
        description="auto: week numbers (575, '0575', 'era575'), or dates where the column's type "
        "is a date or timestamp or its text is 2013-01-04; week_number: week numbers at any "
        "distance; date: also 20130104; days_since_1970",
    )


class Columns(Section):
    """Names of columns in files that are not Numerai's own (source: parquet)."""

    era: str | EraColumn = Field(
        "era",
        description="column with the era: its name, or {column: NAME, format: date} where its "
        "values are not the numbers of weeks",
    )
    id: str = Field("id", description="column or index level with the row's id")
    data_type: str | None = Field(None, description="column with train/validation/test/live")
    keep_data_types: list[str] | None = Field(
        None, description="rows to read, by data_type; all if left out"
    )
    features: str | list[str] = Field(
        "feature", description="prefix of the feature columns, or their list"
    )
    targets: dict[str, str] = Field(
        default_factory=dict, description="name used here -> column in the file"
    )

    @property
    def era_column(self) -> EraColumn:
        """The era's column, with its format also where only its name is written."""
        return EraColumn(column=self.era) if isinstance(self.era, str) else self.era


class Missing(Section):
    """What happens to missing feature values; nothing is filled unless it says so here."""

    policy: Literal["keep", "constant", "median_per_era"] = "keep"
    value: int | float = Field(2, description="the value for policy: constant")
    all_twos_is_missing: bool = Field(
        False, description="v5: a feature that is 2 on a whole era counts as missing there"
    )
    max_row_missing: Fraction | None = Field(
        None, description="drop rows with a larger share of missing features"
    )
    max_feature_missing: Fraction | None = Field(
        None, description="drop features with a larger share of missing rows (training rows)"
    )


class Store(Section):
    """Where features are kept, converted once from parquet, to be read from disk in training."""

    use: Literal["auto", "always", "never"] = Field(
        "auto",
        description="auto: when the features take 1 GiB or more, or a store has them already; "
        "never: all in memory",
    )
    dir: LocalPath = Field(Path("data/store"), description="folder of all stores")
    verify: Literal["auto", "always", "never"] = Field(
        "auto",
        description="when the features' SHA-256 is checked before they are read, damage being made "
        "anew. auto: in every process for up to 8 GiB; of more, once on this machine, and again "
        "when size, times or inode of a file have changed, which misses what a disk loses by "
        "itself. always: in every process. never: sizes only. Eras, ids and targets always are",
    )


class Synthetic(Section):
    """The embedded tournament: Numerai's v5 layout, made from a seed."""

    n_eras: Annotated[int, Field(ge=8)] = 480
    rows_per_era: Annotated[int, Field(ge=20)] = 400
    n_features: Annotated[int, Field(ge=8)] = 60
    world: Literal[
        "drift", "static", "linked_weak", "linked_strong", "covariate_shift", "unlinked"
    ] = Field(
        "drift",
        description="what changes in time: drift, everything slowly; static, nothing; linked_*, "
        "a regime moves the features' correlations and the signal; covariate_shift, the former "
        "alone; unlinked, the latter alone",
    )
    n_regimes: Positive = Field(
        3, description="drift: how often the factor structure changes, plus one"
    )
    signal: Annotated[float, Field(ge=0)] = Field(
        1.0, description="strength of the planted signal; 0 gives labels without any skill"
    )
    seed: int = 0


class Rows(Section):
    """A part of the training rows, for a machine that is too small for all; judged rows are whole.

    Each era keeps its share, drawn with the experiment's seed.
    """

    share: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="of the rows of each training era"
    )
    stratify: Literal["target"] | None = Field(
        "target", description="draw from each value of the main target its share; null: from all"
    )

    @property
    def said(self) -> str:
        """How a reader of scores is told."""
        where = "each era and each value of the main target" if self.stratify else "each era"
        return (
            f"trained on {100 * self.share:g} % of the training rows, drawn within {where} "
            "(data.rows)"
        )


class Data(Section):
    """Where rows come from and which of them are used."""

    source: Literal["auto", "numerai", "parquet", "synthetic"] = Field(
        "auto", description="auto: Numerai files in dir if they are there, else synthetic"
    )
    dir: LocalPath = Field(Path("data"), description="folder in Numerai's layout")
    version: Annotated[str, Field(pattern=r"^v\d+(\.\d+)*$")] | None = Field(
        None, description="Numerai's data version, a folder in dir, as v5.3; the newest if left out"
    )
    files: list[Annotated[Path, Field(strict=False), BeforeValidator(local_or_remote)]] = Field(
        default_factory=list,
        description="parquet files (source: parquet): paths, globs, folders of part files, or "
        "URLs of any kind fsspec knows",
    )
    columns: Columns = Field(default_factory=Columns)
    feature_set: str = Field("all", description="a set of features.json, or all")
    features: Annotated[list[str], Field(min_length=1)] | None = Field(
        None, description="explicit list, instead of feature_set"
    )
    feature_sets: dict[str, Literal["all"] | list[str]] = Field(
        default_factory=dict, description="sets defined here, on top of features.json"
    )
    targets: Annotated[list[str], Field(min_length=1)] = Field(
        default_factory=lambda: ["target"], description="targets to train on, the main one first"
    )
    optional_targets: list[str] = Field(
        default_factory=list, description="more targets to train on where the data has them"
    )
    horizons: dict[str, Positive] = Field(
        default_factory=dict,
        description="horizon in trading days of targets whose name does not end in _20 or _60",
    )
    averages: dict[str, Annotated[list[str], Field(min_length=2)]] = Field(
        default_factory=dict,
        description="targets made of others, their mean: {NAME: [TARGET, TARGET]}; the horizon is "
        "the longest of theirs",
    )
    entity: str | None = Field(
        None,
        description="column that tells what a row is about over all eras, such as its ticker "
        "(source: parquet)",
    )
    side: list[str] = Field(
        default_factory=list,
        description="columns known at their era that are never features: past returns, volatility, "
        "sector, date (source: parquet)",
    )
    eras: EraSelection = Field(default_factory=EraSelection)
    rows: Rows | None = Field(None, description="train on a part of the rows; all if left out")
    missing: Missing = Field(default_factory=Missing)
    store: Store = Field(default_factory=Store)
    synthetic: Synthetic = Field(default_factory=Synthetic)

    @field_validator("averages")
    @classmethod
    def _of_other_targets(
        cls, averages: dict[str, list[str]], info: ValidationInfo
    ) -> dict[str, list[str]]:
        columns, horizons = info.data.get("columns"), info.data.get("horizons", {})
        for name, parts in averages.items():
            within = [part for part in parts if part in averages]
            if within:
                what = "itself" if within[0] == name else f"'{within[0]}', an average"
                raise ValueError(f"'{name}' is an average of {what}: name targets of the files")
            if len(set(parts)) < len(parts):
                twice = next(part for part in parts if parts.count(part) > 1)
                raise ValueError(f"'{name}' has '{twice}' twice")
            if columns is not None and name in columns.targets:
                raise ValueError(f"'{name}' is a target in columns.targets: call it otherwise")
            if name in horizons:
                raise ValueError(
                    f"the horizon of '{name}' is that of its targets: take it out of horizons"
                )
        return averages


class _Split(Section):
    purge_eras: Auto | NonNegative = Field(
        "auto", description="eras dropped before the judged ones; auto: from the longest horizon"
    )
    train_step: Positive = Field(1, description="train on every step-th era only")
    train_offset: NonNegative = 0

    @model_validator(mode="after")
    def _offset_below_step(self) -> _Split:
        if self.train_offset >= self.train_step:
            raise ValueError(
                f"train_offset {self.train_offset} must be below train_step {self.train_step}"
            )
        return self


class OfficialSplit(_Split):
    """Numerai's walk-forward protocol: chunks of 156 eras, expanding window."""

    type: Literal["official"]
    chunk_eras: Positive = 156
    partial_chunk: bool = Field(False, description="also judge the last, incomplete chunk")


class WalkForwardSplit(_Split):
    """Walk forward with an expanding or rolling training window."""

    type: Literal["walk_forward"]
    window: Literal["expanding", "rolling"] = "expanding"
    first_train_eras: Positive = Field(156, description="era numbers before the first judged era")
    chunk_eras: Positive = Field(52, description="era numbers judged by one model")
    partial_chunk: bool = True


class BlockedSplit(_Split):
    """Contiguous blocks, each judged by a model trained before AND after it (optimistic)."""

    type: Literal["blocked"]
    n_blocks: Annotated[int, Field(ge=2)] = 5
    embargo_eras: Auto | NonNegative = Field(
        "auto", description="eras dropped after the judged ones; auto: as the purge"
    )


class HoldoutSplit(_Split):
    """One fold; a bound left out is open (train.to: up to the purge before validate.from)."""

    type: Literal["holdout"]
    train: EraRange = Field(default_factory=EraRange)
    validate_: EraRange = Field(default_factory=EraRange, alias="validate")
    test: EraRange | None = Field(
        None,
        description="later eras that only `evaluate RUN --test` judges, each time counted; "
        "validation then ends a purge before them",
    )

    @model_validator(mode="after")
    def _test_begins_somewhere(self) -> HoldoutSplit:
        if self.test is not None and self.test.from_ is None:
            raise ValueError("test needs from, the first era kept for the test")
        return self


Split = Annotated[
    OfficialSplit | WalkForwardSplit | BlockedSplit | HoldoutSplit, Field(discriminator="type")
]


class Weights(Section):
    """Sample weights of the training rows."""

    type: Literal["none", "era_equal", "era_decay"] = "none"
    half_life_eras: Annotated[float, Field(gt=0)] = Field(
        200.0, description="era_decay: an era this much older counts half"
    )


class EarlyStopping(Section):
    """Stop learning when mean per-era corr of an inner, purged slice stops rising."""

    rounds: Positive = Field(
        50,
        description="boosting rounds, or epochs of a network, without a new best before stopping",
    )
    eras: Positive = Field(40, description="length of the slice, era numbers at the end of train")
    purge_eras: Auto | NonNegative = "auto"


class ModelSection(Section):
    """Which model learns, and its parameters (`numerai-lab models NAME` explains them)."""

    type: str
    params: dict[str, Any] = Field(default_factory=dict)


class Neutralize(Section):
    """Post-processing: take features or a benchmark out of the predictions, era by era."""

    against: Literal["features", "benchmark"] = "features"
    feature_set: str | None = Field(None, description="against features; all loaded if left out")
    benchmark: str | None = Field(None, description="benchmark column; the first if left out")
    proportion: Fraction = 0.5


class Payout(Section):
    """clip(factor * (corr * corr_multiplier + mmc * mmc_multiplier), -limit, limit) per era.

    auto takes Numerai's rule for the horizon of the target scored: `scoring.payout_rule`.
    """

    factor: Auto | Annotated[float, Field(gt=0)] = Field("auto", description="payout factor")
    corr_multiplier: Auto | float = "auto"
    mmc_multiplier: Auto | float = "auto"
    limit: Auto | Annotated[float, Field(gt=0)] = Field(
        "auto", description="largest payout or burn, as a share of the stake"
    )


class Bootstrap(Section):
    """Block bootstrap of the mean over eras."""

    samples: Annotated[int, Field(ge=100)] = 2000
    block_eras: Auto | Positive = Field("auto", description="auto: four times the label overlap")


class Scoring(Section):
    """How predictions are judged."""

    targets: list[str] = Field(
        default_factory=list, description="more targets to score against, besides the main one"
    )
    benchmark: str = Field("auto", description="benchmark column for bmc; auto: the first; none")
    fnc_feature_set: str = Field("auto", description="auto: fncv3_features if there, else loaded")
    exposure: bool = True
    bootstrap: Bootstrap = Field(default_factory=Bootstrap)
    payout: Payout = Field(default_factory=Payout)


class Tune(Section):
    """How `numerai-lab tune` judges trials. What it searches stands where the values stood."""

    eras: EraRange = Field(
        default_factory=EraRange,
        description="eras that trials learn from and are judged on; to: the first half if left out",
    )
    folds: Positive = Field(
        2,
        description="inner folds: these eras are cut into one more part, each judged by a model "
        "of all before it, purged",
    )
    aim: Aim = Field(
        "corr",
        description="what each judged era is scored by: corr; mmc or bmc, what is added to the "
        "meta model or the benchmark; payout: corr and mmc with the multipliers of scoring.payout",
    )
    score: Literal["mean", "sharpe_hac", "ci_low"] = Field(
        "mean",
        description="of the aim over the judged eras: its mean, its Sharpe corrected for "
        "overlapping labels, or the lower end of the mean's 95 % interval",
    )
    prune: bool = Field(True, description="end trials that are surely worse after an early fold")


class Tuned(Section):
    """Where the values of a config were found; `numerai-lab tune` writes it."""

    first_era: int = Field(description="first era of the study")
    last_era: int = Field(description="last era whose labels chose the values")
    trials: Positive = Field(description="trials that they are the best of")
    study: str = Field(description="folder of the study")


EXPERIMENT_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
"""What an experiment may be called: its runs lie in a folder of that name."""
RESIDUAL = "residual_of_benchmark"
"""What `train_on` calls the part of the main target that a benchmark leaves."""


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

    @property
    def label(self) -> str:
        """Name of the target that the model learns."""
        if self.train_on is None:
            return self.data.targets[0]
        return RESIDUAL if isinstance(self.train_on, ResidualOfRun) else self.train_on
