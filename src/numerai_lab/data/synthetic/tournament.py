"""The synthetic tournament on disk: Numerai's v5 files, written from the synthetic market."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from numerai_lab.arrays import Float64
from numerai_lab.config import Synthetic
from numerai_lab.data.reading import SYNTHETIC_MARK
from numerai_lab.data.synthetic.market import GENERATOR_VERSION, HORIZON_WEEKS, Market, simulate
from numerai_lab.data.synthetic.reference_models import reference_predictions
from numerai_lab.files import write_errors
from numerai_lab.seeds import child_seed

Values = npt.NDArray[np.generic] | list[str]

FILES = (
    "train.parquet",
    "validation.parquet",
    "live.parquet",
    "train_benchmark_models.parquet",
    "validation_benchmark_models.parquet",
    "live_benchmark_models.parquet",
    "meta_model.parquet",
    "live_example_preds.parquet",
    "features.json",
)
_GROUP_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class _Eras:
    """Positions of eras (number - 1) in the files: train, validation, unlabelled tail, live."""

    n_train: int
    n_eras: int

    @property
    def validation(self) -> range:
        return range(self.n_train, self.n_eras)

    def first_unlabelled(self, weeks: int) -> int:
        """Return where a label is still open: its last `weeks` eras, half of validation at most."""
        return self.n_eras - min(weeks, len(self.validation) // 2)

    def label(self, era: int) -> str:
        return "X" if era == self.n_eras else f"{era + 1:04d}"

    def data_type(self, era: int) -> str:
        if era < self.n_train:
            return "train"
        if era == self.n_eras:
            return "live"
        return "test" if era >= self.first_unlabelled(HORIZON_WEEKS[20]) else "validation"


def cached_tournament(root: Path, config: Synthetic) -> Path:
    """Return the folder below `root` with this config's tournament; makes it if need be.

    Raises
    ------
    MachineError : it could not be written.
    """
    key = json.dumps([GENERATOR_VERSION, config.model_dump(mode="json")], sort_keys=True)
    folder = root / hashlib.sha256(key.encode()).hexdigest()[:12]
    if not all((folder / name).is_file() for name in FILES):
        generate_tournament(folder, config)
    return folder


def is_cache(folder: Path) -> bool:
    """Return whether a folder is called as `cached_tournament` calls those it makes.

    Files of generator 1 bear no mark, so there the name tells.
    """
    return folder.parent.name == "synthetic" and bool(re.fullmatch("[0-9a-f]{12}", folder.name))


def generate_tournament(folder: Path, config: Synthetic) -> None:
    """Write a synthetic tournament: two thirds of the eras train, the rest validation, one live.

    The last 4 eras (12 for 60-day targets) have no labels yet, as in Numerai's files. The folder
    is written aside and renamed, so it is never there by half, and two processes may do this at
    once. Missing files of an existing folder are added. Each parquet file bears a mark in its
    schema metadata, so that its rows are never taken for Numerai's, wherever the file is copied.

    Raises
    ------
    MachineError : the disk is full or cannot be written; nothing is left behind.
    """
    aside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    try:
        with write_errors(folder):
            aside.mkdir(parents=True)
            _write_files(aside, config)
            try:
                aside.rename(folder)
            except OSError:
                if not folder.is_dir():
                    raise
                # Somebody else was first, or the folder lost files; the content is the same.
                for name in FILES:
                    (aside / name).replace(folder / name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _write_files(folder: Path, config: Synthetic) -> None:
    market = simulate(config)
    eras = _Eras(n_train=config.n_eras * 2 // 3, n_eras=config.n_eras)
    writer = _Writer(market, eras, child_seed(config.seed, "synthetic", "ids"), _mark(config))
    benchmarks, meta = reference_predictions(market, config.seed)
    fitted = [
        era for era in range(config.n_eras) if not np.isnan(benchmarks["benchmark_ender60"][era, 0])
    ]
    live = [config.n_eras]
    half = eras.n_train + len(eras.validation) // 2

    writer.rows(folder / "train.parquet", range(eras.n_train), with_targets=True)
    writer.rows(folder / "validation.parquet", eras.validation, with_targets=True)
    writer.rows(folder / "live.parquet", live, with_targets=False)
    for name, chosen in {
        "train": [era for era in fitted if era < eras.n_train],
        "validation": [era for era in fitted if era >= eras.n_train],
        "live": live,
    }.items():
        writer.predictions(folder / f"{name}_benchmark_models.parquet", chosen, benchmarks)
    writer.predictions(
        folder / "meta_model.parquet",
        [era for era in fitted if era >= half],
        {"numerai_meta_model": meta},
    )
    writer.predictions(
        folder / "live_example_preds.parquet", live, {"prediction": benchmarks["benchmark_ender20"]}
    )
    names = writer.feature_names
    content = {
        "feature_sets": {
            "small": names[: max(4, len(names) // 4)],
            "medium": names[: max(4, len(names) // 2)],
            "all": names,
        },
        "targets": list(market.targets),
    }
    (folder / "features.json").write_text(json.dumps(content, indent=1), "utf-8")


class _Writer:
    """Writes eras of the market as parquet, rows of an era in the order of their ids."""

    def __init__(self, market: Market, eras: _Eras, seed: int, mark: bytes) -> None:
        self.market, self.eras, self.mark = market, eras, mark
        n_eras, n_rows, n_features = market.bins.shape
        self.feature_names = [f"feature_{number:04d}" for number in range(n_features)]
        codes = _scatter(np.arange(n_eras * n_rows, dtype=np.uint64) + (np.uint64(seed) << 32))
        self.codes = codes.reshape(n_eras, n_rows)
        self.order = np.argsort(self.codes, axis=1)

    def rows(self, path: Path, chosen: Sequence[int], *, with_targets: bool) -> None:
        fields = [("era", pa.string()), ("data_type", pa.string())]
        fields += [(name, pa.int8()) for name in self.feature_names]
        if with_targets:
            fields += [(name, pa.float32()) for name in self.market.targets]

        def columns(part: Sequence[int]) -> list[Values]:
            n_rows = self.order.shape[1]
            bins = np.concatenate([self.market.bins[era][self.order[era]] for era in part])
            result: list[Values] = [
                _for_each_row([self.eras.data_type(era) for era in part], n_rows),
                *np.ascontiguousarray(bins.T),
            ]
            if with_targets:
                for name, target in self.market.targets.items():
                    weeks = HORIZON_WEEKS[60 if name.endswith("_60") else 20]
                    values = np.concatenate([target[era][self.order[era]] for era in part])
                    values[np.repeat(part, n_rows) >= self.eras.first_unlabelled(weeks)] = np.nan
                    result.append(values)
            return result

        self._write(path, fields, chosen, columns)

    def predictions(self, path: Path, chosen: Sequence[int], values: dict[str, Float64]) -> None:
        fields = [("era", pa.string()), *((name, pa.float64()) for name in values)]

        def columns(part: Sequence[int]) -> list[Values]:
            return [
                np.concatenate([column[era][self.order[era]] for era in part])
                for column in values.values()
            ]

        self._write(path, fields, chosen, columns)

    def _write(
        self,
        path: Path,
        fields: list[tuple[str, pa.DataType]],
        chosen: Sequence[int],
        columns: Callable[[Sequence[int]], list[Values]],
    ) -> None:
        schema = _schema([*fields, ("id", pa.string())], self.mark)
        n_rows = self.order.shape[1]
        step = max(1, _GROUP_ROWS // n_rows)
        with pq.ParquetWriter(path, schema) as writer:
            for start in range(0, len(chosen), step):
                part = chosen[start : start + step]
                labels = _for_each_row([self.eras.label(era) for era in part], n_rows)
                ids = [f"n{code:016x}" for era in part for code in np.sort(self.codes[era])]
                arrays = [labels, *columns(part), ids]
                typed = [
                    pa.array(values, type=field.type, from_pandas=False)
                    for values, field in zip(arrays, schema, strict=True)
                ]
                writer.write_table(pa.Table.from_arrays(typed, schema=schema))


def _for_each_row(words: Sequence[str], n_rows: int) -> npt.NDArray[np.object_]:
    """Repeat the word of each era in its rows."""
    return np.repeat(np.array(words, dtype=object), n_rows)


def _mark(config: Synthetic) -> bytes:
    """Return what the mark of a file says: the settings that it was made from."""
    settings = {"generator": GENERATOR_VERSION, **config.model_dump(mode="json")}
    return json.dumps(settings, sort_keys=True).encode()


def _schema(fields: Sequence[tuple[str, pa.DataType]], mark: bytes) -> pa.Schema:
    """Return a schema with `id` as the index for pandas, as in Numerai's files, and the mark."""
    described = [
        {
            "name": name,
            "field_name": name,
            "pandas_type": kind,
            "numpy_type": kind,
            "metadata": None,
        }
        for name, kind in ((name, _PANDAS_TYPES[str(type_)]) for name, type_ in fields)
    ]
    pandas = {
        "index_columns": ["id"],
        "column_indexes": [],
        "columns": described,
        "pandas_version": "2.3.0",
    }
    return pa.schema(fields, metadata={"pandas": json.dumps(pandas), SYNTHETIC_MARK: mark})


_PANDAS_TYPES = {"string": "object", "int8": "int8", "float": "float32", "double": "float64"}


def _scatter(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Give every number another one that looks random, never the same for two.

    Source: the finaliser of splitmix64 (Steele, Lea, Flood 2014), a bijection of 64-bit numbers.
    """
    mixed = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))
