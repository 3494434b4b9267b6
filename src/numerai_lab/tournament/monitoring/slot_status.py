"""What `status` found, as values: each slot, all slots together, and the line above them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from numerai_lab.tournament.monitoring.round_lines import RoundLine


@dataclass(frozen=True)
class SlotStatus:
    """One slot.

    Attributes
    ----------
    kind : `predictions` (submitted by cron) or `model` (uploaded, run by Numerai).
    run : that made the last submission, or would make the next, as a path from the current folder
        where it lies below it, else absolute; None if there is none.
    synthetic : the run was made on the synthetic tournament: its scores say nothing.
    rounds : the newest first. problem : why the server's view is missing, or None, and the exit
        code that goes with it (2: the user's to mend, 1: not).
    promised : mean corr, mmc, bmc, fnc of validation. live : the same of the newest resolved
        rounds, as far as Numerai scores them: `n_resolved` of them (mmc: `n_resolved_mmc`), at
        most `ROUNDS`.
    n_judged : eras that validation corr is the mean of.
    corr : (round, corr) of resolved rounds, oldest first, the last `YEAR_ROUNDS`.
    bands : `Bands` of these rounds as plain values; None without a run.
    verdict : live corr beside validation as plain values; None where `unjudged` says why.
    refreshed : receipt of the last `refresh` (`Refreshed`); None where there was none.
    warnings : what a person should look at.
    """

    slot: str
    model: str
    account: str
    kind: str
    run: str | None
    synthetic: bool = False
    rounds: tuple[RoundLine, ...] = ()
    problem: str | None = None
    problem_code: int = 0
    promised: dict[str, float | None] = field(default_factory=dict)
    live: dict[str, float | None] = field(default_factory=dict)
    n_resolved: int = 0
    n_resolved_mmc: int = 0
    n_judged: int = 0
    corr: tuple[tuple[int, float], ...] = ()
    bands: dict[str, Any] | None = None
    verdict: dict[str, Any] | None = None
    unjudged: str | None = None
    refreshed: dict[str, Any] | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Status:
    """All slots, at a time of the server's clock (or ours, where it was not asked).

    Attributes
    ----------
    problem, problem_code : why rounds could not be asked for, as in `SlotStatus`.
    elsewhere : a sentence about receipts of other servers, which do not count; None for none.
    """

    at: str
    server: str
    stand_in: bool
    round: int | None
    round_open: bool | None
    slots: tuple[SlotStatus, ...]
    problem: str | None = None
    problem_code: int = 0
    elsewhere: str | None = None

    @property
    def exit_code(self) -> int:
        """0: everything could be asked; 2: it is the user's to mend; 1: it is not."""
        codes = {self.problem_code, *(slot.problem_code for slot in self.slots)} - {0}
        return min(codes, default=0)

    @property
    def headline(self) -> str:
        """All in one line, the worst first: `1 of 2 slots needs a look, 1 not judged yet`."""
        total = f"{len(self.slots)} slot{'' if len(self.slots) == 1 else 's'}"
        if self.problem is not None and not self.slots:
            return f"{total}, the server could not be asked"
        alarmed = [one for one in self.slots if one.warnings or one.problem]
        quiet = [one for one in self.slots if one not in alarmed]
        low = sum(one.verdict is not None and one.verdict["standing"] == "low" for one in quiet)
        unjudged = sum(one.verdict is None for one in quiet)
        said = []
        if alarmed:
            said.append(f"{len(alarmed)} of {total} {_need(len(alarmed))} a look")
        if low:
            subject = f"{low}" if said else f"{low} of {total}"
            said.append(f"{subject} below validation, not yet proven")
        if unjudged:
            said.append(f"{unjudged} not judged yet")
        if not alarmed and not low:
            if unjudged == len(self.slots):
                return f"{total}, live corr not judged yet"
            said.insert(0, f"{total}, nothing to warn of")
        return ", ".join(said)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "headline": self.headline}


def _need(n: int) -> str:
    return "needs" if n == 1 else "need"
