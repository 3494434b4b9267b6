"""`head: classes`: what trees learn as classes is predicted as an expected value."""

from __future__ import annotations

import numpy as np
import pydantic
import pytest
from scipy.special import softmax

from linear_models import context, fitted
from numerai_lab.errors import ModelError
from numerai_lab.models import check_model, get_model
from numerai_lab.models.conformance.toy import toy_frame
from numerai_lab.models.contract import World
from numerai_lab.models.trees.classes import Classes
from numerai_lab.scoring import corr_per_era

FEW = {"head": "classes", "num_boost_round": 4, "max_depth": 2}
LGBM = {
    **{"head": "classes", "class_weight_power": 0.5, "weights": "equal", "targets": ["target"]},
    "lightgbm": {"num_iterations": 3, "num_leaves": 4},
}
FIVE = Classes((0.0, 0.25, 0.5, 0.75, 1.0))


def column(*values):
    return np.array(values, dtype=np.float32)


class Two(World):
    """This worker, and another one that has seen other values."""

    size = 2

    def __init__(self, other):
        self.other = other

    def from_all(self, value):
        return [value, np.asarray(self.other)]


def test_classes_are_the_values_that_all_workers_have_seen():
    assert Classes.of(column(1, 0.5, np.nan, 0.5), "target").values == (0.5, 1.0)
    two = Two(column(0.25, 1))
    assert Classes.of(column(1, 0.5), "target", two).values == (0.25, 0.5, 1.0)
    for label, many in ((np.arange(11), "more than 10 values"), ([0.5], r"1 value\(s\)")):
        with pytest.raises(ModelError, match=f"target 'y' has {many}"):
            Classes.of(column(*label), "y")


def test_a_label_is_its_class_or_refused():
    found = FIVE.positions(column(0.75, np.nan, 0, 1))
    np.testing.assert_array_equal(found, column(3, np.nan, 0, 4))
    for strange in (0.3, 1.25, -1):
        with pytest.raises(ModelError, match=f"label {strange:g} is none of the classes"):
            FIVE.positions(column(0.5, strange))


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_rows_weigh_what_the_frequency_of_their_class_says(power):
    positions = np.repeat(column(0, 1, 2, 3, 4), [5, 20, 50, 20, 5])
    weights = FIVE.weights(positions, power)
    assert weights.mean() == pytest.approx(1)
    ratio = weights[positions == 0][0] / weights[positions == 2][0]
    assert ratio == pytest.approx(10**power)
    given = np.linspace(0.5, 1.5, 100).astype(np.float32)
    np.testing.assert_allclose(FIVE.weights(positions, power, given), weights * given)
    assert FIVE.weights(positions, 0.0, given) is given
    rare_elsewhere = FIVE.weights(positions, 1.0, None, Two([0, 0, 950, 0, 0]))
    assert rare_elsewhere[0] / rare_elsewhere[50] == pytest.approx(200)


def test_the_prediction_is_the_expected_value():
    sums = np.random.default_rng(0).normal(size=(50, 5)) * [1, 10, 100, 10, 1]
    expected = softmax(sums, axis=1) @ np.array(FIVE.values)
    np.testing.assert_allclose(FIVE.expected(sums), expected, atol=1e-7)


@pytest.mark.parametrize("name", ["xgb", "lgbm_ensemble"])
def test_models_of_classes_keep_the_promises(name):
    check_model(get_model(name), FEW if name == "xgb" else LGBM)


@pytest.mark.parametrize(
    ("name", "params"),
    [("xgb", FEW), ("random_forest", {"head": "classes", "n_estimators": 3, "num_leaves": 4})],
)
def test_probabilities_are_those_behind_the_prediction(name, params, tmp_path):
    train, later = toy_frame(0), toy_frame(1, first_era=40)
    model, _ = fitted(name, train, params)
    told = model.predict_classes(later.without_targets(), "target")
    assert told.values == FIVE.values
    assert told.probabilities.shape == (later.n_rows, 5)
    assert told.probabilities.std(axis=0).min() > 0
    np.testing.assert_allclose(
        told.probabilities @ np.array(told.values), model.predict(later), atol=1e-6
    )
    model.save(tmp_path)
    again = type(model).load(tmp_path).predict_classes(later, "target")
    np.testing.assert_array_equal(again.probabilities, told.probabilities)
    regression, _ = fitted(name, train, {key: v for key, v in params.items() if key != "head"})
    with pytest.raises(ModelError, match="learnt the target as a number"):
        regression.predict_classes(later, "target")


def test_an_ensembles_probabilities_are_the_mean_of_its_members():
    train, later = toy_frame(0), toy_frame(1, first_era=40)
    weights = {"weights": [3.0, 1.0], "seeds": 2}
    model, _ = fitted("lgbm_ensemble", train, {**LGBM, **weights})
    each = [
        fitted("lgbm_ensemble", train, {**LGBM, "seeds": 2, "weights": alone})[0]
        for alone in ([1.0, 0.0], [0.0, 1.0])
    ]
    one, other = (
        member.predict_classes(later, "target").probabilities.astype(float) for member in each
    )
    assert not np.allclose(one, other)
    told = model.predict_classes(later, "target")
    np.testing.assert_allclose(told.probabilities, 0.75 * one + 0.25 * other, atol=1e-6)
    with pytest.raises(ModelError, match="learns another target than target_other, whose classes"):
        model.predict_classes(later, "target_other")


@pytest.mark.parametrize("strategy", ["one_output_per_tree", "multi_output_tree"])
def test_xgboost_learns_them(strategy, tmp_path):
    train, later = toy_frame(0), toy_frame(1, first_era=40)
    params = {**FEW, "num_boost_round": 12, "multi_strategy": strategy}
    stop = toy_frame(2, first_era=33).between(33, 40)
    model, report = fitted(
        "xgb",
        train,
        {**params, "era_boosting": {"rounds": 2, "every": 1}},
        stop=stop,
        stop_patience=3,
    )
    predictions = model.predict(later)
    assert 0 < predictions.min() < predictions.max() < 1
    assert corr_per_era(predictions, later.target("target"), later.offsets).mean() > 0.2
    rounds = report.details["early_stopping"]["best_round"] + 2
    assert report.size == rounds * (5 if strategy == "one_output_per_tree" else 1)
    model.save(tmp_path)
    np.testing.assert_array_equal(type(model).load(tmp_path).predict(later), predictions)
    model.fit_more(later, context(), 1)
    assert model.n_steps == rounds + 1
    with pytest.raises(ModelError, match=r"the label 0\.1 is none of the classes"):
        model.fit_more(later.with_target("target", np.full(later.n_rows, 0.1)), context(), 1)


def test_weights_of_classes_change_what_is_learnt():
    train = toy_frame(0)
    alike, _ = fitted("xgb", train, FEW)
    weighed, _ = fitted("xgb", train, {**FEW, "class_weight_power": 1.0})
    assert alike.predict(train).std() < weighed.predict(train).std()


def test_regression_is_written_as_before():
    for name in ("xgb", "lgbm_ensemble"):
        params = get_model(name).Params()
        assert not {"head", "class_weight_power"} & params.model_dump().keys()
        classes = get_model(name).Params(head="classes").model_dump()
        assert (classes["head"], classes["class_weight_power"]) == ("classes", 0.0)


@pytest.mark.parametrize(
    ("name", "params", "words"),
    [
        ("xgb", {"class_weight_power": 0.5}, "write head: classes, too"),
        ("xgb", {"head": "classes", "objective": "reg:logistic"}, "leave objective out"),
        ("xgb", {"head": "classes", "num_class": 5}, "leave num_class out"),
        ("xgb", {"head": "classes", "booster": "gblinear"}, "choose booster gbtree or dart"),
        ("xgb_ttt", {"head": "classes"}, "write head: regression, or train model xgb"),
        (
            "lgbm_ensemble",
            {"head": "classes", "lightgbm": {"objective": "huber"}},
            "leave objective out",
        ),
        ("lgbm_ensemble", {"lightgbm": {"objective": "multiclass"}}, "write head: classes"),
    ],
)
def test_what_does_not_go_with_classes_is_refused(name, params, words):
    with pytest.raises(pydantic.ValidationError, match=words):
        get_model(name).Params.model_validate(params)
