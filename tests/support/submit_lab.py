"""What tests of submit need: a trained run, slots, a stand-in, and submit in many guises."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sys
import threading
import time
from dataclasses import dataclass
from functools import partial, partialmethod
from pathlib import Path

import pandas as pd

from data_files import without_mark
from numerai_lab.cli import run
from numerai_lab.experiment import load_final
from numerai_lab.stand_in import StandInSettings, start_stand_in
from numerai_lab.stand_in.control import apply_control
from numerai_lab.stand_in.schedule import parse_time
from numerai_lab.tournament import Patience, Session, State, predict
from numerai_lab.tournament.server.api import Tournament
from stand_in import OPEN, PUBLIC, SECRET, WORK_PUBLIC, WORK_SECRET, StandIn, clean_environment
from tiny import TINY_CONFIG

SLOTS = """\
slots:
  - {name: alpha, run: "latest:tiny"}
  - {name: gamma, account: work, run: "latest:tiny", post: {neutralize: {proportion: 0.5}}}
"""
ONE = 'slots: [{name: alpha, run: "latest:tiny"}]\n'
ROUND = 1385
"""The round that is open at `stand_in.OPEN`."""
APART = (
    "from numerai_lab.tournament.submitting import child_process as child; "
    "child.START_METHOD = 'fork'; from numerai_lab.cli import main; main()"
)
"""The command in a fork (see `forked`): what it predicts with need not import anew either."""
MAIN = [sys.executable, "-c", "from numerai_lab.cli import main; main()"]


def train_final(folder: Path, tournament: Path, *arguments: str) -> Path:
    """Train a tiny run with a final model on a copy of the tournament in `data/v5.3`.

    The copy bears no mark, so the run counts as one on Numerai's data.
    """
    data = folder / "data" / "v5.3"
    if not data.is_dir():
        shutil.copytree(tournament, data)
        without_mark(data)
    config = folder / "tiny.yaml"
    config.write_text(TINY_CONFIG.format(folder=data))
    more = ["--set", "split.partial_chunk=false", "--final", "--quiet"]
    with contextlib.redirect_stdout(io.StringIO()):
        code = run(["train", str(config), "--runs-dir", str(folder / "runs"), *more, *arguments])
    assert code == 0
    return folder / "runs"


def predict_here(run, features, neutralize, *, say, **_):
    """Predict in this process: for tests that simulate many starts, or patch a model."""
    return predict(load_final(run), features, neutralize=neutralize, say=say)


def start_here(monkeypatch) -> None:
    """Let `submit` predict in this process from now on, and pause for 2 ms at most."""

    def brief(seconds: float) -> None:
        time.sleep(min(seconds, 0.002))

    here = {"sleep": brief, "connect": partial(Tournament, sleep=brief), "predictor": predict_here}
    monkeypatch.setattr(Session, "__init__", partialmethod(Session.__init__, **here))
    monkeypatch.setattr(Patience, "__init__", partialmethod(Patience.__init__, sleep=brief))


class ThreadStandIn(StandIn):
    """A stand-in in a thread of this process: real HTTP, there in a millisecond."""

    @classmethod
    def start(cls, data: Path, *, versions: str = "v5.3"):
        models = ((PUBLIC, SECRET, ("alpha", "beta")), (WORK_PUBLIC, WORK_SECRET, ("gamma",)))
        server = start_stand_in(
            StandInSettings(data, 0, models, (versions,), parse_time(OPEN), running=False)
        )
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return cls(server, server.url)

    def control(self, **asked) -> dict:
        world = self.process.world
        with self.process.lock:
            apply_control(world, asked)
            return {"latest_round": world.rounds.latest(world.now).number}

    def stop(self) -> None:
        self.process.shutdown()
        self.process.server_close()


@dataclass(frozen=True)
class Submit:
    """A project folder with runs and a submit.yaml, and a stand-in to submit to."""

    folder: Path
    runs: Path
    server: StandIn

    @property
    def state(self) -> Path:
        return self.folder / "submissions"

    @property
    def environment(self) -> dict[str, str]:
        return clean_environment(**self.server.environment)

    def slots(self, text: str = SLOTS) -> Path:
        path = self.folder / "submit.yaml"
        path.write_text(text)
        return path

    @property
    def places(self) -> list[str]:
        return [
            *("--config", str(self.folder / "submit.yaml")),
            *("--runs-dir", str(self.runs)),
            *("--state-dir", str(self.state)),
        ]

    def records(self, slot: str) -> Path:
        """Return where the records of the stand-in are."""
        return State(self.state, self.server.url).folder(slot)

    def receipts(self, slot: str) -> dict[int, dict]:
        found = self.records(slot).glob("*.json")
        return {
            int(path.stem): json.loads(path.read_text()) for path in found if path.stem.isdecimal()
        }

    def sent(self, slot: str, round_number: int) -> tuple[pd.Series, Path]:
        """What was submitted, by id, and the file of live rows that it was made of."""
        (kept,) = self.records(slot).glob(f"{round_number}*.csv")
        (served,) = (self.state / ".live").rglob("live.parquet")
        return pd.read_csv(kept).set_index("id")["prediction"], served

    def submissions(self) -> list[tuple[str, int]]:
        """What the server has: (model, round), and nothing that Numerai would refuse."""
        listed = self.server.state()["submissions"]
        assert [one["problem"] for one in listed if one["problem"]] == []
        return [(one["model"], one["round"]) for one in listed]
