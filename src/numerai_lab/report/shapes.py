"""What the files of a run directory look like to the report, with every value optional."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from numerai_lab.models import size_and_unit
from numerai_lab.report import figures
from numerai_lab.scoring import verdict

MODEL = "prediction"
"""What scores.json calls the run's own predictions."""


DIFFERENT_ERAS = (
    "The predictions were scored in different eras and do not compare; `numerai-lab evaluate RUN` "
    "shows them on the same ones."
)
"""Stands below scores of a version that did not hold predictions beside each other by eras."""


def _finite_or_none(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _present(value: Any) -> Any:
    """Leave nulls out of a mapping; a null in its place is an empty one."""
    if value is None:
        return {}
    return {k: v for k, v in value.items() if v is not None} if type(value) is dict else value


def _no_rounding(value: Any) -> Any:
    """Leave out a Sharpe that divides by rounding errors; older runs hold such ones."""
    return None if isinstance(value, float) and not abs(value) < 1e9 else value


Number = Annotated[float | None, BeforeValidator(_finite_or_none)]
Sharpe = Annotated[float | None, BeforeValidator(_no_rounding)]
Eras = tuple[int, int]


class Shown(BaseModel):
    """Base of all: a null counts as absent, and keys that are not shown are ignored."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True, protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        return _present(value)


class Stats(Shown):
    """Summary over eras of one per-era score."""

    mean: Number = None
    std: Number = None
    sharpe: Sharpe = None
    sharpe_hac: Sharpe = None
    max_drawdown: Number = None
    hit_rate: Number = None
    last_20: Number = None
    last_50: Number = None
    last_100: Number = None
    ci_low: Number = None
    ci_high: Number = None
    n_eras: int | None = None
    n_nan: int = 0
    first_era: int | None = None
    last_era: int | None = None


ByMetric = Annotated[dict[str, Stats], BeforeValidator(_present)]
ByPrediction = Annotated[dict[str, ByMetric], BeforeValidator(_present)]
ByTarget = Annotated[dict[str, ByPrediction], BeforeValidator(_present)]


class PeriodMean(Shown):
    """The mean difference in a run of eras; the label is a year, or the eras themselves."""

    label: str = "?"
    first_era: int | None = None
    last_era: int | None = None
    n_eras: int | None = None
    mean: Number = None
    ci_low: Number = None
    ci_high: Number = None


class RollingMeans(Shown):
    """The mean difference in every run of so many neighbouring eras."""

    window_eras: int | None = None
    n_windows: int = 0
    share_above: Number = None
    worst: Number = None
    worst_first: int | None = None
    worst_last: int | None = None


class LevelTest(Shown):
    """The test for a change of level."""

    p_value: Number = None
    last_era_before: int | None = None
    mean_before: Number = None
    mean_after: Number = None


class Comparison(Shown):
    """Paired per-era difference of two predictions, one minus the other.

    `thirds` is None in scores.json of runs that were made before periods were judged.
    """

    prediction: str = MODEL
    baseline: str = "?"
    metric: str = "corr"
    mean_difference: Number = None
    ci_low: Number = None
    ci_high: Number = None
    probability_of_improvement: Number = None
    n_eras: int | None = None
    first_era: int | None = None
    last_era: int | None = None
    smallest_detectable: Number = None
    thirds: list[PeriodMean] | None = None
    years: list[PeriodMean] = Field(default_factory=list)
    rolling: RollingMeans | None = None
    level_change: LevelTest | None = None
    n_compared: int = 1
    p_among: Number = None
    control: bool = False

    @property
    def name(self) -> str:
        """What the difference is called, on the page as on the terminal."""
        return f"{self.prediction} - {self.baseline}"

    @property
    def way(self) -> str:
        """Which way it goes; a control is not better or worse, it is only above or below."""
        parts = None if self.thirds is None else [period.mean or 0.0 for period in self.thirds]
        found = verdict(self.ci_low, self.ci_high, parts, self.p_among)
        if self.control:
            found = found.replace("better", "above").replace("worse", "below")
        return found.replace("_", " ")

    @property
    def way_in_words(self) -> str:
        """The same, with what "so far" means."""
        return f"{self.way}, not in every period" if self.way.endswith("so far") else self.way

    @property
    def improves(self) -> float | None:
        """Probability of improvement; None where the two score the same in every era."""
        return None if self.way == "identical" else self.probability_of_improvement


class ShownVariant(Shown):
    """A further prediction of the run's own model, as the model declared it."""

    name: str = "?"
    label: str = ""
    control: bool = False
    reading: str = ""


class Simulation(Shown):
    """One stake carried through the eras; payouts are shares of the stake."""

    n_rounds: int = 0
    mean: Number = None
    compounded: Number = None
    n_clipped: int | None = None


class PayoutFacts(Shown):
    """What the scores would have paid."""

    simulation: Simulation = Field(default_factory=Simulation)


class JudgedEras(Shown):
    """The first and last judged era, and how many there are."""

    first: int | None = None
    last: int | None = None
    n: int | None = None


class Block(Shown):
    """Predictions on the same eras; where `eras` is empty, each is on all its own."""

    eras: JudgedEras = Field(default_factory=JudgedEras)
    scores: ByPrediction = Field(default_factory=dict)

    @property
    def same(self) -> bool:
        """Whether every row is known to be over the same eras."""
        if self.eras.n is not None:
            return True
        counts = {by.get("corr", Stats()).n_eras for by in self.scores.values()}
        return len(counts - {None, 0}) <= 1


class Scores(Shown):
    """scores.json."""

    target: str = "target"
    benchmark: str | None = None
    meta_model: str | None = None
    horizon_days: int | None = None
    eras: JudgedEras = Field(default_factory=JudgedEras)
    warnings: list[str] = Field(default_factory=list)
    scores: ByPrediction = Field(default_factory=dict)
    scores_by_target: ByTarget = Field(default_factory=dict)
    same_eras: Annotated[dict[str, list[Block]], BeforeValidator(_present)] = Field(
        default_factory=dict
    )
    variants: list[ShownVariant] | None = None
    comparisons: list[Comparison] = Field(default_factory=list)
    payout: PayoutFacts = Field(default_factory=PayoutFacts)

    def names(self, among: Mapping[str, Any] | None = None) -> list[str]:
        """Return the predictions' names: the run's own, the baselines, the benchmark last."""
        there = self.scores if among is None else among
        others = [name for name in there if name not in (MODEL, self.benchmark)]
        ends = [self.benchmark] if self.benchmark in there and self.benchmark else []
        return [name for name in (MODEL,) if name in there] + others + ends

    def blocks(self, target: str) -> list[Block]:
        """Return the predictions in blocks of the same eras, for one target, the widest first.

        One without any corr stands in the first block. What shares no era with the run's own
        prediction comes last, each on its own eras, as does all of a version without blocks.
        """
        by_name = self.scores if target == self.target else self.scores_by_target.get(target, {})
        blocks = []
        for block in self.same_eras.get(target, []):
            scores = {name: by for name, by in block.scores.items() if name in by_name}
            blocks.append(Block(eras=block.eras, scores=scores))
        held = {name for block in blocks for name in block.scores}
        left = {name: scores for name, scores in by_name.items() if name not in held}
        if blocks:
            blank = {n: by for n, by in left.items() if by.get("corr", Stats()).mean is None}
            blocks[0] = blocks[0].model_copy(update={"scores": blocks[0].scores | blank})
            left = {name: scores for name, scores in left.items() if name not in blank}
        return [*blocks, *([Block(scores=left)] if left else [])]

    def unlike(self, target: str) -> str | None:
        """Say which predictions cannot be compared because their eras differ, if any."""
        alone = [block for block in self.blocks(target) if block.eras.n is None]
        if alone and self.same_eras.get(target):
            return f"{', '.join(alone[0].scores)}: no era in common with the run's own predictions."
        return DIFFERENT_ERAS if alone and not alone[0].same else None

    def variant(self, name: str) -> ShownVariant | None:
        """Return the variant of this name; None where it is none of the model's."""
        return next((variant for variant in self.variants or () if variant.name == name), None)

    def stats(self, name: str, metric: str = "corr") -> Stats:
        """Return one summary; an empty one where there is none."""
        return self.scores.get(name, {}).get(metric) or Stats()

    def scored_in_part(self) -> list[str]:
        """Say which of the run's contributions are known in fewer eras than its corr."""
        all_eras = self.stats(MODEL).n_eras or 0
        known = {key: self.stats(MODEL, key) for key in ("mmc", "bmc", "fnc")}
        return [
            f"{key} is known in {s.n_eras} of {all_eras} eras only"
            + ("" if s.first_era is None else f" ({figures.eras(s.first_era, s.last_era)})")
            for key, s in known.items()
            if s.n_eras is not None and s.n_eras < all_eras
        ]


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


class Fold(Shown):
    """One fold; runs of eras hold both ends."""

    fold: int = 0
    train: EraWindow = Field(default_factory=EraWindow)
    judged: EraWindow = Field(default_factory=EraWindow)
    purge_eras: int = 0
    embargo_eras: int = 0
    train_eras: list[Eras] = Field(default_factory=list)
    judged_eras: list[Eras] = Field(default_factory=list)
    dropped_eras: list[Eras] = Field(default_factory=list)
    test: KeptForTest | None = None
    test_purge_eras: int = 0
    test_eras: list[Eras] = Field(default_factory=list)


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


class Fit(Shown):
    """fit.json of one fold; `importance` is the total gain by feature.

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
