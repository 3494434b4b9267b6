"""Tell somebody that a slot was not submitted: a command, a webhook, once for each reason."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from numerai_lab.checksums import write_sealed
from numerai_lab.disclosure import child_environment
from numerai_lab.errors import LabError, MachineError, UserError
from numerai_lab.tournament.records import DamagedRecord, OnFailure, read_json, set_aside
from numerai_lab.tournament.server import is_loopback
from numerai_lab.tournament.submitting.outcome import redact

TIMEOUT_SECONDS = 60.0
SILENCE = timedelta(hours=6)
"""The same news is not told again before this: cron starts submit every few minutes."""


def check_on_failure(
    how: OnFailure, environ: Mapping[str, str], warn: Callable[[str], None]
) -> None:
    """Check what can be checked before anything fails.

    A variable of the environment that has no address is no reason not to submit: it is warned of.

    Raises
    ------
    UserError : plain http to another machine, written in submit.yaml.
    """
    if how.webhook is None:
        return
    try:
        _address(how.webhook, environ)
    except UserError as error:
        if not how.webhook.startswith("env:"):
            raise
        warn(f"{error}; until then no alert is sent to it when a slot fails")


def tell(
    how: OnFailure,
    topic: str,
    facts: Mapping[str, Any],
    *,
    memory: Path,
    environ: Mapping[str, str],
    say: Callable[[str], None],
) -> None:
    """Run the command and call the webhook, unless `topic` was told a short while ago.

    The command gets the sentence on its standard input and the environment without any key; the
    webhook gets `facts` as JSON, `text` among them (what Slack and Mattermost show). That one of
    them fails is said, and changes nothing else.

    Parameters
    ----------
    topic : what the news is about; news of the same topic is news once in `SILENCE`.
    memory : JSON file of topics and times.
    """
    if how.command is None and how.webhook is None:
        return
    now = datetime.now(UTC)
    # one of the future was written while this machine's clock was wrong: it silences nothing
    recalled = _recall(memory, say).items()
    told = {key: at for key, at in recalled if timedelta(0) <= now - at < SILENCE}
    if topic in told:
        return
    try:
        write_sealed(memory, {key: at.isoformat() for key, at in {**told, topic: now}.items()})
    except MachineError as error:  # a full disk is no reason to be silent about it
        say(str(error))
    text = str(facts["text"])
    if how.command is not None:
        _run(how.command, text, environ, say)
    if how.webhook is not None:
        try:
            address = _address(how.webhook, environ)
        except UserError as error:
            say(f"nobody was told by it: {error}")
        else:
            _post(address, facts, say)


@contextlib.contextmanager
def told_if_nothing_begins(
    how: OnFailure, *, memory: Path, environ: Mapping[str, str], say: Callable[[str], None]
) -> Iterator[None]:
    """Tell of an error that stops a start before any slot, as a wrong address does; it goes on.

    Parameters are those of `tell`.
    """
    try:
        yield
    except LabError as error:
        text = f"numerai-lab submit: nothing was begun: {redact(str(error), environ)}"
        facts = {"text": text, "round": None}
        tell(how, f"begin/{error.what}", facts, memory=memory, environ=environ, say=say)
        raise


def _recall(memory: Path, say: Callable[[str], None]) -> dict[str, datetime]:
    """Read the topics told; a file that cannot be read is none: better told twice than never."""
    try:
        told = read_json(memory).items()
        return {key: datetime.fromisoformat(at).astimezone(UTC) for key, at in told}
    except FileNotFoundError:
        return {}
    except (DamagedRecord, ValueError, AttributeError, TypeError) as error:
        why = error.why if isinstance(error, DamagedRecord) else str(error)
    try:
        say(f"{memory} cannot be read ({why}) and is moved aside as {set_aside(memory).name}")
    except MachineError as error:
        say(str(error))
    return {}


def _run(
    command: list[str], text: str, environ: Mapping[str, str], say: Callable[[str], None]
) -> None:
    try:
        done = subprocess.run(
            command,
            input=f"{text}\n".encode("utf-8", "replace"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT_SECONDS,
            env=child_environment(environ),
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        why = f"did not end within {TIMEOUT_SECONDS:g} s"
        if isinstance(error, ValueError):
            why = f"it cannot be started: {error}"
        if isinstance(error, OSError):
            why = error.strerror or type(error).__name__
        say(f"on_failure.command: '{command[0]}' could not tell anybody ({why})")
        return
    if done.returncode:
        say(f"on_failure.command: '{command[0]}' ended with exit code {done.returncode}")


def _post(address: str, facts: Mapping[str, Any], say: Callable[[str], None]) -> None:
    request = urllib.request.Request(
        address,
        data=json.dumps(facts).encode(),
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):
            pass
    except urllib.error.HTTPError as error:
        with error:
            say(f"on_failure.webhook answered with HTTP {error.code}")
    except (OSError, http.client.HTTPException, ValueError) as error:
        say(f"on_failure.webhook could not be reached ({type(error).__name__})")


def _address(webhook: str, environ: Mapping[str, str]) -> str:
    """Return the webhook's address; only https leaves this machine."""
    where, address = "on_failure.webhook", webhook
    if webhook.startswith("env:"):
        name = webhook.removeprefix("env:")
        address = environ.get(name, "").strip()
        if not address:
            raise UserError(
                f"the environment variable {name} is not set",
                where=where,
                fix="set it, beside the keys or in their file",
            )
    if not address.startswith("https://") and not (
        address.startswith("http://") and is_loopback(address)
    ):
        raise UserError("must be an https address", where=where, fix="write one")
    return address
