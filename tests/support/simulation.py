"""Rounds, weather and cron in simulated time."""

import random
from datetime import datetime, timedelta

from numerai_lab.tournament import OnFailure, Patience, Session, State, load_slots, submit
from numerai_lab.tournament.server.api import Backoff, Tournament
from submit_lab import predict_here

PASSING = (
    {"op": "*", "kind": "500"},
    {"op": "*", "kind": "503"},
    {"op": "*", "kind": "status", "status": 429, "retry_after": 7},
    {"op": "*", "kind": "cut"},
    {"op": "*", "kind": "not_json"},
    {"op": "*", "kind": "hang", "seconds": 5},
    {"op": "*", "kind": "error", "message": "Internal server error"},
    {"op": "account", "kind": "wrong_keys"},
    {"op": "submissions", "kind": "500"},
    {"op": "submissions", "kind": "cut_body"},
    {"op": "put", "kind": "status", "status": 403},
    {"op": "put", "kind": "accept_then_cut"},
    {"op": "file", "kind": "truncated"},
    {"op": "file", "kind": "corrupt"},
    {"op": "file", "kind": "cut_body"},
    {"op": "file", "kind": "stale"},
    {"op": "file", "kind": "ignore_range"},
    {"op": "create_submission", "kind": "500"},
    {"op": "create_submission", "kind": "cut"},
    {"op": "create_submission", "kind": "error"},
    {"op": "create_submission", "kind": "hang", "seconds": 5},
    {"op": "create_submission", "kind": "accept_then_cut"},
    {"op": "create_submission", "kind": "accept_then_hang", "seconds": 5},
    {"op": "create_submission", "kind": "accept_then_status", "status": 504},
    {"op": "create_submission", "kind": "cut_body"},
)


LISTS = ("submissions", "model")


WEATHER = ("fine", "passing", "passing", "lossy", "lost", "lost", "down", "dead", "later")


class Simulation:
    """A stand-in whose clock moves when the submitter sleeps, and a cron that starts it."""

    def __init__(self, server, runs, folder, seed):
        self.server, self.runs, self.folder = server, runs, folder
        self.draw = random.Random(seed)
        self.now = datetime(2026, 3, 3, 11, 30)
        self.began = self.now
        self.heals_at = self.now
        self.broken = False
        self.log: list[str] = []
        self.seen: set[str] = set()
        self.slots = load_slots(folder / "submit.yaml").slots

    def clock(self) -> float:
        return (self.now - self.began).total_seconds()

    def sleep(self, seconds: float) -> None:
        self.go_to(self.now + timedelta(seconds=seconds))

    def go_to(self, when: datetime) -> None:
        self.now = max(self.now, when)
        asked = {"set_time": self.now.isoformat()}
        if self.broken and self.now >= self.heals_at:
            self.broken = False
            asked["clear_faults"] = True
        self.server.control(**asked)

    def break_until(self, when: datetime, faults: list[dict]) -> None:
        self.server.control(faults=faults)
        self.heals_at, self.broken = when, True

    def connect(self, keys, *, url):
        return Tournament(
            keys,
            url=url,
            timeout_seconds=0.3,
            attempts=4,
            wait=Backoff(random=self.draw.random),
            clock=self.clock,
            sleep=self.sleep,
        )

    def start(self, wait: float = 0.0):
        """What cron does."""
        session = Session(
            State(self.folder / "submissions", self.server.url),
            self.runs,
            self.server.environment,
            say=self.log.append,
            warn=self.log.append,
            connect=self.connect,
            sleep=self.sleep,
            clock=self.clock,
            predictor=predict_here,
        )
        patience = Patience(wait, clock=self.clock, sleep=self.sleep, random=self.draw.random)
        outcome = submit(self.slots, session, patience, on_failure=OnFailure())
        self.log.append(outcome.summary)
        return outcome

    def weather(self, opens: datetime) -> bool:
        """Choose what is wrong in a round; return whether ten minutes of the window are fine."""
        kind = self.draw.choice(WEATHER)
        self.seen.add(kind)
        if kind == "fine":
            return True
        minutes = self.draw.uniform(0, 49)
        if kind == "passing":  # some things fail some times, whenever they are asked for
            chosen = self.draw.choices(PASSING, k=self.draw.randint(1, 6))
            faults = [{**one, "times": self.draw.randint(1, 3)} for one in chosen]
            self.break_until(opens + timedelta(minutes=minutes), faults)
            return True
        if kind == "lossy":  # a third of all requests fail
            faults = [
                {**one, "times": -1, "probability": 0.3}
                for one in self.draw.sample([p for p in PASSING if "hang" not in p["kind"]], 5)
            ]
            self.break_until(opens + timedelta(minutes=minutes), faults)
            return True
        if kind == "lost":  # the answer to the submission gets lost, then the list is not to be had
            taken = [one for one in PASSING if one["kind"].startswith("accept_then_")]
            slot = self.draw.randint(0, 1)  # each asks for the list before and after
            faults = [
                {**self.draw.choice(taken), "op": "create_submission", "skip": slot},
                *({"op": op, "kind": "503", "skip": 1 + 2 * slot, "times": -1} for op in LISTS),
            ]
            self.break_until(opens + timedelta(minutes=self.draw.uniform(12, 49)), faults)
            return True
        if kind == "later":  # fine for ten minutes, then nothing
            return True
        dead = kind == "dead"
        until = timedelta(hours=5) if dead else timedelta(minutes=minutes)
        self.break_until(opens + until, [{"op": "*", "kind": "503", "times": -1}])
        return not dead
