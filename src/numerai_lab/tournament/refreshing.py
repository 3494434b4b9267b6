"""`refresh`: a newer model of a slot on the newest files, promoted only if it is not worse.

runs/.refresh/SLOT/
    runs/           what was trained and is not promoted; removed by the next refresh
    withdrawn/      promoted runs that were taken back
    STAMP.json      receipt of each refresh
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from numerai_lab.errors import DataError, LabError, RunError, UserError
from numerai_lab.experiment import (
    LEAST_ERAS,
    FinalModel,
    Prepared,
    Reporter,
    RunDir,
    TrainOptions,
    check_continuable,
    continue_run,
    data_version,
    find_final,
    judge_both,
    judge_continued,
    live_drift,
    live_file,
    load_final,
    newly_resolved,
    open_refresh,
    parts_to_continue,
    place_among,
    read_live,
    refit,
)
from numerai_lab.files import exclusive_lock, write_json
from numerai_lab.tournament.datasets import (
    choose_files,
    choose_version,
    download_files,
    needed_groups,
    place_of,
)
from numerai_lab.tournament.records import Slot
from numerai_lab.tournament.server import Tournament

FOLDER = ".refresh"
WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class Refreshed:
    """What a refresh did; its receipt.

    Attributes
    ----------
    at : UTC, ISO. old : the run in use before. new : the run trained, where it is now; None where
        nothing was trained.
    promoted : whether the slot now takes the new one. reason : why, or why not, in a sentence.
    judged : old and new on the eras that neither had learnt from (`OldAndNew`), or None.
    n_new_eras : eras resolved since the fit of the old one, past its purge.
    drift : of the live features, by the model that is now in use (`Drift`); None without live rows.
    """

    slot: str
    at: str
    old: str
    new: str | None
    promoted: bool
    reason: str
    n_new_eras: int
    judged: dict[str, Any] | None = None
    drift: dict[str, Any] | None = None


def refresh(
    slot: Slot,
    runs_dir: Path,
    connect: Callable[[], Tournament] | None,
    reporter: Reporter,
    command: str = "",
    *,
    go_on: bool = False,
) -> Refreshed:
    """Download, make a newer model of the slot's experiment, judge both, promote what is not worse.

    Nothing that exists is changed: the old run stays, and a new one counts for the slot once it
    lies among the runs of its experiment, whose newest the slot takes. Killed at any point it
    leaves either as it was; the next call begins anew.

    Parameters
    ----------
    connect : opens the server that files come from; None: the files stay as they are.
    go_on : the model in use goes on from its fit (`train --continue`), none is trained anew.

    Raises
    ------
    UserError : a slot that names no experiment; a model that cannot go on. LabError : what
        downloading or training says.
    """
    folder = _folder(slot, runs_dir)
    with exclusive_lock(folder / ".lock", f"another refresh of '{slot.name}' is at work"):
        final = load_final(find_final(_experiment(slot), runs_dir))
        if go_on:
            check_continuable(final)
        if connect is not None:
            _download(final, connect, reporter)
        staging = folder / "runs"
        shutil.rmtree(staging, ignore_errors=True)
        for part in folder.glob(".*.part"):  # of a receipt, from a refresh that was killed
            part.unlink()
        prepared = open_refresh(final, reporter)
        at = datetime.now(UTC).isoformat(timespec="microseconds")
        receipt = folder / f"{at.replace(':', '')}.json"
        n_new = len(newly_resolved(final, prepared))
        told = Refreshed(slot.name, at, str(final.run.path), None, False, "", n_new)
        why_not = _too_early(slot.name, runs_dir, final, prepared, go_on=go_on)
        if why_not is not None:
            told = replace(told, reason=why_not)
        else:
            options = TrainOptions(runs_dir=staging, final=True, command=command, to_join=runs_dir)
            if go_on:
                parts = parts_to_continue(final, prepared)
                judged = judge_continued(final, prepared, parts, reporter)
                new = continue_run(str(final.run.path), None, options, reporter.child())
            else:
                new = refit(final, prepared, options, reporter)
                judged = judge_both(final, new, prepared, reporter)
            told = replace(told, new=str(new.path), judged=judged.as_dict())
            words = f"new - old {judged.difference:+.4f} corr on eras {judged.first_era}-"
            words += f"{judged.last_era}, standard error {judged.error:.4f}"
            if judged.not_worse:
                path = place_among(new, runs_dir)
                told = replace(told, new=str(path), promoted=True, reason=f"not worse: {words}")
                _bring_along(staging, new.path, runs_dir)
                # Before the rename: what is in use can be taken back whenever this ends. A receipt
                # of a run that never came there counts for nothing.
                write_json(receipt, asdict(told))
                path.parent.mkdir(parents=True, exist_ok=True)
                new.path.rename(path)
                final = load_final(RunDir(path))
            else:
                told = replace(told, reason=f"worse: {words}")
        told = replace(told, drift=_drift(final, prepared, reporter))
        write_json(receipt, asdict(told))
        return told


def _too_early(
    slot: str, runs_dir: Path, final: FinalModel, prepared: Prepared, *, go_on: bool
) -> str | None:
    """Say which eras have to resolve before there is anything to judge; None: there are enough."""
    eras = newly_resolved(final, prepared)
    reason = None
    if go_on and not (parts := parts_to_continue(final, prepared)).enough:
        reason = (
            "of the eras resolved since the fit of the model in use, a copy of it would learn "
            f"from {parts.n_learnt} and be judged, a purge later, on {len(parts.judged)}; "
            f"{LEAST_ERAS} of each are wanted"
        )
    elif len(eras) < LEAST_ERAS:
        reason = (
            f"{len(eras)} eras were resolved since the fit of the model in use, past its purge; "
            f"{LEAST_ERAS} are wanted"
        )
    if reason is not None:
        if (last := prepared.experiment.data.eras.to) is not None:
            reason += f", and data.eras.to of the experiment leaves out all after {last}"
        return reason
    if (back := _taken_back(slot, runs_dir)) is not None:
        name, judged_to = back
        n_since = int((eras > judged_to).sum())
        if n_since < LEAST_ERAS:
            return (
                f"{name} was promoted on eras up to {judged_to} and taken back: {n_since} eras "
                f"were resolved since, {LEAST_ERAS} are wanted before the same is judged again"
            )
    return None


def _taken_back(slot: str, runs_dir: Path) -> tuple[str, int] | None:
    """Return the run that was taken back last, and up to which era it had been judged, if any."""
    found = None
    for one in receipts(slot, runs_dir):
        name, judged = Path(str(one["new"])).name, one.get("judged")
        if one["promoted"] and judged and (runs_dir / FOLDER / slot / WITHDRAWN / name).is_dir():
            found = name, int(judged["last_era"])
    return found


def _bring_along(staging: Path, new: Path, runs_dir: Path) -> None:
    """Move the runs that a new run was made of, which it names by where they lie beside it.

    Raises RunError where a name is taken: it cannot be changed, as the new run knows them by it.
    """
    parts = {
        one: runs_dir / one.parent.name / one.name
        for one in sorted(staging.glob("*/*/"))
        if one != new and one.parent.name[0] != "."
    }
    for place in parts.values():
        if place.exists():
            raise RunError(
                "a run of that config began in the same second as one that was trained here",
                where=str(place),
                fix="start the refresh again: nothing was promoted",
            )
    for one, place in parts.items():
        place.parent.mkdir(exist_ok=True)
        one.rename(place)


def take_back(slot: Slot, runs_dir: Path) -> tuple[Path, Path]:
    """Withdraw the run that the last refresh promoted; return where it is now, and what is in use.

    The next refresh leaves its recipe alone until `LEAST_ERAS` eras more have resolved.

    Raises
    ------
    UserError : no promoted run is in use, or there is none to go back to.
    """
    folder = _folder(slot, runs_dir)
    with exclusive_lock(folder / ".lock", f"another refresh of '{slot.name}' is at work"):
        promoted = [one for one in receipts(slot.name, runs_dir) if one["promoted"]]
        there = [one for one in promoted if Path(str(one["new"])).is_dir()]
        if not there or not Path(str(there[-1]["old"])).is_dir():
            raise UserError(
                f"no run that a refresh of '{slot.name}' promoted is in use",
                where=str(folder),
                fix="choose another run for the slot in submit.yaml",
            )
        path = Path(str(there[-1]["new"]))
        used = find_final(_experiment(slot), runs_dir).path
        if used.resolve() != path.resolve():
            raise UserError(
                f"the run that the last refresh of '{slot.name}' promoted, {path.name}, is not in "
                f"use: {used} is newer",
                where=str(folder),
                fix=f"choose another run for the slot in submit.yaml, or remove {used.name}",
            )
        (folder / WITHDRAWN).mkdir(exist_ok=True)
        withdrawn = folder / WITHDRAWN / path.name
        path.rename(withdrawn)
        return withdrawn, find_final(_experiment(slot), runs_dir).path


def receipts(slot: str, runs_dir: Path) -> list[Mapping[str, Any]]:
    """Return the receipts of a slot's refreshes, oldest first.

    Raises
    ------
    UserError : a receipt that cannot be read: which run was promoted last is not known then.
    """
    found: list[Mapping[str, Any]] = []
    for path in sorted((runs_dir / FOLDER / slot).glob("*.json")):
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            told = None
        if not (isinstance(told, dict) and {"promoted", "new", "old", "reason"} <= set(told)):
            raise UserError(
                "this receipt of a refresh is damaged: what it promoted is not known",
                where=str(path),
                fix="choose a run for the slot in submit.yaml, or move the receipt away",
            )
        found.append(told)
    return found


def _folder(slot: Slot, runs_dir: Path) -> Path:
    folder = runs_dir / FOLDER / slot.name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _experiment(slot: Slot) -> str:
    """Return the experiment whose newest run the slot takes."""
    if not isinstance(slot.run, str) or not slot.run.startswith("latest:"):
        raise UserError(
            f"slot '{slot.name}' takes {slot.run}, always the same",
            where="submit.yaml",
            fix="write run: latest:EXPERIMENT, so that the newest run of it is taken",
        )
    return slot.run


def _download(final: FinalModel, connect: Callable[[], Tournament], reporter: Reporter) -> None:
    source = final.manifest["data"]["folder"]
    if final.experiment.data.source not in ("auto", "numerai") or source is None:
        reporter.say("its data are not Numerai's files: nothing to download")
        return
    folder, _ = place_of(Path(source))
    with connect() as tournament:
        listed = tournament.datasets()
        chosen = choose_version(data_version(Path(source)), listed)
        groups = [*needed_groups(final.experiment), "live"]
        names = choose_files(list(dict.fromkeys(groups)), chosen, listed)
        for one in download_files(tournament, folder, names, say=reporter.warn):
            reporter.say(f"{one.action} {one.path}")


def _drift(final: FinalModel, prepared: Any, reporter: Reporter) -> dict[str, Any] | None:
    try:
        rows = read_live(final, live_file(final, reporter.say), reporter.say)
    except (DataError, LabError) as error:
        reporter.warn(f"the drift of live features is not known: {error}")
        return None
    return asdict(live_drift(final, rows.frame, prepared))
