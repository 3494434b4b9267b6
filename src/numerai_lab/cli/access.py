"""What commands about the tournament begin with: the environment, a connection, the run meant."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from numerai_lab.cli.output import warn_on_stderr

if TYPE_CHECKING:
    from numerai_lab.experiment import FinalModel, Reporter, RunDir
    from numerai_lab.tournament import State, Tournament


def environment(env_file: Path | None) -> dict[str, str]:
    """Return this process's environment, with what --env-file sets on top.

    Raises
    ------
    UserError : a file that others may read, or that is not NAME=VALUE lines.
    """
    from numerai_lab.tournament import mistaken_for, read_env_file

    given = read_env_file(env_file) if env_file else {}
    for name in given:
        meant = mistaken_for(name)
        if meant is not None:
            warn_on_stderr(f"{env_file}: {name} is not read, did you mean '{meant}'?")
    return {**os.environ, **given}


def state_of(folder: Path, environ: Mapping[str, str]) -> State:
    """Return the folder of receipts, as the server in use sees it. Raises UserError."""
    from numerai_lab.tournament import State, address_of, api_url

    return State(folder, address_of(api_url(environ)))


def connection(account: str | None, environ: Mapping[str, str]) -> Tournament:
    """Return a client with an account's keys; without an account, for what needs none.

    Raises UserError when keys are not set.
    """
    from numerai_lab.tournament import Tournament, api_url, keys_of

    keys = None if account is None else keys_of(account, environ)
    return Tournament(keys, url=api_url(environ))


def chosen_final(
    spec: str | None, runs_dir: Path, reporter: Reporter, *, trusted: bool | None = None
) -> FinalModel:
    """Load the final model of the run that is meant, and say which run that is.

    Parameters
    ----------
    trusted : of a run whose files cannot be checked: None, say so and go on; False, refuse it;
        True, take its files as they are, and write down their checksums.

    Raises
    ------
    RunError, ModelError : as `find_final`, `load_final`, `check_verifiable` and `trust`.
    """
    from numerai_lab.experiment import (
        check_verifiable,
        find_final,
        load_final,
        say_if_unverifiable,
        trust,
    )

    run = find_final(spec, runs_dir)
    if trusted is None:
        say_if_unverifiable(run, reporter.warn)
    elif trusted:
        trust(run, reporter.warn)
    else:
        check_verifiable(run)
    final = load_final(run)
    _say_choice(spec, final.run, final.experiment.name, reporter.say)
    return final


def chosen_run(spec: str | None, runs_dir: Path, say: Callable[[str], None]) -> RunDir:
    """Find the run that is meant, and say which one that is.

    A name means the same run here as in `predict`, `export`, `upload` and `submit`: the newest with
    a final model. A run without one can be named by its directory.

    Raises
    ------
    RunError : no such run; none of that name with a final model.
    """
    from numerai_lab.experiment import find_final, find_run

    named = spec is not None and Path(spec).is_dir()
    run = find_run(spec, runs_dir) if named else find_final(spec, runs_dir)
    _say_choice(spec, run, str(run.manifest()["experiment"]), say)
    return run


def _say_choice(spec: str | None, run: RunDir, experiment: str, say: Callable[[str], None]) -> None:
    """Say what was chosen, unless the person named the directory itself."""
    if spec is None or Path(spec).resolve() != run.path.resolve():
        say(f"taking run {run.path} (experiment {experiment}), the newest with a final model")
