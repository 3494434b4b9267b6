"""Rounds against a server that fails in every way: each slot once, or said so."""

import random
from collections import Counter
from datetime import datetime, timedelta

import pytest

from numerai_lab.tournament import OnFailure, Patience, Session, State, load_slots, submit
from numerai_lab.tournament.server.api import Backoff, Tournament
from stand_in import PUBLIC, SECRET, WORK_PUBLIC, WORK_SECRET
from submit_lab import SLOTS, ThreadStandIn, predict_here

MINUTE = 60.0
WINDOW = 60 * MINUTE
SECRETS = (PUBLIC, SECRET, WORK_PUBLIC, WORK_SECRET, "stand-in-signature")

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


@pytest.mark.parametrize(
    ("seed", "n_rounds"),
    [
        (0, 24),
        pytest.param(0, 60, marks=pytest.mark.slow),
        *(pytest.param(seed, 100, marks=pytest.mark.slow) for seed in range(1, 11)),
    ],
)
@pytest.mark.timeout(1200)
def test_every_slot_once_in_every_round_that_allowed_it(tmp_path, final_runs, seed, n_rounds):
    (tmp_path / "submit.yaml").write_text(SLOTS)
    server = ThreadStandIn.start(final_runs.parent / "data")
    try:
        world = Simulation(server, final_runs, tmp_path, seed)
        fine, told = simulate(world, n_rounds)
        state = server.state()
    finally:
        server.stop()
    made = Counter((one["model"], one["round"]) for one in state["submissions"])
    assert [key for key, times in made.items() if times > 1] == [], "submitted twice"
    assert [one["problem"] for one in state["submissions"] if one["problem"]] == []
    assert world.seen == set(WEATHER)
    models = ("alpha", "gamma")
    lost = [(m, number) for number in fine for m in models if made[m, number] == 0]
    assert lost == [], "a round was open and reachable, and missed\n" + "\n".join(world.log)
    receipts = State(tmp_path / "submissions", server.url)
    hows = Counter(one.how for model in models for one in receipts.receipts(model))
    assert hows["recovered"] > 0
    assert hows["found"] == 0, "a submission of ours that we did not know"
    for model in models:
        mine = {receipt.round: receipt.submission_id for receipt in receipts.receipts(model)}
        theirs = {one["round"]: one["id"] for one in state["submissions"] if one["model"] == model}
        assert mine == theirs, "receipts are not what the server has"
        missed = set(told) - set(mine)
        assert all(told[number] for number in missed), "a miss that nobody was told"
    assert not list(receipts.path.rglob("*.pending"))
    check_no_secrets(world, tmp_path)
    assert len(fine) > 0.7 * n_rounds
    assert len(state["faults"]["happened"]) > n_rounds


def simulate(world: Simulation, n_rounds: int) -> tuple[list[int], dict[int, bool]]:
    """Return the rounds that allowed a submission, and for every round whether it failed aloud."""
    fine: list[int] = []
    told: dict[int, bool] = {}
    for _ in range(n_rounds):
        opens = world.now.replace(hour=12, minute=0, second=0)
        world.go_to(opens + timedelta(seconds=1))
        number = world.server.control()["latest_round"]
        reachable = world.weather(opens)
        failed = []
        daily = world.draw.random() < 0.3
        dies_at = opens + timedelta(minutes=70)
        if not world.broken and world.draw.random() < 0.2:
            dies_at = opens + timedelta(minutes=15)
        ticks = [0.0] if daily else [world.draw.uniform(0, 5) + 5 * i for i in range(12)]
        for minute in ticks:
            tick = opens + timedelta(minutes=minute)
            if world.now > tick and failed:
                continue  # the start before is still at work: the lock sends this one away
            if failed[-2:] == [0, 0]:
                continue  # done, and found done: the others find the same
            world.go_to(tick)
            if world.now >= dies_at and not world.broken:
                faults = [{"op": "*", "kind": "503", "times": -1}]
                world.break_until(opens + timedelta(hours=5), faults)
            outcome = world.start(wait=WINDOW if daily else 0.0)
            failed.append(outcome.exit_code)
        if reachable:
            fine.append(number)
        told[number] = any(failed)
        # the last start of the day comes when the server is well and the round is over
        world.go_to(opens + timedelta(hours=6))
        outcome = world.start()
        told[number] |= outcome.exit_code == 75 and f"round {number}" in world.log[-1]
        days = 3 if world.now.weekday() == 5 else 1
        world.go_to(opens + timedelta(days=days, minutes=-10))
    return fine, told


def check_no_secrets(world: Simulation, folder) -> None:
    for secret in SECRETS:
        assert [line for line in world.log if secret in line] == []
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert [path for path in files if secret.encode() in path.read_bytes()] == []
