"""What a person writes beside a run: tags and a note, in labels.json, which no number rests on."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass

from pydantic import TypeAdapter, ValidationError

from numerai_lab.checksums import NotAsWritten, read_sealed, write_sealed
from numerai_lab.errors import UserError
from numerai_lab.experiment.records.part_records import LABELS, Damaged, check_owner, record
from numerai_lab.experiment.records.rundir import RunDir
from numerai_lab.files import exclusive_lock, write_errors

_TAG = re.compile(r"[\w.][\w.-]{0,39}")


@dataclass(frozen=True)
class Labels:
    """Tags, sorted, each once; and a note of any length, "" for none."""

    tags: tuple[str, ...] = ()
    note: str = ""


def read_labels(run: RunDir) -> Labels:
    """Read what a person wrote beside a run; nothing where nobody did.

    Raises
    ------
    Damaged : the file is not what was written, or another run's.
    """
    try:
        value = read_sealed(run.labels_path)
        check_owner(value, run.owner(), LABELS)
        return TypeAdapter(Labels).validate_python({"tags": value["tags"], "note": value["note"]})
    except FileNotFoundError:
        return Labels()
    except (NotAsWritten, ValidationError, KeyError, TypeError) as error:
        told = str(error) if isinstance(error, NotAsWritten) else "does not hold tags and a note"
        raise Damaged(
            told,
            where=str(run.labels_path),
            fix="remove it, and tag the run again; no score rests on it",
        ) from None


def change_labels(run: RunDir, change: Callable[[Labels], Labels]) -> Labels:
    """Change tags or note, while no other command does.

    Raises
    ------
    UserError : a tag that cannot be one. Damaged : as `read_labels`. RunError : another command
        is changing them. MachineError : they cannot be written.
    """
    path = run.labels_path
    with exclusive_lock(run.path / ".labels.lock", "another command is writing its labels"):
        wanted = change(read_labels(run))
        for tag in wanted.tags:
            if _TAG.fullmatch(tag) is None:
                raise UserError(
                    f"{tag!r} cannot be a tag",
                    fix="write up to 40 letters, digits, '.', '_' and '-', no '-' first",
                )
        kept = Labels(tuple(sorted(set(wanted.tags))), wanted.note.strip())
        with write_errors(path):
            if kept == Labels():
                path.unlink(missing_ok=True)
            else:
                write_sealed(path, record(run.owner(), LABELS, {}) | asdict(kept))
    return kept
