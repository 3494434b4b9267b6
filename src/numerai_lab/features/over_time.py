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
from numerai_lab.features.earlier import few, of_entities, target_corr
from numerai_lab.features.gain import best, gains
from numerai_lab.features.gates import GateParams
from numerai_lab.features.past_runtime import (
    FEWEST,
    gates_of,
    lags_of_eras,
    lags_of_stock,
    trend_of_eras,
    trend_of_stock,
)
from numerai_lab.features.protocol import (
    Carried,
    Past,
    StepContext,
    StepParams,
    TransformInfo,
)
from numerai_lab.features.runtime import MISSING, era_numbers, numbers, rank_bins
from numerai_lab.features.step import Step

Of = Literal["auto", "stock", "correlation", "target_corr"]


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
            ctx.past(era, self.history_eras).rows.n_eras < FEWEST for era in train.eras.tolist()
        )
        if without:
            ctx.say(
                f"'{self.params.label}' looks back {self.history_eras} eras: {without} of "
                f"{train.n_eras} training eras have fewer than {FEWEST} before them, and what "
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
        features = era.features_in_memory()
        gates: Int8 = gates_of(features, columns, self._sizes(era, columns, past), self.settings)
        return gates

    def carried(self, past: Past | None, era: int) -> Carried:
        """Return the columns' form for a bundle: what they need of the eras before `era`."""
        assert past is not None
        first, names = era - self.history_eras, self.settings["names"]
        settings = {"history_eras": self.history_eras, **self.how(), **self.settings}
        if self.settings["of"] == "stock":
            rows = past.rows.between(first, era - 1)
            assert rows.entity is not None
            entities = sorted(set(rows.entity.to_pylist()))
            values = np.full((rows.n_eras, len(entities), len(names)), MISSING, np.float32)
            if rows.features.dtype == np.int8:
                values = values.astype(np.int8)
            else:
                values[:] = np.nan
            for i, one in enumerate(rows.eras.tolist()):
                mine = rows.between(one, one)
                assert mine.entity is not None
                at = pd.Index(entities).get_indexer(pd.Index(mine.entity.to_pylist()))
                values[i, at] = few(mine, names)
            arrays = {"eras": rows.eras.astype(np.int64), "values": values}
            asks = ("number", "entity")
            settings |= {"entities": entities}
            return Carried("over_stock", settings, arrays, asks, tuple(names))
        series = self._series(past, era)
        k = 1 if self.settings["of"] == "correlation" else len(names)
        arrays = {
            "eras": np.array(sorted(series), dtype=np.int64),
            "series": np.array([series[e] for e in sorted(series)]).reshape(-1, k),
        }
        return Carried("over_eras", settings, arrays, ("number",), tuple(names))

    @abstractmethod
    def how(self) -> dict[str, Any]:
        """Return what the formulas of the runtime are told of the windows."""

    def _sizes(self, era: EraFrame, columns: list[int], past: Past) -> Float64:
        """Return an era's numbers, [n_parts, 1] or [n_parts, n_features], NaN where not known."""
        number, now = int(era.eras[0]), None
        if self.settings["of"] == "correlation":
            now = era_numbers(era.features_in_memory(), columns, ["correlation"])
        return self.of_eras(self._series(past, number), number, now)

    def _series(self, past: Past, era: int) -> dict[int, Float64]:
        """Return the numbers of the eras before one, as far as they are known at it."""
        first, names = era - self.history_eras, self.settings["names"]
        if self.settings["of"] == "correlation":
            rows = past.rows.between(first, era - 1)
            return {
                e: era_numbers(
                    few(rows.between(e, e), names), list(range(len(names))), ["correlation"]
                )
                for e in rows.eras.tolist()
            }
        rows, target = past.resolved.between(first, era - 1), self.settings["target"]
        return {e: target_corr(rows, names, target, e) for e in rows.eras.tolist()}

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

    def how(self) -> dict[str, Any]:
        """The lags."""
        return {"lags": list(self.params.lags), "change": self.params.change}

    def of_stock(self, own: Float64, entity: Any, past: Past, era: int) -> Float64:
        """Look each entity up in the era of each lag."""

        def before(one: int) -> Float64:
            return of_entities(past.rows.between(one, one), entity, self.settings)

        found: Float64 = lags_of_stock(own, before, era, self.how())
        return found

    def of_eras(self, series: dict[int, Float64], era: int, now: Float64 | None) -> Float64:  # noqa: ARG002 - a lag is before it
        """Take the mean over each window."""
        k = 1 if self.settings["of"] == "correlation" else len(self.settings["names"])
        found: Float64 = lags_of_eras(series, era, self.params.lags, k)
        return found


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

    def how(self) -> dict[str, Any]:
        """The windows."""
        return {"window": self.params.window, "recent": self.params.recent}

    def of_stock(self, own: Float64, entity: Any, past: Past, era: int) -> Float64:
        """Take the mean over those eras of the window in which the entity has a value."""

        def before(one: int) -> Float64:
            return of_entities(past.rows.between(one, one), entity, self.settings)

        eras = past.rows.between(era - self.params.window, era - 1).eras.tolist()
        found: Float64 = trend_of_stock(own, before, eras)
        return found

    def of_eras(self, series: dict[int, Float64], era: int, now: Float64 | None) -> Float64:
        """Take the mean over the window, and what is above it."""
        k = 1 if self.settings["of"] == "correlation" else len(self.settings["names"])
        found: Float64 = trend_of_eras(series, era, self.how(), k, now)
        return found
