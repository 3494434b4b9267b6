"""One upload that is certain: journal, submit, look whether the server has it, receipt.

The mutation that submits is the one request that must not be sent twice, and its answer can get
lost. So the server's name for the file is written down first, and whoever comes later - this
process after a timeout, or the next one after a kill - asks for that name before anything else.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from numerai_lab.tournament.records import Journal, Origin, Receipt, Slot, State, utc_text
from numerai_lab.tournament.server import (
    Clock,
    Rejected,
    Round,
    RoundNotOpen,
    Submission,
    Tournament,
    TournamentError,
    Unavailable,
    tick,
)
from numerai_lab.tournament.submitting.looks import LOOKS_SECONDS, Sleep, is_late, look_for

Say = Callable[[str], None]

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
    clock: Clock = time.monotonic,
) -> Receipt:
    """Upload and submit a file, and return the receipt once the server has been asked for it.

    Raises
    ------
    RoundNotOpen : the round closed meanwhile; nothing was submitted.
    Astray : the server counts it for the next round, which opened meanwhile.
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
        written=tick(clock),
    )
    state.write_journal(journal)
    try:
        journal = replace(journal, submission_id=tournament.create_submission(filename, model_id))
    except Rejected:
        state.write_journal(replace(journal, refused=True))
        raise
    except TournamentError as error:
        if isinstance(error, Unavailable) and not error.outcome_unknown:
            state.forget(slot.name, open_round.number)
            raise
        say(f"{slot.name}: no answer to the submission ({error.what}), asking whether it is there")
    else:
        state.write_journal(journal)
    found = look_for(tournament, journal, LOOKS_SECONDS, sleep)
    if found is None:
        raise unsure(journal)
    receipt = receipt_of(tournament, state, journal, found, "submitted", open_round)
    if receipt.astray:
        raise Astray(receipt)
    return receipt


class Astray(TournamentError):
    """A submission that the server counts for another round than the one it was made for."""

    def __init__(self, receipt: Receipt) -> None:
        super().__init__(
            f"the submission {receipt.submission_id} with the rows of round {receipt.round} "
            f"arrived late, and the server counts it for round {receipt.counted_for}",
            where=f"model {receipt.model}",
            fix=f"round {receipt.counted_for} is submitted anew",
        )


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


def unsure(journal: Journal) -> Unavailable:
    """Return the error for a submission of which nothing certain is known."""
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


def receipt_of(
    tournament: Tournament,
    state: State,
    journal: Journal,
    found: Submission,
    how: Literal["submitted", "recovered"],
    its_round: Round | None,
) -> Receipt:
    """Write and return the receipt of what a journal tells and the server lists."""
    receipt = replace(
        listed(
            tournament,
            found,
            slot=journal.slot,
            account=journal.account,
            model=journal.model,
            model_id=journal.model_id,
            number=journal.round,
            its_round=its_round,
        ),
        filename=journal.filename,
        how=how,
        origin=journal.origin,
    )
    state.write_receipt(receipt)
    return receipt


def listed(
    tournament: Tournament,
    found: Submission,
    *,
    slot: str,
    account: str,
    model: str,
    model_id: str,
    number: int,
    its_round: Round | None,
) -> Receipt:
    """Return a receipt of what the server lists, as one that something else has made.

    Parameters
    ----------
    number : the round it is of. its_round : that round, if it is known; another does not count.
    """
    known = its_round if its_round is not None and its_round.number == number else None
    return Receipt(
        slot=slot,
        round=number,
        account=account,
        model=model,
        model_id=model_id,
        submission_id=found.id,
        filename=found.filename,
        how="found",
        inserted_at=None if found.inserted_at is None else utc_text(found.inserted_at),
        late=is_late(found, known),
        confirmed_at=utc_text(tournament.server_now()),
        origin=None,
        counted_for=found.round or 0,
    )


def found_receipt(
    tournament: Tournament,
    slot: Slot,
    model_id: str,
    one: Submission,
    number: int,
    its_round: Round | None,
) -> Receipt:
    """Return a receipt of what the server lists for a slot; see `listed`."""
    return listed(
        tournament,
        one,
        slot=slot.name,
        account=slot.account,
        model=slot.model_name,
        model_id=model_id,
        number=number,
        its_round=its_round,
    )
