"""`transformed`: a model that makes columns of the features and lets another learn."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
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


def fitted(steps, model="ridge", placebo=2, train=None, **changes):
    kind = get_model("transformed")
    params = {"transforms": steps, "model": {"type": model}, "placebo": placebo}
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
    final = fitted(STEPS, final=True)
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
