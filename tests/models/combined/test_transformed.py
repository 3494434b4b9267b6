"""`transformed`: a model that makes columns of the features and lets another learn."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.features import Past, Pipeline, StepContext, get_transform
from numerai_lab.models import FitContext, assemble_exported, check_model, get_model

STEPS = [
    {"type": "group_scores"},
    {"type": "interactions", "top": 3, "how": ["product", "difference"]},
    {"type": "noise", "columns": 2},
]


def frame(n_eras=30, rows=60, seed=0, first=1):
    rng = np.random.default_rng(seed)
    n = n_eras * rows
    values = rng.integers(0, 5, size=(n, 6))
    planted = (values[:, 0] - 2) * (values[:, 1] - 2) / 2 + 0.3 * values[:, 2]
    target = planted + rng.normal(scale=1.5, size=n)
    bins = np.searchsorted(np.quantile(target, [0.05, 0.25, 0.75, 0.95]), target) / 4
    return EraFrame(
        features=values.astype(np.int8),
        eras=np.arange(first, first + n_eras, dtype=np.int32),
        offsets=np.arange(n_eras + 1, dtype=np.int64) * rows,
        ids=pa.array([f"r{first}-{i}" for i in range(n)]),
        targets=bins.astype(np.float32)[:, None],
        feature_names=tuple(f"f{i}" for i in range(6)),
        target_names=("target",),
    )


def context(**changes):
    sets = {"a": ["f0", "f1", "f2"], "b": ["f3", "f4"]}
    given = {"target": "target", "targets": ("target",), "purge_eras": 2, "n_threads": 1}
    return FitContext(seed=3, feature_sets=sets, **{**given, **changes})


def fitted(steps, model=None, placebo=2, train=None, **changes):
    kind = get_model("transformed")
    params = {"transforms": steps, "model": model or {"type": "ridge"}, "placebo": placebo}
    made = kind(kind.Params.model_validate(params))
    made.report = made.fit(frame() if train is None else train, context(**changes))
    return made


@pytest.fixture(scope="module")
def linear():
    return fitted(STEPS)


@pytest.fixture(scope="module")
def later():
    return frame(12, seed=1, first=40)


def corr(predictions, rows):
    return np.mean(
        [np.corrcoef(predictions[r], rows.target("target")[r])[0, 1] for _, r in rows.iter_eras()]
    )


def test_keeps_the_promises_of_a_model():
    steps = [{"type": "interactions", "top": 3}, {"type": "select", "top": 6}]
    check_model(get_model("transformed"), {"transforms": steps, "model": {"type": "ridge"}})


def test_a_planted_product_is_found_and_its_placebo_is_not(linear, later):
    shown = linear.predict_in_detail(later.without_targets())
    assert list(shown.variants) == ["without", "placebo", "placebo_2"]
    own = corr(shown.predictions, later)
    others = [corr(values, later) for values in shown.variants.values()]
    assert own > max(others) + 0.2
    assert np.ptp(others) < 0.05


def test_the_twin_without_columns_is_the_model_alone(linear, later):
    alone = get_model("ridge")(get_model("ridge").Params())
    alone.fit(frame(), context())
    shown = linear.predict_in_detail(later.without_targets()).variants["without"]
    assert np.array_equal(shown, alone.predict(later.without_targets()))


def test_a_model_that_goes_live_has_no_twins(later):
    final = fitted(STEPS, alone=True)
    assert final.predict_in_detail(later.without_targets()).variants == {}


def test_what_is_exported_predicts_the_same_to_the_byte(linear, later):
    assembled = assemble_exported(linear.export(), later.feature_names, "int8")
    for era, rows in later.iter_eras():
        own = later.between(era, era).without_targets()
        assert np.array_equal(
            assembled.predict(later.features[rows]).astype(np.float32), linear.predict(own)
        )


def test_what_columns_count_for_is_told(linear):
    told = linear.report.details["transforms"]
    assert max(told["importance"], key=told["importance"].get).startswith("interactions.product.")
    assert set(linear.report.importance) <= set(frame().feature_names)
    assert "12 columns added by group_scores, interactions, noise" in linear.report.notes[0]


def test_what_columns_add_stands_beside_the_features(linear, later):
    one = later.between(40, 40).without_targets()
    (found,) = linear.contributions(one)
    assert found.values.shape == (60, 6)
    assert set(found.beside) == set(linear.report.details["transforms"]["columns"])
    assert found.gap() < 1e-6


def test_it_goes_on_with_the_steps_as_they_were_fitted(later):
    params = {"num_boost_round": 5, "max_depth": 2, "eta": 0.3}
    model = fitted(STEPS, {"type": "xgb", "params": params}, placebo=1)
    before = model.export().settings
    report = model.fit_more(later, context(alone=True), 3)
    assert (report.size, model.n_steps) == (3, 8)
    assert model.export().settings == before
    assert model.predict_in_detail(later.without_targets()).variants == {}


def test_early_stopping_looks_at_the_columns_too(later):
    params = {"num_boost_round": 60, "max_depth": 3, "eta": 0.5}
    model = fitted(STEPS, {"type": "xgb", "params": params}, stop=later, stop_patience=3, placebo=1)
    assert model.report.size < 60
    assert corr(model.predict(later.without_targets()), later) > 0.2


PER_ERA = [
    {"type": "relative"},
    {"type": "group_scores"},
    {"type": "interactions", "top": 3},
    {"type": "noise", "columns": 3},
    {"type": "pca", "components": 2},
    {"type": "era_aggregates", "features": ["f0", "f1", "f2"]},
    {"type": "knn_graph", "by": ["f0", "f1"], "features": ["f2"]},
    {"type": "impute", "how": "group_mean", "features": ["f0", "f3"], "indicator": True},
    {"type": "lags", "features": ["f0", "f2"], "of": "correlation"},
    {"type": "lags", "features": ["f0", "f2"], "of": "target_corr", "lags": [8]},
    {"type": "decompose", "features": ["f0", "f2"], "of": "correlation", "window": 9},
    {"type": "select", "top": 4},
]


@pytest.mark.parametrize("step", PER_ERA, ids=lambda step: step["type"])
def test_columns_of_one_era_alone_are_those_of_training_to_the_byte(step, tmp_path):
    """As live: a saved pipeline, the rows of one era in another order, and the past beside them."""
    rows = frame(20)
    rows.features[::7, 0] = rows.features[3::11, 3] = -1
    pipeline = Pipeline([get_transform(step["type"]).Params.model_validate(step)])

    def past(era, n):
        return Past(
            rows.between(era - n, era - 1).without_targets(), rows.between(era - n, era - 3)
        )

    told = context()
    ctx = StepContext(1, "target", 2, told.feature_sets, rows.feature_names, n_threads=1, past=past)
    made = pipeline.frame(pipeline.fit(rows, ctx))
    pipeline.save(tmp_path)
    live = Pipeline.load(tmp_path, pipeline.params, rows.feature_names)
    order = np.random.default_rng(0).permutation(60)
    own = rows.between(20, 20).without_targets()
    alone = replace(own, features=own.features[order], ids=own.ids.take(pa.array(order)))
    found = live.frame(live.columns(alone, past))
    assert found.feature_names == made.feature_names
    assert np.array_equal(found.features[:], made.features[-60:][order])


def test_constant_columns_are_said():
    said = []
    rows = frame()
    rows.features[:, 3:5] = 2
    fitted([{"type": "group_scores", "of": ["mean"]}], train=rows, placebo=0, say=said.append)
    assert said[0].startswith(
        "1 of 2 columns of 'group_scores' are constant over the training rows"
    )


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([{"type": "interactions", "features": ["f0", "g1"]}], "feature 'g1' is not among those"),
        ([{"type": "group_scores", "groups": ["c"]}], "the data have no set of features 'c'"),
        ([{"type": "select", "top": 6}], "top is 6, and there are 6 features to choose from"),
        ([{"type": "relative", "features": ["f5"]}], "feature 'f5' is in none of the groups"),
        ([{"type": "interactions", "features": ["f0", "f0"]}], "names 'f0' twice"),
    ],
)
def test_what_the_data_do_not_have_is_refused(steps, said):
    with pytest.raises(ModelError, match=said):
        fitted(steps)


def test_features_that_are_not_there_on_live_are_refused(linear, later):
    fewer = replace(later, features=later.features[:, :5], feature_names=later.feature_names[:5])
    with pytest.raises(ModelError, match="1 features the model was trained on are absent"):
        linear.predict(fewer.without_targets())
