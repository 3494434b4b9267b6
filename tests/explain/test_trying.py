"""What is found by trying: shuffled features, sampled Shapley values, drawn rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from numerai_lab.config import Bootstrap
from numerai_lab.eraframe import EraFrame
from numerai_lab.explain.attribution import in_pieces
from numerai_lab.explain.lime import lime_facts
from numerai_lab.explain.over_eras import Intervals
from numerai_lab.explain.pairs import interaction_facts
from numerai_lab.explain.permutation import permutation
from numerai_lab.explain.sample import draw
from numerai_lab.explain.shapley import SampledShapley, predicts_row_by_row
from numerai_lab.models import FitContext, get_model
from numerai_lab.models.conformance.toy import toy_frame
from numerai_lab.scoring import rank_per_era

INTERVALS = Intervals(20, Bootstrap(samples=200), 1)
BETA = np.array([3.0, -2.0, 0.5, 0, 0, 0, 0, 0])


def linear(frame):
    return (frame.features @ BETA).astype(np.float32)


def product(frame):
    return (frame.features[:, 0].astype(np.float32) * frame.features[:, 1]).astype(np.float32)


def ranked(frame):
    return rank_per_era(linear(frame), frame.offsets).astype(np.float32)


def silent(_done, _total):
    return None


def test_shuffling_costs_what_the_prediction_leans_on():
    frame = toy_frame(0)
    found = permutation(linear, frame, "target", [0, 1, 5], INTERVALS, 0, silent)
    losses = {one["feature"]: one for one in found["features"]}
    assert found["eras"] == 24
    assert losses["feature_0"]["loss_low"] > 0.05
    assert losses["feature_1"]["loss_low"] > 0.02
    assert losses["feature_5"]["loss"] == 0
    assert [one["feature"] for one in found["features"]][-1] == "feature_5"


def test_a_large_era_is_explained_in_pieces_and_the_same():
    rng = np.random.default_rng(0)
    frame = EraFrame(
        features=rng.integers(0, 5, (1200, 8), dtype=np.int8),
        eras=np.array([1], dtype=np.int32),
        offsets=np.array([0, 1200]),
        ids=pa.array([f"n{i}" for i in range(1200)]),
        targets=np.empty((1200, 0), dtype=np.float32),
        feature_names=tuple(f"feature_{i}" for i in range(8)),
        target_names=(),
    )
    kind = get_model("ridge")
    model = kind(kind.Params.model_validate({"alpha": 1.0}))
    model.fit(toy_frame(0), FitContext(0, "target", ("target",), purge_eras=4))
    rows, told = np.arange(1, 1200, 2), []
    (pieces,) = in_pieces(model.contributions, frame, rows, told.append)
    (whole,) = model.contributions(frame, rows)
    assert told == [500, 600]
    assert np.array_equal(pieces.values, whole.values)
    assert np.array_equal(pieces.raw, whole.raw)
    assert pieces.base == whole.base


def test_values_are_shuffled_within_their_era_only():
    frame = toy_frame(0)
    marked = frame.features.copy()
    marked[:, 0] = frame.row_eras % 2
    seen = []

    def watch(era):
        seen.append(np.sort(era.features[:, 0]).tolist())
        return linear(era)

    permutation(watch, replace(frame, features=marked), "target", [0], INTERVALS, 0, silent)
    before, after = seen[::2], seen[1::2]
    assert before == after  # the same values, in whatever order


def test_sampled_values_of_a_linear_model_are_exact():
    frame = toy_frame(0).between(1, 1).without_targets()
    background = toy_frame(1).features[:4]
    explain = SampledShapley(linear, background, 0)
    rows = np.array([0, 3, 7])
    (own,) = explain(frame, rows)
    exact = (frame.features[rows] - background.mean(axis=0)) * BETA
    assert own.values == pytest.approx(exact, abs=1e-4)
    assert own.gap() < 1e-5


def test_sampled_values_sum_to_the_prediction_where_features_interact():
    frame = toy_frame(0).between(1, 1).without_targets()
    explain = SampledShapley(product, toy_frame(1).features[:16], 0)
    (own,) = explain(frame, np.arange(5))
    assert own.raw == pytest.approx(product(frame)[:5])
    assert own.gap() < 1e-5
    assert np.all(own.values[:, 2:] == 0)
    (again,) = explain(frame, np.arange(5))
    assert np.array_equal(own.values, again.values)


def test_a_ranked_prediction_is_not_one_of_the_row_alone():
    frame = toy_frame(0).between(1, 1).without_targets()
    assert predicts_row_by_row(linear, frame)
    assert not predicts_row_by_row(ranked, frame)


def test_lime_of_a_linear_model_is_what_the_rows_own_values_add():
    frame = toy_frame(0).between(1, 1).without_targets()
    found = lime_facts(linear, frame, 3, np.arange(8), 0)
    weights = {one["feature"]: one["weight"] for one in found["features"]}
    for k in range(8):
        others = frame.features[:, k][frame.features[:, k] != frame.features[3, k]]
        exact = BETA[k] * (float(frame.features[3, k]) - others.mean())
        assert weights[f"feature_{k}"] == pytest.approx(exact, abs=0.5), k
    assert 0.3 < found["fit"] < 1
    assert found == lime_facts(linear, frame, 3, np.arange(8), 0)


def test_the_pair_whose_product_is_learnt_interacts_most():
    frame = toy_frame(0)
    target = (frame.features[:, [3]].astype(np.float32) - 2) * (frame.features[:, [5]] - 2)
    train = replace(frame, targets=target, target_names=("target",))
    kind = get_model("xgb")
    model = kind(kind.Params.model_validate({"num_boost_round": 20, "max_depth": 4, "eta": 0.3}))
    model.fit(
        train, FitContext(seed=0, target="target", targets=("target",), purge_eras=4, n_threads=1)
    )
    found = interaction_facts(model, draw(frame, 100, 0), np.arange(8), silent)
    assert found["rows"] == 99
    first, second = found["pairs"][:2]
    assert set(first["features"]) == {"feature_3", "feature_5"}
    assert first["size"] > 3 * second["size"]


def test_rows_are_drawn_evenly_over_eras_with_the_seed():
    frame = toy_frame(0)  # 30 eras of 40 to 50 rows
    sample = draw(frame, 300, 7)
    assert (len(sample.eras), sample.n_rows) == (10, 300)
    assert (sample.eras[0], sample.eras[-1]) == (1, 30)
    assert all(len(np.unique(rows)) == 30 for rows in sample.rows)
    same, other = draw(frame, 300, 7), draw(frame, 300, 8)
    assert all(np.array_equal(a, b) for a, b in zip(sample.rows, same.rows, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(sample.rows, other.rows, strict=True))
    assert draw(frame, 10**6, 7).n_rows == frame.n_rows
    assert draw(frame, 1, 7).n_rows == 1
