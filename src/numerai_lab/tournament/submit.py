"""`submit`: every slot once per round, from cron, unattended.

Receipts and the server decide what is done, so it may be started at any time, as often as one
likes, and killed at any moment. Exit codes: 0, every slot has a submission in this round, or
another submit is at work; 75, the round is not open, try again later; 1, a slot failed through no
fault of the user's, or some did and the others went on; 2, every slot failed and it is the user's
to mend; 130, Ctrl-C.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Sequence
from dataclasses import replace

from numerai_lab.errors import LabError, RunError
from numerai_lab.tournament.api import RoundNotOpen, TournamentError
from numerai_lab.tournament.attempt import Desk, attempt, check_slot, rehearse, settle
from numerai_lab.tournament.on_failure import check_on_failure, tell
from numerai_lab.tournament.outcome import TRY_LATER, Outcome, SlotResult
from numerai_lab.tournament.receipts import Receipt
from numerai_lab.tournament.rounds import Now, Patience, look
from numerai_lab.tournament.slots import OnFailure, Slot


def submit(
    slots: Sequence[Slot],
    desk: Desk,
    patience: Patience,
    *,
    on_failure: OnFailure,
    dry_run: bool = False,
) -> Outcome:
    """Bring every slot to a receipt for the current round, as far as that is possible now.

    Parameters
    ----------
    patience : how long to wait for the round to open and to try again what may yet succeed.
    on_failure : who is told about slots that failed or missed a round.
    dry_run : do everything but the upload, in any round, and write no receipt.

    Raises
    ------
    LabError : nothing could be begun: a wrong address, a folder that cannot be written.
    """
    check_on_failure(on_failure, desk.environ, desk.warn)
    desk.public()  # a wrong address is told before any slot
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(desk.state.lock())
        except RunError:
            return Outcome(None, (), busy=True)
        held.callback(desk.close)
        desk.state.remove_leftovers()
        now, results = _until_done(slots, desk, patience, dry_run=dry_run)
        number = None if now is None or now.round is None else now.round.number
        outcome = Outcome(number, tuple(results)).redacted(desk.environ)
        if not dry_run:
            _tell(outcome, now, desk, on_failure)
        return outcome


def _until_done(
    slots: Sequence[Slot], desk: Desk, patience: Patience, *, dry_run: bool
) -> tuple[Now | None, list[SlotResult]]:
    """Look and try until every slot is done, or time is up."""
    unfit = _unfit(slots, desk)
    all_unfit = len(unfit) == len(slots)
    # only a slot that was submitted some day can have its receipt of this round
    if all_unfit and not any(map(desk.state.has_receipts, unfit)):
        return None, [_refused(slot, unfit[slot.name], desk) for slot in slots]
    said, number = "", -1
    now: Now | None = None
    done: dict[str, SlotResult] = {}
    while True:
        try:
            now = look(desk.public())
        except LabError as error:
            desk.warn(f"the current round is not known: {error}")
            if not all_unfit and patience.pause():
                continue
            lost = {slot.name: SlotResult.failed(slot.name, error) for slot in slots}
            lost |= {
                slot.name: _refused(slot, unfit[slot.name], desk)
                for slot in slots
                if slot.name in unfit and slot.name not in done
            }
            return now, [{**lost, **done}[slot.name] for slot in slots]
        if str(now) != said:
            said = str(now)
            desk.say(said)
        if now.round is not None and now.round.number != number:
            number = now.round.number
            desk.forget_live()
            done.clear()
        for slot in slots:
            if slot.name not in done or done[slot.name].retry:
                done[slot.name] = _one(slot, now, desk, unfit.get(slot.name), dry_run=dry_run)
        # a round that is over and done may be followed by one that opens while there is patience
        again = any(result.retry for result in done.values()) or not (now.is_open or dry_run)
        if not again or not patience.pause():
            return now, [done[slot.name] for slot in slots]


def _unfit(slots: Sequence[Slot], desk: Desk) -> dict[str, LabError]:
    """Return why slots cannot be submitted, whatever the server says."""
    found = {}
    for slot in slots:
        try:
            check_slot(slot, desk)
        except LabError as error:
            found[slot.name] = error
    return found


def _refused(slot: Slot, error: LabError, desk: Desk) -> SlotResult:
    desk.warn_once(f"{slot.name}: {error}")
    return SlotResult.failed(slot.name, error)


def _one(slot: Slot, now: Now, desk: Desk, unfit: LabError | None, *, dry_run: bool) -> SlotResult:
    """Bring one slot as far as it goes now; its failure is its own."""
    try:
        if dry_run:
            return _refused(slot, unfit, desk) if unfit else _rehearsed(slot, now, desk)
        if now.round is not None:
            receipt = desk.state.receipt(slot.name, now.round.number)
            if receipt is not None:
                return _already(receipt, desk)
        for receipt in settle(slot, now.round, desk):
            if now.round is not None and receipt.round == now.round.number:
                return _submitted(receipt, desk)
        if unfit is not None:
            return _refused(slot, unfit, desk)
        if now.round is None or not now.is_open:
            return _not_open(slot, now)
        return _submitted(attempt(slot, now.round, desk), desk)
    except RoundNotOpen as error:
        desk.warn(f"{slot.name}: {error}")
        return SlotResult(slot.name, "not_open", str(error), exit_code=TRY_LATER, warned=True)
    except LabError as error:
        desk.warn(f"{slot.name}: {error}")
        return SlotResult.failed(slot.name, error)
    except Exception as error:  # noqa: BLE001 - a model may raise anything; other slots go on
        unexpected = TournamentError(f"unexpected {type(error).__name__}: {error}")
        desk.warn(f"{slot.name}: {unexpected}\n{traceback.format_exc().rstrip()}")
        return SlotResult.failed(slot.name, unexpected)


def _rehearsed(slot: Slot, now: Now, desk: Desk) -> SlotResult:
    if now.round is None:
        return _not_open(slot, now)
    n_rows, there = rehearse(slot, now.round, desk)
    message = f"{n_rows:,} predictions pass every check; nothing was uploaded"
    if there is not None:
        number = now.round.number
        message += f"; round {number} has submission {there} already: submit leaves it as it is"
    return SlotResult(slot.name, "dry_run", message)


def _already(receipt: Receipt, desk: Desk) -> SlotResult:
    message = f"submitted at {receipt.inserted_at}"
    if receipt.how == "found":
        maker = desk.state.maker(receipt)
        by = "by something else"
        if maker is not None and maker.origin is not None:
            by = f"from here, as slot '{maker.slot}' with run {maker.origin.run}"
        message = f"the server has a submission made at {receipt.inserted_at} {by}"
    return SlotResult(receipt.slot, "already", message, receipt.submission_id)


def _submitted(receipt: Receipt, desk: Desk) -> SlotResult:
    if receipt.how == "found":
        result = _already(receipt, desk)
        desk.warn(f"{receipt.slot}: {result.message}; it is left as it is")
        return replace(result, warned=True)
    if receipt.late:
        message = f"arrived at {receipt.inserted_at}, after the deadline: it is not staked"
        desk.warn(f"{receipt.slot}: {message}")
        return SlotResult(
            receipt.slot, "late", message, receipt.submission_id, exit_code=1, warned=True
        )
    message = f"{receipt.how} for model {receipt.model} at {receipt.inserted_at}"
    desk.say(f"{receipt.slot}: {message} ({receipt.submission_id})")
    gap, last = "", desk.state.last_round(receipt.slot, receipt.round)
    if last is not None and last < receipt.round - 1:
        gap = f"no submission was made in rounds {last + 1} to {receipt.round - 1}"
        desk.warn(f"{receipt.slot}: {gap}")
    return SlotResult(receipt.slot, "submitted", message, receipt.submission_id, gap=gap)


def _not_open(slot: Slot, now: Now) -> SlotResult:
    message = str(now) + (", and has no submission of this slot" if now.is_over else "")
    return SlotResult(slot.name, "not_open", message, exit_code=TRY_LATER, retry=True)


def _tell(outcome: Outcome, now: Now | None, desk: Desk, on_failure: OnFailure) -> None:
    """Tell whom failure concerns: slots that failed, and rounds that a slot in use has missed."""
    for result in outcome.slots:
        in_use = outcome.round and desk.state.last_round(result.slot, outcome.round) is not None
        over = now is not None and now.is_over
        # closed before this start, or in the middle of it
        missed = in_use and result.status == "not_open" and (over or not result.retry)
        if not (missed or result.gap or result.status in ("failed", "late")):
            continue
        kind = "missed" if missed else result.status
        why = result.gap or result.message
        number = "" if outcome.round is None else f" round {outcome.round},"
        text = f"numerai-lab submit,{number} slot {result.slot}: {why}"
        tell(
            on_failure,
            f"{outcome.round}/{result.slot}/{kind}",
            {"text": text, "round": outcome.round, **result.to_json()},
            memory=desk.state.path / ".told.json",
            environ=desk.environ,
            say=desk.warn,
        )
