"""`lags` and `decompose`: earlier eras of a stock, or of the era's own numbers as gates."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from numerai_lab.arrays import Float64, Int8
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.features.gain import best, gains
from numerai_lab.features.gates import GateParams
from numerai_lab.features.protocol import Past, StepContext, StepParams, TransformInfo
from numerai_lab.features.runtime import centred, era_numbers, gated, numbers, rank_bins
from numerai_lab.features.step import Step

Of = Literal["auto", "stock", "correlation", "target_corr"]
_FEWEST = 2
"""Earlier eras that a mean is taken of, at least; else it is missing."""


class OverTimeParams(GateParams):
    """What `lags` and `decompose` share."""

    of: Of = Field(
        "auto",
        description="stock: a feature of the same entity in earlier eras; correlation: mean "
        "|correlation| between the features over an era, known at once; target_corr: each "
        "feature's correlation with the target over an era, known after the purge; both as gates. "
        "auto: stock where the data say what rows are about, else target_corr",
    )


class OverTime(Step):
    """What `lags` and `decompose` do alike; these say which windows, and what is made of them."""

    kind = ""
    Params: ClassVar[type[StepParams]] = OverTimeParams

    def fit(self, train: EraFrame, ctx: StepContext) -> None:
        """Choose the features by gain, unless they are named; find how an era's numbers spread.

        Raises ModelError : no earlier era is known, a feature is not the data's own, or the data do
            not say what rows are about.
        """
        n_raw = len(ctx.raw_names)
        if self.params.features is None:
            found = gains(train, ctx.target, ctx.seed, ctx.n_threads)[:n_raw]
            columns = best(found, min(self.params.top, n_raw))
        else:
            columns = self.places(train, self.params.features, "features")
            if max(columns) >= n_raw:
                raise self.wrong(
                    f"'{train.feature_names[max(columns)]}' is a column that a step adds, and "
                    "earlier eras have the data's own features only",
                    "features",
                    "name features of the data",
                )
        of = self.params.of
        if of == "auto":
            of = "target_corr" if train.entity is None else "stock"
        if of == "stock" and train.entity is None:
            raise self.wrong(
                "nothing says what a row is about, so no row can be followed",
                "of",
                "name data.entity (source: parquet), or write of: target_corr",
            )
        if of == "correlation" and len(columns) < 2:
            raise self.wrong("correlation needs two features", "features", "name another")
        names = [train.feature_names[i] for i in columns]
        self.settings = {
            "names": names,
            "of": of,
            "target": ctx.target,
            "bins": self.params.bins,
        }
        parts = self.parts()
        self._names = tuple(
            f"{self.params.label}.{part}.{name}" for part in parts for name in names
        )
        if ctx.past is None:
            raise self.wrong("no earlier eras are known")
        if of != "stock":
            each = [
                self._sizes(train.between(era, era), columns, ctx.past(era, self.history_eras))
                for era in train.eras.tolist()
            ]
            self._standardise(np.array(each))
        without = sum(
            ctx.past(era, self.history_eras).rows.n_eras < _FEWEST for era in train.eras.tolist()
        )
        if without:
            ctx.say(
                f"'{self.params.label}' looks back {self.history_eras} eras: {without} of "
                f"{train.n_eras} training eras have fewer than {_FEWEST} before them, and what "
                "cannot be computed there is missing"
            )

    @abstractmethod
    def parts(self) -> list[str]:
        """Return a name for each block of columns."""

    @abstractmethod
    def of_stock(self, own: Float64, entity: Any, past: Past, era: int) -> Float64:
        """Return [n_rows, n_parts x n_features], from the own values and earlier eras."""

    @abstractmethod
    def of_eras(self, series: dict[int, Float64], era: int, now: Float64 | None) -> Float64:
        """Return [n_parts, k] from an era's numbers by era; `now` are this era's, where known."""

    def apply(self, era: EraFrame, past: Past | None) -> Int8:
        """Return the columns for the rows of one era. Raises ModelError without earlier eras."""
        if past is None:
            raise ModelError("earlier eras are needed, and none are given")
        number = int(era.eras[0])
        first, names = number - self.history_eras, self.settings["names"]
        place = {name: i for i, name in enumerate(era.feature_names)}
        columns = [place[name] for name in names]
        bins = self.settings["bins"]
        if self.settings["of"] == "stock":
            own = numbers(era.features_in_memory()[:, columns])
            earlier = past.rows.between(first, number - 1)
            found = self.of_stock(own, era.entity, Past(earlier, past.resolved), number)
            ranked: Int8 = rank_bins(found, bins)
            return ranked
        sizes = self._sizes(era, columns, past) - np.array(self.settings["mean"])
        sizes = sizes / np.array(self.settings["unit"])
        features = era.features_in_memory()
        if sizes.shape[1] == 1:  # one number an era: a gate of every feature
            gates: Int8 = gated(features, columns, sizes[:, 0], bins)
            return gates
        # a number a feature: each is the gate of its own
        made = [gated(features, [c], sizes[:, j], bins) for j, c in enumerate(columns)]
        return np.concatenate([block[:, [p]] for p in range(len(sizes)) for block in made], axis=1)

    def _sizes(self, era: EraFrame, columns: list[int], past: Past) -> Float64:
        """Return an era's numbers, [n_parts, 1] or [n_parts, n_features], NaN where not known."""
        number, names = int(era.eras[0]), self.settings["names"]
        first = number - self.history_eras
        if self.settings["of"] == "correlation":
            rows = past.rows.between(first, number - 1)
            series = {
                e: era_numbers(_few(rows.between(e, e), names), _all(names), ["correlation"])
                for e in rows.eras.tolist()
            }
            now = era_numbers(era.features_in_memory(), columns, ["correlation"])
            return self.of_eras(series, number, now)
        rows = past.resolved.between(first, number - 1)
        target = self.settings["target"]
        series = {e: _target_corr(rows, names, target, e) for e in rows.eras.tolist()}
        return self.of_eras(series, number, None)

    def _standardise(self, sizes: Float64) -> None:
        """Find mean and deviation over training eras, [n_eras, n_parts, k].

        Of correlations with the target, whose sign is to stay, it is the root mean square.
        """
        known = np.maximum((~np.isnan(sizes)).sum(axis=0), 1)
        mean = np.nan_to_num(sizes).sum(axis=0) / known
        if self.settings["of"] == "target_corr":
            mean = np.zeros_like(mean)
        unit = np.sqrt((np.nan_to_num(sizes - mean) ** 2).sum(axis=0) / known)
        unit = np.where(unit > 0, unit, 1.0)
        self.settings |= {"mean": mean.tolist(), "unit": unit.tolist()}


class LagsParams(OverTimeParams):
    """Parameters of `lags`."""

    lags: Annotated[list[Annotated[int, Field(ge=1, le=520)]], Field(min_length=1)] = Field(
        default_factory=lambda: [1, 4, 13],
        description="era numbers back; of an era's numbers the mean over as many eras before",
    )
    change: bool = Field(False, description="of stock: the value less the earlier one")

    @property
    def n_numbers(self) -> int:
        """One a lag."""
        return len(self.lags)


class Lags(OverTime):
    """stock: x of the same entity L eras before. Else a gate: the mean of L eras' numbers."""

    info: ClassVar[TransformInfo] = TransformInfo(
        summary="features of the same stock in earlier eras, or means over earlier eras as gates",
        state="fitted",
    )
    Params: ClassVar[type[StepParams]] = LagsParams

    @property
    def history_eras(self) -> int:
        """The longest lag."""
        return int(max(self.params.lags))

    def parts(self) -> list[str]:
        """One a lag."""
        return [str(lag) for lag in self.params.lags]

    def of_stock(self, own: Float64, entity: Any, past: Past, era: int) -> Float64:
        """Look each entity up in the era of each lag."""
        blocks = []
        for lag in self.params.lags:
            before = _of_entities(past.rows.between(era - lag, era - lag), entity, self.settings)
            blocks.append(own - before if self.params.change else before)
        return np.concatenate(blocks, axis=1)

    def of_eras(self, series: dict[int, Float64], era: int, now: Float64 | None) -> Float64:  # noqa: ARG002 - a lag is before it
        """Take the mean over each window."""
        k = 1 if self.settings["of"] == "correlation" else len(self.settings["names"])
        return np.array([_mean_of(series, era - lag, era - 1, k) for lag in self.params.lags])


class DecomposeParams(OverTimeParams):
    """Parameters of `decompose`."""

    window: Annotated[int, Field(ge=2, le=520)] = Field(
        26, description="era numbers before an era whose mean is the trend"
    )
    recent: Annotated[int, Field(ge=1, le=520)] = Field(
        4,
        description="of target_corr: era numbers up to the newest resolved one, whose mean less "
        "the trend is the rest",
    )

    @property
    def n_numbers(self) -> int:
        """Trend and rest."""
        return 2


class Decompose(OverTime):
    """trend: the mean over the trailing window; rest: what is above it now.

    Of a stock's feature and of the era's correlation, now is the era itself; of target_corr, whose
    values are not known yet, it is the mean of the most recent resolved eras.
    """

    info: ClassVar[TransformInfo] = TransformInfo(
        summary="trend and rest of a stock's features, or of an era's numbers as gates",
        state="fitted",
    )
    Params: ClassVar[type[StepParams]] = DecomposeParams

    @property
    def history_eras(self) -> int:
        """The window."""
        return int(self.params.window)

    def parts(self) -> list[str]:
        """Trend and rest."""
        return ["trend", "rest"]

    def of_stock(self, own: Float64, entity: Any, past: Past, era: int) -> Float64:
        """Take the mean over those eras of the window in which the entity has a value."""
        total, count = np.zeros(own.shape), np.zeros(own.shape)
        for one in past.rows.between(era - self.params.window, era - 1).eras.tolist():
            before = _of_entities(past.rows.between(one, one), entity, self.settings)
            known = ~np.isnan(before)
            total += np.where(known, before, 0.0)
            count += known
        trend = np.where(count >= _FEWEST, total / np.maximum(count, 1), np.nan)
        return np.concatenate([trend, own - trend], axis=1)

    def of_eras(self, series: dict[int, Float64], era: int, now: Float64 | None) -> Float64:
        """Take the mean over the window, and what is above it."""
        k = 1 if self.settings["of"] == "correlation" else len(self.settings["names"])
        trend = _mean_of(series, era - self.params.window, era - 1, k)
        if now is None:
            newest = max(series, default=era)
            latest = [one for e, one in series.items() if e > newest - self.params.recent]
            now = np.mean(latest, axis=0) if latest else np.full(k, np.nan)
        return np.array([trend, now - trend])


def _mean_of(series: dict[int, Float64], first: int, last: int, k: int) -> Float64:
    mine = [series[era] for era in sorted(series) if first <= era <= last]
    least = min(_FEWEST, last - first + 1)
    return np.mean(mine, axis=0) if len(mine) >= least else np.full(k, np.nan)


def _of_entities(rows: EraFrame, entity: Any, settings: dict[str, Any]) -> Float64:
    """Return an earlier era's values in the order of the entities, NaN where one is absent."""
    found = np.full((len(entity), len(settings["names"])), np.nan)
    if rows.n_rows == 0 or rows.entity is None:
        return found
    at = pd.Index(rows.entity.to_pandas()).get_indexer(pd.Index(entity.to_pandas()))
    there = at >= 0
    found[there] = numbers(_few(rows, settings["names"]))[at[there]]
    return found


def _few(rows: EraFrame, names: list[str]) -> Any:
    return rows.with_features(names).features_in_memory()


def _all(names: list[str]) -> list[int]:
    return list(range(len(names)))


def _target_corr(rows: EraFrame, names: list[str], target: str, era: int) -> Float64:
    """Return each feature's correlation with the target in one era, float64 [n_features]."""
    own = rows.between(era, era)
    label = own.target(target).astype(np.float64)
    known = ~np.isnan(label)
    values = np.nan_to_num(centred(_few(own, names)[known]))
    y = label[known] - label[known].mean()
    scale = values.std(axis=0) * y.std() * max(len(y), 1)
    found: Float64 = np.divide(y @ values, scale, out=np.zeros(len(names)), where=scale > 0)
    return np.round(found, 6)
