"""`join`: columns of a file of one's own, by era, date, entity or id, as soon as they are known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import AfterValidator, Field

from numerai_lab.arrays import Float64, Int8
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import DataError, ModelError, did_you_mean
from numerai_lab.features.gain import best, gains
from numerai_lab.features.gates import GateParams
from numerai_lab.features.protocol import Carried, Past, StepContext, StepParams, TransformInfo
from numerai_lab.features.runtime import gated, rank_bins
from numerai_lab.features.step import Step
from numerai_lab.weeks import week_of

By = Literal["era", "date", "entity", "id"]
Names = Annotated[list[str], Field(min_length=1)]


class JoinParams(GateParams):
    """Parameters of `join`, also under `data.join`, where `type` is left out."""

    file: Annotated[Path, Field(strict=False), AfterValidator(Path.expanduser)] = Field(
        description="parquet or CSV, read again wherever the model predicts"
    )
    by: By = Field(
        description="era or date (where eras are dates): a value for all rows of an era, which "
        "becomes gates; entity: a value for its rows, era by era where the file has a column "
        "`era`; id: a value for a row"
    )
    columns: Names = Field(description="columns of numbers to join")
    available_from: str = Field(
        description="column of the file with the era, or date, from which a row is known"
    )

    @property
    def n_numbers(self) -> int:
        """As many as columns are joined."""
        return len(self.columns)

    def n_given(self, n_features: int) -> int:
        """Those before, and gates of an era's values, or the values of rows."""
        if self.by in ("era", "date"):
            return super().n_given(n_features)
        return n_features + len(self.columns)


class Join(Step):
    """Columns of a file. What an era's rows are given must be known at that era.

    by era or date: z = (value - mean) / deviation over the training eras, and the gates
    clip(z, -2, 2) x (x - mean x) / std x with the top features x. by entity or id: the value,
    ranked within the era.
    """

    info: ClassVar[TransformInfo] = TransformInfo(
        summary="columns of a file by era, date, entity or id: gates, or values of rows",
        state="fitted",
    )
    Params: ClassVar[type[StepParams]] = JoinParams
    kind = ""

    def __init__(self, params: Any) -> None:
        super().__init__(params)
        self._table: _Table | None = None

    def fit(self, train: EraFrame, ctx: StepContext) -> None:
        """Read the file, and say how many training rows it has nothing for.

        Raises
        ------
        DataError : the file, or a column, is not there; keys are there twice; a row of the file is
            of an era before it is known.
        ModelError : the data do not say what rows are about, or no training row is found.
        """
        table = self._read()
        names = list(self.params.columns)
        found = [table.of(train.between(era, era)) for era in train.eras.tolist()]
        absent = sum(int(np.isnan(one).all(axis=1).sum()) for one in found)
        if absent == train.n_rows:
            raise self.wrong(
                f"none of the {train.n_rows:,} training rows has a row in {self.params.file}",
                "by",
                "look at the keys: eras are numbers, as in 575",
            )
        if absent:
            ctx.say(
                f"'{self.params.label}': {absent:,} of {train.n_rows:,} training rows have nothing "
                f"in {self.params.file.name} that is known at their era: missing there"
            )
        self.settings = {"columns": names, "bins": self.params.bins}
        if self._of_eras:
            if self.params.features is None:
                top = min(self.params.top, len(ctx.raw_names))
                raw = gains(train, ctx.target, ctx.seed, ctx.n_threads)[: len(ctx.raw_names)]
                chosen = best(raw, top)
            else:
                chosen = self.places(train, self.params.features, "features")
            values = np.array([one[0] for one in found])
            spread = np.nanstd(values, axis=0)
            still = [n for n, one in zip(names, spread, strict=True) if not one > 0]
            if still:
                raise self.wrong(f"'{still[0]}' is the same in all training eras", "columns")
            self.settings |= {
                "gates": [train.feature_names[i] for i in chosen],
                "mean": np.nanmean(values, axis=0).tolist(),
                "std": spread.tolist(),
            }
            names = [f"{name}.{train.feature_names[i]}" for name in names for i in chosen]
        self._names = tuple(f"{self.params.label}.{name}" for name in names)

    @property
    def history_eras(self) -> int:
        """One, which is not looked at: only so are eras to predict numbered as those of the fit."""
        return 1

    @property
    def _of_eras(self) -> bool:
        return self.params.by in ("era", "date")

    def apply(self, era: EraFrame, past: Past | None) -> Int8:  # noqa: ARG002 - the file has it
        """Return the gates or values of one era's rows, missing where the file has none yet."""
        values = self._read().of(era)
        bins: int = self.settings["bins"]
        if not self._of_eras:
            ranked: Int8 = rank_bins(values, bins)
            return ranked
        place = {name: i for i, name in enumerate(era.feature_names)}
        columns = [place[name] for name in self.settings["gates"]]
        size = (values[0] - self.settings["mean"]) / np.array(self.settings["std"])
        gates: Int8 = gated(era.features_in_memory(), columns, size, bins)
        return gates

    def carried(self, past: Past | None, era: int) -> Carried:  # noqa: ARG002 - the file has it
        """Return the file as it is, for a bundle."""
        keys, arrays = self._read().whole()
        settings = {"by": self.params.by, "keys": keys, "bins": self.settings["bins"]}
        if self._of_eras:
            settings |= {key: self.settings[key] for key in ("mean", "std")}
            return Carried("joined", settings, arrays, ("number",), tuple(self.settings["gates"]))
        asks = "ids" if self.params.by == "id" else "entity"
        return Carried("joined", settings, arrays, ("number", asks))

    def _read(self) -> _Table:
        if self._table is None:
            self._table = _Table(self.params)
        return self._table


class _Table:
    """The file, checked, by its key."""

    def __init__(self, params: JoinParams) -> None:
        self._params, path = params, params.file
        frame = _read_file(path)
        key = {"date": "date", "era": "era", "id": "id", "entity": "entity"}[params.by]
        for name in [key, *params.columns, params.available_from]:
            if name not in frame.columns:
                raise DataError(
                    f"has no column '{name}'{did_you_mean(name, list(map(str, frame.columns)))}",
                    where=str(path),
                    fix="name columns of the file in data.join",
                )
        values = [pd.to_numeric(frame[name], errors="coerce") for name in params.columns]
        for name, column in zip(params.columns, values, strict=True):
            lost = int((column.isna() & frame[name].notna()).sum())
            if lost:
                raise DataError(
                    f"column '{name}' has {lost:,} values that are no numbers", where=str(path)
                )
        self._values: Float64 = np.column_stack([column.to_numpy(np.float64) for column in values])
        self._from = _eras_of(frame[params.available_from], params.available_from, path)
        self._has_eras = params.by in ("era", "date") or "era" in frame.columns
        keys = [] if params.by in ("era", "date") else [frame[key].astype(str)]
        self._keys = keys[0].tolist() if keys else None
        if self._has_eras:
            own = key if params.by in ("era", "date") else "era"
            self._eras = _eras_of(frame[own], own, path)
            early = self._from > self._eras
            if early.any():
                first = int(np.argmax(early))
                raise DataError(
                    f"{int(early.sum()):,} rows are of an era before they are known, first of era "
                    f"{self._eras[first]}, known from {self._from[first]} "
                    f"({params.available_from})",
                    where=str(path),
                    fix="give each row the first era in which it is known, or leave it out",
                )
            keys.append(pd.Series(self._eras))
        index = pd.MultiIndex.from_arrays(keys) if len(keys) > 1 else pd.Index(keys[0])
        unique = pd.MultiIndex.from_arrays([index, self._from]) if not self._has_eras else index
        whole = index if params.by == "id" else unique
        if whole.has_duplicates:
            twice = index[whole.duplicated()][0]
            raise DataError(f"has two rows of {twice}", where=str(path), fix="keep one of them")
        self._index = index

    def whole(self) -> tuple[list[str], dict[str, Any]]:
        """Return the keys (none by era), and values with their eras, -1 where rows have none."""
        n = len(self._values)
        eras = self._eras if self._has_eras else np.full(n, -1, dtype=np.int64)
        keys = [] if self._keys is None else self._keys
        return keys, {"values": self._values, "eras": eras, "known_from": self._from}

    def of(self, era: EraFrame) -> Float64:
        """Return the columns for the rows of one era, float64 [n_rows, n_columns], NaN for none."""
        number, by = int(era.eras[0]), self._params.by
        if by in ("era", "date"):
            at = self._index.get_indexer(pd.Index([number]))[0]
            missing = np.full(self._values.shape[1], np.nan)
            one = self._values[at] if at >= 0 else missing
            return np.tile(one, (era.n_rows, 1))
        keys = era.ids if by == "id" else era.entity
        if keys is None:
            raise ModelError(
                "nothing says what a row is about, so nothing can be joined by entity",
                where="data.join by",
                fix="name data.entity, or join by era or id",
            )
        texts = keys.to_pylist()
        if by == "entity" and not self._has_eras:
            return self._latest(texts, number)
        wanted: Any = texts
        if self._has_eras:
            wanted = pd.MultiIndex.from_arrays([texts, np.full(len(texts), number)])
        at = self._index.get_indexer(pd.Index(wanted))
        found = np.where(at[:, None] >= 0, self._values[at], np.nan)
        if by == "id":
            early = (at >= 0) & (self._from[at] > number)
            if early.any():
                raise DataError(
                    f"{int(early.sum()):,} rows of era {number} are joined to what is known only "
                    f"later, from era {self._from[at][early][0]} on "
                    f"({self._params.available_from})",
                    where=str(self._params.file),
                    fix="leave these rows out of the file",
                )
        return found

    def _latest(self, entities: list[str], era: int) -> Float64:
        """Return each entity's latest row that is known at an era."""
        known = np.flatnonzero(self._from <= era)
        order = known[np.argsort(self._from[known], kind="stable")]
        latest = pd.Series(order, index=self._index[order])
        latest = latest[~latest.index.duplicated(keep="last")]
        at = latest.reindex(entities).to_numpy(np.float64)
        there = ~np.isnan(at)
        found = np.full((len(entities), self._values.shape[1]), np.nan)
        found[there] = self._values[at[there].astype(np.int64)]
        return found


def _read_file(path: Path) -> pd.DataFrame:
    try:
        if path.suffix == ".csv":
            return pd.read_csv(path, dtype={"id": str, "entity": str})
        frame = pd.read_parquet(path)
    except FileNotFoundError:
        raise DataError("there is no such file", where=str(path), fix="name it in file") from None
    except Exception as error:  # noqa: BLE001 - readers fail in any way
        raise DataError(
            f"cannot be read as {'CSV' if path.suffix == '.csv' else 'parquet'} "
            f"({type(error).__name__}: {error})",
            where=str(path),
        ) from None
    return frame.reset_index() if frame.index.name is not None else frame


def _eras_of(column: pd.Series[Any], name: str, path: Path) -> Any:
    """Turn eras (575, "0575") or dates into era numbers, int64."""
    if column.isna().any():
        raise DataError(
            f"column '{name}' has {int(column.isna().sum()):,} rows without a value",
            where=str(path),
            fix="say for every row from when it is known",
        )
    as_numbers = pd.to_numeric(column, errors="coerce")
    if not as_numbers.isna().any():
        return as_numbers.to_numpy(np.int64)
    dates = pd.to_datetime(column, format="ISO8601", errors="coerce")
    if dates.isna().any():
        bad = column[dates.isna()].iloc[0]
        raise DataError(f"column '{name}' has '{bad}', neither an era nor a date", where=str(path))
    return np.array([week_of(day) for day in dates.dt.date], dtype=np.int64)
