"""Settle what an earlier start left open: ask the server which submissions it has.

A journal is written before a submission is sent and removed with its receipt, so one that is there
tells of a start that ended in between.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace

from numerai_lab.tournament.records import DamagedRecord, Journal, Receipt, Slot, State, set_aside
from numerai_lab.tournament.server import Clock, Round, Submission, Tournament, TournamentError
from numerai_lab.tournament.submitting.looks import (
    GRACE_SECONDS,
    LOOKS_SECONDS,
    Sleep,
    look_for,
    look_until,
)
from numerai_lab.tournament.submitting.one_submission import found_receipt, receipt_of, unsure
from numerai_lab.tournament.submitting.strays import find_submission, stray_files


def recover(
    tournament: Tournament,
    state: State,
    journal: Journal,
    latest: Round | None,
    *,
    sleep: Sleep,
    clock: Clock = time.monotonic,
) -> Receipt | None:
    """Finish the submission of a journal: return its receipt if the server has it, else None.

    None only after the server's list was seen without it `GRACE_SECONDS` after it was sent, or
    `LOOKS_SECONDS` where the server had answered.

    Raises
    ------
    Unavailable : the server does not answer, or accepted the submission and does not list it.
    """
    began = clock()
    found = look_for(tournament, journal, 0.0, sleep)
    if found is None:
        # not before an answer: the server's clock comes with it, and ours may be wrong
        age = journal.age_seconds(tournament.server_now(), clock) - (clock() - began)
        answered = journal.refused or journal.submission_id is not None
        enough = LOOKS_SECONDS if answered else GRACE_SECONDS
        if age < enough:
            found = look_for(tournament, journal, enough - age, sleep)
    if found is not None:
        return receipt_of(tournament, state, journal, found, "recovered", latest)
    if journal.submission_id is None:
        state.forget(journal.slot, journal.round)
        return None
    if latest is None or latest.number <= journal.round:
        raise unsure(journal)
    # its round is over: the next one must not wait for it for ever
    state.give_up(journal)
    raise NeverListed(journal)


class NeverListed(TournamentError):
    """A submission that the server accepted in a round that is over, and never listed."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(
            f"the server accepted the submission of round {journal.round} as "
            f"{journal.submission_id} and never listed it",
            where=f"model {journal.model}",
            fix="look at numer.ai",
        )


def recover_damaged(
    tournament: Tournament,
    state: State,
    slot: Slot,
    damaged: DamagedRecord,
    latest: Round | None,
    *,
    sleep: Sleep,
) -> Receipt | None:
    """Look whether the server has the submission of a damaged journal, and move the file aside.

    How old it is cannot be known, and the submission may still be on its way: absence is believed
    after `GRACE_SECONDS` only.

    Raises
    ------
    Unavailable : the server does not answer; the journal stays where it is.
    """
    text = ""
    with contextlib.suppress(OSError):
        text = damaged.path.read_bytes().decode("utf-8", "replace")
    number = int(damaged.path.name.partition(".")[0])
    model_id = tournament.model_id(slot.model_name)

    def ours() -> Submission | None:
        listed = tournament.submissions(model_id)
        named = [one for one in listed if one.filename and one.filename in text]
        strays = stray_files(state, listed)
        of_round = [one for one in listed if one.round == number and one.filename not in strays]
        return next(iter(named + of_round), None)

    found = look_until(ours, GRACE_SECONDS, sleep)
    set_aside(damaged.path)  # before the receipt is written, which removes the round's journal
    if found is None:
        return None
    receipt = found_receipt(tournament, slot, model_id, found, number, latest)
    if found.filename in text:
        receipt = replace(receipt, how="recovered")
    state.write_receipt(receipt)
    return receipt


def submitted_already(
    tournament: Tournament, state: State, slot: Slot, model_id: str, open_round: Round
) -> Receipt | None:
    """Return a receipt for a submission of this round made elsewhere, None if there is none."""
    one = find_submission(tournament, state, model_id, open_round)
    if one is None:
        return None
    receipt = found_receipt(tournament, slot, model_id, one, open_round.number, open_round)
    state.write_receipt(receipt)
    return receipt


def check_counted(tournament: Tournament, state: State, receipt: Receipt) -> Receipt:
    """Ask for which round a submission counts, where the server did not say when it was made.

    Returns
    -------
    The receipt as it is now; it is `astray` where it counts for another round.
    """
    for one in tournament.submissions(receipt.model_id):
        if one.id == receipt.submission_id and one.round is not None:
            receipt = replace(receipt, counted_for=one.round)
            state.write_receipt(receipt)
    return receipt
