"""One upload that is certain: journal, submit, look whether the server has it, receipt.

The mutation that submits is the one request that must not be sent twice, and its answer can get
lost. So the server's name for the file is written down first, and whoever comes later - this
process after a timeout, or the next one after a kill - asks for that name before anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from numerai_lab.tournament.api import Round, Submission, Tournament
from numerai_lab.tournament.problems import (
    RoundNotOpen,
    TournamentError,
    Unavailable,
)
from numerai_lab.tournament.receipts import Journal, Origin, Receipt, State, utc_text
from numerai_lab.tournament.slots import Slot

Sleep = Callable[[float], None]
Say = Callable[[str], None]

LOOKS_SECONDS = (0.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Pauses before each look whether the server has a submission that it may be working on."""
GRACE_SECONDS = sum(LOOKS_SECONDS)
"""Age of a journal from which a submission that the server does not list is taken as not made:
twice the time after which a request is given up."""
ADDRESSES = 3
"""Upload addresses that are tried; one that is refused may have expired."""


def upload(
    tournament: Tournament,
    state: State,
    slot: Slot,
    model_id: str,
    open_round: Round,
    csv: bytes,
    origin: Origin,
    *,
    sleep: Sleep,
    say: Say,
) -> Receipt:
    """Upload and submit a file, and return the receipt once the server has been asked for it.

    Raises
    ------
    RoundNotOpen : the round closed meanwhile; nothing was submitted.
    Rejected : the server said no. Unavailable : it did not answer, or does not list the submission.
        Unless it is certain that nothing was sent the journal stays, and `recover` goes on from it.
    MachineError : the journal cannot be written; nothing was submitted.
    """
    filename = _put(tournament, model_id, f"{slot.name}.csv", csv, say)
    if not open_round.is_open(tournament.server_now()):
        raise RoundNotOpen(
            f"round {open_round.number} closed before the submission was made",
            fix="start earlier, or see what took so long above",
        )
    journal = Journal(
        slot=slot.name,
        round=open_round.number,
        account=slot.account,
        model=slot.model_name,
        model_id=model_id,
        filename=filename,
        written_at=utc_text(tournament.server_now()),
        origin=origin,
    )
    state.write_journal(journal)
    try:
        journal = replace(journal, submission_id=tournament.create_submission(filename, model_id))
    except TournamentError as error:
        if isinstance(error, Unavailable) and not error.outcome_unknown:
            state.forget(slot.name, open_round.number)
            raise
        say(f"{slot.name}: no answer to the submission ({error.what}), asking whether it is there")
    else:
        state.write_journal(journal)
    found = _look(tournament, journal, LOOKS_SECONDS, sleep)
    if found is None:
        raise _unsure(journal)
    return _receipt(tournament, state, journal, found, "submitted", open_round)


def recover(
    tournament: Tournament, state: State, journal: Journal, latest: Round | None, *, sleep: Sleep
) -> Receipt | None:
    """Finish what a journal tells: the receipt if the server has the submission, else None.

    Raises
    ------
    Unavailable : the server does not answer, or accepted the submission and does not list it.
    """
    age = journal.age_seconds(tournament.server_now())
    pauses: Sequence[float] = (0.0,)
    if 0 <= age < GRACE_SECONDS:  # the request may still be on its way
        pauses = (0.0, *(pause for pause in LOOKS_SECONDS[1:] if pause <= GRACE_SECONDS - age))
    found = _look(tournament, journal, pauses, sleep)
    if found is not None:
        return _receipt(tournament, state, journal, found, "recovered", latest)
    if journal.submission_id is not None:
        raise _unsure(journal)
    state.forget(journal.slot, journal.round)
    return None


def submitted_already(
    tournament: Tournament, state: State, slot: Slot, model_id: str, open_round: Round
) -> Receipt | None:
    """Return a receipt for a submission of this round that something else made, if there is one."""
    one = find_submission(tournament, model_id, open_round)
    if one is None:
        return None
    receipt = Receipt(
        slot=slot.name,
        round=open_round.number,
        account=slot.account,
        model=slot.model_name,
        model_id=model_id,
        submission_id=one.id,
        filename=one.filename,
        how="found",
        inserted_at=None if one.inserted_at is None else utc_text(one.inserted_at),
        late=_is_late(one, open_round),
        confirmed_at=utc_text(tournament.server_now()),
        origin=None,
    )
    state.write_receipt(receipt)
    return receipt


def find_submission(tournament: Tournament, model_id: str, of: Round) -> Submission | None:
    """Return a model's newest submission of a round, if it has any.

    One that the server does not count for a round yet is of the round in which it was made.
    """
    for one in tournament.submissions(model_id):
        if one.round == of.number:
            return one
        if one.round is None and one.inserted_at is not None and of.open_time <= one.inserted_at:
            return one
    return None


def _put(tournament: Tournament, model_id: str, filename: str, csv: bytes, say: Say) -> str:
    """Upload a file; return the name the server gave it."""
    for attempt in range(ADDRESSES):
        auth = tournament.upload_auth(model_id, filename)
        try:
            tournament.put(auth.url, csv)
        except Unavailable as error:
            refused = error.status is not None and 400 <= error.status < 500
            if not refused or attempt == ADDRESSES - 1:
                raise
            say(f"{filename}: {error.what}, asking for a new address")
            continue
        return auth.filename
    raise AssertionError("the loop returns or raises")


def _look(
    tournament: Tournament, journal: Journal, pauses: Sequence[float], sleep: Sleep
) -> Submission | None:
    """Look for a submission by its filename; raise only if no look was answered."""
    answered, failure = False, None
    for pause in pauses:
        if pause:
            sleep(pause)
        try:
            listed = tournament.submissions(journal.model_id)
        except Unavailable as error:
            failure = error
            continue
        answered = True
        for one in listed:
            if one.filename == journal.filename or one.id == journal.submission_id:
                return one
    if not answered and failure is not None:
        raise failure
    return None


def _unsure(journal: Journal) -> Unavailable:
    if journal.submission_id is not None:
        return Unavailable(
            f"the server accepted the submission as {journal.submission_id} and does not list it",
            where=f"model {journal.model}",
            fix="look at numer.ai; the next start asks again, and submits nothing twice",
        )
    return Unavailable(
        "no answer came to the submission, and the server does not list it",
        where=f"model {journal.model}",
        fix="the next start asks again before it submits",
    )


def _receipt(
    tournament: Tournament,
    state: State,
    journal: Journal,
    found: Submission,
    how: Literal["submitted", "recovered"],
    its_round: Round | None,
) -> Receipt:
    known = its_round if its_round is not None and its_round.number == journal.round else None
    receipt = Receipt(
        slot=journal.slot,
        round=journal.round,
        account=journal.account,
        model=journal.model,
        model_id=journal.model_id,
        submission_id=found.id,
        filename=journal.filename,
        how=how,
        inserted_at=None if found.inserted_at is None else utc_text(found.inserted_at),
        late=_is_late(found, known),
        confirmed_at=utc_text(tournament.server_now()),
        origin=journal.origin,
    )
    state.write_receipt(receipt)
    return receipt


def _is_late(found: Submission, its_round: Round | None) -> bool:
    if its_round is None or found.inserted_at is None:
        return False
    return found.inserted_at >= its_round.close_staking_time
