"""What manifest.json, fits and test looks of a run are like to the report; every value optional."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field, model_validator

from numerai_lab.models import size_and_unit
from numerai_lab.report import figures
from numerai_lab.report.score_shapes import Scores
from numerai_lab.report.shapes import Eras, Number, Shown


class Git(Shown):
    """Where the code stood."""

    commit: str | None = None
    dirty: bool | None = None


class DataFile(Shown):
    """One file that was read."""

    path: str = "?"
    bytes: int | None = None
    rows: int | None = None
    sha256: str | None = None


class DataFacts(Shown):
    """Which rows the run saw."""

    source: str = "?"
    notice: str | None = None
    folder: str | None = None
    files: list[DataFile] = Field(default_factory=list)
    references: list[DataFile] = Field(default_factory=list)
    counts: dict[str, Any] = Field(default_factory=dict)
    n_features: int | None = None
    n_rows: int | None = None
    targets: list[str] = Field(default_factory=list)
    horizon_days: int | None = None
    first_era: int | None = None
    last_era: int | None = None
    n_eras: int | None = None
    first_date: str | None = None
    last_date: str | None = None
    era_dates: dict[int, str] = Field(default_factory=dict)

    def dates(self, first: int | None, last: int | None) -> str:
        """Write the dates of a run of eras after its numbers; nothing where eras have none."""
        known = self.era_dates
        ends = [None if era is None else known.get(era) for era in (first, last)]
        return figures.dates(*ends)


class EraWindow(Shown):
    """The eras and rows of one side of a fold; dates where eras are dates."""

    first: int | None = None
    last: int | None = None
    first_date: str | None = None
    last_date: str | None = None
    n_eras: int | None = None
    n_rows: int | None = None


class Look(Shown):
    """One look at the eras kept for a test."""

    number: int | None = None
    utc: str = "?"
    version: str = "?"
    command: str = ""
    baseline_of: str | None = None


class KeptForTest(EraWindow):
    """The eras kept for a test, with what is known of looks at them."""

    n_in_final: int = 0
    looks: int | None = None
    said: str = ""
    damage: str | None = None
    final: bool | None = None
    other_runs: int = 0
    looks_in_other_runs: int = 0
    history: list[Look] = Field(default_factory=list)
    scores: Scores | None = None


class SeedRun(Shown):
    """A run of the same experiment with one seed; the difference is to the first one."""

    seed: int | None = None
    run: str = "?"
    mean: Number = None
    difference: Number = None
    ci_low: Number = None
    ci_high: Number = None


class Seeds(Shown):
    """What the seed alone changes of an experiment's scores."""

    metric: str = "corr"
    target: str = "?"
    n_seeds: int = 0
    n_eras: int | None = None
    first_era: int | None = None
    last_era: int | None = None
    mean: Number = None
    ci_low: Number = None
    ci_high: Number = None
    std: Number = None
    another_seed: Number = None
    runs: list[SeedRun] = Field(default_factory=list)
    damage: str | None = None


class Fold(Shown):
    """One fold; runs of eras hold both ends. Of its judged eras, tuning has seen some labels."""

    fold: int = 0
    train: EraWindow = Field(default_factory=EraWindow)
    judged: EraWindow = Field(default_factory=EraWindow)
    purge_eras: int = 0
    embargo_eras: int = 0
    train_eras: list[Eras] = Field(default_factory=list)
    judged_eras: list[Eras] = Field(default_factory=list)
    dropped_eras: list[Eras] = Field(default_factory=list)
    seen_in_tuning: int = 0
    test: KeptForTest | None = None
    test_purge_eras: int = 0
    test_eras: list[Eras] = Field(default_factory=list)

    @property
    def seen(self) -> str:
        """Say that tuning has seen judged eras, and how many; empty where it has not."""
        n = self.judged.n_eras or 0
        if not self.seen_in_tuning:
            return ""
        return (
            "seen in tuning"
            if self.seen_in_tuning == n
            else (f"seen in tuning: {self.seen_in_tuning} of {n} eras")
        )


class Choice(Shown):
    """A model or a split: its type, and whatever else it was given."""

    model_config = ConfigDict(extra="allow")
    type: str = "?"


class Manifest(Shown):
    """manifest.json."""

    experiment: str = "?"
    question: str = ""
    config_hash: str | None = None
    created_utc: str | None = None
    git: Git = Field(default_factory=Git)
    versions: dict[str, str | None] = Field(default_factory=dict)
    machine: dict[str, Any] = Field(default_factory=dict)
    seed: int | None = None
    command: str | list[str] = ""
    data: DataFacts = Field(default_factory=DataFacts)
    model: Choice = Field(default_factory=Choice)
    split: Choice = Field(default_factory=Choice)
    notes: list[str] = Field(default_factory=list)
    folds: list[Fold] = Field(default_factory=list)


class Member(Shown):
    """One member of a model made of several, as fit.json tells of it under `details.members`."""

    member: str = "?"
    weight: Number = None
    oof_corr: Number = None
    correlations: dict[str, Number] = Field(default_factory=dict)


class TrainedNet(Shown):
    """One net: the epochs kept, and loss and corr of each."""

    seed: int | None = None
    kept: int | None = None
    loss: list[Number] = Field(default_factory=list)
    corr: list[Number] = Field(default_factory=list)


class EpochTrial(Shown):
    """The corr on held-out eras of a net that was trained for so many epochs."""

    epochs: int | None = None
    corr: Number = None


class RebuiltGroup(Shown):
    """Errors of a group of features that was rebuilt from the others, by three ways."""

    name: str = "?"
    features: int | None = None
    net: Number = None
    mean: Number = None
    linear: Number = None


class DrawnMask(Shown):
    """How often a mask was drawn, and the share of the groups that it hid."""

    mode: str = "?"
    drawn: Number = None
    hidden: Number = None


class Pretraining(Shown):
    """What a net learnt without labels before it was trained."""

    rows: int | None = None
    first: int | None = None
    last: int | None = None
    rows_per_second: Number = None
    loss: list[Number] = Field(default_factory=list)
    held_out: list[int] = Field(default_factory=list)
    groups: list[RebuiltGroup] = Field(default_factory=list)
    masks: list[DrawnMask] = Field(default_factory=list)


class Training(Shown):
    """How a fold's nets were trained, as fit.json tells of it under `details.training`.

    `not_chosen` says why epochs were not chosen where that was asked for.
    """

    device: str = "?"
    precision: str = "?"
    rows_per_second: Number = None
    nets: list[TrainedNet] = Field(default_factory=list)
    trials: list[EpochTrial] = Field(default_factory=list)
    not_chosen: str = ""
    pretraining: Pretraining | None = None


class AddedColumns(Shown):
    """Columns that steps added to the features; `importance` by column, beside that of features."""

    columns: list[str] = Field(default_factory=list)
    importance: dict[str, Number] = Field(default_factory=dict)


class GainAtAge(Shown):
    """What a guard found at ages from `first` to `last`, in eras, and the strength it took."""

    first: int
    last: int
    strength: Number = None
    n_eras: int = 0
    gain: dict[str, Number] = Field(default_factory=dict)


class Guard(Shown):
    """A guard's decision, as fit.json tells of it under `details.guard`."""

    by_age: list[GainAtAge] = Field(default_factory=list)


class FitDetails(Shown):
    """What a model tells of its fit: members, training, added columns and the guard are shown."""

    members: list[Member] = Field(default_factory=list)
    training: Training | None = None
    transforms: AddedColumns | None = None
    guard: Guard | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_this_form(cls, value: Any) -> Any:
        """Leave out what a model of somebody else's calls so and is of another form."""
        told = value if type(value) is dict else {}
        members, training = told.get("members"), told.get("training")
        found: dict[str, Any] = {}
        if type(members) is list and all(type(m) is dict and "member" in m for m in members):
            found["members"] = members
        if type(training) is dict and {"nets", "precision"} <= set(training):
            found["training"] = training
        if type(added := told.get("transforms")) is dict and {"columns", "importance"} <= set(
            added
        ):
            found["transforms"] = added
        guard = told.get("guard")
        spans = guard.get("by_age") if type(guard) is dict else None
        if type(spans) is list and all(
            type(span) is dict and {"first", "last", "gain"} <= set(span) for span in spans
        ):
            found["guard"] = {"by_age": spans}
        return found


class Fit(Shown):
    """fit.json of one fold; `importance` by feature, as `FitReport`.

    `per_era` is what a model that adapts to each era tells: `era`, and lists as long as it.
    """

    fold: int = 0
    size: int | None = None
    unit: str = ""
    library_seconds: Number = None
    fit_seconds: Number = None
    predict_seconds: Number = None
    importance: dict[str, Number] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)
    per_era: dict[str, list[Number]] = Field(default_factory=dict)
    details: FitDetails = Field(default_factory=FitDetails)

    @model_validator(mode="before")
    @classmethod
    def _any_age(cls, value: Any) -> Any:
        if type(value) is not dict:
            return value
        size, unit = size_and_unit(value)
        return {**value, "size": size, "unit": unit}


class Exposure(Shown):
    """exposure.json: mean correlation over eras of each feature with the prediction."""

    features: dict[str, Number] = Field(default_factory=dict)
