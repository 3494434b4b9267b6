"""What a model with transforms tells of its fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from numerai_lab.models.contract import FitReport


def told_with_columns(
    reports: Mapping[str, FitReport],
    main: FitReport,
    features: Sequence[str],
    names: Sequence[str],
    steps: Sequence[str],
) -> FitReport:
    """Tell of the model; what the added columns count for stands beside the features.

    Parameters
    ----------
    reports : of the twins, by name. features, names : of the data, and of the added columns.
    steps : what the steps are called.
    """
    raw = set(features)
    added = {name: gain for name, gain in main.importance.items() if name not in raw}
    whole = sum(main.importance.values()) or 1.0
    said = f"{len(names)} columns added by {', '.join(steps)}"
    if names and main.importance:
        said += f": {100 * sum(added.values()) / whole:.1f} % of the model's importance"
    twins = {name: {"size": report.size} for name, report in reports.items()}
    seconds = main.library_seconds + sum(report.library_seconds for report in reports.values())
    return replace(
        main,
        importance={name: value for name, value in main.importance.items() if name in raw},
        library_seconds=seconds,
        notes=(said, *main.notes),
        details={
            **main.details,
            "transforms": {"columns": list(names), "importance": added, "twins": twins},
        },
    )
