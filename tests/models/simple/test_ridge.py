"""`ridge`: scikit-learn's coefficients, and a penalty that is chosen without looking ahead."""

from dataclasses import replace

import numpy as np
import pytest

from data_files import load, numerai_folder, table
from data_stores import stored
from linear_models import context, fitted, scikit_learn
from numerai_lab.errors import ModelError
from numerai_lab.models import ContinuableModel, check_model, get_model, info_of
from numerai_lab.models.conformance.toy import toy_frame
from numerai_lab.models.exports import assemble_exported
from numerai_lab.scoring import corr_per_era
from numerai_lab.splits import inner_parts


@pytest.mark.parametrize("params", [{}, {"targets": {"target": 0.7, "target_other": 0.3}}])
def test_keeps_the_promises_of_a_model(params):
    check_model(get_model("ridge"), params)


@pytest.mark.parametrize("alpha", [0.01, 1.0])
@pytest.mark.parametrize(
    "rows",
    [
        {},
        {"missing": 0.2},
        {"dtype": np.float32, "missing": 0.1},
        {"constant": 2},
        {"n_features": 200, "rows_per_era": np.full(8, 20)},
    ],
    ids=["bins", "missing", "floats", "constant", "more features than rows"],
)
def test_coefficients_are_those_of_scikit_learn(rows, alpha):
    frame = toy_frame(1, **rows)
    model, report = fitted("ridge", frame, {"alpha": alpha})
    expected = scikit_learn(frame, frame.target("target"), alpha)
    np.testing.assert_allclose(model.coefficients, expected, atol=1e-8 * np.abs(expected).max())
    assert report.details["alpha"] == alpha


def test_weights_of_the_experiment_are_those_of_the_eras():
    frame = toy_frame(1, missing=0.1)
    rows = np.diff(frame.offsets)
    decay = 0.5 ** (np.arange(frame.n_eras)[::-1] / 5)
    model, _ = fitted(
        "ridge", frame, {"alpha": 0.1}, weights=np.repeat(decay, rows).astype(np.float32)
    )
    expected = scikit_learn(
        frame, frame.target("target"), 0.1, decay * rows / np.mean(decay * rows)
    )
    np.testing.assert_allclose(model.coefficients, expected, atol=1e-6)
    alike, _ = fitted("ridge", frame, {"alpha": 0.1})
    era_equal, _ = fitted(
        "ridge", frame, {"alpha": 0.1}, weights=np.repeat(1 / rows, rows).astype(np.float32)
    )
    np.testing.assert_allclose(era_equal.coefficients, alike.coefficients, atol=1e-7)


def test_several_targets_are_learnt_as_their_mean_by_weight():
    frame = toy_frame(1)
    weights = {"target": 3.0, "target_other": 1.0}
    model, report = fitted(
        "ridge", frame, {"alpha": 0.1, "targets": weights}, targets=("target", "target_other")
    )
    label = 0.75 * frame.target("target") + 0.25 * frame.target("target_other")
    whole = np.flatnonzero(~np.isnan(label))
    expected = scikit_learn(frame.take(whole), label[whole], 0.1)
    np.testing.assert_allclose(model.coefficients, expected, atol=1e-7)
    assert report.notes == (
        f"{frame.n_rows - len(whole)} of {frame.n_rows} training rows lack one of the targets "
        "target, target_other: they teach nothing",
    )


def test_several_targets_ask_for_the_purge_of_the_longest():
    ridge = get_model("ridge")
    assert not info_of(ridge, ridge.Params()).multi_target
    assert info_of(ridge, ridge.Params(targets={"target_ender_60": 1.0})).multi_target


def test_a_target_that_is_not_loaded_is_named():
    with pytest.raises(ModelError, match=r"targets: target 'targt' is not loaded.*did"):
        fitted("ridge", toy_frame(1), {"targets": {"targt": 1.0}})


def test_auto_scores_each_alpha_as_a_fit_on_the_eras_before_would():
    """Every number it chooses by is that of a model that was fitted on nothing later."""
    frame = toy_frame(3, n_features=30)
    _, report = fitted("ridge", frame, {"inner_folds": 2})
    tried = report.details["tried"]
    for i in (0, 5, len(tried) - 1):
        scores = []
        for part in inner_parts(frame.eras, 2, purge_eras=2):
            model, _ = fitted("ridge", frame.between(0, part.last_train_era), {"alpha": tried[i]})
            judged = frame.between(part.first, part.last)
            scores.append(
                corr_per_era(model.predict(judged), judged.target("target"), judged.offsets)
            )
        assert report.details["corr"][i] == pytest.approx(np.mean(np.vstack(scores)), abs=1e-5)
    best = int(np.argmax(report.details["corr"]))
    assert report.details["alpha"] == tried[best]
    assert report.details["inner_eras"] == 20


def test_labels_in_the_purge_are_not_seen():
    frame = toy_frame(3, n_features=30)
    (part,) = inner_parts(frame.eras, 1, purge_eras=4)
    gap = np.repeat(
        (frame.eras > part.last_train_era) & (frame.eras < part.first), np.diff(frame.offsets)
    )
    other = frame.targets.copy()
    other[gap, 0] = 1 - other[gap, 0]
    assert gap.any()
    seen = frame.targets.copy()
    seen[0, 0] = 1 - seen[0, 0]  # one label of the first era
    one, two, three = (
        fitted("ridge", each, {"inner_folds": 1}, purge_eras=4)[1].details["corr"]
        for each in (frame, replace(frame, targets=other), replace(frame, targets=seen))
    )
    assert one == two
    assert one != three


def test_auto_shrinks_noise_more_than_signal():
    rng = np.random.default_rng(0)
    frame = toy_frame(0, n_features=60)
    clear = replace(frame, targets=np.repeat(frame.features[:, :1] / np.float32(4), 2, axis=1))
    noise = replace(frame, targets=rng.permutation(frame.targets))
    noise.targets[:, 0] += 0.02 * frame.features[:, 0]
    alphas = [fitted("ridge", each, {})[1].details["alpha"] for each in (clear, noise)]
    assert alphas[0] < alphas[1]


def test_too_few_eras_to_choose_on_are_said():
    said = []
    _, report = fitted("ridge", toy_frame(0).between(1, 6), {}, say=said.append, purge_eras=8)
    assert said == list(report.notes)
    assert said[0].startswith("alpha: 0.1 is taken, since cutting the 6 training eras into 4 parts")
    assert report.details == {"alpha": 0.1}


def test_what_does_not_apply_is_said():
    frame = toy_frame(0)
    _, report = fitted(
        "ridge", frame.between(1, 20), {"alpha": 1.0}, stop=frame.between(25, 30), device="cuda"
    )
    assert [note.split(":")[0] for note in report.notes] == [
        "ridge has no GPU training",
        "early stopping has nothing to stop, ridge learns at once",
    ]


@pytest.mark.parametrize("name", ["ridge", "max_sharpe"])
@pytest.mark.parametrize("dtype", [np.int8, np.float32])
def test_what_is_exported_predicts_the_same(name, dtype):
    frame = toy_frame(0, missing=0.1, dtype=dtype)
    model, _ = fitted(name, frame, {})
    alone = assemble_exported(model.export(), frame.feature_names, np.dtype(dtype).name)
    np.testing.assert_array_equal(
        alone.predict(frame.features).astype(np.float32), model.predict(frame)
    )


def test_missing_values_and_constant_features_are_counted():
    frame = toy_frame(0, missing=0.1, constant=3)
    model, report = fitted("ridge", frame, {"alpha": 1.0})
    n_missing = np.count_nonzero(frame.features == -1)
    assert report.notes[0].startswith(f"{n_missing} of {frame.features.size} values of features")
    assert report.notes[1].startswith("3 features are constant within every training era")
    assert not model.coefficients[-3:].any()
    assert set(report.importance) == set(frame.feature_names[:-3])


def test_a_missing_value_adds_nothing_to_a_prediction():
    frame = toy_frame(0, missing=0.1)
    model, _ = fitted("ridge", frame, {"alpha": 1.0})
    nothing = replace(frame, features=np.full_like(frame.features, -1))
    np.testing.assert_allclose(model.predict(nothing), 0, atol=1e-12)


@pytest.mark.parametrize("name", ["ridge", "max_sharpe"])
def test_nothing_to_learn_from_is_an_error(name):
    with pytest.raises(ModelError, match=f"{name} needs .*; it has none in 30 training eras of 8"):
        fitted(name, toy_frame(0, constant=8), {})


@pytest.mark.parametrize("name", ["ridge", "max_sharpe"])
def test_rows_on_disk_teach_the_same(name, tmp_path):
    folder = numerai_folder(tmp_path / "data", train=table(n_eras=30, rows=40, n_features=7))
    memory, disk = load(dir=folder).frame, stored(tmp_path / "stores", dir=folder).frame
    assert not isinstance(disk.features, np.ndarray)
    one, two = (fitted(name, frame, {})[0] for frame in (memory, disk))
    np.testing.assert_array_equal(one.coefficients, two.coefficients)
    np.testing.assert_array_equal(one.predict(memory), two.predict(disk))


def test_the_number_of_threads_changes_nothing():
    frame = toy_frame(0, missing=0.1)
    one, three = (fitted("ridge", frame, {}, n_threads=n)[0] for n in (1, 3))
    np.testing.assert_array_equal(one.coefficients, three.coefficients)


@pytest.mark.parametrize("params", [("ridge", {"alpha": 0.3}), ("max_sharpe", {"shrinkage": 0.3})])
def test_going_on_is_a_fit_on_all_eras(params, tmp_path):
    frame = toy_frame(4, missing=0.05)
    whole, _ = fitted(*(params[0], frame, params[1]))
    old, new = frame.between(1, 20), frame.between(21, 30)
    fitted(params[0], old, params[1])[0].save(tmp_path)
    model = get_model(params[0]).load(tmp_path)
    assert isinstance(model, ContinuableModel)
    report = model.fit_more(new, context(), 10)
    assert (model.n_steps, report.size) == (30, 0)
    np.testing.assert_array_equal(model.coefficients, whole.coefficients)
    np.testing.assert_array_equal(model.predict(frame), whole.predict(frame))
    with pytest.raises(ModelError, match="each of 10 new eras once, which makes 10 steps, not 3"):
        model.fit_more(new, context(), 3)


def test_going_on_says_what_becomes_of_weights():
    frame = toy_frame(4)
    model, _ = fitted("ridge", frame.between(1, 20), {"alpha": 0.3})
    new = frame.between(21, 30)
    rows = np.diff(new.offsets)
    decay = np.repeat(0.5 ** np.arange(10)[::-1], rows).astype(np.float32)
    (note,) = model.fit_more(new, context(weights=decay), 10).notes
    assert note.startswith("the weights of the eras fitted before stay")
    alike = np.repeat(1 / rows, rows).astype(np.float32)
    assert model.fit_more(new, context(weights=alike), 10).notes == ()
