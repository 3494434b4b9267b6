"""Live predictions by somebody's own program: run with a deadline, its output checked."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from numerai_lab.data import ids_in
from numerai_lab.disclosure import child_environment
from numerai_lab.errors import UserError
from numerai_lab.experiment import read_predictions
from numerai_lab.files import sha256_of
from numerai_lab.tournament.predict import LivePredictions
from numerai_lab.tournament.records import OwnCommand
from numerai_lab.tournament.submitting.checks import check_submission
from numerai_lab.tournament.submitting.child_process import Died

_LAST_BYTES = 4096
"""Of what a program says, the end is where it says why it failed."""


def check_command(how: OwnCommand, where: str) -> None:
    """Check before anything is asked that there is such a program. Raises UserError."""
    program = how.command[0]
    if shutil.which(program) is None:
        raise UserError(
            f"there is no program '{program}' that can be run",
            where=f"{where} run.command",
            fix="write its whole path; cron and systemd know fewer places than your shell",
        )


def predict_by_command(
    how: OwnCommand, live: Path, *, seconds: float, folder: Path, environ: Mapping[str, str]
) -> LivePredictions:
    """Run a program on a live file and check what it writes.

    It is given no key, nothing on its standard input, and its output goes nowhere.

    Parameters
    ----------
    seconds : when it is ended, with all that it has started. folder : where its output is written;
        nothing of it is left. environ : of which it gets what holds no key.

    Raises
    ------
    Died : it failed, was ended because it took too long, or wrote nothing.
    RunError, DataError : what it wrote is no submission for this live file.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".command-") as inside:
        out, said = Path(inside, "predictions.csv"), Path(inside, "stderr")
        arguments = [*how.command, str(live.resolve()), str(out.resolve())]
        _run(arguments, said, seconds, environ, where=str(how))
        if not out.is_file():
            raise Died(
                "it ended well, and wrote no predictions",
                where=str(how),
                fix=f"write CSV with id and prediction to the path it is given last ({out.name})",
            )
        found = read_predictions(out)
    if "prediction" not in found.columns:
        raise UserError(
            f"wrote no column 'prediction' of numbers (but {', '.join(found.columns)})",
            where=str(how),
            fix="name it prediction",
        )
    live_ids = ids_in(live)
    made = LivePredictions(
        ids=found.ids,
        values=found.columns["prediction"],
        n_eras=1,
        n_in_sample=0,
        features=live,
        sha256=sha256_of(live),
    )
    check_submission(made.table(), live_ids, str(how))
    return made


def _run(
    arguments: list[str], said: Path, seconds: float, environ: Mapping[str, str], *, where: str
) -> None:
    """Run a program in a session of its own, so that all it starts can be ended with it."""
    with said.open("wb") as file:
        try:
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=file,
                env=child_environment(environ),
                start_new_session=True,
            )
        except OSError as error:
            raise Died(f"it cannot be started ({error.strerror})", where=where) from None
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise Died(
            f"it did not end within {seconds:.0f} s",
            where=where,
            fix="give submit a longer --deadline if it is that slow",
        ) from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if code:
        ended = f"exit code {code}" if code > 0 else signal.Signals(-code).name
        raise Died(f"it ended with {ended}{_last_words(said)}", where=where)


def _last_words(said: Path) -> str:
    """Return the last line of what a program said, to stand behind its exit code."""
    with said.open("rb") as file:
        file.seek(max(0, said.stat().st_size - _LAST_BYTES))
        lines = file.read().decode("utf-8", "replace").strip().splitlines()
    return f": {lines[-1].strip()}" if lines else ""
