"""A session: one start of `submit`, and what its slots share."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from numerai_lab.data import LOCK_NAME, read_lock
from numerai_lab.errors import DataError
from numerai_lab.experiment import RunDir
from numerai_lab.tournament.datasets import download_live
from numerai_lab.tournament.predict import LivePredictions
from numerai_lab.tournament.records import OwnCommand, Slot, State, set_aside
from numerai_lab.tournament.server import Clock, Tournament, api_url, keys_of
from numerai_lab.tournament.submitting.child_process import Died, predict_apart
from numerai_lab.tournament.submitting.command_run import predict_by_command

LIVE_FILES = ("live.parquet", "live_benchmark_models.parquet")
LIMIT_SECONDS = 1800.0
"""What a start may take beyond its --wait: half of the hour that a round is open on weekdays."""
Predictor = Callable[..., LivePredictions]


@dataclass
class Session:
    """One start of `submit`: what it was told, and what its slots share instead of doing it twice.

    Shared are the connections to Numerai, the live file of the round, and what a run predicts
    from it.

    Parameters
    ----------
    state : the folder of receipts. runs_dir : where `latest:EXPERIMENT` is looked for.
    environ : keys and the API's address. connect : makes a Tournament; tests pass their own.
    say, warn : told every sentence that a person should, or must, read.
    force : submit a live file that is far shorter or longer than usual. trust : take runs without
        checksums as they are, and write down their checksums.
    predictor : predicts with a run; see `predict_apart`. limit_seconds : what the whole start may
        take, and slots_left how many slots still want a share of it.
    sleep, clock : waiting, and seconds that only grow; tests pass their own.
    """

    state: State
    runs_dir: Path
    environ: Mapping[str, str]
    say: Callable[[str], None]
    warn: Callable[[str], None]
    force: bool = False
    trust: bool = False
    connect: Callable[..., Tournament] = Tournament
    sleep: Callable[[float], None] = time.sleep
    clock: Clock = time.monotonic
    predictor: Predictor = predict_apart
    limit_seconds: float = LIMIT_SECONDS
    slots_left: int = 1
    _began: float = field(default_factory=time.monotonic)
    _accounts: dict[str, Tournament] = field(default_factory=dict)
    _live: dict[tuple[str, str], Path] = field(default_factory=dict)
    _died: dict[tuple[str, Path, str], Died] = field(default_factory=dict)
    _predicted: dict[tuple[str, Path, str], LivePredictions] = field(default_factory=dict)
    _warned: set[str] = field(default_factory=set)

    def warn_once(self, sentence: str) -> None:
        """Say a warning, unless it has been said."""
        if sentence not in self._warned:
            self._warned.add(sentence)
            self.warn(sentence)

    def public(self) -> Tournament:
        """Return a connection without keys."""
        if "" not in self._accounts:
            self._accounts[""] = self.connect(None, url=api_url(self.environ))
        return self._accounts[""]

    def account(self, name: str) -> Tournament:
        """Return the connection with an account's keys. Raises UserError when they are not set."""
        if name not in self._accounts:
            keys = keys_of(name, self.environ)
            self._accounts[name] = self.connect(keys, url=api_url(self.environ))
        return self._accounts[name]

    def close(self) -> None:
        """Close the connections."""
        for tournament in self._accounts.values():
            tournament.transport.close()

    def forget_live(self) -> None:
        """Forget the live file and what was predicted from it: it is another one next time."""
        self._live.clear()
        self._predicted.clear()

    def live(self, tournament: Tournament, version: str, name: str = LIVE_FILES[0]) -> Path:
        """Download a live file of the current round, once."""
        if (version, name) not in self._live:
            folder = self.state.path / ".live"
            self._check_lock(folder)
            self._live[version, name] = download_live(
                tournament, folder, version, file=name, say=self.say
            )
        return self._live[version, name]

    def _check_lock(self, folder: Path) -> None:
        """Move a damaged lock file of the live files aside: they are downloaded again."""
        try:
            read_lock(folder)
        except DataError as error:
            aside = set_aside(folder / LOCK_NAME)
            self.warn_once(f"{error.where}: {error.what}; moved aside as {aside.name}")

    def predict(self, run: RunDir | OwnCommand, live: Path, slot: Slot) -> LivePredictions:
        """Predict with a run or a command, once for the slots that want the same of it.

        Raises
        ------
        Died, LabError : as `predict_apart` and `predict_by_command`; what died is not tried again
            in this start.
        """
        key = (str(run), live, str(slot.post))
        if key in self._died:
            raise self._died[key]
        if key not in self._predicted:
            try:
                self._predicted[key] = self._predict(run, live, slot)
            except Died as error:
                self._died[key] = error
                raise
        return self._predicted[key]

    def _predict(self, run: RunDir | OwnCommand, live: Path, slot: Slot) -> LivePredictions:
        seconds = self._seconds_for_a_run()
        if isinstance(run, OwnCommand):
            return predict_by_command(
                run, live, seconds=seconds, folder=self.state.path, environ=self.environ
            )
        result = self.state.path / f".predicted-{os.getpid()}.json.part"
        how = slot.post.neutralize
        return self.predictor(run, live, how, seconds=seconds, result=result, say=self.say)

    def _seconds_for_a_run(self) -> float:
        """Return what one run may take, so that those after it have their turn."""
        left = self.limit_seconds - (time.monotonic() - self._began)
        return max(1.0, min(self.limit_seconds / 3, left / max(1, self.slots_left)))
