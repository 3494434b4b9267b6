"""Self-supervised tasks of xgb_ttt: what they read from features, and that a task is one file."""

from dataclasses import replace

import numpy as np
import pytest

from numerai_lab.errors import ModelError
from numerai_lab.models import check_model, get_model, history_before, history_eras_of
from numerai_lab.models.trees.xgb_ttt import FROZEN, tasks
from numerai_lab.models.trees.xgb_ttt.codes.runtime import minimise
from numerai_lab.models.trees.xgb_ttt.reader import Reader
from numerai_lab.models.trees.xgb_ttt.statistics import era_statistics
from ttt_world import context, regime_frame

XGBTTT = get_model("xgb_ttt")
SMALL = {
    "feature_reconstruction": {},
    "feature_prediction": {"held_out": 3},
    "autoencoder": {"bottleneck": 4},
    "era_forecast": {},
}


def params(task, adapt=None, **auxiliary):
    auxiliary = {"task": task, **SMALL.get(task, {}), **auxiliary}
    return XGBTTT.Params.model_validate({"auxiliary": auxiliary, "adapt": adapt or {}})


def read(task, train, judged, **more):
    """Fit a task and return the codes of judged eras, [n_eras, n_codes]."""
    written = params(task, **more)
    reader, _ = Reader.fit(train, context(), written)
    assert not isinstance(reader, str), reader
    return reader, codes_of(reader, judged)


def codes_of(reader, frame):
    codes = []
    for number, rows in frame.iter_eras():
        features = frame.features[rows]
        codes.append(reader.read(number, features, np.zeros(len(features), np.float32)).code)
    return np.array(codes)


@pytest.fixture(scope="module")
def world():
    return regime_frame(1, n_eras=110)


@pytest.fixture(scope="module")
def still():
    return regime_frame(1, n_eras=110, moves=0)


@pytest.mark.parametrize("task", SMALL)
def test_a_code_follows_how_strongly_features_go_together(world, task):
    """No label tells it: the toy world's features share a factor whose strength is the regime."""
    judged = world.between(83, 110)
    _, codes = read(task, world.between(1, 80), judged.without_targets())
    together = [
        np.abs(np.corrcoef(judged.features[rows].T)).mean() for _, rows in judged.iter_eras()
    ]
    assert np.corrcoef(codes[:, 0], together)[0, 1] ** 2 > 0.5


@pytest.mark.parametrize("task", SMALL)
def test_finds_nothing_where_features_stay_as_they_are(still, task):
    reader, record = Reader.fit(still, context(), params(task))
    assert isinstance(reader, str)
    assert "no regime found in the features" in reader
    assert record["variances"][0] < 1.5 * record["largest_variance_of_noise"]


@pytest.mark.parametrize("task", SMALL)
def test_labels_do_not_touch_a_task(world, task):
    train, judged = world.between(1, 60), world.between(63, 70)
    other = replace(train, targets=1 - train.targets)
    _, codes = read(task, train, judged)
    _, same = read(task, other, judged)
    assert np.array_equal(codes, same)


@pytest.mark.parametrize("task", SMALL)
def test_codes_of_training_eras_are_those_that_are_read_later(world, task):
    """A method learns from the codes that prediction will show it."""
    train = world.between(1, 60)
    reader, codes = read(task, train, train)
    learnt = np.array([reader.task.training_codes[int(era)] for era in train.eras])
    assert np.array_equal(codes, learnt)
    assert np.abs(codes).max() <= 4


def test_codes_of_feature_prediction_have_mean_0_over_training_eras(world):
    _, codes = read("feature_prediction", world.between(1, 60), world.between(1, 60))
    assert np.abs(codes.mean(axis=0)).max() < 1e-9


@pytest.mark.parametrize("task", SMALL)
def test_a_saved_task_reads_the_same(world, task, tmp_path):
    reader, codes = read(task, world.between(1, 60), world.between(63, 70), weight=0.5)
    reader.save(tmp_path)
    again = Reader.load(tmp_path, reader.task.params)
    assert np.array_equal(codes_of(again, world.between(63, 70)), codes)
    era = era_statistics(world.features[:120][:, reader.columns])
    assert np.array_equal(again.task.targets(era), reader.task.targets(era))


@pytest.mark.parametrize("task", SMALL)
def test_row_targets_have_the_size_of_a_standard_deviation(world, task):
    reader, _ = read(task, world.between(1, 60), world.between(63, 64), weight=0.5)
    targets = np.concatenate(
        [
            reader.task.targets(era_statistics(world.features[rows]))
            for _, rows in world.between(1, 60).iter_eras()
        ]
    )
    assert np.abs(targets.mean(axis=0)).max() < 0.1
    assert 0.8 < targets.std(axis=0).min() <= targets.std(axis=0).max() < 1.1
    assert np.abs(targets).max() <= 4


def test_the_mean_of_a_rows_share_is_the_code(world):
    """feature_reconstruction: rows' targets add up to the era's correlations along D."""
    train = world.between(1, 60)
    reader, codes = read("feature_reconstruction", train, train, weight=0.5, codes=1)
    task = reader.task
    shares = [
        float(task.row_targets(era_statistics(world.features[rows])).mean())
        for _, rows in train.iter_eras()
    ]
    inside = np.abs(codes[:, 0]) < 2
    assert np.corrcoef(np.array(shares)[inside], codes[inside, 0])[0, 1] > 0.999


def test_the_code_minimises_the_prediction_loss(world):
    """feature_prediction against a search over codes with the loss written out over rows."""
    train = world.between(1, 60)
    adapt = {"ridge": 0.0, "clip": 100.0}
    reader, codes = read("feature_prediction", train, world.between(70, 70), adapt=adapt)
    task = reader.task
    era = era_statistics(world.between(70, 70).features)
    held = era.values[:, task.held].astype(float)
    others = np.delete(era.values, task.held, axis=1).astype(float)
    mean, move = (
        w.reshape(others.shape[1], held.shape[1]) for w in (task.mean, task.directions[:, 0])
    )

    def loss(code):
        return np.square(
            held - others @ (mean + (task.offset[0] + code * task.scale[0]) * move)
        ).sum()

    best = codes[0, 0]
    assert all(loss(best) <= loss(best + step) for step in (-0.5, -0.05, 0.05, 0.5))


def test_gradient_steps_lead_to_the_closed_form():
    rng = np.random.default_rng(1)
    root = rng.normal(size=(3, 3))
    gram, right, prior = root @ root.T, rng.normal(size=3), rng.normal(size=3)
    closed = minimise(gram, right, 0.1, prior, None)
    assert np.allclose((gram + 0.1 * np.eye(3)) @ closed, right + 0.1 * prior)
    distances = [
        np.linalg.norm(minimise(gram, right, 0.1, prior, steps) - closed)
        for steps in (1, 4, 16, 4000)
    ]
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 1e-6
    assert minimise(np.zeros((1, 1)), np.zeros(1), 0.1, np.zeros(1), None) is None


def test_steps_end_where_the_loss_of_the_held_out_half_stops_falling():
    gram, prior = np.eye(2), np.array([1.0, 0.0])

    def stopped(first, second):
        halves = [(gram, np.array(first)), (gram, np.array(second))]
        mean = (np.array(first) + np.array(second)) / 2
        return minimise(gram, mean, 0.0, prior, "auto", halves)

    alike = stopped((3.0, 2.0), (3.0, 2.0))
    assert np.allclose(alike, (3.0, 2.0), atol=0.02)
    opposite = stopped((1.0, 2.0), (1.0, -2.0))
    assert np.array_equal(opposite, prior)
    # halves show 3 and 1: k steps reach 3 q and q with q = 1 - .9^k, whose held-out losses
    # (3 q)^2 - 2 * 3 q + q^2 - 2 * 3 q are lowest at q = .6, between 8 steps (.57) and 9 (.61)
    part = stopped((1.0, 3.0), (1.0, 1.0))
    assert np.isclose(part[1], 2 * (1 - 0.9**9))


@pytest.mark.parametrize("task", SMALL)
def test_a_code_that_holds_half_of_the_rows_out_follows_the_regime_too(world, task):
    train, judged = world.between(1, 60), world.between(63, 90)
    _, closed = read(task, train, judged.without_targets())
    reader, codes = read(task, train, judged.without_targets(), adapt={"steps": "auto"})
    assert np.corrcoef(codes[:, 0], closed[:, 0])[0, 1] > 0.8
    order = np.random.default_rng(0).permutation(120)
    rows = judged.features[:120]
    nothing = np.zeros(120, np.float32)
    assert np.allclose(reader.read(63, rows[order], nothing).code, codes[0], atol=1e-4)
    few = reader.read(63, rows[:39], nothing[:39])
    assert few == "fewer than 40 rows, half of which steps: auto holds out"


def test_a_forecast_pulls_the_code_towards_past_eras(world):
    train, judged = world.between(1, 60), world.between(63, 63)
    strong = {"ridge": 1e6, "clip": 100.0}
    reader, codes = read("era_forecast", train, judged, adapt=strong)
    task = reader.task
    # nothing is known of 61 and 62
    forecast = task.phi ** (63 - 60) * task.history[-1]
    assert np.allclose(codes[0] * task.scale, forecast, rtol=1e-3)
    own = task.free_code(era_statistics(judged.features))
    assert abs(own[0] - forecast[0]) > 0.1 * abs(forecast[0])
    reader.past = world
    before = task.free_code(era_statistics(world.between(62, 62).features))
    assert np.allclose(codes_of(reader, judged)[0] * task.scale, task.phi * before, rtol=1e-3)


def test_a_forecast_looks_back_and_not_aside(world):
    """Each era is read alike alone and among others, and from the last one before it."""
    train, judged = world.between(1, 60), world.between(63, 80)
    reader, codes = read("era_forecast", train, judged, adapt={"ridge": 10.0, "clip": 100.0})
    alone = [codes_of(reader, judged.between(e, e))[0] for e in judged.eras.tolist()]
    assert np.array_equal(codes, alone)
    reader.past = world.between(61, 70)
    later = codes_of(reader, judged)
    assert (later != codes).any(axis=1).all()
    reader.past = world.between(61, 62)
    assert np.array_equal(codes_of(reader, judged)[0], later[0])
    # the codes of eras that it was told of stand for the eras
    reader.past = None
    for number, rows in world.between(61, 70).iter_eras():
        reader.note(number, era_statistics(world.between(61, 70).features[rows]))
    assert np.array_equal(codes_of(reader, judged), later)


def forecasting(world):
    written = {"task": "era_forecast", "noise_ratio": 0}
    model = XGBTTT(
        XGBTTT.Params.model_validate(
            {"num_boost_round": 5, "auxiliary": written, "adapt": {"strength": 1.0}}
        )
    )
    model.fit(world.between(1, 60), context())
    return model


def test_a_run_hands_history_to_a_forecast(world):
    model = forecasting(world)
    assert not model.online
    assert history_eras_of(model) == 26
    judged = world.between(70, 70)
    with pytest.raises(ModelError, match="looks back on 26 eras, and no history was given"):
        model.predict(judged)
    history = history_before(world, 70, 26, 8)
    told = model.predict(judged, history)
    assert not np.array_equal(told, model.predict(judged, history.between(0, 66)))
    without = replace(history, targets=np.full_like(history.targets, np.nan))
    assert np.array_equal(told, model.predict(judged, without))
    detail = model.predict_in_detail(judged, history)
    assert np.array_equal(detail.predictions, told)
    assert not np.array_equal(detail.variants["shuffled"], told)


def test_a_final_model_remembers_codes_and_no_rows(world, tmp_path):
    model, judged = forecasting(world), world.between(70, 70)
    told = model.predict(judged, history_before(world, 70, 26, 8))
    model.remember(history_before(world, 67, 26, 0))
    model.save(tmp_path)
    again = XGBTTT.load(tmp_path)
    assert np.array_equal(again.predict(judged, world.between(67, 69)), told)
    kept = again.guarded.adaptation.reader.task.numbers
    assert kept[-6:].tolist() == list(range(61, 67))


FOURTH = '''
import numpy as np
from numerai_lab.models.trees.xgb_ttt.principal import Summary
from numerai_lab.models.trees.xgb_ttt.task import AuxiliaryTask

class MeanProduct(AuxiliaryTask):
    """The era's mean product of each feature with the first one."""

    def summary(self, era):
        products = era.values.T @ era.values[:, 0] / np.float32(len(era.values))
        return Summary(products[1:], era.usable[1:] & era.usable[0])

    def row_targets(self, era):
        return era.values[:, 1:] * era.values[:, :1]

TASK = MeanProduct
'''


def test_a_fourth_task_is_one_file(tmp_path, monkeypatch, world):
    (tmp_path / "mean_product.py").write_text(FOURTH)
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(tmp_path)])
    assert "mean_product" in tasks.task_names()
    _, codes = read("mean_product", world.between(1, 60), world.between(63, 70))
    assert codes.std() > 0.1
    check_model(
        XGBTTT,
        {
            "num_boost_round": 5,
            "auxiliary": {"task": "mean_product", "noise_ratio": 0, "weight": 0.1},
            "adapt": {"strength": 1.0, "trees": {"num_boost_round": 8, "bags": 2}},
        },
        fresh_process=False,
    )


def test_features_to_read_are_named(world):
    names = ["f3", "f1", "f7", "f2"]
    reader, _ = read("feature_reconstruction", world, world.between(1, 1), features=names)
    assert reader.columns.tolist() == [1, 2, 3, 7]
    with pytest.raises(ModelError, match="'f99' is not a feature"):
        read("feature_reconstruction", world, world, features=[*names, "f99"])


def test_features_that_are_not_there_stop_a_run(lab, tiny_config, tmp_path):
    config = tmp_path / "ttt.yaml"
    config.write_text(
        "extends: tiny.yaml\nname: ttt\nmodel:\n  type: xgb_ttt\n  params:\n"
        "    num_boost_round: 3\n    auxiliary: {features: [no_a, no_b, no_c, no_d]}\n"
    )
    result = lab("train", config, "--runs-dir", tmp_path / "runs")
    assert result.code == 2
    assert "'no_a' is not a feature of the training rows" in result.err
    assert "model.params.auxiliary.features" in result.err


def test_frozen_variant_is_there_with_every_task(world):
    for task in SMALL:
        written = {"task": task, **SMALL[task]}
        raw = {"num_boost_round": 5, "auxiliary": written, "adapt": {"strength": 0.5}}
        model = XGBTTT(XGBTTT.Params.model_validate(raw))
        model.fit(world.between(1, 60), context())
        given = {"history": world.between(0, -1)} if model.history_eras else {}
        detail = model.predict_in_detail(world.between(63, 66), **given)
        assert not np.array_equal(detail.predictions, detail.variants[FROZEN])
        assert detail.per_era["code_1"]
