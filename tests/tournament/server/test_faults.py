"""Rounds against a server that fails in every way: each slot once, or said so."""

from collections import Counter
from datetime import timedelta

import pytest

from numerai_lab.tournament import State
from simulation import WEATHER, Simulation
from stand_in import PUBLIC, SECRET, WORK_PUBLIC, WORK_SECRET
from submit_lab import SLOTS, ThreadStandIn

MINUTE = 60.0
WINDOW = 60 * MINUTE
SECRETS = (PUBLIC, SECRET, WORK_PUBLIC, WORK_SECRET, "stand-in-signature")
VERY_SLOW = [pytest.mark.slow, pytest.mark.very_slow]


@pytest.mark.parametrize(
    ("seed", "n_rounds"),
    [
        pytest.param(0, 24, marks=pytest.mark.slow),
        pytest.param(0, 60, marks=pytest.mark.slow),
        *(pytest.param(seed, 100, marks=VERY_SLOW) for seed in range(1, 11)),
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
