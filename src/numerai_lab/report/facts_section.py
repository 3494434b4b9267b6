"""What the run was: its data, files, notes, versions, machine, timings and configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from numerai_lab.report import figures
from numerai_lab.report.figures import ABSENT, count
from numerai_lab.report.folds_section import IN_LIBRARY
from numerai_lab.report.markup import Html, breakable, code, facts, h, join, table
from numerai_lab.report.record import Record

SECONDS = (
    "Fitting is everything from the rows to a model that can predict; in the library is the part "
    "of it inside the library's own training calls, the rest is preparing rows (as binning), "
    "choosing (weights, strengths) and what a model fits beside."
)


def _text(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: ABSENT}[value]
    if isinstance(value, float):
        return ABSENT if value != value else f"{value:,.6g}"
    if isinstance(value, int):
        return count(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _mapping(values: Mapping[str, Any], words: str = "nothing was recorded") -> Html:
    if not values:
        return h("p", words, class_="note")
    return facts(
        (name.replace("_", " "), breakable(_text(value))) for name, value in values.items()
    )


def fold_notes(record: Record) -> list[str]:
    """Return what the fits said, each sentence once, with the folds that said it."""
    said: dict[str, list[int]] = {}
    for fold, fit in sorted(record.fits.items()):
        for note in fit.notes:
            said.setdefault(note, []).append(fold)
    absent = [f.fold for f in record.manifest.folds if f.fold not in record.fits]
    if absent:
        said["no fit.json, so its size, seconds and importance are not shown"] = absent
    return [f"{_folds(folds, len(record.manifest.folds))}: {note}" for note, folds in said.items()]


def _folds(folds: list[int], n_all: int) -> str:
    if 1 < len(folds) == n_all:
        return f"all {n_all} folds"
    return f"fold{'s' if len(folds) > 1 else ''} {', '.join(map(str, folds))}"


def _data(record: Record) -> Html:
    data = record.manifest.data
    pairs = [
        ("source", data.source),
        ("folder", code(data.folder) if data.folder else ABSENT),
        (
            "eras",
            f"{figures.eras(data.first_era, data.last_era)} ({count(data.n_eras)} eras)"
            + data.dates(data.first_era, data.last_era),
        ),
        ("rows", count(data.n_rows)),
        ("features", count(data.n_features)),
        ("targets", ", ".join(data.targets) or ABSENT),
        ("horizon", f"{count(data.horizon_days)} trading days"),
    ]
    files = [
        [
            code(file.path),
            figures.size(file.bytes),
            count(file.rows),
            code(file.sha256[:16], title=file.sha256) if file.sha256 else ABSENT,
        ]
        for file in [*data.files, *data.references]
    ]
    return join(
        [
            h("h3", "Data"),
            facts(pairs),
            h("h3", "Counted while reading"),
            _mapping(data.counts, "Nothing was dropped or filled."),
            table("Files read", ["file", "size", "rows", "sha256 (first 16)"], files)
            if files
            else "",
        ]
    )


def _seconds(record: Record) -> dict[str, str]:
    kinds = {
        "fitting": "fit_seconds",
        IN_LIBRARY: "library_seconds",
        "predicting": "predict_seconds",
    }
    shown = {}
    for name, key in kinds.items():
        known = [v for fit in record.fits.values() if (v := getattr(fit, key)) is not None]
        shown[name] = figures.seconds(sum(known)) if known else ABSENT
    return shown


def _run(record: Record) -> Html:
    manifest = record.manifest
    git = manifest.git
    state = {True: " with uncommitted changes", False: "", None: ""}[git.dirty]
    command = manifest.command
    pairs = [
        ("command", code(command if isinstance(command, str) else " ".join(command))),
        ("run", code(record.folder.name)),
        ("started", manifest.created_utc or ABSENT),
        ("config hash", h("code", manifest.config_hash or ABSENT)),
        ("git", join([h("code", (git.commit or ABSENT)[:12]), state])),
        ("seed", ABSENT if manifest.seed is None else str(manifest.seed)),
        ("model", manifest.model.type),
        ("split", manifest.split.type),
    ]
    return join(
        [
            h("h3", "Run"),
            facts(pairs),
            h("h3", "Time, all folds"),
            _mapping(_seconds(record)),
            h("p", SECONDS, class_="note"),
            h("h3", "Machine"),
            _mapping(manifest.machine),
            h("h3", "Versions"),
            _mapping(manifest.versions),
        ]
    )


def _yaml(title: str, text: str) -> Html:
    return h("details", h("summary", title), h("pre", h("code", text))) if text else Html("")


def facts_section(record: Record) -> Html:
    """Build the section with the run's facts."""
    return h(
        "section",
        h("h2", "Facts"),
        h("div", h("div", _data(record)), h("div", _run(record)), class_="pair"),
        _yaml("Configuration as resolved", record.resolved),
        _yaml("Configuration as written", record.config),
        id="facts",
    )
