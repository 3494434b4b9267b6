"""Which runs slots and uploaded models stand on: these are not to be removed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from numerai_lab.errors import LabError, RunError
from numerai_lab.experiment import RunDir, find_final
from numerai_lab.tournament.monitoring.watched import entries
from numerai_lab.tournament.records import SUBMIT_CONFIG, DamagedRecord, State, load_slots


def check_no_slot_needs(
    runs: Sequence[RunDir], runs_dir: Path, config: Path | None, state_dir: Path
) -> None:
    """Refuse to remove a run that a slot submits, or that its last submission was made from.

    Parameters
    ----------
    config : the file of slots; None: `SUBMIT_CONFIG`, if it is there.
    state_dir : the folder of receipts, of which those for every server count.

    Raises
    ------
    RunError : with the slot, and how it names the run. ConfigError : the file of slots is wrong.
    """
    going = {run.path.resolve(): run for run in runs}
    slots = load_slots(config or SUBMIT_CONFIG).slots if config or SUBMIT_CONFIG.is_file() else []
    state = State(state_dir)
    for entry in entries(slots, state):
        named = {entry.run: f"is what slot {entry.slot} means by {entry.run}"} if entry.run else {}
        try:
            last = state.last_made(entry.slot, sys.maxsize)
        except DamagedRecord:  # said by `submit` and `status`
            last = None
        if last is not None and last.origin is not None:
            made = f"is what slot {entry.slot} submitted last, in round {last.round}"
            named.setdefault(last.origin.run, made)
        for spec, what in named.items():
            try:
                found = find_final(spec, runs_dir).path
            except LabError:  # it is gone already, or has no final model: nothing can be lost
                found = Path(spec)
            run = going.get(found.resolve())
            if run is not None:
                raise RunError(
                    what,
                    where=str(run.path),
                    fix=f"give the slot another run in {config or SUBMIT_CONFIG}, or keep this one",
                )
