"""`random_forest` and `extra_trees`: trees on whole eras, averaged."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest

from linear_models import context, fitted
from numerai_lab.errors import ModelError
from numerai_lab.models import assemble_exported, check_model, get_model
from numerai_lab.models.conformance.toy import judged_frame, toy_frame
from numerai_lab.scoring import corr_per_era

SMALL = {"n_estimators": 12, "min_data_in_leaf": 10, "feature_fraction": 0.6}
CLASSES = {**SMALL, "n_estimators": 6, "head": "classes", "class_weight_power": 0.5}
FORESTS = ("random_forest", "extra_trees")


@pytest.fixture(scope="module")
def forest():
    """Each forest on the same rows; nobody changes it."""
    return {name: fitted(name, toy_frame(0), SMALL)[0] for name in FORESTS}


def boosters(model, folder):
    """What LightGBM saved of a forest."""
    model.save(folder)
    return [lightgbm.Booster(model_file=path) for path in sorted((folder / "trees").iterdir())]


def roots(booster):
    return [tree["tree_structure"] for tree in booster.dump_model()["tree_info"]]


@pytest.mark.parametrize("params", [SMALL, CLASSES], ids=["regression", "classes"])
@pytest.mark.parametrize("name", FORESTS)
def test_keeps_the_promises_of_a_model(name, params):
    check_model(get_model(name), params)


@pytest.mark.parametrize("name", FORESTS)
def test_a_tree_sees_whole_eras(name, tmp_path):
    rows = 20 * 2 ** np.arange(6)  # which of these eras make a sum is told by the sum
    frame = toy_frame(0, rows_per_era=np.concatenate([rows, np.full(24, 1280)]))
    label = frame.target("target").copy()
    label[:10] = np.nan  # half of the first era
    model, report = fitted(name, frame.with_target("target", label), SMALL)
    (booster,) = boosters(model, tmp_path)
    seen = np.array([root["internal_count"] for root in roots(booster)])
    assert set(seen % 10) == {0}
    assert len(set(seen % 1280)) > 8
    assert set(seen % 20) == {0, 10}  # the first era, there or not
    assert 0.3 < seen.mean() / np.isfinite(label).sum() < 0.7
    assert f"target: 10 of {frame.n_rows} training rows have no label" in report.notes


def test_a_forest_is_the_mean_of_lightgbm_s_trees(forest, tmp_path):
    frame = judged_frame(0)
    for name, model in forest.items():
        (tmp_path / name).mkdir()
        (booster,) = boosters(model, tmp_path / name)
        rows = frame.features.astype(np.float32)
        each = [booster.predict(rows, start_iteration=i, num_iteration=1) for i in range(12)]
        np.testing.assert_allclose(model.predict(frame), np.mean(each, axis=0), rtol=1e-5)
        scores = corr_per_era(model.predict(frame), frame.target("target"), frame.offsets)
        assert np.nanmean(scores) > 0.3, name


def test_extra_trees_cut_where_chance_says(forest, tmp_path):
    cuts = {}
    for name, model in forest.items():
        (tmp_path / name).mkdir()
        (booster,) = boosters(model, tmp_path / name)
        tops = [(r["split_feature"], r["threshold"]) for r in roots(booster)]
        cuts[name] = len(set(tops))
    assert cuts["extra_trees"] > cuts["random_forest"]


@pytest.mark.parametrize("params", [SMALL, CLASSES], ids=["regression", "classes"])
def test_more_trees_are_averaged_with_those_that_are_there(params, tmp_path):
    frame, new = toy_frame(0), toy_frame(1, first_era=31)
    model, report = fitted("random_forest", frame, params)
    assert (model.n_steps, report.unit) == (params["n_estimators"], "trees")
    before = model.predict(new)
    more = model.fit_more(new, context(), 4)
    n = params["n_estimators"]
    assert model.n_steps == n + 4
    assert more.size == 4 * (1 if params is SMALL else 5)
    old, young = boosters(model, tmp_path)
    rows = new.features.astype(np.float32)
    if params is SMALL:
        mean = (n * old.predict(rows) + 4 * young.predict(rows)) / (n + 4)
        np.testing.assert_allclose(model.predict(new), mean, rtol=1e-5)
    assert np.abs(model.predict(new) - before).max() > 1e-4
    assert young.predict(rows).tolist() != old.predict(rows).tolist()
    np.testing.assert_array_equal(type(model).load(tmp_path).predict(new), model.predict(new))
    alone = assemble_exported(model.export(), frame.feature_names, "int8")
    for _, era in new.iter_eras():
        found = alone.predict(new.features[era])
        np.testing.assert_allclose(found, model.predict(new)[era], rtol=0, atol=1e-6)


def test_contributions_are_of_the_mean_after_going_on(forest):
    frame = judged_frame(0).without_targets()
    model, _ = fitted("extra_trees", toy_frame(0), SMALL)
    model.fit_more(toy_frame(1, first_era=31), context(), 4)
    for one in (model, *forest.values()):
        (told,) = one.contributions(frame)
        assert told.gap() < 1e-5
        np.testing.assert_allclose(told.raw, one.predict(frame), atol=1e-6)
    model, _ = fitted("extra_trees", toy_frame(0), CLASSES)
    with pytest.raises(ModelError, match="head: classes predicts an expected value"):
        model.contributions(frame)


def test_few_eras_draw_rows_instead():
    few = toy_frame(0).between(1, 3)
    model, report = fitted("extra_trees", few, SMALL)
    (said,) = report.notes
    assert said.startswith("3 eras are too few to draw some of them for each of 12 trees")
    assert np.isfinite(model.predict(judged_frame(0))).all()


def test_what_has_no_use_is_said():
    said = []
    stop = toy_frame(2, first_era=33).between(33, 40)
    _, report = fitted(
        "random_forest",
        toy_frame(0),
        {**SMALL, "min_data_in_leaf": 100_000},
        stop=stop,
        device="cuda",
        say=said.append,
    )
    assert list(report.notes) == said
    assert "device cuda is ignored" in said[0]
    assert "the 8 eras kept for it teach nothing" in said[1]
    assert "not a single tree has a split" in said[2]
    frame = toy_frame(0)
    nothing = frame.with_target("target", np.full(frame.n_rows, np.nan, np.float32))
    with pytest.raises(ModelError, match="no training row has a label of target"):
        fitted("random_forest", nothing, SMALL)
