"""Predict in a process of its own, so that a model takes nothing down but itself.

A damaged model file or a library can end a process by a signal, or never end. What comes back is
a file with its own checksum; the process that submits never loads a model.
"""

from __future__ import annotations

import contextlib
import faulthandler
import multiprocessing
import os
import shlex
import signal
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from numerai_lab import errors
from numerai_lab.checksums import NotAsWritten, read_sealed, write_sealed
from numerai_lab.config import Neutralize
from numerai_lab.disclosure import keys_hidden
from numerai_lab.errors import LabError, UserError
from numerai_lab.experiment import RunDir, load_final
from numerai_lab.machine import short_of_memory
from numerai_lab.tournament.predict import LivePredictions, predict

START_METHOD = "spawn"
"""A fork would inherit this process's threads half-way through whatever they do."""
Post = Neutralize | Literal["as_run", "none"]


class Died(LabError):
    """The process that predicted ended without a result, or did not end; exit code 1."""


def predict_apart(
    run: RunDir,
    features: Path,
    neutralize: Post,
    *,
    seconds: float,
    result: Path,
    say: Callable[[str], None],
) -> LivePredictions:
    """Load a run's final model and predict a file with it, in a process of its own.

    Parameters
    ----------
    seconds : when it is ended. result : file that it writes; removed at the end.

    Raises
    ------
    Died : it ended by a signal, or was ended because it took too long.
    LabError : as `load_final` and `predict`.
    """
    context: Any = multiprocessing.get_context(START_METHOD)
    process = context.Process(
        target=_work, args=(run.path, features, neutralize, seconds, result), name="predict"
    )
    by_itself = f"numerai-lab predict {shlex.quote(str(run.path))}"
    result.unlink(missing_ok=True)
    with keys_hidden():  # a model has no use for them
        process.start()
    try:
        process.join(seconds)
        if process.is_alive():
            raise Died(
                f"loading and predicting did not end within {seconds:.0f} s",
                where=str(run.path),
                fix=f"try it with `{by_itself}`; give submit a longer --deadline if the "
                "model is that slow, else fit the final model again",
            )
        if process.exitcode != 0 or not result.is_file():
            raise Died(
                f"the process that loaded and predicted it {_end_of(process.exitcode)}",
                where=str(run.path),
                fix="fit the final model again if its files may be damaged, and try it with "
                f"`{by_itself}`",
            )
        return _read(result, run, features, say)
    finally:
        process.kill()
        process.join()
        result.unlink(missing_ok=True)


def _end_of(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            name = signal.Signals(-code).name
            return f"ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    return f"ended with exit code {code} and no result"


def _read(result: Path, run: RunDir, features: Path, say: Callable[[str], None]) -> LivePredictions:
    try:
        told = read_sealed(result)
        for sentence in told["said"]:
            say(sentence)
        failure = told.get("failure")
        if failure is None:
            return LivePredictions(
                ids=pa.array(told["ids"], type=pa.string()),
                values=np.array(told["values"], dtype=np.float64),
                n_eras=told["n_eras"],
                n_in_sample=told["n_in_sample"],
                features=features,
                sha256=told["sha256"],
            )
        known = getattr(errors, failure["kind"], UserError if failure["code"] == 2 else LabError)
        error: LabError = known(failure["what"], where=failure["where"], fix=failure["fix"])
    except (OSError, NotAsWritten, KeyError, TypeError, ValueError) as problem:
        raise Died(f"its result cannot be read ({problem})", where=str(run.path)) from None
    raise error


def _work(run: Path, features: Path, neutralize: Post, seconds: float, result: Path) -> None:
    """Do it, in the other process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever waits for this
    os.dup2(2, 1)  # stdout is for the results of submit
    with Path(os.devnull).open("w") as nowhere:
        if START_METHOD == "spawn":  # a fork has the timer of its parent, and waits for it for ever
            # ends this process even when a library never gives up the interpreter
            faulthandler.dump_traceback_later(seconds + 5, exit=True, file=nowhere)
        threading.Thread(target=_end_with_parent, daemon=True).start()
        said: list[str] = []
        told: dict[str, Any]
        try:
            final = load_final(RunDir(run))
            found = predict(final, features, neutralize=neutralize, say=said.append)
            told = {
                "ids": found.ids.to_pylist(),
                "values": found.values.tolist(),
                "n_eras": found.n_eras,
                "n_in_sample": found.n_in_sample,
                "sha256": found.sha256,
            }
        except LabError as error:
            told = _failure(type(error).__name__, error.what, error.where, error.fix)
            told["failure"]["code"] = error.exit_code
        except Exception as error:  # noqa: BLE001 - a model may raise anything
            what = f"unexpected {type(error).__name__}: {error}"
            short = short_of_memory(error)
            if short is None:
                told = _failure("LabError", what, None, None)
                said.append(traceback.format_exc().rstrip())
            else:
                told = _failure("MachineError", short.what, str(run), short.fix)
        write_sealed(result, {**told, "said": said})
        if START_METHOD == "spawn":
            faulthandler.cancel_dump_traceback_later()


def _failure(kind: str, what: str, where: str | None, fix: str | None) -> dict[str, Any]:
    return {"failure": {"kind": kind, "what": what, "where": where, "fix": fix, "code": 1}}


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
