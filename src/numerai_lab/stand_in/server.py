"""A stand-in is started: its settings, and the world that it serves."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from numerai_lab.errors import MachineError, UserError
from numerai_lab.stand_in.datasets import Datasets
from numerai_lab.stand_in.handler import Handler
from numerai_lab.stand_in.listening import Server
from numerai_lab.stand_in.schedule import Clock, Rounds
from numerai_lab.stand_in.world import Account, World


@dataclass(frozen=True)
class StandInSettings:
    """What a stand-in is started with.

    Attributes
    ----------
    data : folder in Numerai's layout (or with vX.Y folders in it).
    port : 0 for any free one.
    accounts : (public id, secret key, model names) of each account.
    versions : names under which a folder without vX.Y folders is served.
    now, running : the clock's time (None: this machine's), and whether it runs.
    round_minutes : a round every so many minutes instead of Numerai's week.
    state_file : JSON file that keeps the submissions over a restart.
    closed : the last round closed an hour ago, and no other opens.
    """

    data: Path
    port: int = 0
    accounts: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    versions: tuple[str, ...] = ("v5.3",)
    now: datetime | None = None
    running: bool = True
    round_minutes: float | None = None
    state_file: Path | None = None
    closed: bool = False


def start_stand_in(settings: StandInSettings) -> Server:
    """Make a stand-in that listens.

    Raises
    ------
    UserError : the data folder has no live file.
    MachineError : the port is taken.
    """
    if not settings.data.is_dir():
        raise UserError("there is no such folder", where=str(settings.data), fix="check --data")
    clock = Clock(settings.now, running=settings.running)
    datasets = Datasets(settings.data, settings.versions, clock.now())
    if not any(name.endswith("/live.parquet") for name in datasets.files):
        raise UserError(
            "the folder has no live.parquet (nor a vX.Y folder with one)",
            where=str(settings.data),
            fix="give a folder in Numerai's layout, or leave --data out",
        )
    accounts = [
        Account(
            public,
            secret,
            f"user{number}" if number else "newcomer",
            {name: str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{public}/{name}")) for name in models},
        )
        for number, (public, secret, models) in enumerate(settings.accounts)
    ]
    rounds = Rounds(settings.round_minutes)
    if settings.closed:
        rounds.close(clock.now())
    world = World(clock, rounds, accounts, datasets, settings.state_file)
    try:
        return Server(settings.port, world, Handler)
    except OSError as error:
        raise MachineError(
            f"port {settings.port} cannot be used: {error.strerror or error}",
            fix="choose another with --port, or 0 for any free one",
        ) from error
