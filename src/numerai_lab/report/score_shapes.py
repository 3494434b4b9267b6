"""What scores.json looks like to the report, with every value optional."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from numerai_lab.report import figures
from numerai_lab.report.shapes import Number, Sharpe, Shown, present
from numerai_lab.scoring import verdict

MODEL = "prediction"
"""What scores.json calls the run's own predictions."""


DIFFERENT_ERAS = (
    "The predictions were scored in different eras and do not compare; `numerai-lab evaluate RUN` "
    "shows them on the same ones."
)
"""Stands below scores of a version that did not hold predictions beside each other by eras."""


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


ByMetric = Annotated[dict[str, Stats], BeforeValidator(present)]
ByPrediction = Annotated[dict[str, ByMetric], BeforeValidator(present)]
ByTarget = Annotated[dict[str, ByPrediction], BeforeValidator(present)]


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


class SeedBound(Shown):
    """What another seed changes of a difference."""

    of: list[str] = Field(default_factory=list)
    n_seeds: list[int] = Field(default_factory=list)
    bound: Number = None
    within: bool = False


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
    seed_noise: SeedBound | None = None
    control: bool = False

    def name(self, own: str) -> str:
        """Return what the difference is called; `own` is the name of the run's experiment."""
        first = own if self.prediction == MODEL else self.prediction
        return f"{first} - {self.baseline}"

    @property
    def way(self) -> str:
        """Which way it goes; a control is not better or worse, it is only above or below."""
        parts = None if self.thirds is None else [period.mean or 0.0 for period in self.thirds]
        within = self.seed_noise is not None and self.seed_noise.within
        found = verdict(self.ci_low, self.ci_high, parts, self.p_among, within_seed_noise=within)
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


class Rule(Shown):
    """Of the rule of payouts, what part of the stake one round has at stake."""

    stake_share: Number = None


class PayoutFacts(Shown):
    """What the scores would have paid."""

    rule: Rule = Field(default_factory=Rule)
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
    trained_on: str = ""
    origin: str = ""
    scores: ByPrediction = Field(default_factory=dict)
    scores_by_target: ByTarget = Field(default_factory=dict)
    same_eras: Annotated[dict[str, list[Block]], BeforeValidator(present)] = Field(
        default_factory=dict
    )
    variants: list[ShownVariant] | None = None
    comparisons: list[Comparison] = Field(default_factory=list)
    payout: PayoutFacts = Field(default_factory=PayoutFacts)
    portfolio: dict[str, Any] | None = None

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
