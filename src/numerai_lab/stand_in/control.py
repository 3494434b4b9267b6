"""The control of the stand-in: time, rounds, faults, files and scores, by one JSON object."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from numerai_lab.stand_in.operations import full_score
from numerai_lab.stand_in.schedule import parse_time
from numerai_lab.stand_in.world import World

KEYS = {
    "reset": "true: forget submissions, uploads, faults, counts, scores and whatever was given",
    "set_time": "ISO time",
    "advance": "seconds to move the clock",
    "running": "whether the clock runs",
    "rounds": "rounds to use instead of the schedule: [{number, open_time, close_staking_time, "
    "close_time}]; null for the schedule again",
    "faults": "faults to add, see faults.py",
    "clear_faults": "true: forget the faults that wait",
    "hide_files": "names that are not there",
    "modified": "{name: ISO time} Last-Modified of files that are not live",
    "scores": "{model name or id: [{roundNumber, displayName, value, ...}]}",
}


def apply_control(world: World, asked: dict[str, Any]) -> None:
    """Change the world as asked. Raises ValueError for a key it does not know."""
    unknown = set(asked) - set(KEYS)
    if unknown:
        raise ValueError(f"unknown control {sorted(unknown)} (known: {', '.join(KEYS)})")
    if asked.get("reset"):
        world.reset()
    if "set_time" in asked:
        world.clock.set(parse_time(asked["set_time"]))
    if "advance" in asked:
        world.clock.set(world.now + timedelta(seconds=float(asked["advance"])))
    if "running" in asked:
        world.clock.set(world.now, running=bool(asked["running"]))
    if "rounds" in asked:
        if asked["rounds"] is None:
            world.rounds.given = None
        else:
            world.rounds.give(asked["rounds"])
    if asked.get("clear_faults"):
        world.faults.waiting.clear()
    if "faults" in asked:
        world.faults.add(asked["faults"])
    if "hide_files" in asked:
        world.datasets.hidden = set(asked["hide_files"])
    if "modified" in asked:
        world.datasets.modified |= {
            name: parse_time(when) for name, when in asked["modified"].items()
        }
    if "scores" in asked:
        ids = {name: id_ for account in world.accounts for name, id_ in account.models.items()}
        for model, scores in asked["scores"].items():
            world.scores[ids.get(model, model)] = [full_score(score) for score in scores]
