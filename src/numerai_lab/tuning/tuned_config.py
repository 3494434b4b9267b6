"""The tuned config: a plain YAML file that says which eras and how many trials chose its values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numerai_lab.checksums import FileMark, marks_of
from numerai_lab.config import Experiment, Key, Tuned, with_values, written_yaml
from numerai_lab.errors import RunError
from numerai_lab.files import write_text


def tuned_experiment(experiment: Experiment, values: Mapping[Key, Any], tuned: Tuned) -> Experiment:
    """Return the experiment with the values found, which says where.

    What was tuned before stays told: the eras are those of both studies.
    """
    before = experiment.tuned
    if before is not None:
        tuned = tuned.model_copy(
            update={
                "first_era": min(before.first_era, tuned.first_era),
                "last_era": max(before.last_era, tuned.last_era),
            }
        )
    update = {"name": f"{experiment.name}_tuned", "compare_to": [], "tuned": tuned, "tune": None}
    return with_values(experiment, values).model_copy(update=update)


def check_may_write(path: Path, before: Mapping[str, Any] | None) -> None:
    """Refuse to write over a file that is not what this study wrote there.

    Parameters
    ----------
    before : path and mark of the config that the study wrote last, if it did.

    Raises
    ------
    RunError : there is another file, or somebody has changed it since.
    """
    if not path.exists():
        return
    mark: FileMark | None = None if before is None else before.get(str(path))
    if not path.is_file() or marks_of(path.parent, [path.name])[path.name] != mark:
        raise RunError(
            "is there already, and not as this study wrote it",
            where=str(path),
            fix="move it away, or name another file with --out",
        )


def write_tuned(path: Path, experiment: Experiment, header: list[str]) -> dict[str, FileMark]:
    """Write the file and return its mark, by its path."""
    lines = [f"# {line}" for line in header]
    write_text(path, "\n".join(lines) + "\n\n" + written_yaml(experiment))
    return {str(path): marks_of(path.parent, [path.name])[path.name]}
