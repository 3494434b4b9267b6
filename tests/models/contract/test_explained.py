"""Contributions of features: what `check_model` asks of them, and what each model gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from honest_model import Honest
from numerai_lab.errors import ModelError
from numerai_lab.models import Contributions, ExplainedModel, FitContext, check_model, get_model
from numerai_lab.models.conformance.toy import TARGETS, judged_frame, toy_frame


class Explained(Honest):
    def contributions(self, frame, rows=None):
        rows = np.arange(frame.n_rows) if rows is None else rows
        values = (self.design(frame) * self.beta)[rows]
        return (Contributions(values, 0.0, self.values(frame)[rows]),)


class ForgetsAFeature(Explained):
    def contributions(self, frame, rows=None):
        (own,) = super().contributions(frame, rows)
        values = own.values.copy()
        values[:, 0] = 0
        return (replace(own, values=values),)


class ExplainsAnother(Explained):
    """Its contributions add up, to something that is not the prediction."""

    def contributions(self, frame, rows=None):
        (own,) = super().contributions(frame, rows)
        return (replace(own, values=-own.values, raw=-own.raw),)


class NamesMembersAlike(Explained):
    def contributions(self, frame, rows=None):
        (own,) = super().contributions(frame, rows)
        return (own, own)


class LeavesRowsOut(Explained):
    def contributions(self, frame, rows=None):
        (own,) = super().contributions(frame, rows)
        return (replace(own, values=own.values[1:]),)


class TakesOtherRows(Explained):
    def contributions(self, frame, rows=None):
        (own,) = super().contributions(frame, None if rows is None else rows[::-1])
        return (own,)


class Pairs(Explained):
    def interactions(self, frame, rows):
        (own,) = self.contributions(frame, rows)
        return own.values[:, :, None] * np.eye(own.values.shape[1])


class LosesPairs(Pairs):
    def interactions(self, frame, rows):
        return 0.5 * super().interactions(frame, rows)


class HasNoneThisTime(Explained):
    def contributions(self, frame, rows=None):
        raise ModelError("none with these parameters")


def test_contributions_that_add_up_pass():
    check_model(Explained)
    check_model(HasNoneThisTime)
    check_model(Pairs)


@pytest.mark.parametrize(
    ("broken", "how"),
    [
        (ForgetsAFeature, "sum to something else than the raw output"),
        (ExplainsAnother, "orders rows otherwise"),
        (NamesMembersAlike, "two members are named ''"),
        (LeavesRowsOut, "values have shape"),
        (LosesPairs, "interactions do not sum to them"),
        (TakesOtherRows, "those of some rows differ"),
    ],
)
def test_contributions_that_do_not_are_found(broken, how):
    with pytest.raises(ModelError, match=f"contributions sum to the output: .*{how}") as caught:
        check_model(broken)
    assert "breaks 1 of" in str(caught.value)


PARAMS = {
    "xgb": {"num_boost_round": 12, "max_depth": 3},
    "lgbm_ensemble": {
        "preset": "custom",
        "n_estimators": 12,
        "lightgbm": {"num_leaves": 6},
        "weights": "equal",
    },
    "random_forest": {"n_estimators": 12, "min_data_in_leaf": 10},
    "ridge": {"alpha": 0.1},
    "residual": {
        "first": {"type": "ridge", "params": {"alpha": 0.1}},
        "second": {"type": "xgb", "params": {"num_boost_round": 6, "max_depth": 3}},
        "folds": 2,
    },
    "stack": {
        "members": {
            "a": {"type": "ridge", "params": {"alpha": 0.1}},
            "b": {"type": "xgb", "params": {"num_boost_round": 6}},
        },
        "weights": "equal",
        "weights_from": "inner",
        "inner_folds": 1,
    },
    "xgb_ttt": {
        "num_boost_round": 12,
        "max_depth": 3,
        "auxiliary": {"noise_ratio": 0},
        "adapt": {"strength": 1.0, "trees": {"num_boost_round": 6, "bags": 1}},
    },
}


@pytest.fixture(scope="module")
def fitted():
    """Each model fitted on the rows of the conformance check, by its name."""
    models = {}

    def fit(name):
        if name not in models:
            kind = get_model(name)
            model = kind(kind.Params.model_validate(PARAMS[name]))
            targets = TARGETS if kind.info.multi_target else TARGETS[:1]
            model.fit(
                toy_frame(0),
                FitContext(seed=0, target="target", targets=targets, purge_eras=4, n_threads=1),
            )
            models[name] = model
        return models[name]

    return fit


@pytest.mark.parametrize("name", PARAMS)
def test_the_contributions_of_each_member_sum_to_its_raw_output(fitted, name):
    model = fitted(name)
    frame = judged_frame(0).without_targets()
    assert isinstance(model, ExplainedModel)
    members = model.contributions(frame)
    assert sum(member.weight for member in members) == pytest.approx(1)
    for member in members:
        total = member.base + member.values.sum(axis=1) + sum(member.beside.values())
        assert total == pytest.approx(member.raw, abs=1e-5)
        assert member.raw.std() > 0


def test_one_output_is_the_prediction_itself(fitted):
    frame = judged_frame(0).without_targets()
    for name in ("xgb", "random_forest", "ridge", "residual", "xgb_ttt"):
        (own,) = fitted(name).contributions(frame)
        assert own.raw == pytest.approx(fitted(name).predict(frame), abs=1e-5), name


def test_a_stack_weighs_its_members_contributions(fitted):
    frame = judged_frame(0).without_targets()
    members = fitted("stack").contributions(frame)
    assert [(one.name, one.weight) for one in members] == [("a", 0.5), ("b", 0.5)]


def test_members_of_an_ensemble_keep_their_names(fitted, tmp_path):
    model = fitted("lgbm_ensemble")
    frame = judged_frame(0).without_targets()
    names = [member.name for member in model.contributions(frame)]
    assert names[0].startswith("target/offset 0")
    model.save(tmp_path)
    loaded = type(model).load(tmp_path)
    assert [member.name for member in loaded.contributions(frame)] == names


def test_a_linear_model_adds_what_lies_off_the_mean_and_a_gap_adds_nothing(fitted):
    frame = judged_frame(0).without_targets()
    features = frame.features.copy()
    features[:, 0] = -1
    (own,) = fitted("ridge").contributions(replace(frame, features=features))
    assert np.all(own.values[:, 0] == 0)
    (other,) = fitted("ridge").contributions(frame)
    step = np.diff(np.unique(np.round(other.values[:, 1], 9)))
    assert step == pytest.approx(step[0])  # a bin more adds the same, whatever the row
