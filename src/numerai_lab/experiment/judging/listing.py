"""`runs`: what there is, with its numbers, data, labels, and what tells runs of a config apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from numerai_lab.config import Experiment
from numerai_lab.errors import LabError, RunError
from numerai_lab.experiment.judging.choosing import STATISTICS
from numerai_lab.experiment.judging.looks import brief_of_test, told_of_test
from numerai_lab.experiment.judging.summaries import MAIN
from numerai_lab.experiment.records import Damaged, RunDir, iter_runs, judged_on, read_labels
from numerai_lab.models import get_model

_TOLD_OTHERWISE = ("name", "question", "data.dir", "data.store")
"""Settings that the listing shows as such, or that change no number."""


def list_runs(runs_dir: Path, *, settings: bool = False) -> list[dict[str, Any]]:
    """One row per run under `runs_dir`, oldest first, with its headline numbers if finished.

    `metrics` holds of each metric what `choosing.STATISTICS` names. With `settings`, a row has them
    all under that name, dotted key -> value, a parameter that was left out with its default.

    `differs` holds the settings of a run that are not the same in all runs of its experiment, as
    dotted key -> value; None where its resolved.yaml cannot be read.

    Manifests, scores and records are checked, and not the large files: that is for who reads those.
    A run of which one is damaged has the state `damaged`, and under `damage` what a person is told.
    `verifiable` is False in runs of an older version, of whose files nothing can be known. `test`
    is there where the split keeps eras for a test: which they are, looks at them, the last corr.
    """
    unread: list[dict[str, Any]] = []

    def damaged(run: RunDir, error: RunError) -> None:
        told = {"run": str(run.path), "experiment": run.path.parent.name, "state": "damaged"}
        unread.append({**told, "damage": str(error)})

    runs = list(iter_runs(runs_dir, damaged=damaged))
    rows = [_row(run) for run in runs]
    by_experiment: dict[str, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        by_experiment[row["experiment"]].append(i)
    for members in by_experiment.values():
        # Equal hashes are equal settings: one resolved.yaml is read for each.
        one_of = {rows[i]["config_hash"]: runs[i] for i in members}
        told = differences(settings_of([*one_of.values()])) if len(one_of) > 1 else [{}]
        by_hash = dict(zip(one_of, told, strict=True))
        for i in members:
            rows[i]["differs"] = by_hash[rows[i]["config_hash"]]
    if settings:
        first = {row["config_hash"]: run for row, run in zip(rows, runs, strict=True)}
        all_of = dict(zip(first, settings_of([*first.values()], in_full=True), strict=True))
        for row in rows:
            row["settings"] = all_of[row["config_hash"]]
    return [*rows, *unread]


def differences(settings: Sequence[Mapping[str, Any] | None]) -> list[dict[str, Any] | None]:
    """Keep of each mapping the keys whose values are not the same in all; None stays None.

    Examples
    --------
    >>> differences([{"depth": 5, "eta": 0.1}, {"depth": 7, "eta": 0.1}])
    [{'depth': 5}, {'depth': 7}]
    """
    known = [one for one in settings if one is not None]
    absent = object()
    keys = [
        key
        for key in dict.fromkeys(key for one in known for key in one)
        if any(one.get(key, absent) != known[0].get(key, absent) for one in known)
    ]
    return [None if one is None else {k: one[k] for k in keys if k in one} for one in settings]


def _row(run: RunDir) -> dict[str, Any]:
    manifest = run.manifest()
    row: dict[str, Any] = {
        "run": str(run.path),
        "experiment": manifest["experiment"],
        "created_utc": manifest["created_utc"],
        "config_hash": manifest.get("config_hash"),
        "source": manifest["data"]["source"],
        "data": judged_on(run).as_dict(),
        "folds": len(manifest["folds"]),
        "state": "finished" if run.finished else "unfinished",
        "final": run.has_final,
        "continues": manifest.get("continued", {}).get("parent"),
        "trained_for": manifest.get("trained_for"),
        "origin": manifest.get("origin"),
        "model": manifest["model"]["type"],
    }
    try:
        labels = read_labels(run)
        row |= {"tags": list(labels.tags), "note": labels.note}
    except Damaged as error:
        row |= {"tags": [], "note": "", "labels_damage": str(error)}
    test = told_of_test(run)
    if test is not None:
        row["test"] = brief_of_test(test)
    try:
        row["verifiable"] = run.verifiable()
        if run.finished:
            run.record()
        if run.has_final:
            run.part_record(run.final_dir)
        summary = run.scores() if run.finished else None
    except Damaged as error:
        return row | {"state": "damaged", "damage": str(error)}
    if summary is not None:
        corr = summary["scores"][MAIN].get("corr", {})
        headline = ("mean", "ci_low", "ci_high", "sharpe", "sharpe_hac")
        eras = summary["eras"]
        row |= {"target": summary["target"], "n_eras": eras["n"]}
        row |= {"first_era": eras["first"], "last_era": eras["last"]}
        row |= {"corr" if key == "mean" else key: corr.get(key) for key in headline}
        row["metrics"] = {
            metric: {name: told[name] for name in STATISTICS if name in told}
            for metric, told in summary["scores"][MAIN].items()
        }
    return row


def list_settings(run: RunDir) -> dict[str, Any]:
    """Return a run's settings, dotted key -> value, each parameter of the model with its default.

    Raises
    ------
    RunError : they cannot be read.
    """
    run.experiment()
    (found,) = settings_of([run], in_full=True)
    return found or {}


def settings_of(runs: Sequence[RunDir], *, in_full: bool = False) -> list[dict[str, Any] | None]:
    """Flatten the configs of runs to dotted keys; a parameter left out in some has its default.

    With `in_full`, one that is left out in all has, too.
    """
    written = [_experiment(run) for run in runs]
    flat = [
        None if one is None else _flat(one.model_dump(mode="json", by_alias=True))
        for one in written
    ]
    known = [one for one in flat if one is not None]
    if in_full or any(one.keys() != known[0].keys() for one in known):
        for experiment, settings in zip(written, flat, strict=True):
            if experiment is not None and settings is not None:
                settings |= _flat({"model": {"params": _all_params(experiment)}})
    return [
        None if one is None else {key: value for key, value in one.items() if not _is_told(key)}
        for one in flat
    ]


def _experiment(run: RunDir) -> Experiment | None:
    try:
        return run.experiment()
    except LabError:
        return None


def _all_params(experiment: Experiment) -> dict[str, Any]:
    """Return the model's parameters with its defaults; as written if it is not installed here."""
    try:
        params = get_model(experiment.model.type).Params.model_validate(experiment.model.params)
    except (LabError, ValidationError):
        return experiment.model.params
    return params.model_dump(mode="json")


def _is_told(key: str) -> bool:
    return any(key == told or key.startswith(f"{told}.") for told in _TOLD_OTHERWISE)


def _flat(section: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in section.items():
        key = f"{above}{name}"
        flat |= _flat(value, f"{key}.") if isinstance(value, dict) and value else {key: value}
    return flat
