"""The section `data`: where rows come from, and which of them are used."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from numerai_lab.config.remote import local_or_remote
from numerai_lab.config.schema.base import LocalPath, Positive, Section
from numerai_lab.config.schema.columns import Columns
from numerai_lab.config.schema.prices import Prices, Source, with_price_defaults
from numerai_lab.config.schema.rows import EraSelection, Missing, Rows


class Store(Section):
    """Where features are kept, converted once from parquet, to be read from disk in training."""

    use: Literal["auto", "always", "never"] = Field(
        "auto",
        description="auto: when the features take 512 MiB or more, or a store has them already; "
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


class Data(Section):
    """Where rows come from and which of them are used."""

    source: Source = Field(
        "auto",
        description="auto: Numerai files in dir if they are there, else synthetic; prices: daily "
        "prices, of which weekly rows are made",
    )
    dir: LocalPath = Field(Path("data"), description="folder in Numerai's layout")
    version: Annotated[str, Field(pattern=r"^v\d+(\.\d+)*$")] | None = Field(
        None, description="Numerai's data version, a folder in dir, as v5.3; the newest if left out"
    )
    files: list[Annotated[Path, Field(strict=False), BeforeValidator(local_or_remote)]] = Field(
        default_factory=list,
        description="parquet files (source: parquet): paths, globs, folders of part files, or "
        "URLs of any kind fsspec knows; parquet or CSV files of prices (source: prices)",
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
    join: list[dict[str, Any]] = Field(
        default_factory=list,
        description="columns of files of one's own, by era, date, entity or id: {file, by, "
        "columns, available_from}; each is a step of type join before the others of transforms "
        "(docs/features.md)",
    )
    eras: EraSelection = Field(default_factory=EraSelection)
    rows: Rows | None = Field(None, description="train on a part of the rows; all if left out")
    missing: Missing = Field(default_factory=Missing)
    store: Store = Field(default_factory=Store)
    synthetic: Synthetic = Field(default_factory=Synthetic)
    prices: Prices | None = Field(None, description="how daily prices become rows (source: prices)")

    @model_validator(mode="before")
    @classmethod
    def _of_prices(cls, written: Any) -> Any:
        return with_price_defaults(written)

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
