"""Read a run directory for showing: every file checked, nulls allowed, nothing else assumed."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from numerai_lab.errors import RunError

MODEL = "prediction"
"""What scores.json calls the run's own predictions."""


def _finite_or_none(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_finite_or_none)]
Eras = tuple[int, int]


class _Shown(BaseModel):
    """Any value may be null, which counts as absent; keys that are not shown are ignored."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True, protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        return {k: v for k, v in value.items() if v is not None} if type(value) is dict else value


class Stats(_Shown):
    """Summary over eras of one per-era score."""

    mean: Number = None
    std: Number = None
    sharpe: Number = None
    sharpe_hac: Number = None
    max_drawdown: Number = None
    hit_rate: Number = None
    last_20: Number = None
    last_50: Number = None
    last_100: Number = None
    ci_low: Number = None
    ci_high: Number = None
    n_eras: int | None = None
    n_nan: int = 0


class Comparison(_Shown):
    """Paired per-era difference of the run to one baseline."""

    baseline: str = "?"
    metric: str = "corr"
    mean_difference: Number = None
    ci_low: Number = None
    ci_high: Number = None
    probability_of_improvement: Number = None
    n_eras: int | None = None


class JudgedEras(_Shown):
    """The first and last judged era, and how many there are."""

    first: int | None = None
    last: int | None = None
    n: int | None = None


class Scores(_Shown):
    """scores.json."""

    target: str = "target"
    benchmark: str | None = None
    meta_model: str | None = None
    horizon_days: int | None = None
    eras: JudgedEras = Field(default_factory=JudgedEras)
    warnings: list[str] = Field(default_factory=list)
    scores: dict[str, dict[str, Stats | None]] = Field(default_factory=dict)
    scores_by_target: dict[str, dict[str, dict[str, Stats | None]]] = Field(default_factory=dict)
    comparisons: list[Comparison] = Field(default_factory=list)

    def names(self) -> list[str]:
        """Return the predictions' names: the run's own, the baselines, the benchmark last."""
        others = [name for name in self.scores if name not in (MODEL, self.benchmark)]
        ends = [self.benchmark] if self.benchmark in self.scores and self.benchmark else []
        return [name for name in (MODEL,) if name in self.scores] + others + ends

    def stats(self, name: str, metric: str = "corr") -> Stats:
        """Return one summary; an empty one where there is none."""
        return self.scores.get(name, {}).get(metric) or Stats()


class Git(_Shown):
    """Where the code stood."""

    commit: str | None = None
    dirty: bool | None = None


class DataFile(_Shown):
    """One file that was read."""

    path: str = "?"
    bytes: int | None = None
    rows: int | None = None
    sha256: str | None = None


class DataFacts(_Shown):
    """Which rows the run saw."""

    source: str = "?"
    notice: str | None = None
    folder: str | None = None
    files: list[DataFile] = Field(default_factory=list)
    counts: dict[str, Any] = Field(default_factory=dict)
    n_features: int | None = None
    n_rows: int | None = None
    targets: list[str] = Field(default_factory=list)
    horizon_days: int | None = None
    first_era: int | None = None
    last_era: int | None = None
    n_eras: int | None = None


class EraWindow(_Shown):
    """The eras and rows of one side of a fold."""

    first: int | None = None
    last: int | None = None
    n_eras: int | None = None
    n_rows: int | None = None


class Fold(_Shown):
    """One fold; runs of eras hold both ends."""

    fold: int = 0
    train: EraWindow = Field(default_factory=EraWindow)
    judged: EraWindow = Field(default_factory=EraWindow)
    purge_eras: int = 0
    embargo_eras: int = 0
    train_eras: list[Eras] = Field(default_factory=list)
    judged_eras: list[Eras] = Field(default_factory=list)
    dropped_eras: list[Eras] = Field(default_factory=list)


class Choice(_Shown):
    """A model or a split: its type, and whatever else it was given."""

    model_config = ConfigDict(extra="allow")
    type: str = "?"


class Manifest(_Shown):
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


class Fit(_Shown):
    """fit.json of one fold; `importance` is the total gain by feature."""

    fold: int = 0
    n_trees: int | None = None
    library_seconds: Number = None
    fit_seconds: Number = None
    predict_seconds: Number = None
    importance: dict[str, Number] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)


class Exposure(_Shown):
    """exposure.json: mean correlation over eras of each feature with the prediction."""

    features: dict[str, Number] = Field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """A run directory as read.

    Attributes
    ----------
    per_era : columns of scores_per_era.parquet, [n_rows] each; scores are float64, NaN where
        there is none.
    fits : by fold number; a fold whose fit.json is absent is not in it.
    config, resolved : the YAML as written and as resolved, empty when absent.
    """

    folder: Path
    manifest: Manifest
    scores: Scores
    per_era: dict[str, npt.NDArray[Any]]
    fits: dict[int, Fit]
    exposure: dict[str, Number]
    config: str
    resolved: str

    def label(self, name: str) -> str:
        """Return what a prediction is called on the page: the experiment's name for the run."""
        if name != MODEL:
            return name
        experiment = self.manifest.experiment
        return f"{experiment} (this run)" if experiment in self.scores.scores else experiment


_Shape = TypeVar("_Shape", bound=_Shown)


def _parse(shape: type[_Shape], path: Path, *, optional: bool = False) -> _Shape:
    if optional and not path.exists():
        return shape()
    try:
        return TypeAdapter(shape).validate_python(json.loads(_read(path)))
    except json.JSONDecodeError as error:
        what = f"not valid JSON (line {error.lineno}: {error.msg})"
        raise RunError(what, where=str(path), fix=_FIX) from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the file"
        message = first["msg"][:1].lower() + first["msg"][1:]
        raise RunError(f"{key}: {message}", where=str(path), fix=_FIX) from error


_FIX = "run `numerai-lab evaluate` on this run again, or repeat the run"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise RunError("the run has no such file", where=str(path), fix=_FIX) from error
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"cannot be read ({error})", where=str(path), fix=_FIX) from error


def _read_per_era(path: Path) -> dict[str, npt.NDArray[Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.exists():
        raise RunError("the run has no such file", where=str(path), fix=_FIX)
    try:
        data = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise RunError(f"not a whole parquet file ({reason})", where=str(path), fix=_FIX) from error
    missing = {"era", "prediction", "target", "corr"} - set(data.column_names)
    if missing:
        names = ", ".join(sorted(missing))
        raise RunError(f"columns are missing: {names}", where=str(path), fix=_FIX)
    text, whole = {"prediction", "target"}, {"era", "fold", "n_rows"}
    columns: dict[str, npt.NDArray[Any]] = {}
    for name in data.column_names:
        kind = pa.string() if name in text else pa.int64() if name in whole else pa.float64()
        try:
            column = data[name].cast(kind)
        except pa.ArrowException as error:
            what = f"column '{name}' is {data[name].type}, it must be {kind}"
            raise RunError(what, where=str(path), fix=_FIX) from error
        columns[name] = np.asarray(column.to_numpy(zero_copy_only=False))
    return columns


def read_record(run_dir: Path) -> Record:
    """Read and check a finished run directory.

    Raises
    ------
    RunError
        A file is missing, cut off, or holds something else than a run writes there.
    """
    if not run_dir.is_dir():
        raise RunError(
            "there is no run directory", where=str(run_dir), fix="list them: `numerai-lab runs`"
        )
    fits = {}
    for path in sorted(run_dir.glob("folds/*/fit.json")):
        fit = _parse(Fit, path)
        fits[fit.fold] = fit
    config, resolved = run_dir / "config.yaml", run_dir / "resolved.yaml"
    return Record(
        folder=run_dir,
        manifest=_parse(Manifest, run_dir / "manifest.json"),
        scores=_parse(Scores, run_dir / "scores.json"),
        per_era=_read_per_era(run_dir / "scores_per_era.parquet"),
        fits=fits,
        exposure=_parse(Exposure, run_dir / "exposure.json", optional=True).features,
        config=_read(config) if config.exists() else "",
        resolved=_read(resolved) if resolved.exists() else "",
    )
