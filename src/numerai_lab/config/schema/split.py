"""Which eras teach and which are judged: the sections `split`, `weights`, `early_stopping`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from numerai_lab.config.schema.base import Auto, EraRange, NonNegative, Positive, Section


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
