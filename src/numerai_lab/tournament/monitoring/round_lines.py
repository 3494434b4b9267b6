"""A slot's rounds: receipts, journals and the server's list, put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from numerai_lab.tournament.records import Journal, Receipt
from numerai_lab.tournament.server import Round, Submission

SHOWN_ROUNDS = 5


@dataclass(frozen=True)
class RoundLine:
    """One round of a slot, as the receipt and the server tell.

    Attributes
    ----------
    receipt : `submitted`, `recovered` or `found`; `pending` where a journal waits; None for none.
    server : `selected`, `replaced` (another submission of the round counts), `queued` (listed,
        not yet counted for a round), `absent`, or None when the server was not asked.
    late : after the staking deadline; None if not known.
    """

    round: int
    receipt: str | None
    submission_id: str | None
    server: str | None
    late: bool | None


def round_lines(
    receipts: Sequence[Receipt],
    pending: Sequence[Journal],
    submissions: Sequence[Submission] | None,
    rounds: Mapping[int, Round],
) -> list[RoundLine]:
    """Put receipts, journals and the server's list together, the newest round first."""
    listed = {one.filename: one for one in submissions or ()}
    lines: dict[int, RoundLine] = {}
    for receipt in receipts:
        theirs = listed.get(receipt.filename)
        word = None if submissions is None else _server_word(theirs)
        late = receipt.late if theirs is None else _late(theirs, rounds, receipt.late)
        lines[receipt.round] = RoundLine(
            receipt.round, receipt.how, receipt.submission_id, word, late
        )
    for journal in pending:
        theirs = listed.get(journal.filename)
        word = None if theirs is None else _server_word(theirs)
        lines.setdefault(
            journal.round,
            RoundLine(journal.round, "pending", theirs.id if theirs else None, word, None),
        )
    for one in submissions or ():
        if one.round is not None:
            line = RoundLine(one.round, None, one.id, _server_word(one), _late(one, rounds, None))
            lines.setdefault(one.round, line)
    return sorted(lines.values(), key=lambda line: -line.round)


def _server_word(theirs: Submission | None) -> str:
    if theirs is None:
        return "absent"
    if theirs.round is None:
        return "queued"
    return "selected" if theirs.selected else "replaced"


def _late(theirs: Submission, rounds: Mapping[int, Round], otherwise: bool | None) -> bool | None:
    found = rounds.get(theirs.round or -1)
    if found is None or theirs.inserted_at is None:
        return otherwise
    return theirs.inserted_at >= found.close_staking_time


def about_rounds(
    lines: Sequence[RoundLine],
    rounds: Mapping[int, Round],
    at: datetime | None,
    first: int | None,
) -> list[str]:
    """Say what a person should look at in the last rounds.

    Parameters
    ----------
    first : the first round that the slot had to be in; None while there is none.
    """
    said = []
    for line in lines[:SHOWN_ROUNDS]:
        if line.server == "absent":
            said.append(f"round {line.round}: there is a receipt, the server does not list it")
        if line.receipt == "pending":
            said.append(f"round {line.round}: not confirmed; the next submit finishes it")
        if line.late:
            said.append(f"round {line.round}: late, not staked")
    missed = _missed(lines, rounds, at, first)
    if missed:
        named = ", ".join(map(str, missed))
        said.append(f"no submission in round{'s' if len(missed) > 1 else ''} {named}")
    return said


def _missed(
    lines: Sequence[RoundLine],
    rounds: Mapping[int, Round],
    at: datetime | None,
    first: int | None,
) -> list[int]:
    """Return the last closed rounds without a submission, from the slot's first one on."""
    if at is None or first is None:
        return []
    closed = sorted(n for n, one in rounds.items() if one.close_staking_time <= at)
    there = {line.round for line in lines}
    return [n for n in closed[-SHOWN_ROUNDS:] if n >= first and n not in there]
