"""Folds: Numerai's own table, every splitter, open bounds and gaps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from numerai_lab.config import (
    BlockedSplit,
    HoldoutSplit,
    OfficialSplit,
    WalkForwardSplit,
)
from numerai_lab.errors import SplitError
from numerai_lab.splits import Fold, Plan, check_fold, plan_folds, purge_for


def eras_from(first: int, last: int, step: int = 1) -> np.ndarray:
    return np.arange(first, last + 1, step, dtype=np.int32)


def official(**keys: object) -> OfficialSplit:
    return OfficialSplit(type="official", **keys)


def walk(**keys: object) -> WalkForwardSplit:
    return WalkForwardSplit(type="walk_forward", **keys)


def blocked(**keys: object) -> BlockedSplit:
    return BlockedSplit(type="blocked", **keys)


def holdout(
    train: dict | None = None, validate: dict | None = None, **keys: object
) -> HoldoutSplit:
    return HoldoutSplit.model_validate(
        {"type": "holdout", "train": train or {}, "validate": validate or {}, **keys}
    )


def spans(plan: Plan) -> list[tuple[int, int, int, int]]:
    return [
        (int(f.train[0]), int(f.train[-1]), int(f.judged[0]), int(f.judged[-1])) for f in plan.folds
    ]


# --- purge


@pytest.mark.parametrize(("days", "purge"), [(20, 8), (60, 16), (1, 5), (5, 5), (21, 9)])
def test_purge_follows_the_horizon(days, purge):
    assert purge_for(days) == purge


# --- official


def test_official_reproduces_numerais_table_for_20_days():
    plan = plan_folds(official(), eras_from(1, 780), 20)
    assert spans(plan) == [
        (1, 148, 157, 312),
        (1, 304, 313, 468),
        (1, 460, 469, 624),
        (1, 616, 625, 780),
    ]
    assert plan.notes == ()
    for fold in plan.folds:
        assert len(fold.train) == fold.train[-1]
        assert len(fold.judged) == 156
        assert fold.dropped.tolist() == list(range(fold.judged[0] - 8, fold.judged[0]))
        assert fold.train.dtype == fold.judged.dtype == fold.dropped.dtype == np.int32


def test_official_purges_16_eras_for_60_days():
    assert [row[1] for row in spans(plan_folds(official(), eras_from(1, 780), 60))] == [
        140,
        296,
        452,
        608,
    ]


def test_official_counts_numbers_when_every_fourth_era_is_present():
    plan = plan_folds(official(), eras_from(1, 780, 4), 20)
    assert spans(plan) == [
        (1, 145, 157, 309),
        (1, 301, 313, 465),
        (1, 457, 469, 621),
        (1, 613, 625, 777),
    ]
    assert plan.folds[0].dropped.tolist() == [149, 153]


def test_official_leaves_the_incomplete_chunk_and_says_so():
    plan = plan_folds(official(), eras_from(1, 800), 20)
    assert len(plan.folds) == 4
    assert plan.notes == (
        "the last 20 eras (781-800) are not judged: they do not fill a chunk of 156 "
        "(split.partial_chunk: true judges them)",
    )
    partial = plan_folds(official(partial_chunk=True), eras_from(1, 800), 20)
    assert spans(partial)[-1] == (1, 772, 781, 800)
    assert partial.notes == ()


def test_official_counts_from_the_first_era_present():
    assert spans(plan_folds(official(), eras_from(101, 412), 20)) == [(101, 248, 257, 412)]


def test_official_needs_two_chunks():
    with pytest.raises(SplitError, match=r"needs 312 era numbers \(2 chunks of 156\).* has 311"):
        plan_folds(official(), eras_from(1, 311), 20)


# --- walk_forward


def test_walk_forward_expands_and_judges_the_last_partial_chunk():
    plan = plan_folds(walk(first_train_eras=50, chunk_eras=20), eras_from(1, 95), 20)
    assert spans(plan) == [(1, 42, 51, 70), (1, 62, 71, 90), (1, 82, 91, 95)]


def test_walk_forward_rolls_a_window_of_fixed_length():
    split = walk(first_train_eras=50, chunk_eras=20, window="rolling", partial_chunk=False)
    plan = plan_folds(split, eras_from(1, 95), 20)
    assert spans(plan) == [(1, 42, 51, 70), (21, 62, 71, 90)]
    assert "last 5 eras (91-95) are not judged" in plan.notes[0]


def test_walk_forward_with_a_window_no_longer_than_the_purge_has_nothing_to_train_on():
    with pytest.raises(SplitError, match=r"no eras to train on.*purge of 8"):
        plan_folds(walk(first_train_eras=8, chunk_eras=5), eras_from(1, 40), 20)


def test_a_chunk_that_falls_into_a_gap_of_the_data_is_an_error():
    eras = np.concatenate([eras_from(1, 60), eras_from(90, 100)])
    with pytest.raises(SplitError, match=r"fold 2: no eras to judge.*61-70"):
        plan_folds(walk(first_train_eras=50, chunk_eras=10), eras, 20)


def test_walk_forward_says_how_many_eras_are_needed():
    with pytest.raises(SplitError, match=r"needs 157 era numbers, the data has 100 \(1-100\)"):
        plan_folds(walk(), eras_from(1, 100), 20)


# --- blocked


def test_blocked_trains_on_both_sides_and_says_it_is_optimistic():
    plan = plan_folds(blocked(n_blocks=4), eras_from(1, 100), 20)
    assert [(int(f.judged[0]), int(f.judged[-1])) for f in plan.folds] == [
        (1, 25),
        (26, 50),
        (51, 75),
        (76, 100),
    ]
    second = plan.folds[1]
    assert second.train.tolist() == [*range(1, 18), *range(59, 101)]
    assert second.dropped.tolist() == [*range(18, 26), *range(51, 59)]
    assert (second.purge_eras, second.embargo_eras) == (8, 8)
    assert any("later eras teach earlier ones" in note for note in plan.notes)


def test_blocked_takes_an_embargo_of_its_own():
    plan = plan_folds(blocked(n_blocks=4, embargo_eras=2), eras_from(1, 100), 20)
    assert plan.folds[0].train.tolist() == list(range(28, 101))
    assert any("embargo_eras is 2" in note for note in plan.notes)


def test_more_blocks_than_eras():
    with pytest.raises(SplitError, match="5 blocks need 5 eras, the data has 3"):
        plan_folds(blocked(), eras_from(1, 3), 20)


def test_blocks_too_small_for_their_gaps():
    with pytest.raises(SplitError, match=r"fold 1: no eras to train on.*embargo of 16"):
        plan_folds(blocked(n_blocks=2), eras_from(1, 20), 60)


# --- holdout


@pytest.mark.parametrize(
    ("train", "validate", "expected"),
    [
        ({"from": 1, "to": 100}, {"from": 120, "to": 132}, (1, 100, 120, 132)),
        ({"to": 100}, {}, (1, 100, 109, 200)),
        ({}, {"from": 120}, (1, 111, 120, 200)),
        ({"from": 11}, {"from": 120, "to": 130}, (11, 111, 120, 130)),
        ({"to": 100}, {"to": 150}, (1, 100, 109, 150)),
    ],
)
def test_holdout_with_open_bounds(train, validate, expected):
    plan = plan_folds(holdout(train, validate), eras_from(1, 200), 20)
    assert spans(plan) == [expected]
    assert plan.notes == ()


def test_holdout_cuts_training_back_to_the_purge_and_counts_it():
    plan = plan_folds(holdout({"to": 100}, {"from": 105}), eras_from(1, 132), 20)
    assert spans(plan) == [(1, 96, 105, 132)]
    assert plan.notes == (
        "training ends at era 96, not 100: 4 eras purged before era 105 (purge 8)",
    )
    assert plan.folds[0].dropped.tolist() == list(range(97, 105))


def test_the_legacy_file_with_a_purge_of_four():
    split = holdout({"from": 1, "to": 100}, {"from": 105, "to": 132}, purge_eras=4)
    plan = plan_folds(split, eras_from(1, 132), 20)
    assert spans(plan) == [(1, 100, 105, 132)]
    assert plan.notes == ()


@pytest.mark.parametrize(
    ("train", "validate", "words"),
    [
        ({}, {}, "nothing says where training ends"),
        ({"from": 5}, {"to": 50}, "nothing says where training ends"),
        ({"to": 100}, {"from": 100}, r"overlap in eras 100-100"),
        ({"from": 1, "to": 60}, {"from": 10, "to": 20}, r"overlap in eras 10-20"),
        ({"from": 150}, {"from": 100, "to": 120}, "train begins at era 150, validate already"),
        ({"from": 150, "to": 180}, {"from": 1, "to": 100}, "train begins at era 150"),
        ({"to": 200}, {}, "nothing is left to judge"),
        ({"to": 100}, {"from": 300}, "nothing is left to judge"),
        ({"to": 100}, {"from": 201, "to": 250}, "none in 201-250"),
        ({"from": 98, "to": 100}, {"from": 105}, "no eras to train on"),
    ],
)
def test_holdouts_that_cannot_be(train, validate, words):
    with pytest.raises(SplitError, match=words) as caught:
        plan_folds(holdout(train, validate), eras_from(1, 200), 20)
    assert caught.value.fix


# --- thinning and explicit gaps


def test_train_step_keeps_every_fourth_training_era():
    plan = plan_folds(official(train_step=4, train_offset=1), eras_from(1, 312), 20)
    assert plan.folds[0].train.tolist() == list(range(2, 149, 4))
    assert len(plan.folds[0].judged) == 156


def test_a_train_offset_that_the_data_does_not_have():
    with pytest.raises(SplitError, match=r"none of .* has \(number - 1\) % 4 == 1"):
        plan_folds(official(train_step=4, train_offset=1), eras_from(1, 780, 4), 20)


@pytest.mark.parametrize(("purge", "days", "noted"), [(0, 20, True), (3, 20, True), (4, 20, False)])
def test_a_purge_below_the_label_overlap_is_noted(purge, days, noted):
    notes = plan_folds(official(purge_eras=purge), eras_from(1, 312), days).notes
    assert any("scores are optimistic: purge_eras" in note for note in notes) is noted


def test_no_eras_at_all():
    with pytest.raises(SplitError, match="no labelled eras"):
        plan_folds(official(), eras_from(1, 0), 20)


# --- check_fold


def fold(train: list[int], judged: list[int], purge: int = 0, embargo: int = 0) -> Fold:
    empty = np.array([], dtype=np.int32)
    return Fold(0, np.array(train, np.int32), np.array(judged, np.int32), purge, embargo, empty)


def kept(train: list[int], judged: list[int], test: list[int], purge: int) -> Fold:
    return replace(fold(train, judged), test=np.array(test, np.int32), test_purge_eras=purge)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (kept([1, 2], [5, 6], [8], purge=2), "judged era 6 is not more than 2 eras .* test era, 8"),
        (kept([1, 2], [5], [2], purge=0), "training era 2 is not more than 0 eras before .*, 2"),
        (kept([1, 2], [5, 9], [7], purge=0), "judged era 9 is not more than 0 eras before .*, 7"),
    ],
)
def test_check_fold_raises_on_eras_near_the_test(bad, words):
    with pytest.raises(SplitError, match=words):
        check_fold(bad)


def test_check_fold_accepts_the_nearest_eras_to_a_test():
    check_fold(kept([1, 2], [5, 6], [9, 10], purge=2))


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (fold([1, 2, 3], [3, 4]), "era 3 is trained on and judged"),
        (fold([1, 2], [4], purge=2), "training era 2 is 2 eras before judged era 4.*purge of 2"),
        (fold([9], [5, 7], embargo=2), "training era 9 is 2 eras after judged era 7.*embargo of 2"),
        (fold([], [1]), "no eras to train on"),
        (fold([1], []), "no eras to judge"),
    ],
)
def test_check_fold_raises_on_leaks(bad, words):
    with pytest.raises(SplitError, match=words):
        check_fold(bad)


# --- eras kept for a test


def keeping(test: dict, validate: dict | None = None, **keys: object) -> HoldoutSplit:
    return holdout({"to": 100}, validate, test=test, **keys)


@pytest.mark.parametrize(
    ("split", "scored", "judged", "test"),
    [
        (keeping({"from": 150}), 20, (109, 141), (150, 200)),
        (keeping({"from": 150}), 60, (109, 133), (150, 200)),
        (keeping({"from": 150}, purge_eras=2), 60, (103, 147), (150, 200)),
        (keeping({"from": 150, "to": 160}, validate={"to": 130}), 20, (109, 130), (150, 160)),
        (keeping({"from": 150, "to": 900}, validate={"from": 120}), 20, (120, 141), (150, 200)),
    ],
)
def test_validation_ends_a_purge_before_the_test(split, scored, judged, test):
    (one,) = plan_folds(split, eras_from(1, 200), 20, scored).folds
    assert (one.judged[0], one.judged[-1]) == judged
    assert (one.test[0], one.test[-1]) == test
    assert one.train.tolist() == list(range(1, min(101, judged[0] - one.purge_eras)))


def test_validation_cut_back_is_counted_and_said():
    split = keeping({"from": 150}, validate={"to": 145})
    plan = plan_folds(split, eras_from(1, 200), 20)
    assert plan.folds[0].dropped.tolist() == [*range(101, 109), *range(142, 150)]
    assert plan.notes == (
        "validation ends at era 141, not 145: 4 eras purged before test era 150 (purge 8)",
    )
    assert plan_folds(keeping({"from": 150}), eras_from(1, 200), 20).notes == ()


@pytest.mark.parametrize(
    ("split", "words"),
    [
        (keeping({"from": 90}), "do not end before test 90-200 begins"),
        (keeping({"from": 150}, validate={"to": 150}), "109-150 do not end before test 150-200"),
        (keeping({"from": 150}, validate={"from": 160}), "do not end before test 150-200"),
        (keeping({"from": 201}), "no eras for the test: the data has none in 201"),
        (keeping({"from": 112}), "a purge of 8 before test era 112 leaves none of 109-111"),
    ],
)
def test_tests_that_cannot_be(split, words):
    with pytest.raises(SplitError, match=words):
        plan_folds(split, eras_from(1, 200), 20)


def test_a_test_needs_a_beginning():
    with pytest.raises(ValueError, match="test needs from"):
        keeping({"to": 150})


def test_check_fold_accepts_the_nearest_allowed_eras():
    check_fold(fold([1, 10], [4, 7], purge=2, embargo=2))
