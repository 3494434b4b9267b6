"""What is out of date: validation older than a week, live older than the current round."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from numerai_lab.data import LockedFile
from numerai_lab.tournament.datasets.names import GROUPS

WEEKLY = (*GROUPS["validation"], *GROUPS["benchmarks"], *GROUPS["meta"])
"""Files that grow by an era every week. Source: Numerai's documentation, "Data"."""
WEEK = timedelta(days=7)


def stale_files(
    entries: Mapping[str, LockedFile],
    version: str | None,
    *,
    now: datetime,
    round_number: int | None,
) -> list[str]:
    """Return a sentence for every recorded file that is out of date; no network.

    Parameters
    ----------
    version : only files of this version; None: of all.
    now : the server's time, or this machine's when it was not asked.
    round_number : the current round; None: live files are compared with the time instead.
    """
    said = []
    for name, entry in sorted(entries.items()):
        folder, _, file = name.partition("/")
        if version not in (None, folder):
            continue
        age = now - datetime.fromisoformat(entry.downloaded)
        if file in WEEKLY and age > WEEK:
            said.append(
                f"{name} was downloaded {age.days} days ago, and Numerai adds an era every week: "
                f"run `numerai-lab data download`"
            )
        if Path(file).stem.startswith("live"):
            sentence = _live(name, entry, age, round_number)
            if sentence:
                said.append(sentence)
    return said


def _live(name: str, entry: LockedFile, age: timedelta, round_number: int | None) -> str | None:
    if round_number is not None and entry.round is not None:
        if entry.round < round_number:
            return f"{name} is of round {entry.round}, the current one is {round_number}"
        return None
    if age > timedelta(days=1):
        return f"{name} was downloaded {age.days} days ago, and every round has its own"
    return None
