"""Folds on random eras with gaps: an oracle that looks at each pair of eras."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import date, timedelta
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from numerai_lab.config import EarlyStopping, Split
from numerai_lab.errors import SplitError
from numerai_lab.splits import (
    Fold,
    check_dates,
    inner_slice,
    known_before,
    labelled_before,
    plan_folds,
    purge_for,
)
from numerai_lab.weeks import week_of

SPLIT: TypeAdapter[Split] = TypeAdapter(Split)


def split_of(kind: str, **keys: object) -> Split:
    return SPLIT.validate_python({"type": kind, **keys})


def no_leak(fold: Fold) -> bool:
    """The rule, pair by pair."""
    return all(
        t + fold.purge_eras < j if t < j else t > j + fold.embargo_eras and t != j
        for t in fold.train.tolist()
        for j in fold.judged.tolist()
    )


gaps = st.lists(st.sampled_from([1, 1, 1, 2, 5]), min_size=20, max_size=120)
era_arrays = st.builds(
    lambda first, steps: np.cumsum([first, *steps]).astype(np.int32), st.integers(1, 50), gaps
)
purges = st.just("auto") | st.integers(0, 9)
thinning = st.integers(1, 4).flatmap(
    lambda step: st.tuples(st.just(step), st.integers(0, step - 1))
)


@st.composite
def splits(draw: st.DrawFn) -> Split:
    step, offset = draw(thinning)
    common = {"purge_eras": draw(purges), "train_step": step, "train_offset": offset}
    kind = draw(st.sampled_from(["official", "walk_forward", "blocked", "holdout"]))
    if kind == "official":
        return split_of(
            "official",
            chunk_eras=draw(st.integers(8, 40)),
            partial_chunk=draw(st.booleans()),
            **common,
        )
    if kind == "walk_forward":
        return split_of(
            "walk_forward",
            window=draw(st.sampled_from(["expanding", "rolling"])),
            first_train_eras=draw(st.integers(10, 60)),
            chunk_eras=draw(st.integers(8, 40)),
            partial_chunk=draw(st.booleans()),
            **common,
        )
    if kind == "blocked":
        return split_of(
            "blocked", n_blocks=draw(st.integers(2, 6)), embargo_eras=draw(purges), **common
        )
    start = draw(st.integers(20, 120))
    return split_of(
        "holdout",
        train={"to": start},
        validate={"from": start + draw(st.integers(1, 20))},
        **common,
    )


@settings(deadline=None, max_examples=100)
@given(split=splits(), eras=era_arrays, days=st.sampled_from([20, 60]))
def test_whatever_is_planned_does_not_leak(split, eras, days):
    try:
        plan = plan_folds(split, eras, days)
    except SplitError:
        return
    judged = np.concatenate([f.judged for f in plan.folds])
    assert plan.folds
    assert len(np.unique(judged)) == len(judged)
    assert np.all(np.diff(judged) > 0)
    for index, each in enumerate(plan.folds, start=1):
        assert each.index == index
        assert no_leak(each)
        assert np.isin(each.train, eras).all()
        assert np.isin(each.judged, eras).all()
        assert len(each.train)
        assert len(each.judged)


@st.composite
def splits_with_test(draw: st.DrawFn) -> tuple[Split, np.ndarray]:
    """A holdout with a test, and eras; bounds are given or left open, and may not fit."""
    eras = draw(era_arrays)
    step, offset = draw(thinning)
    first, last = int(eras[0]), int(eras[-1])
    train_to = draw(st.integers(first + 2, max(first + 2, (first + last) // 2)))
    test_from = draw(st.integers(train_to, last + 1))
    bound = st.none() | st.integers(train_to, test_from)
    split = split_of(
        "holdout",
        purge_eras=draw(purges),
        train_step=step,
        train_offset=offset,
        train={"to": train_to},
        validate=range_of(draw(bound), draw(bound)),
        test=range_of(test_from, draw(st.none() | st.integers(test_from, last + 5))),
    )
    return split, eras


def range_of(first: int | None, last: int | None) -> dict[str, int | None]:
    ordered = first is None or last is None or first <= last
    return {"from": first, "to": last if ordered else first}


@settings(deadline=None, max_examples=100)
@given(
    planned=splits_with_test(),
    trained=st.sampled_from([20, 60]),
    scored=st.sampled_from([20, 60]),
)
def test_no_test_era_is_in_another_part_or_near_it(planned, trained, scored):
    """What is judged is purged by the horizon that it is scored on, too; nothing else is lost."""
    split, eras = planned
    try:
        (fold,) = plan_folds(split, eras, trained, scored).folds
    except SplitError:
        return
    assert len(fold.train)
    assert len(fold.judged)
    last = split.test.to or int(eras[-1])
    assert fold.test.tolist() == [e for e in eras.tolist() if split.test.from_ <= e <= last]
    first = min(fold.test.tolist())
    assert max(fold.dropped.tolist(), default=0) < first
    gaps = [purge_for(days) for days in (trained, max(trained, scored))]
    if split.purge_eras != "auto":
        gaps = [split.purge_eras] * 2
    assert max(fold.train.tolist()) + gaps[0] < first
    assert max(fold.judged.tolist()) + gaps[1] < first
    # early stopping watches training eras alone, and selects on them
    with contextlib.suppress(SplitError):
        parts = inner_slice(fold.train, EarlyStopping(eras=5, purge_eras=0), trained)
        assert max(np.concatenate(parts).tolist()) + gaps[0] < first
    (alone,) = plan_folds(split.model_copy(update={"test": None}), eras, trained).folds
    assert fold.train.tolist() == alone.train.tolist()
    assert fold.judged.tolist() == [e for e in alone.judged.tolist() if e + gaps[1] < first]


@settings(deadline=None)
@given(eras=era_arrays, purge=st.integers(0, 12), chunk=st.integers(8, 40))
def test_official_trains_on_all_that_the_rule_allows(eras, purge, chunk):
    """The oracle: every era before a chunk that is far enough from it, and no other."""
    try:
        plan = plan_folds(
            split_of("official", purge_eras=purge, chunk_eras=chunk, partial_chunk=True), eras, 20
        )
    except SplitError:
        return
    for each in plan.folds:
        first = min(each.judged.tolist())
        assert each.train.tolist() == [t for t in eras.tolist() if t + purge < first]
    every = np.concatenate([f.judged for f in plan.folds]).tolist()
    assert every == [e for e in eras.tolist() if e >= eras[0] + chunk]


@settings(deadline=None)
@given(eras=era_arrays, purge=st.integers(0, 8), embargo=st.integers(0, 8), n=st.integers(2, 6))
def test_blocked_trains_on_all_that_the_rule_allows(eras, purge, embargo, n):
    try:
        plan = plan_folds(
            split_of("blocked", purge_eras=purge, embargo_eras=embargo, n_blocks=n), eras, 20
        )
    except SplitError:
        return
    assert np.concatenate([f.judged for f in plan.folds]).tolist() == eras.tolist()
    for each in plan.folds:
        judged = each.judged.tolist()
        allowed = [
            t
            for t in eras.tolist()
            if t not in judged
            and not any(t < j <= t + purge or t - embargo <= j < t for j in judged)
        ]
        assert each.train.tolist() == allowed
        assert each.dropped.tolist() == sorted(set(eras.tolist()) - set(allowed) - set(judged))


@st.composite
def weekly_dates(draw: st.DrawFn) -> list[date]:
    """Dates in rising weeks, some left out, on Fridays but for a holiday here and there."""
    weeks = np.cumsum([draw(st.integers(0, 200)), *draw(gaps)]).tolist()
    early = st.lists(st.sampled_from([0, 0, 0, 1, 4]), min_size=len(weeks), max_size=len(weeks))
    return [
        date(2003, 1, 3) + timedelta(weeks=week) - timedelta(days=days)
        for week, days in zip(weeks, draw(early), strict=True)
    ]


def told_purge(split: Split, days: int) -> tuple[int, int]:
    """Weeks that the labels of a horizon must stay away from judged ones: before, and after."""
    purge = purge_for(days) if split.purge_eras == "auto" else split.purge_eras
    embargo = getattr(split, "embargo_eras", 0)
    return purge, purge if embargo == "auto" else embargo


@settings(deadline=None, max_examples=100)
@given(split=splits(), dates=weekly_dates(), horizon=st.sampled_from([20, 60]))
def test_no_label_of_a_dated_era_reaches_a_judged_one(split, dates, horizon):
    """In days, which the planning never sees: dates are checked against dates."""
    by_week = {week_of(day): day for day in dates}
    eras = np.array(list(by_week), dtype=np.int32)
    if split.type == "holdout":
        middle, late = int(eras[len(eras) // 2]), int(eras[-4])
        parts = {"train": {"to": middle}, "test": {"from": late}}
        split = split_of("holdout", purge_eras=split.purge_eras, **parts)
    try:
        plan = plan_folds(split, eras, horizon)
    except SplitError:
        return
    purge, embargo = told_purge(split, horizon)
    for fold in plan.folds:
        check_dates(fold, by_week)
        for t, j in product(fold.train.tolist(), fold.judged.tolist()):
            apart = (by_week[j] - by_week[t]).days
            assert apart > 7 * purge if t < j else -apart > 7 * embargo
        before = [*fold.train.tolist(), *fold.judged.tolist()]
        for t, j in product(before, fold.test.tolist()):
            assert (by_week[j] - by_week[t]).days > 7 * purge
    # Numbers of weeks that were counted from elsewhere give the same folds.
    moved = replace_bounds(split, 1200)
    again = plan_folds(moved, eras + 1200, horizon)
    for fold, other in zip(plan.folds, again.folds, strict=True):
        assert (fold.train + 1200).tolist() == other.train.tolist()
        assert (fold.judged + 1200).tolist() == other.judged.tolist()
        assert (fold.dropped + 1200).tolist() == other.dropped.tolist()


def replace_bounds(split: Split, by: int) -> Split:
    """Move the eras that a holdout names; other splits name none. `by` is a multiple of steps."""
    if split.type != "holdout":
        return split
    parts = {"train": {"to": split.train.to + by}, "test": {"from": split.test.from_ + by}}
    return split_of("holdout", purge_eras=split.purge_eras, **parts)


def test_dates_nearer_than_their_numbers_are_found():
    eras = np.arange(1, 41, dtype=np.int32)
    plan = plan_folds(split_of("holdout", train={"to": 20}), eras, 20)
    daily = {int(era): date(2013, 1, 4) + timedelta(days=int(era)) for era in eras}
    with pytest.raises(SplitError, match=r"training era 12 \(2013-01-16\) is nearer"):
        check_dates(
            replace(plan.folds[0], train=np.array([12], dtype=np.int32)),
            daily,
        )


@settings(deadline=None, max_examples=200)
@given(split=splits(), labelled=era_arrays, more=st.sets(st.integers(1, 400), max_size=80))
def test_no_judged_or_later_era_is_among_those_known_before(split, labelled, more):
    """Whatever eras without labels there are, before, between and after the labelled ones."""
    there = np.unique([*labelled.tolist(), *more]).astype(np.int32)
    try:
        plan = plan_folds(split, labelled, 20)
    except SplitError:
        return
    for fold in plan.folds:
        known = known_before(there, fold.judged)
        first = int(fold.judged.min())
        assert known.tolist() == [era for era in there.tolist() if era < first]
        before = fold.train[fold.train < first]
        assert set(before.tolist()) <= set(known.tolist())
        assert set(fold.dropped[fold.dropped < first].tolist()) <= set(known.tolist())
    assert known_before(there, None).tolist() == there.tolist()


def test_test_dates_nearer_than_their_numbers_are_found():
    eras = np.arange(1, 61, dtype=np.int32)
    split = split_of("holdout", train={"to": 20}, test={"from": 50})
    (fold,) = plan_folds(split, eras, 20).folds
    weekly = {int(era): date(2013, 1, 4) + timedelta(weeks=int(era)) for era in eras}
    check_dates(fold, weekly)
    late = {era: day + timedelta(weeks=1 if era == 41 else 0) for era, day in weekly.items()}
    with pytest.raises(SplitError, match=r"era 41 \(2013-10-25\) is nearer to a test era than 8"):
        check_dates(fold, late)


@settings(deadline=None, max_examples=100)
@given(split=splits(), labelled=era_arrays, purge_eras=st.integers(0, 20))
def test_no_label_is_among_those_known_before_that_reaches_into_a_judged_era(
    split, labelled, purge_eras
):
    try:
        plan = plan_folds(split, labelled, 20)
    except SplitError:
        return
    for fold in plan.folds:
        first = int(fold.judged.min())
        known = labelled_before(labelled, fold.judged, purge_eras)
        assert known.tolist() == [era for era in labelled.tolist() if era < first - purge_eras]
    assert labelled_before(labelled, None, purge_eras).tolist() == labelled.tolist()
