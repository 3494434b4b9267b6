"""Read a run directory for showing: every file is checked, and a damaged one is named."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError

from numerai_lab.disclosure import without_signatures
from numerai_lab.errors import RunError
from numerai_lab.experiment import (
    RunDir,
    read_explanations,
    told_of_seeds,
    told_of_test,
    variants_of,
)
from numerai_lab.report.run_shapes import Exposure, Fit, KeptForTest, Manifest, Seeds
from numerai_lab.report.score_shapes import MODEL, Scores, ShownVariant
from numerai_lab.report.shapes import Number, Shown

_FIX = "run `numerai-lab evaluate` on this run again, or repeat the run"
_Shape = TypeVar("_Shape", bound=Shown)


@dataclass(frozen=True)
class Record:
    """A run directory as read.

    Attributes
    ----------
    per_era : columns of scores_per_era.parquet, [n_rows] each; scores are float64, NaN where
        there is none.
    fits : by fold number; a fold whose fit.json is absent is not in it.
    test : the eras kept for a test, looks at them and their scores; None where there are none.
    seeds : what other seeds scored; None where the experiment was trained with one.
    explained : what was explained of its folds, by number. unexplained : what is damaged of it.
    config, resolved : the YAML as written and as resolved, empty when absent.
    """

    folder: Path
    manifest: Manifest
    scores: Scores
    per_era: dict[str, npt.NDArray[Any]]
    fits: dict[int, Fit]
    exposure: dict[str, Number]
    test: KeptForTest | None
    seeds: Seeds | None
    explained: dict[int, dict[str, Any]]
    unexplained: tuple[str, ...]
    config: str
    resolved: str

    def label(self, name: str) -> str:
        """Return what a prediction is called on the page: the experiment's name for the run."""
        if name != MODEL:
            return name
        experiment = self.manifest.experiment
        return f"{experiment} (this run)" if experiment in self.scores.scores else experiment


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


def _checked(run: RunDir, path: Path) -> Path:
    """Return a path of the run once its file is what was written. Raises RunError."""
    if path == run.manifest_path:
        if path.exists() or run.finished:
            run.manifest()
    elif path == run.scores_path:
        if path.exists() or run.finished:
            run.scores()
    elif path != run.per_era_path or path.exists() or run.finished:
        run.checked(path)
    return path


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
        with path.open("rb") as file:
            data = pq.read_table(file)
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


def _with_variants(scores: Scores, manifest: Manifest) -> Scores:
    """Add the variants to scores that were written before models declared them."""
    if scores.variants is not None:
        return scores
    declared = variants_of({"model": {"type": manifest.model.type}})
    controls = {variant.name for variant in declared if variant.control}
    comparisons = [
        one.model_copy(update={"control": one.prediction in controls}) for one in scores.comparisons
    ]
    variants = [ShownVariant.model_validate(asdict(variant)) for variant in declared]
    return scores.model_copy(update={"variants": variants, "comparisons": comparisons})


def _test(run: RunDir) -> KeptForTest | None:
    told = told_of_test(run)
    return None if told is None else KeptForTest.model_validate({**told, "final": run.has_final})


def _seeds(run: RunDir) -> Seeds | None:
    told = told_of_seeds(run)
    return None if told is None else Seeds.model_validate(told)


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
    run = RunDir(run_dir)
    manifest = _parse(Manifest, _checked(run, run.manifest_path))
    fits = {}
    for folder in sorted(run_dir.glob("folds/[0-9]*")):
        path = _checked(run, folder / "fit.json")
        if path.exists():
            fit = _parse(Fit, path)
            fits[fit.fold] = fit
    damages: list[str] = []
    config = _checked(run, run_dir / "config.yaml")
    resolved = _checked(run, run_dir / "resolved.yaml")
    return Record(
        folder=run_dir,
        manifest=manifest,
        scores=_with_variants(_parse(Scores, _checked(run, run.scores_path)), manifest),
        per_era=_read_per_era(_checked(run, run.per_era_path)),
        fits=fits,
        exposure=_parse(Exposure, _checked(run, run_dir / "exposure.json"), optional=True).features,
        test=_test(run),
        seeds=_seeds(run),
        explained=read_explanations(run, damages.append),
        unexplained=tuple(damages),
        config=without_signatures(_read(config)) if config.exists() else "",
        resolved=without_signatures(_read(resolved)) if resolved.exists() else "",
    )
