"""`train --resume` of a run with damaged files: what is damaged is set aside and made anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from numerai_lab.checksums import marks_of, write_sealed
from numerai_lab.config import Resolved, resolved_yaml
from numerai_lab.disclosure import without_signatures
from numerai_lab.errors import RunError
from numerai_lab.experiment.records.part_records import Damaged, manifest_in_done
from numerai_lab.experiment.records.rundir import CONFIGS, RunDir, continued_by
from numerai_lab.files import write_errors, write_text

Say = Callable[[str], None]


def mend_manifest(run: RunDir, warn: Say) -> None:
    """Write a manifest that is damaged, gone or another run's as DONE still has it.

    Raises
    ------
    Damaged : it is damaged, and DONE does not have it.
    """
    done = manifest_in_done(run.path)
    try:
        run.owner()
        run.check_manifest_is_own()
        return
    except Damaged as error:
        if done is None:
            raise
        what = f"it {error.what}"
    write_sealed(run.manifest_path, done)
    warn(f"{run.manifest_path}: {what}; written anew, as DONE has it")


def write_configs(run: RunDir, resolved: Resolved) -> bool:
    """Write the config as written and as resolved.

    Returns
    -------
    Whether it keeps a password or signature in an address: a resumed run needs it, so it stays in
    these two files, which no other user may then read.
    """
    private = False
    texts = {"config.yaml": resolved.raw, "resolved.yaml": resolved_yaml(resolved.experiment)}
    for name, text in texts.items():
        write_text(run.path / name, text)
        if without_signatures(text) != text:
            (run.path / name).chmod(0o600)
            private = True
    return private


def mend_configs(run: RunDir, resolved: Resolved, warn: Say) -> None:
    """Write both config files anew if one is damaged, from a config of the same hash."""
    manifest = run.manifest()
    for name in CONFIGS:
        try:
            run.checked(run.path / name)
        except Damaged as error:
            write_configs(run, resolved)
            marks = marks_of(run.path, CONFIGS)
            same = marks == manifest["files"]
            if not same:  # of the same hash, but with other comments or settings of no consequence
                write_sealed(run.manifest_path, {**manifest, "files": marks})
            how = "" if same else ", as it is written now"
            warn(f"{error.where}: {error.what}; written anew{how}")
            return


def whole(run: RunDir, folder: Path, warn: Say) -> bool:
    """Whether a fold or final model is there and whole; a damaged one is set aside, and said."""
    if not folder.exists():
        return False
    try:
        run.check_part(folder)
    except Damaged as error:
        aside = set_aside(run, folder)
        warn(f"{error.where}: {error.what}; moved to {aside}, and fitted again")
        return False
    return True


def set_aside(run: RunDir, path: Path) -> Path:
    """Move a damaged part into `damaged/` of the run, and return its new place."""
    name = "-".join(path.relative_to(run.path).parts)
    target, number = run.path / "damaged" / name, 1
    while target.exists():
        number += 1
        target = target.with_name(f"{name}.{number}")
    with write_errors(target):
        target.parent.mkdir(exist_ok=True)
        path.rename(target)
    return target


def check_not_continued(run: RunDir) -> None:
    """Refuse to resume a run that grew another one's final model: its folds are the parent's."""
    continued = run.manifest().get("continued")
    if continued is not None:
        raise RunError(
            "grew the final model of another run, whose folds it shows, so it cannot be resumed",
            where=str(run.path),
            fix=f"make such a run anew with `numerai-lab train --continue {continued['parent']} "
            f"--amount {continued_by(continued)}`",
        )
