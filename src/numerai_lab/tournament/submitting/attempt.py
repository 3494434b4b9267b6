"""One slot in one open round: from its run to a receipt, or an error of one sentence."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from numerai_lab.config import Neutralize
from numerai_lab.errors import DataError, LabError, RunError, UserError
from numerai_lab.experiment import RunDir, check_verifiable, find_final, trust, version_of_data
from numerai_lab.tournament.datasets import choose_version
from numerai_lab.tournament.predict import LivePredictions
from numerai_lab.tournament.records import (
    DamagedRecord,
    Journal,
    Origin,
    OwnCommand,
    Receipt,
    Slot,
    last_upload,
    set_aside,
)
from numerai_lab.tournament.server import Round, Tournament, is_stand_in
from numerai_lab.tournament.submitting.checks import (
    OddLive,
    StaleLive,
    check_new,
    check_rows,
    check_submission,
)
from numerai_lab.tournament.submitting.command_run import check_command
from numerai_lab.tournament.submitting.looks import GRACE_SECONDS
from numerai_lab.tournament.submitting.one_submission import upload
from numerai_lab.tournament.submitting.recovery import (
    NeverListed,
    recover,
    recover_damaged,
    submitted_already,
)
from numerai_lab.tournament.submitting.session import LIVE_FILES, Session
from numerai_lab.tournament.submitting.strays import find_submission, settle_stray


def check_slot(slot: Slot, session: Session, *, dry_run: bool) -> None:
    """Check what can be checked without the server: keys, the run, its final model, its data.

    A run that is trusted for the first time gets its records here, unless it is a `dry_run`.

    Raises
    ------
    UserError : keys that are not set; a model was uploaded to the slot's model; a run on synthetic
        data, unless the tournament is a stand-in on this machine.
    RunError : no such run, one without a final model, or one that is not verifiable.
    """
    tournament = session.account(slot.account)
    try:
        uploaded = last_upload(session.state, slot.model_name, slot.account)
    except DamagedRecord as error:
        aside = set_aside(error.path)
        session.warn(
            f"{slot.name}: {error.path} cannot be read ({error.why}) and is moved aside as "
            f"{aside.name}; the server refuses predictions if a model was uploaded to "
            f"'{slot.model_name}'"
        )
        uploaded = None
    if uploaded is not None:
        raise UserError(
            f"Numerai runs the model that was uploaded to '{slot.model_name}' on "
            f"{uploaded.uploaded_at} ({uploaded.id}), and takes no predictions for it",
            fix="take the slot out of submit.yaml or give it another model; if the upload was "
            f"removed at numer.ai, remove upload.json in {session.state.folder(slot.model_name)}",
        )
    if isinstance(slot.run, OwnCommand):
        check_command(slot.run, slot.name)
        return
    run = _run_of(slot.run, session)
    if session.trust and not dry_run:
        trust(run, session.warn)
    if run.manifest()["data"]["source"] != "synthetic":
        return
    if not is_stand_in(tournament.url):
        raise UserError(
            "was trained on SYNTHETIC DATA and is not submitted",
            where=str(run.path),
            fix="train on Numerai's files (numerai-lab data download, then train --final)",
        )
    session.warn_once(
        f"{slot.name}: SYNTHETIC DATA, for a stand-in on this machine and not for Numerai"
    )


def _run_of(named: str, session: Session) -> RunDir:
    run = find_final(named, session.runs_dir)
    if not session.trust:
        check_verifiable(run)
    return run


def settle(slot: Slot, latest: Round | None, session: Session) -> list[Receipt]:
    """Finish what earlier starts left open for a slot, and return the receipts that came of it.

    Raises
    ------
    LabError : it is not known yet whether the server has a submission for the slot's model, so that
        nothing may be submitted for it.
    """
    for damaged in session.state.damaged_astray(slot.name):
        _settle_stray(slot, damaged, latest, session)
    found = []
    for journal in session.state.journals(slot.name):
        if isinstance(journal, DamagedRecord):
            receipt = _settle_damaged(slot, journal, latest, session)
        else:
            receipt = _settle(slot, journal, latest, session)
        if receipt is not None:
            found.append(receipt)
    return found


def _settle(slot: Slot, journal: Journal, latest: Round | None, session: Session) -> Receipt | None:
    try:
        tournament = session.account(journal.account)
        receipt = recover(
            tournament, session.state, journal, latest, sleep=session.sleep, clock=session.clock
        )
    except NeverListed as error:
        session.warn(f"{slot.name}: {error}")
        return None
    except LabError as error:
        if is_of(journal, slot):
            raise
        # whatever becomes of it, it is of a model that the slot no longer has
        session.warn_once(
            f"{slot.name}: the submission of round {journal.round} for model {journal.model} is "
            f"still unfinished ({error})"
        )
        return None
    if receipt is None:
        session.say(f"{slot.name}: an upload of round {journal.round} never arrived")
    else:
        session.say(
            f"{slot.name}: the submission of round {receipt.round} that was left unfinished "
            f"is at the server ({receipt.submission_id})"
        )
    return receipt


def _settle_damaged(
    slot: Slot, damaged: DamagedRecord, latest: Round | None, session: Session
) -> Receipt | None:
    session.warn(
        f"{slot.name}: the journal {damaged.path} is damaged ({damaged.why}); looking for "
        f"{GRACE_SECONDS / 60:g} minutes whether what it was written for is at the server"
    )
    receipt = recover_damaged(
        session.account(slot.account), session.state, slot, damaged, latest, sleep=session.sleep
    )
    found = "nothing" if receipt is None else f"submission {receipt.submission_id}"
    number = damaged.path.name.partition(".")[0]
    session.warn(
        f"{slot.name}: the server has {found} of round {number}; the damaged journal is moved aside"
    )
    return receipt


def _settle_stray(
    slot: Slot, damaged: DamagedRecord, latest: Round | None, session: Session
) -> None:
    session.warn_once(
        f"{slot.name}: the record {damaged.path} of a submission that the server counts for "
        f"another round is damaged ({damaged.why}); the server is asked what it has"
    )
    tournament = session.account(slot.account)
    told = settle_stray(tournament, session.state, slot, damaged, latest)
    if told is not None:
        session.warn(f"{slot.name}: {told}")


def is_of(record: Journal | Receipt, slot: Slot) -> bool:
    """Return whether a record is of the model that a slot has now."""
    same = record.model.lower() == slot.model_name.lower()
    return same and record.account == slot.account


def attempt(slot: Slot, open_round: Round, session: Session) -> Receipt:
    """Submit a slot in an open round, unless the server has a submission already.

    Raises
    ------
    LabError : why it was not submitted.
    """
    tournament = session.account(slot.account)
    model_id = tournament.model_id(slot.model_name)
    there = submitted_already(tournament, session.state, slot, model_id, open_round)
    if there is not None:
        return there
    predictions, origin = prepare(slot, open_round, session)
    csv = predictions.csv()
    session.state.write_predictions(slot.name, open_round.number, csv)
    return upload(
        tournament,
        session.state,
        slot,
        model_id,
        open_round,
        csv,
        origin,
        sleep=session.sleep,
        say=session.say,
        clock=session.clock,
    )


def rehearse(slot: Slot, open_round: Round, session: Session) -> tuple[int, str | None]:
    """Do all that `attempt` does except the upload, and change nothing.

    Returns
    -------
    The number of predictions, and the id of the submission that the round has already, if any.
    """
    tournament = session.account(slot.account)
    model_id = tournament.model_id(slot.model_name)
    there = find_submission(tournament, session.state, model_id, open_round)
    predictions, _ = prepare(slot, open_round, session)
    return len(predictions.values), None if there is None else there.id


def prepare(slot: Slot, open_round: Round, session: Session) -> tuple[LivePredictions, Origin]:
    """Predict a verified live file with a slot's run or command, and check what comes out.

    Raises
    ------
    RunError, DataError, ModelError : the run or the predictions are not fit to be submitted.
    OddLive, StaleLive, Unavailable, TournamentError : no live file of this round was to be had.
    """
    tournament = session.account(slot.account)
    maker = _maker(slot, tournament, session)
    _compare_run(slot, open_round.number, maker.name, session)
    live = session.live(tournament, maker.version)
    if isinstance(maker.run, RunDir) and _needs_benchmark(maker.run, slot):
        session.live(tournament, maker.version, LIVE_FILES[1])
    predictions = session.predict(maker.run, live, slot)
    submission = predictions.table()
    if predictions.n_eras != 1:
        raise DataError(
            f"holds {predictions.n_eras} eras, live rows are one",
            where=str(live),
            fix="look at the data version of the slot and of the server",
        )
    check_submission(submission, predictions.ids, slot.name)
    _check_rows(slot, len(submission), open_round, maker.run, session)
    earlier = session.state.last_round(slot.name, open_round.number)
    if earlier is not None:
        previous = session.state.predictions(slot.name, earlier)
        try:
            check_new(submission, previous, earlier)
        except StaleLive:
            session.forget_live()
            raise
        except DamagedRecord as error:
            aside = set_aside(error.path)
            session.warn(
                f"{slot.name}: {error.path} cannot be read ({error.why}) and is moved aside as "
                f"{aside.name}; this round is not compared with round {earlier}"
            )
    origin = Origin(
        run=maker.name,
        config_hash=maker.config_hash,
        post=_post_text(slot),
        live_sha256=predictions.sha256,
        predictions_sha256=hashlib.sha256(predictions.csv()).hexdigest(),
        n_rows=len(predictions.values),
    )
    return predictions, origin


@dataclass(frozen=True)
class _Maker:
    """What makes a slot's predictions.

    Attributes
    ----------
    name, config_hash : as receipts have them. version : of the data whose live file it wants.
    """

    run: RunDir | OwnCommand
    name: str
    config_hash: str
    version: str


def _maker(slot: Slot, tournament: Tournament, session: Session) -> _Maker:
    if isinstance(slot.run, OwnCommand):
        version = slot.data_version
        if version is None:
            version = choose_version(None, tournament.datasets())
            session.warn_once(
                f"{slot.name}: the command is given live rows of {version}, the newest version; "
                "data_version of the slot keeps it to one"
            )
        digest = hashlib.sha256(json.dumps(slot.run.command).encode()).hexdigest()
        return _Maker(slot.run, str(slot.run), digest[:8], version)
    run = _run_of(slot.run, session)
    manifest = run.manifest()
    if Path(slot.run).resolve() != run.path.resolve():
        session.say(f"{slot.name}: run {run.path}, the newest with a final model")
    known = slot.data_version or version_of_data(manifest)
    version = _newest_for_synthetic(run, tournament) if known is None else known
    return _Maker(run, str(run.path.resolve()), str(manifest["config_hash"]), version)


def _check_rows(
    slot: Slot, n_rows: int, now: Round, run: RunDir | OwnCommand, session: Session
) -> None:
    """Refuse a live file that is far from as long as usual, unless it is forced."""
    last = session.state.usual_rows(now.number)
    usual = None if last is None else last[1]
    if usual is None and isinstance(run, RunDir):
        usual = _rows_per_era(slot, run, session)
    if usual is None:
        session.warn_once(
            f"{slot.name}: how many rows are usual is not known, {n_rows:,} are taken"
        )
        return
    whose = "the run's last eras" if last is None else f"round {last[0]}"
    try:
        check_rows(n_rows, usual, whose, slot.name, first=last is None)
    except OddLive as error:
        if not session.force:
            session.forget_live()
            raise
        session.warn_once(f"{error.where}: {error.what}; --force submits it all the same")


def _rows_per_era(slot: Slot, run: RunDir, session: Session) -> int | None:
    """Return the rows of a run's last judged eras, the middle one of five; None if not known."""
    try:
        path = run.checked(run.predictions_path)
    except RunError as error:  # the final model, which predicts, has nothing to do with it
        session.warn_once(f"{slot.name}: {error}")
        return None
    try:
        eras = pq.read_table(path, columns=["era"])["era"].to_numpy()
    except (OSError, ValueError, KeyError):  # pyarrow's errors are these
        return None
    _, counts = np.unique(eras, return_counts=True)
    return int(np.median(counts[-5:])) if len(counts) else None


def _compare_run(slot: Slot, number: int, name: str, session: Session) -> None:
    """Warn where the run is not the one that the slot's last submission was made with."""
    try:
        last = session.state.last_made(slot.name, number)
    except RunError as error:  # an old receipt does not decide about this round
        session.warn_once(f"{slot.name}: {error}")
        return
    made = None if last is None or last.origin is None else last.origin.run
    if last is not None and made is not None and made != name:
        session.warn_once(
            f"{slot.name}: its run was {made} until round {last.round}, and now is {name}"
        )


def _newest_for_synthetic(run: RunDir, tournament: Tournament) -> str:
    """Return the server's newest version for a synthetic run, which has none of its own.

    Columns of one name can hold other values in another version, so nothing is guessed for others.
    """
    data = run.manifest()["data"]
    if data["source"] != "synthetic":
        raise UserError(
            f"does not tell its data version: its data were in {data['folder']}, "
            "not in a folder like v5.3",
            where=str(run.path),
            fix="give the slot's data_version in submit.yaml",
        )
    return choose_version(None, tournament.datasets())


def _needs_benchmark(run: RunDir, slot: Slot) -> bool:
    how = slot.post.neutralize
    chosen = run.experiment().neutralize if how == "as_run" else how
    return isinstance(chosen, Neutralize) and chosen.against == "benchmark"


def _post_text(slot: Slot) -> str:
    how = slot.post.neutralize
    return how if isinstance(how, str) else json.dumps(how.model_dump(exclude_none=True))
