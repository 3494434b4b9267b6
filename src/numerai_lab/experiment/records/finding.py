"""Where run directories are: making a new one, going through those there are, finding one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from numerai_lab.errors import RunError, did_you_mean
from numerai_lab.experiment.records.part_records import manifest_in_done
from numerai_lab.experiment.records.rundir import RunDir
from numerai_lab.files import write_errors


def new_run_dir(runs_dir: Path, name: str, config_hash: str, to_join: Path | None = None) -> RunDir:
    """Make the directory of a new run; a second one in the same second gets a suffix.

    Parameters
    ----------
    to_join : other runs, among which it may be moved: it takes no name that one of them has.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    parent = runs_dir / name
    with write_errors(parent):
        parent.mkdir(parents=True, exist_ok=True)
        for suffix in ["", *(f".{i}" for i in range(2, 100))]:
            path = parent / f"{stamp}{suffix}-{config_hash}"
            if to_join is not None and (to_join / name / path.name).exists():
                continue
            try:
                path.mkdir()
            except FileExistsError:
                continue
            return RunDir(path)
    raise RunError(f"a hundred runs of '{name}' began in one second", where=str(parent))


def place_among(run: RunDir, runs_dir: Path) -> Path:
    """Return where a run made elsewhere may be moved among others: nothing is there yet.

    It keeps its name, with a suffix where another run of that config began in the same second.
    """
    parent = runs_dir / run.path.parent.name
    stamp, digest = run.path.name.split("-", 1)
    for suffix in ["", *(f".{i}" for i in range(2, 100))]:
        path = parent / f"{stamp.split('.')[0]}{suffix}-{digest}"
        if not path.exists():
            return path
    raise RunError("a hundred runs of this config began in one second", where=str(parent))


def iter_runs(
    runs_dir: Path,
    name: str | None = None,
    damaged: Callable[[RunDir, RunError], None] | None = None,
) -> Iterator[RunDir]:
    """Yield the runs under `runs_dir` (of one experiment, or all) in the order they began.

    A run whose manifest is damaged, or another run's, counts as one of the experiment that its
    folder is named after: `damaged` is told of it, or, without that, it is raised.
    """
    paths = {path.parent for path in runs_dir.glob("*/*/manifest.json")}
    # also one that has lost its manifest; but final/ is none, in a run that lies one level higher
    paths |= {path.parent for path in runs_dir.glob("*/*/DONE") if path.parent.name != "final"}
    told = []
    for path in sorted(paths):
        run = RunDir(path)
        try:
            manifest = run.manifest()
            if manifest["experiment"] != path.parent.name:
                run.check_manifest_is_own()
            told.append((manifest, run))
        except RunError as error:
            if name is not None and path.parent.name != name:
                continue
            if damaged is None:
                raise
            damaged(run, error)
    told.sort(key=lambda pair: (pair[0]["created_utc"], str(pair[1].path)))
    for manifest, run in told:
        if name is None or manifest["experiment"] == name:
            yield run


def newest_asked_for(runs: Sequence[RunDir]) -> RunDir:
    """Return the last of some runs, of those that no other run trained where there are any."""
    asked_for = [run for run in runs if "trained_for" not in run.manifest()]
    return (asked_for or runs)[-1]


def find_run(spec: str | None, runs_dir: Path, *, final: bool = False) -> RunDir:
    """Turn what a person typed into a finished run.

    Parameters
    ----------
    spec : a run directory; an experiment's name or `latest:NAME` for its last finished run, one
        that somebody asked for rather than a member or baseline that another run trained, and one
        with its own seed rather than another of `train --seeds`; None for the last of all.
    final : whether the way out of an unfinished run is to end with a final model.

    Raises
    ------
    RunError : no such run. Damaged : only runs without DONE; a manifest that is damaged or gone.
    """
    if spec is not None and (Path(spec) / "manifest.json").is_file():
        return RunDir(Path(spec))
    name = spec.removeprefix("latest:") if spec is not None else None
    if spec is not None and Path(spec).is_dir():
        if manifest_in_done(Path(spec)) is not None:
            RunDir(Path(spec)).manifest()  # tells that it is gone, and how it comes back
        raise RunError(
            "is not a run directory (it has no manifest.json)",
            where=spec,
            fix="`numerai-lab runs` lists the runs there are",
        )
    there = list(iter_runs(runs_dir, name))
    finished = [run for run in there if run.finished]
    if finished:
        own = [run for run in finished if "reseeded_from" not in run.manifest()]
        return newest_asked_for(own or finished)
    if there:
        raise there[-1].not_finished(final=final)
    names = sorted({r.manifest()["experiment"] for r in iter_runs(runs_dir) if r.finished})
    what = "no finished run" + (f" named '{name}'" if name else "")
    raise RunError(
        what
        + did_you_mean(name or "", names)
        + (f" (there are: {', '.join(names)})" if names else ""),
        where=str(runs_dir),
        fix="train one with `numerai-lab train configs/xgb.yaml`, or name another --runs-dir",
    )
