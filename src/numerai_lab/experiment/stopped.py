"""A run that was stopped by Ctrl-C or a full disk: what to type so that it ends whole."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator

from numerai_lab.errors import LabError, MachineError
from numerai_lab.experiment.records import RunDir
from numerai_lab.experiment.reporter import Reporter


class Stopped(LabError):
    """Ctrl-C; exit code 130."""

    exit_code = 130


@contextlib.contextmanager
def told_how_to_go_on(reporter: Reporter, *, final: bool) -> Iterator[None]:
    """Add to Ctrl-C and to the machine's faults what makes the run whole, whenever they come.

    Parameters
    ----------
    final : whether a final model was asked for.

    Raises
    ------
    Stopped : in place of KeyboardInterrupt.
    MachineError : with the way on.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise Stopped("stopped", fix=_way_on(reporter, final)) from None
    except MachineError as error:
        fix = "; ".join(part for part in (error.fix, _way_on(reporter, final)) if part)
        raise MachineError(error.what, where=error.where, fix=fix) from error


def _way_on(reporter: Reporter, final: bool) -> str:
    run = None if reporter.run is None else RunDir(reporter.run)
    if run is None or not run.manifest_path.exists():
        return "give the same command again"
    name = shlex.quote(str(run.path))
    if not run.finished:
        return f"what was finished is kept: give the command with `--resume --run-dir {name}` added"
    if final and not run.has_final:
        return f"the folds are complete: give the command with `--resume --run-dir {name}` added"
    return f"the run is complete: `numerai-lab report {name}` writes its report"
