"""`residual`: what the first model predicts is never of eras it has seen, and the rest adds up."""

from __future__ import annotations

import numpy as np
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linear_models import context, fitted
from numerai_lab.errors import ModelError, SplitError
from numerai_lab.models import cannot_go_on, check_model, get_model, info_of
from numerai_lab.models.combined.blocks import coefficient, predict_blocks
from numerai_lab.models.conformance.toy import toy_frame
from numerai_lab.splits import inner_blocks
from plugins import install_model

RIDGE = {"type": "ridge", "params": {"alpha": 1.0}}
TREES = {"type": "xgb", "params": {"num_boost_round": 8, "max_depth": 2, "eta": 0.3}}


@given(
    st.lists(st.integers(1, 200), min_size=1, max_size=120, unique=True),
    st.integers(2, 8),
    st.integers(0, 12),
)
def test_blocks_hold_each_era_once_and_keep_the_purge_on_both_sides(eras, folds, purge):
    eras = np.sort(eras).astype(np.int32)
    cut = [set(part.tolist()) for part in np.array_split(eras, folds)]
    far = [[t for t in eras if all(abs(t - j) > purge for j in part)] for part in cut]
    if not all(cut) or not all(far):
        with pytest.raises(SplitError, match="without eras to train on"):
            inner_blocks(eras, folds, purge)
        return
    blocks = inner_blocks(eras, folds, purge)
    assert np.array_equal(np.concatenate([block.judged for block in blocks]), eras)
    assert [set(block.judged.tolist()) for block in blocks] == cut
    assert [block.train.tolist() for block in blocks] == far


def test_the_first_model_is_asked_only_for_eras_it_has_not_seen():
    train = toy_frame(0)
    blocks = inner_blocks(train.eras, 3, purge_eras=2)
    seen = []

    class Recalls:
        """Predicts perfectly what it was fitted on, and nothing else."""

        def __init__(self, number, rows, mine):
            assert rows.eras.tolist() == blocks[number - 1].train.tolist()
            assert np.array_equal(train.row_eras[mine], rows.row_eras)
            self.known = dict(zip(rows.ids.to_pylist(), rows.target("target"), strict=True))

        def predict(self, frame):
            assert not frame.target_names
            seen.append((set(self.known), frame.ids.to_pylist()))
            values = [self.known.get(one, 0.0) for one in frame.ids.to_pylist()]
            return np.array(values, dtype=np.float32)

    scaled = predict_blocks(train, blocks, Recalls)
    assert sum(len(asked) for _, asked in seen) == train.n_rows
    assert not any(known & set(asked) for known, asked in seen)
    assert not scaled.any()
    assert coefficient(train, scaled, train.target("target")) == 0.0


def test_a_first_model_counts_as_much_as_it_is_worth_out_of_fold():
    train = toy_frame(0)
    target = train.target("target")
    good = train.features[:, 0].astype(np.float64)
    for _, era in train.iter_eras():
        good[era] = (good[era] - good[era].mean()) / good[era].std()
    slope = coefficient(train, good, target)
    by_hand = [np.polyfit(good[era], target[era], 1)[0] for _, era in train.iter_eras()]
    assert slope == pytest.approx(np.mean(by_hand))
    assert coefficient(train, -good, target) == 0.0


def test_prediction_is_what_both_parts_say():
    train, later = toy_frame(0), toy_frame(1, first_era=40)
    params = {"folds": 2, "first": RIDGE, "second": TREES}
    model, report = fitted("residual", train, params)
    first, _ = fitted("ridge", train, RIDGE["params"])
    alone = first.predict(later)
    z = np.concatenate(
        [(alone[rows] - alone[rows].mean()) / alone[rows].std() for _, rows in later.iter_eras()]
    )
    b = report.details["coefficient"]
    trees = model.predict(later) - b * z
    assert b > 0.01
    assert len(np.unique(trees.round(5))) < len(np.unique(z.round(5)))
    assert trees.mean() == pytest.approx(train.target("target").mean(), abs=0.05)
    assert report.unit == "trees"
    assert report.size == 8
    assert set(report.details["spread"]) == {"first", "second"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (RIDGE, TREES),
        (
            TREES,
            {
                "type": "lgbm_ensemble",
                "params": {"weights": "equal", "seeds": 1, "lightgbm": {"num_iterations": 4}},
            },
        ),
    ],
)
def test_residuals_keep_the_promises(first, second):
    check_model(get_model("residual"), {"folds": 2, "first": first, "second": second})


def test_traits_come_from_both_parts():
    kind = get_model("residual")
    several = {"type": "ridge", "params": {"targets": {"target": 1.0}}}
    params = kind.Params.model_validate({"first": several, "second": TREES})
    info = info_of(kind, params)
    assert info.multi_target
    assert info.exportable
    assert info.unit == "rounds"
    assert not info_of(kind, kind.Params()).multi_target


def test_it_goes_on_from_what_the_first_leaves_of_eras_it_has_not_seen():
    train, new = toy_frame(0), toy_frame(1, first_era=40)
    params = {"folds": 2, "first": RIDGE, "second": TREES}
    model, _ = fitted("residual", train, params)
    before = fitted("residual", train, params)[0].predict(new)
    assert cannot_go_on(model, "residual") is None
    report = model.fit_more(new, context(), 20)
    assert model.n_steps == 28
    assert report.size == 20
    y = new.target("target")
    assert np.square(y - model.predict(new)).mean() < np.square(y - before).mean()


def test_it_does_not_go_on_where_a_part_cannot(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(install_model(tmp_path, "honest", "honest_model:Honest"))
    model, _ = fitted("residual", toy_frame(0), {"first": {"type": "honest"}, "second": RIDGE})
    said = "first: model 'honest' cannot go on from a fit"
    assert cannot_go_on(model, "residual") == said
    with pytest.raises(ModelError, match="'honest' cannot be bundled"):
        model.export()
    assert not info_of(type(model), model.params).exportable


@pytest.mark.parametrize(
    ("params", "words"),
    [
        (
            {"first": {"type": "xgb_ttt", "params": {}}},
            "'xgb_ttt' needs labels as they become known",
        ),
        ({"second": {"type": "rigde"}}, "did you mean 'ridge'?"),
        ({"folds": 1}, "greater than or equal to 2"),
    ],
)
def test_parts_that_cannot_be_are_refused(params, words):
    with pytest.raises(pydantic.ValidationError, match=words.replace("?", r"\?")):
        get_model("residual").Params.model_validate(params)


def test_too_few_eras_are_refused():
    frame = toy_frame(0).between(1, 4)
    with pytest.raises(ModelError, match="cutting the 4 training eras into 3 blocks"):
        fitted("residual", frame, {"folds": 3, "first": RIDGE, "second": TREES})
