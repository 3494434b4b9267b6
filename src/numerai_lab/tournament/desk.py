"""What the slots of one start share: connections, the live file, predictions of a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from numerai_lab.data import LOCK_NAME, read_lock
from numerai_lab.errors import DataError
from numerai_lab.experiment import FinalModel, RunDir, load_final
from numerai_lab.tournament.api import Tournament, api_url, keys_of
from numerai_lab.tournament.datasets.live import download_live
from numerai_lab.tournament.predict import LivePredictions, predict
from numerai_lab.tournament.receipts import State
from numerai_lab.tournament.records import set_aside
from numerai_lab.tournament.slots import Slot
from numerai_lab.tournament.ticks import Clock

LIVE_FILES = ("live.parquet", "live_benchmark_models.parquet")


@dataclass
class Desk:
    """What the slots of one start share: connections, the live file, predictions of a run.

    Parameters
    ----------
    state : the folder of receipts. runs_dir : where `latest:EXPERIMENT` is looked for.
    environ : keys and the API's address. connect : makes a Tournament; tests pass their own.
    say, warn : told every sentence that a person should, or must, read.
    force : submit a live file that is far shorter or longer than usual.
    sleep, clock : waiting, and seconds that only grow; tests pass their own.
    """

    state: State
    runs_dir: Path
    environ: Mapping[str, str]
    say: Callable[[str], None]
    warn: Callable[[str], None]
    force: bool = False
    connect: Callable[..., Tournament] = Tournament
    sleep: Callable[[float], None] = time.sleep
    clock: Clock = time.monotonic
    _accounts: dict[str, Tournament] = field(default_factory=dict)
    _live: dict[tuple[str, str], Path] = field(default_factory=dict)
    _finals: dict[Path, FinalModel] = field(default_factory=dict)
    _predicted: dict[tuple[Path, Path, str], LivePredictions] = field(default_factory=dict)
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

    def final(self, run: RunDir) -> FinalModel:
        """Load a run's final model, once."""
        if run.path not in self._finals:
            self._finals[run.path] = load_final(run)
        return self._finals[run.path]

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

    def predict(self, final: FinalModel, live: Path, slot: Slot) -> LivePredictions:
        """Predict with a run, once for the slots that want the same of it."""
        key = (final.run.path, live, str(slot.post))
        if key not in self._predicted:
            self._predicted[key] = predict(
                final, live, neutralize=slot.post.neutralize, say=self.say
            )
        return self._predicted[key]
