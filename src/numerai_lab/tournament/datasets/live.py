"""The live file of the current round, verified, for a submission."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from numerai_lab.tournament.datasets.download import download_files
from numerai_lab.tournament.datasets.fetch import Remote, probe
from numerai_lab.tournament.datasets.names import choose_files, choose_version
from numerai_lab.tournament.server import Rejected, Round, Tournament, Unavailable

LIVE = "live.parquet"
AHEAD = timedelta(hours=24)
"""Rounds open a day or more apart and their data are written before that, so a file written longer
than this before the opening is that of an earlier round. (How long before is not documented: a
shorter time would refuse a good file if Numerai wrote it the evening before.)"""


def download_live(
    tournament: Tournament,
    folder: Path,
    version: str,
    *,
    file: str = LIVE,
    say: Callable[[str], None] = lambda _: None,
) -> Path:
    """Return `folder/version/live.parquet` of the current round, checked to its last page.

    Parameters
    ----------
    file : another live file, such as `live_benchmark_models.parquet`.

    Raises
    ------
    Unavailable : no connection, or the server still has the file of an earlier round: later.
    Rejected, UserError : there is no current round (RoundNotOpen), or no such file.
    BadFile : the server's file is damaged. MachineError : the disk is full or cannot be written.
    """
    current = tournament.current_round()
    name = f"{version}/{file}"
    try:
        remote = probe(tournament, name)
    except Rejected:
        choose_files([file], choose_version(version, listed := tournament.datasets()), listed)
        raise
    if is_stale(remote, current):
        raise _stale(name, current, f"was written at {remote.modified}")
    (outcome,) = download_files(tournament, folder, [name], say=say, round_number=current.number)
    entry = outcome.entry
    # the answer to the download may come from another server than the one that was asked before
    if is_stale(Remote(entry.bytes, entry.etag, entry.modified), current):
        raise _stale(name, current, f"was written at {entry.modified}")
    if outcome.entry.round != current.number:
        raise _stale(name, current, f"is that of round {outcome.entry.round}")
    return outcome.path


def is_stale(remote: Remote, current: Round) -> bool:
    """Return whether the server's live file was written before the round's data can have been.

    Unknown (no Last-Modified) is not stale: the bytes are compared with the previous round's then.
    """
    if remote.modified is None:
        return False
    return datetime.fromisoformat(remote.modified) < current.open_time - AHEAD


def _stale(name: str, current: Round, why: str) -> Unavailable:
    return Unavailable(
        f"the server has no live data of round {current.number} yet (its file {why})",
        where=name,
        fix="try again in a few minutes",
    )
