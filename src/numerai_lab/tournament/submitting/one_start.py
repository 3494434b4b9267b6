"""One start of `submit`: rounds, slots, and what has become of them so far."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from numerai_lab.errors import LabError
from numerai_lab.tournament.records import DamagedRecord, Receipt, Slot, set_aside
from numerai_lab.tournament.server import Now, Patience, RoundNotOpen, TournamentError, look
from numerai_lab.tournament.submitting.attempt import attempt, check_slot, is_of, rehearse, settle
from numerai_lab.tournament.submitting.one_submission import Astray
from numerai_lab.tournament.submitting.outcome import TRY_LATER, Outcome, SlotResult
from numerai_lab.tournament.submitting.recovery import check_counted
from numerai_lab.tournament.submitting.session import Session


@dataclass
class Start:
    """One start: what it was given, and what it has come to so far.

    Attributes
    ----------
    done : the result of each slot in the round that is `now`. lost : what failed in rounds that
        went by meanwhile, with their numbers.
    """

    slots: Sequence[Slot]
    session: Session
    patience: Patience
    dry_run: bool
    now: Now | None = None
    done: dict[str, SlotResult] = field(default_factory=dict)
    lost: list[tuple[int, SlotResult]] = field(default_factory=list)
    _unfit: dict[str, LabError] = field(default_factory=dict)
    _moved: bool = False

    def outcome(self, why: str | None = None) -> Outcome:
        """Return what became of the slots that are done; the others failed, if there is a `why`."""
        number = None if self.now is None or self.now.round is None else self.now.round.number
        done = dict(self.done)
        for slot in self.slots:
            if why is not None and slot.name not in done:
                done[slot.name] = SlotResult(slot.name, "failed", why, exit_code=1)
        results = [done[slot.name] for slot in self.slots if slot.name in done]
        return Outcome(number, tuple(results)).redacted(self.session.environ)

    def work(self) -> None:
        """Look and try until every slot is done, or time is up."""
        session = self.session
        self._unfit = _unfit(self.slots, session, dry_run=self.dry_run)
        all_unfit = len(self._unfit) == len(self.slots)
        # only a slot that was submitted some day can have its receipt of this round
        if all_unfit and not any(map(session.state.has_receipts, self._unfit)):
            self._refuse_unfit()
            return
        said, number = "", -1
        while True:
            try:
                now = look(session.public())
            except LabError as error:
                session.warn(f"the current round is not known: {error}")
                if not all_unfit and self.patience.pause():
                    continue
                self._refuse_unfit()
                for slot in self.slots:
                    self.done.setdefault(slot.name, SlotResult.failed(slot.name, error))
                return
            self.now = now
            if str(now) != said:
                said = str(now)
                session.say(said)
            if now.round is not None and now.round.number != number:
                failed = [one for one in self.done.values() if one.status in ("failed", "late")]
                self.lost += [(number, one) for one in failed]
                number = now.round.number
                session.forget_live()
                self.done.clear()
            self._moved = False
            # what may have to be waited for comes last
            for slot in sorted(self.slots, key=lambda slot: session.state.has_open(slot.name)):
                session.slots_left = len(self.slots) - len(self.done)
                if slot.name not in self.done or self.done[slot.name].retry:
                    self.done[slot.name] = self._one(slot, now)
            # a round that is over and done may be followed by one that opens while there is
            # patience
            again = any(result.retry for result in self.done.values())
            again = again or not (now.is_open or self.dry_run)
            if not self._moved and not (again and self.patience.pause()):
                return

    def _refuse_unfit(self) -> None:
        for slot in self.slots:
            if slot.name in self._unfit and slot.name not in self.done:
                self.done[slot.name] = _refused(slot, self._unfit[slot.name], self.session)

    def _one(self, slot: Slot, now: Now) -> SlotResult:
        """Bring one slot as far as it goes now; its failure is its own."""
        session, unfit = self.session, self._unfit.get(slot.name)
        try:
            if self.dry_run:
                return _refused(slot, unfit, session) if unfit else _rehearsed(slot, now, session)
            receipt = self._receipt(slot, now)
            if receipt is not None:
                return _already(receipt, session)
            for receipt in settle(slot, now.round, session):
                if receipt.astray:
                    self._went_astray(receipt)
                elif now.of(receipt.round) and is_of(receipt, slot):
                    return _submitted(receipt, session)
            if unfit is not None:
                return _refused(slot, unfit, session)
            if now.round is None or not now.is_open:
                return _not_open(slot, now)
            if session.state.went_astray(slot.name, now.round.number):
                number = now.round.number
                message = f"the server counts the submission of round {number} for another round"
                return SlotResult(slot.name, "failed", message, exit_code=1)
            return _submitted(attempt(slot, now.round, session), session)
        except RoundNotOpen as error:
            session.warn(f"{slot.name}: {error}")
            return SlotResult(slot.name, "not_open", str(error), exit_code=TRY_LATER, warned=True)
        except Astray as error:
            session.warn(f"{slot.name}: {error}")
            self._moved = True
            return replace(SlotResult.failed(slot.name, error), status="late")
        except LabError as error:
            session.warn(f"{slot.name}: {error}")
            return SlotResult.failed(slot.name, error)
        except Exception as error:  # noqa: BLE001 - a model may raise anything; other slots go on
            unexpected = TournamentError(f"unexpected {type(error).__name__}: {error}")
            session.warn(f"{slot.name}: {unexpected}\n{traceback.format_exc().rstrip()}")
            return SlotResult.failed(slot.name, unexpected)

    def _went_astray(self, receipt: Receipt) -> None:
        error = Astray(receipt)
        self.session.warn(f"{receipt.slot}: {error}")
        late = replace(SlotResult.failed(receipt.slot, error), status="late")
        self.lost.append((receipt.round, late))

    def _receipt(self, slot: Slot, now: Now) -> Receipt | None:
        """Return the receipt that ends a round for a slot, as far as it can be believed."""
        if now.round is None:
            return None
        session, number = self.session, now.round.number
        try:
            receipt = session.state.receipt(slot.name, number)
        except DamagedRecord as error:
            aside = set_aside(error.path)
            session.warn(
                f"{slot.name}: the receipt {error.path} is damaged ({error.why}) and is moved "
                f"aside as {aside.name}; the server is asked what it has of round {number}"
            )
            return None
        if receipt is None:
            return None
        if not is_of(receipt, slot) and now.is_open:
            session.state.put_away(receipt)
            session.warn(
                f"{slot.name}: round {number} was submitted for model {receipt.model} of account "
                f"{receipt.account}; the slot is now of {slot.model_name} ({slot.account}), which "
                "is submitted, too"
            )
            return None
        if receipt.counted_for == 0 and slot.name not in self._unfit:
            with contextlib.suppress(LabError):  # it is there; the rest is asked another time
                receipt = check_counted(session.account(slot.account), session.state, receipt)
            if receipt.astray:
                self._went_astray(receipt)
                return None
        return receipt


def _unfit(slots: Sequence[Slot], session: Session, *, dry_run: bool) -> dict[str, LabError]:
    """Return why slots cannot be submitted, whatever the server says."""
    found = {}
    for slot in slots:
        try:
            check_slot(slot, session, dry_run=dry_run)
        except LabError as error:
            found[slot.name] = error
    return found


def _refused(slot: Slot, error: LabError, session: Session) -> SlotResult:
    session.warn_once(f"{slot.name}: {error}")
    return SlotResult.failed(slot.name, error)


def _rehearsed(slot: Slot, now: Now, session: Session) -> SlotResult:
    if now.round is None:
        return _not_open(slot, now)
    n_rows, there = rehearse(slot, now.round, session)
    message = f"{n_rows:,} predictions pass every check; nothing was uploaded"
    if there is not None:
        number = now.round.number
        message += f"; round {number} has submission {there} already: submit leaves it as it is"
    return SlotResult(slot.name, "dry_run", message)


def _already(receipt: Receipt, session: Session) -> SlotResult:
    message = f"submitted at {receipt.inserted_at}"
    if receipt.how == "found":
        maker = session.state.maker(receipt)
        by = "by something else"
        if maker is not None and maker.origin is not None:
            by = f"from here, as slot '{maker.slot}' with run {maker.origin.run}"
        message = f"the server has a submission made at {receipt.inserted_at} {by}"
    return SlotResult(receipt.slot, "already", message, receipt.submission_id)


def _submitted(receipt: Receipt, session: Session) -> SlotResult:
    if receipt.how == "found":
        result = _already(receipt, session)
        session.warn(f"{receipt.slot}: {result.message}; it is left as it is")
        return replace(result, warned=True)
    if receipt.late:
        message = f"arrived at {receipt.inserted_at}, after the deadline: it is not staked"
        session.warn(f"{receipt.slot}: {message}")
        return SlotResult(
            receipt.slot, "late", message, receipt.submission_id, exit_code=1, warned=True
        )
    message = f"{receipt.how} for model {receipt.model} at {receipt.inserted_at}"
    session.say(f"{receipt.slot}: {message} ({receipt.submission_id})")
    gap, last = "", session.state.last_round(receipt.slot, receipt.round)
    if last is not None and last < receipt.round - 1:
        gap = f"no submission was made in rounds {last + 1} to {receipt.round - 1}"
        session.warn(f"{receipt.slot}: {gap}")
    return SlotResult(receipt.slot, "submitted", message, receipt.submission_id, gap=gap)


def _not_open(slot: Slot, now: Now) -> SlotResult:
    message = str(now) + (", and has no submission of this slot" if now.is_over else "")
    return SlotResult(slot.name, "not_open", message, exit_code=TRY_LATER, retry=True)
