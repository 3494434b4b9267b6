"""Submissions that the server counts for another round than the one whose rows they hold.

A record of each keeps it from being taken for a submission of the round that it is counted for. A
record that is damaged is rebuilt from the server's list where it is certain which submission it was
written for; until then nothing is submitted that could replace somebody else's submission.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from numerai_lab.tournament.records import DamagedRecord, Receipt, Slot, State, set_aside
from numerai_lab.tournament.server import Round, Submission, Tournament, TournamentError
from numerai_lab.tournament.submitting.one_submission import found_receipt


def stray_files(state: State, submissions: Iterable[Submission]) -> set[str]:
    """Return the file names among submissions that are no submission of the round they count for.

    Of a damaged record its text still tells, where it has the name that the server chose for the
    file or the id of the submission: neither can be there by chance.
    """
    names: set[str] = set()
    submissions = list(submissions)
    for record in state.astray():
        if isinstance(record, Receipt):
            names.add(record.filename)
        else:
            names |= {one.filename for one in _named(record, submissions)}
    return names


def find_submission(
    tournament: Tournament, state: State, model_id: str, of: Round
) -> Submission | None:
    """Return a model's newest submission of a round, if it has any.

    Those that hold rows of another round are left out. One that the server does not count for a
    round yet is of the round in which it was made.
    """
    submissions = tournament.submissions(model_id)
    strays = stray_files(state, submissions)
    for one in submissions:
        if one.filename in strays:
            continue
        if one.round == of.number:
            return one
        if one.round is None and one.inserted_at is not None and of.open_time <= one.inserted_at:
            return one
    return None


def settle_stray(
    tournament: Tournament,
    state: State,
    slot: Slot,
    damaged: DamagedRecord,
    latest: Round | None,
) -> str | None:
    """Rebuild a damaged record of a submission that was counted for another round.

    The submission is the one that the damaged text names; else the only one of the round after
    that no other record here knows. The damaged record is moved aside once it is rebuilt, or once
    the round after is over, so that nothing depends on it any more.

    Returns
    -------
    What became of it; None as long as nothing is certain and nothing depends on it.

    Raises
    ------
    TournamentError : several submissions of the round that is open could be it.
    Unavailable : the server does not answer; the record stays where it is.
    """
    number = int(damaged.path.name.partition(".")[0])
    model_id = tournament.model_id(slot.model_name)
    there = [one for one in tournament.submissions(model_id) if one.round not in (None, number)]
    found = _named(damaged, there)
    how = "its text names"
    if not found:
        known = state.known_files()
        found = [one for one in there if one.round == number + 1 and one.filename not in known]
        how = f"no other record here has of round {number + 1}"
        if latest is not None and latest.number > number + 1:
            aside = set_aside(damaged.path)
            return f"round {number + 1} is over and needs it no more; moved aside as {aside.name}"
        if len(found) > 1:
            raise TournamentError(
                f"{len(found)} submissions of round {number + 1} could be the one of round "
                f"{number} that arrived late, and its record is damaged: nothing is submitted",
                where=f"model {slot.model_name}",
                fix=f"submit by hand at numer.ai, or remove {damaged.path} to leave them as they "
                "are",
            )
    if not found:
        return None
    receipt = found_receipt(tournament, slot, model_id, found[0], number, None)
    aside = set_aside(damaged.path)
    state.write_receipt(receipt)
    return (
        f"the server has submission {found[0].id}, which {how}: it holds rows of round {number} "
        f"and is not taken for one of round {found[0].round}; moved aside as {aside.name}"
    )


def _named(damaged: DamagedRecord, submissions: Iterable[Submission]) -> list[Submission]:
    """Return the submissions that the text of a damaged record names."""
    text = ""
    with contextlib.suppress(OSError):
        text = damaged.path.read_bytes().decode("utf-8", "replace")
    return [
        one for one in submissions if any(word and word in text for word in (one.filename, one.id))
    ]
