"""Earlier eras for rows to predict, where a final model looks back: kept ones, and those since."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

import numpy as np

from numerai_lab.data import EarlierRows, LockedFile, Unlabelled, is_made_of_prices, locked_file
from numerai_lab.eraframe import EraFrame, end_to_end
from numerai_lab.errors import DataError, RunError
from numerai_lab.experiment.final import FinalMember, FinalModel, PastOf
from numerai_lab.experiment.history import KeptHistory
from numerai_lab.experiment.judging import data_as_read
from numerai_lab.experiment.live_files import live_file
from numerai_lab.experiment.predicting import Past
from numerai_lab.models import AgeingModel, Model, history_before, history_eras_of

_SECONDS_A_WEEK = 7 * 24 * 3600
_MOST_NAMED = 5

Say = Callable[[str], None]


@dataclass(frozen=True)
class LiveRows:
    """Rows to predict, and where the eras before them are.

    Attributes
    ----------
    frame : the rows, by their own era numbers where a model looks back.
    past_of : as in `predict_final`; None where none does.
    """

    frame: EraFrame
    past_of: PastOf | None


@dataclass(frozen=True)
class NextEra:
    """The era that follows the newest one in the files of a run, and what is known before it.

    Attributes
    ----------
    number : of the era. known_day : day on which its past was known, from 1970-01-01: when the
        newest file was downloaded, or today where nothing tells.
    past_of : as in `predict_final`.
    """

    number: int
    known_day: int
    past_of: PastOf

    def history(self, one: FinalModel | FinalMember) -> EraFrame:
        """Return what a model that looks back is given when the era is predicted."""
        kept = one.history
        assert kept is not None
        past = self.past_of(kept, one.feature_names)
        return history_before(past.rows, self.number, kept.eras, kept.purge_eras, kept.targets)


def next_era(final: FinalModel, say: Say) -> NextEra | None:
    """Return the era that a final model that looks back predicts next; None: it never does.

    Raises RunError as `with_earlier_eras`.
    """
    lookers = [one for one in _with_members(final) if history_eras_of(one.model)]
    if not lookers:
        return None
    _check_kept(lookers, final)
    source = _source(final, say)
    newest, day = final.trained_eras[1], int(time.time() // 86400)
    if source is not None and len(source.eras):
        newest = max(newest, int(source.eras[-1]))
        file = locked_file(source.files[-1])
        if file is not None and (file.modified or file.downloaded):
            day = int(_written(file).timestamp() // 86400)
    number = newest + 1

    def past_of(kept: KeptHistory, features: tuple[str, ...]) -> Past:
        assert kept.rows is not None
        last = int(kept.rows.eras[-1])
        # rows of any era in its place: only those before it are asked for
        one = replace(
            kept.rows.between(last, last).with_features(features),
            eras=np.array([number], dtype=np.int32),
        )
        earlier = _rows(final, kept, one, source, say)
        return Past(earlier, kept.targets, kept.purge_eras)

    return NextEra(number, day, past_of)


def with_earlier_eras(final: FinalModel, rows: Unlabelled, say: Say) -> LiveRows:
    """Find the eras that a final model, or one it is made of, looks back on before each to predict.

    Those up to the last one of its fit are kept with it. Later ones are read from the files of its
    run as they are now (`validation.parquet` grows every week), or are among the rows to predict.
    What is missing is counted and said.

    Raises
    ------
    RunError : the final model was made when nothing was kept for it.
    DataError : eras to predict of which nobody can tell when they are; files that are damaged.
    """
    lookers = [one for one in _with_members(final) if history_eras_of(one.model)]
    ageing = [one for one in _with_members(final) if _ages(one.model)]
    if not lookers and not ageing:
        return LiveRows(rows.frame, None)
    _check_kept(lookers, final)
    source = _source(final, say, rows)
    newest = final.trained_eras[1]
    if source is not None and len(source.eras):
        newest = max(newest, int(source.eras[-1]))
    numbers = _numbered(rows, newest, source, say)
    frame = replace(rows.frame, eras=np.array(numbers, dtype=np.int32))
    catch_up(final, source, numbers[0], say)
    if not lookers:
        return LiveRows(frame, None)

    def past_of(kept: KeptHistory, features: tuple[str, ...]) -> Past:
        own = frame.with_features(features)
        earlier = _rows(final, kept, own, source, say)
        return Past(earlier, kept.targets, kept.purge_eras)

    return LiveRows(frame, past_of)


def _check_kept(lookers: Sequence[FinalModel | FinalMember], final: FinalModel) -> None:
    if any(one.history is None for one in lookers):
        raise RunError(
            "its final model looks back on earlier eras, and comes from a version that kept none",
            where=str(final.run.path),
            fix="train it again with --final",
        )


def _ages(model: Model) -> bool:
    return isinstance(model, AgeingModel) and model.ages


def catch_up(final: FinalModel, source: EarlierRows | None, era: int, say: Say) -> None:
    """Lead a model that ages, and members that do, through the eras resolved since their fit.

    Each goes from the end of its own fit up to a purge before `era`, which is said.
    """
    if source is None:
        return
    for label, one in _named_with_members(final):
        if isinstance(one.model, AgeingModel) and one.model.ages:
            _replay(final, one, label, source, era, say)


def _replay(
    final: FinalModel,
    one: FinalModel | FinalMember,
    label: str,
    source: EarlierRows,
    era: int,
    say: Say,
) -> None:
    # such a model learns nothing but the target (`check_train_on`)
    target = one.target if isinstance(one, FinalMember) else final.experiment.label
    after, before = one.trained_eras[1], era - purge_of(final)
    wanted = source.eras[(source.eras > after) & (source.eras < before)]
    if not len(wanted):
        return
    read = source.read(
        wanted.tolist(),
        features=one.feature_names,
        dtype=final.feature_dtype,
        # a stack that trains its members itself hands each its own
        targets=tuple(dict.fromkeys([target, *final.experiment.data.targets])),
        say=say,
    )
    known = read.take(np.flatnonzero(~np.isnan(read.target(target))))
    if known.n_eras:
        cast(AgeingModel, one.model).replay(known)
        say(
            f"{label}{known.n_eras} eras resolved since the fit ({known.eras[0]}-{known.eras[-1]}) "
            "were gone through: what the model gained there decides how strongly it adapts now"
        )


def brought_up_to_date(final: FinalModel, say: Say) -> None:
    """Lead what ages of a final model through everything resolved since its fit, as of now."""
    ageing = any(_ages(one.model) for one in _with_members(final))
    source = _source(final, say) if ageing else None
    if source is not None and len(source.eras):
        catch_up(final, source, int(source.eras[-1]) + 1, say)


def purge_of(final: FinalModel) -> int:
    """Return the purge of a final model's run, in eras, as its folds had it."""
    folds = final.manifest["folds"]
    return max((int(fold["purge_eras"]) for fold in folds), default=0)


def _with_members(one: FinalModel | FinalMember) -> Iterator[FinalModel | FinalMember]:
    return (model for _, model in _named_with_members(one))


def _named_with_members(
    one: FinalModel | FinalMember, label: str = ""
) -> Iterator[tuple[str, FinalModel | FinalMember]]:
    """Yield a model and all it is made of, with what stands before a sentence about it."""
    yield label, one
    for name, member in one.members.items():
        yield from _named_with_members(member, f"{label}member {name}: ")


def _source(final: FinalModel, say: Say, rows: Unlabelled | None = None) -> EarlierRows | None:
    """Find where eras since the fit are.

    Of prices beside the rows to predict that were made of them, or made of the prices as they are.
    """
    config = data_as_read(final.experiment.data, final.manifest["data"])
    try:
        if config.source == "prices":
            live = live_file(final, say) if rows is None else rows.files[-1].path
            if is_made_of_prices(live.parent):
                config = config.model_copy(update={"dir": live.parent})
        return EarlierRows.find(config)
    except DataError as error:
        say(
            f"the data of the run cannot be read ({error}): what happened since era "
            f"{final.trained_eras[1]}, the last one of the final model, is not known to it"
        )
        return None


def _numbered(rows: Unlabelled, newest: int, source: EarlierRows | None, say: Say) -> list[int]:
    """Return the number of each era to predict; one without a number follows the newest one."""
    where = str(rows.files[0].path)
    unknown = sum(number is None for number in rows.era_numbers)
    if unknown > 1:
        raise DataError(
            f"{unknown} eras have no number, and the model looks back on the eras before each",
            where=where,
            fix="number the eras",
        )
    numbers = [number for number in rows.era_numbers if number is not None]
    if unknown:
        weeks = _weeks_between(source, rows)
        numbers.append(max([newest, *numbers]) + 1 + weeks)
        later = f", {weeks} weeks before these rows" if weeks else ""
        say(
            f"{where}: its era has no number, and is taken as era {numbers[-1]}: era {newest} is "
            f"the newest in the data of the run{later}"
        )
    if any(a >= b for a, b in itertools.pairwise(numbers)):
        raise DataError("two eras lie in one week", where=where, fix="keep one of them")
    return numbers


def _weeks_between(source: EarlierRows | None, rows: Unlabelled) -> int:
    """Return the whole weeks between the run's newest file and the rows, as their downloads tell.

    0 where nothing tells.
    """
    theirs = rows.files[-1].downloaded
    ours = None if source is None else locked_file(source.files[-1])
    if theirs is None or ours is None:
        return 0
    return max(0, int((_written(theirs) - _written(ours)).total_seconds() // _SECONDS_A_WEEK))


def _written(file: LockedFile) -> datetime:
    return datetime.fromisoformat(file.modified or file.downloaded)


def _rows(
    final: FinalModel, kept: KeptHistory, frame: EraFrame, source: EarlierRows | None, say: Say
) -> EraFrame:
    """Lay the eras that are looked back on end to end, as far as they are anywhere."""
    chosen = final.experiment.data.eras
    wanted = {
        number
        for era in frame.eras.tolist()
        for number in range(era - kept.eras, era)
        if number > 0 and (number - 1) % chosen.step == chosen.offset
    }
    if kept.rows is None:  # what the model remembers is no longer asked for
        wanted = {number for number in wanted if number > kept.last_era}
    own = replace(
        frame,
        targets=np.full((frame.n_rows, len(kept.targets)), np.nan, dtype=np.float32),
        target_names=kept.targets,
    )
    found = {} if kept.rows is None else _by_era(kept.rows, wanted)
    absent = sorted(wanted - set(found))
    there = [] if source is None else np.intersect1d(absent, source.eras).tolist()
    if source is not None and there:
        read = source.read(
            there,
            features=frame.feature_names,
            dtype=final.feature_dtype,
            targets=kept.targets,
            say=say,
        )
        found |= _by_era(read, wanted)
    found |= _by_era(own, wanted - set(found))
    missing = sorted(wanted - set(found))
    if missing:
        say(
            f"{len(missing)} of {len(wanted)} earlier eras that the model looks back on are in no "
            f"file: {_named(missing)}; it predicts without them"
        )
    return end_to_end([own.between(0, -1), *(found[era] for era in sorted(found))])


def _by_era(frame: EraFrame, wanted: set[int]) -> dict[int, EraFrame]:
    return {era: frame.between(era, era) for era in frame.eras.tolist() if era in wanted}


def _named(eras: Sequence[int]) -> str:
    more = f" and {len(eras) - _MOST_NAMED} more" if len(eras) > _MOST_NAMED else ""
    return ", ".join(map(str, eras[:_MOST_NAMED])) + more
