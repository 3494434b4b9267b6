"""`submit`: every slot once per round, from cron, unattended.

Receipts and the server decide what is done, so it may be started at any time, as often as one
likes, and killed at any moment. Exit codes: 0, every slot has a submission in this round, or
another submit is at work; 75, the round is not open, try again later; 1, a slot failed through no
fault of the user's, or some did and the others went on; 2, every slot failed and it is the user's
to mend; 130, Ctrl-C.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace

from numerai_lab.errors import LabError, RunError
from numerai_lab.tournament.records import OnFailure, Slot
from numerai_lab.tournament.server import Patience, look
from numerai_lab.tournament.submitting.alerts import check_on_failure, tell
from numerai_lab.tournament.submitting.lock_holder import (
    ending_after,
    holding,
    overdue_sentence,
    read_holder,
)
from numerai_lab.tournament.submitting.one_start import Start
from numerai_lab.tournament.submitting.outcome import Outcome, SlotResult
from numerai_lab.tournament.submitting.session import Session


def submit(
    slots: Sequence[Slot],
    session: Session,
    patience: Patience,
    *,
    on_failure: OnFailure,
    dry_run: bool = False,
    stopped: Callable[[Outcome], None] = lambda _: None,
) -> Outcome:
    """Bring every slot to a receipt for the current round, as far as that is possible now.

    Parameters
    ----------
    patience : how long to wait for the round to open and to try again what may yet succeed.
    on_failure : who is told about slots that failed or missed a round.
    dry_run : do everything but the upload, in any round, and write no receipt.
    stopped : called with what has been done when this process ends itself, because the start took
        longer than `session.limit_seconds` and the patience.

    Raises
    ------
    LabError : nothing could be begun: a wrong address, a folder that cannot be written.
    """
    check_on_failure(on_failure, session.environ, session.warn)
    session.public()  # a wrong address is told before any slot
    start = Start(slots, session, patience, dry_run=dry_run)

    def expired() -> int:
        outcome = start.outcome(
            f"not done within {limit / 60:g} minutes, so this start has ended itself"
        )
        stopped(outcome)
        if not dry_run:
            _tell(outcome, start, on_failure)
        return outcome.exit_code

    with contextlib.ExitStack() as held:
        try:
            held.enter_context(session.state.lock())
        except RunError:
            return _busy(start, on_failure)
        held.callback(session.close)
        limit = session.limit_seconds + max(0.0, patience.seconds)
        held.enter_context(holding(session.state.path, limit, session.warn))
        held.enter_context(ending_after(limit, expired))
        session.state.remove_leftovers()
        start.work()
        outcome = start.outcome()
        if not dry_run:
            _tell(outcome, start, on_failure)
        return outcome


def _busy(start: Start, on_failure: OnFailure) -> Outcome:
    """Tell of another start that should have ended, and of a round that goes by meanwhile."""
    session = start.session
    holder = read_holder(session.state.path)
    if holder is None or holder.overdue:
        session.sleep(2.0)  # it may have just begun, and not written its own yet
        holder = read_holder(session.state.path)
    stuck = ""
    if holder is None or holder.overdue:
        stuck = overdue_sentence(holder)
    with contextlib.suppress(LabError):  # whoever is at work asks and tells, too
        start.now = look(session.public())
    now = start.now
    if now is not None and now.round is not None and now.is_over:
        for slot in start.slots:
            number = now.round.number
            in_use = session.state.last_round(slot.name, number) is not None
            there = session.state.last_round(slot.name, number + 1) == number
            # what is unfinished may be there
            if in_use and not there and (stuck or not session.state.has_open(slot.name)):
                message = f"{now}, and has no submission of this slot; another submit is at work"
                start.done[slot.name] = SlotResult(slot.name, "failed", message, exit_code=1)
    if stuck:
        session.warn(stuck)
    outcome = replace(start.outcome(), busy=True, stuck=stuck)
    if not start.done:
        outcome = replace(outcome, round=None)
    if not start.dry_run:
        if stuck:
            since = "unknown" if holder is None else f"{holder.pid}/{holder.started_at}"
            tell(
                on_failure,
                f"lock/{since}",
                {"text": f"numerai-lab submit: {stuck}", "round": None},
                memory=session.state.path / ".told.json",
                environ=session.environ,
                say=session.warn,
            )
        _tell(outcome, start, on_failure)
    session.close()
    return outcome


def _tell(outcome: Outcome, start: Start, on_failure: OnFailure) -> None:
    """Tell whom failure concerns: slots that failed, and rounds that a slot in use has missed."""
    session, over = start.session, start.now is not None and start.now.is_over
    lost = [(number, result.redacted(session.environ)) for number, result in start.lost]
    for number, result in [*lost, *((outcome.round, one) for one in outcome.slots)]:
        in_use = number and session.state.last_round(result.slot, number) is not None
        # closed before this start, or in the middle of it
        missed = in_use and result.status == "not_open" and (over or not result.retry)
        if not (missed or result.gap or result.status in ("failed", "late")):
            continue
        kind = "missed" if missed else result.status
        why = result.gap or result.message
        of_round = "" if number is None else f" round {number},"
        text = f"numerai-lab submit,{of_round} slot {result.slot}: {why}"
        tell(
            on_failure,
            f"{number}/{result.slot}/{kind}",
            {"text": text, "round": number, **result.to_json()},
            memory=session.state.path / ".told.json",
            environ=session.environ,
            say=session.warn,
        )
