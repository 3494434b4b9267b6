"""Nets that follow stocks: what may be known of the past, what is learnt of it, what is refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from pydantic import ValidationError

torch = pytest.importorskip("torch", reason="tests of nets need torch: make nets")

from net_lab import context
from numerai_lab.errors import DataError, ModelError
from numerai_lab.models import assemble_exported, check_model, history_before, info_of
from numerai_lab.models.nets.batches import unlabelled_batch
from numerai_lab.models.nets.stocks import StockRNN, StockTransformer
from numerai_lab.models.nets.stocks.past import ABSENT, Known, shuffled
from numerai_lab.models.nets.stocks.recurrent import GRULayer, LSTMLayer
from numerai_lab.models.nets.stocks.sharpe import sharpe_losses
from numerai_lab.models.nets.stocks.transformer import Gate
from numerai_lab.scoring import corr_per_era
from stock_lab import context_of, predicted, reordered, stock_frame, with_side, without_side

TINY = {"epochs": 2, "window": 4, "width": 8}
MODELS = {
    StockRNN: TINY,
    StockTransformer: {**TINY, "heads": 2, "points": 3, "gate": "none"},
}
every_net = pytest.mark.parametrize("net", MODELS, ids=lambda net: net.name)


def fitted(net, frame, ctx=None, **params):
    model = net(net.Params.model_validate({**MODELS[net], **params}))
    return model, model.fit(frame, ctx or context_of(frame))


@every_net
def test_it_keeps_every_promise_of_a_model(net):
    check_model(net, {**MODELS[net], "epochs": 1})


@pytest.mark.slow  # some ten fits each
@pytest.mark.parametrize(
    "params",
    [
        {"loss": "sharpe", "min_history": 3, "short_history": "neutral", "target": "target_other"},
        {"loss": "corr", "past": "shuffled", "seeds": 2, "rows_per_era": 20, "layers": 2},
    ],
)
@every_net
def test_other_forms_keep_every_promise(net, params):
    check_model(net, {**MODELS[net], **params})


@pytest.mark.slow
def test_an_lstm_keeps_every_promise():
    check_model(StockRNN, {**TINY, "encoder": "lstm"})


# What is known of the past.


def test_a_row_is_read_with_the_rows_of_its_stock_in_the_eras_before():
    frame = stock_frame(12, 9)
    known = Known.of(frame)
    places = known.before(frame, 3)
    names, eras = np.array(frame.entity.to_pylist()), frame.row_eras
    found = {(name, era): i for i, (name, era) in enumerate(zip(names, eras, strict=True))}
    for row in range(frame.n_rows):
        wanted = [found.get((names[row], eras[row] - age), ABSENT) for age in (3, 2, 1)]
        assert places[row].tolist() == wanted
    assert (places == ABSENT).any()
    assert np.array_equal(known.bins, frame.features)


def test_stocks_that_nobody_knows_have_no_past():
    known = Known.of(stock_frame(5, 4))
    assert (known.before(stock_frame(5, 8), 2) == ABSENT).any(axis=1).sum() > 20
    nothing = Known.of(stock_frame(5, 4).between(0, 0))
    assert (nothing.before(stock_frame(5, 4), 2) == ABSENT).all()


def test_a_shuffled_past_is_another_stocks_and_follows_names_not_rows():
    frame = stock_frame(8, 9, present=1.0)
    other = reordered(frame, 3)
    places = [shuffled(Known.of(f).before(f, 1), f, seed=1) for f in (frame, other)]
    names = [np.array(f.entity.to_pylist()) for f in (frame, other)]
    read = [
        dict(zip(zip(n, f.row_eras, strict=True), n[p[:, 0]], strict=True))
        for n, f, p in zip(names, (frame, other), places, strict=True)
    ]
    later = frame.row_eras > 1
    assert (names[0][places[0][later, 0]] != names[0][later]).all()
    assert {k: v for k, v in read[0].items() if k[1] > 1} == {
        k: v for k, v in read[1].items() if k[1] > 1
    }


# Leaks.


@every_net
def test_later_eras_change_nothing(net):
    """Whatever later eras hold, in features, labels or beside: predictions stay to the byte."""
    whole = stock_frame(40)
    model, _ = fitted(net, whole.between(1, 25))
    own = whole.between(30, 31)
    expected = predicted(model, own, whole)
    other = stock_frame(40, seed=9)
    for era in (30, 31):
        later = whole.row_eras >= era
        features, targets = whole.features.copy(), whole.targets.copy()
        features[later] = np.random.default_rng(0).integers(0, 5, size=features[later].shape)
        targets[whole.row_eras > 25] = other.targets[0, 0]
        changed = replace(whole, features=features, targets=targets)
        era_rows = own.row_eras == era
        assert np.array_equal(predicted(model, own.between(era, era), changed), expected[era_rows])
    before = whole.features.copy()
    before[whole.row_eras == 29] = 4 - before[whole.row_eras == 29]
    assert not np.array_equal(predicted(model, own, replace(whole, features=before)), expected)


@every_net
def test_a_fit_sees_nothing_of_judged_eras(net):
    """What teaches is a function of the training rows and the eras before each of them."""
    whole = stock_frame(40)
    train = whole.between(1, 25)
    known = whole.between(1, 27).without_targets()
    one, _ = fitted(net, train, context_of(train, unlabelled=known))
    features = known.features.copy()
    features[known.row_eras > 25] = 0  # known, but after every training era
    other = replace(known, features=features)
    two, _ = fitted(net, train, context_of(train, unlabelled=other))
    for mine, theirs in zip(one.nets, two.nets, strict=True):
        for name, weight in mine.state_dict().items():
            assert torch.equal(weight, theirs.state_dict()[name]), name


@every_net
def test_the_order_of_stocks_does_not_matter(net):
    whole = stock_frame(40)
    model, _ = fitted(net, whole.between(1, 25), epochs=4, learning_rate=0.01)
    own = whole.between(30, 33)
    expected = predicted(model, own, whole)
    turned = reordered(whole, 5)
    found = predicted(model, turned.between(30, 33), reordered(whole, 6))
    place = {one: i for i, one in enumerate(own.ids.to_pylist())}
    back = np.array([place[one] for one in turned.between(30, 33).ids.to_pylist()])
    assert np.allclose(found, expected[back], atol=1e-4 * expected.std())
    assert expected.std() > 0


# What is learnt.


@pytest.fixture(scope="module")
def worlds():
    whole = stock_frame(60, 40)
    return whole, whole.between(1, 46), whole.between(50, 60)


LEARNING = {"epochs": 10, "learning_rate": 0.03, "dropout": 0.0, "width": 16, "ema": 0.9}


def corr_of(model, judged, whole):
    values = predicted(model, judged, whole)
    return float(corr_per_era(values, judged.target("target"), judged.offsets).mean())


@pytest.mark.parametrize(
    ("net", "loss"),
    [
        (StockRNN, "sharpe"),
        (StockTransformer, "mse"),
        *(
            pytest.param(*one, marks=pytest.mark.slow)
            for one in [
                (StockRNN, "mse"),
                (StockRNN, "corr"),
                (StockTransformer, "corr"),
                (StockTransformer, "sharpe"),
            ]
        ),
    ],
)
def test_what_a_stock_was_before_is_learnt(net, loss, worlds):
    whole, train, judged = worlds
    model, report = fitted(net, train, **LEARNING, loss=loss)
    assert corr_of(model, judged, whole) > 0.5
    losses = report.details["training"]["nets"][0]["loss"]
    assert losses[-1] < losses[0]
    assert any("are not there, and masked" in note for note in report.notes)


@pytest.mark.slow  # two fits that must learn what they can
@every_net
def test_another_stocks_past_and_the_row_alone_tell_nothing(net, worlds):
    whole, train, judged = worlds
    for control in ({"past": "shuffled"}, {"window": 1}):
        model, _ = fitted(net, train, **LEARNING, **control)
        assert abs(corr_of(model, judged, whole)) < 0.2


@pytest.mark.slow
def test_float_features_are_ranked_within_their_era():
    whole = stock_frame(60, dtype=np.float32)
    model, _ = fitted(StockRNN, whole.between(1, 50), **LEARNING)
    assert corr_of(model, whole.between(55, 60), whole) > 0.5


def test_a_short_past_is_predicted_as_the_config_says():
    whole = stock_frame(40, present=0.7)
    train, own = whole.between(1, 30), whole.between(35, 35)
    short = {"min_history": 4, "short_history": "neutral"}
    said = []
    model, report = fitted(StockRNN, train, context_of(train, say=said.append), **short)
    told = [note for note in report.notes if "there for fewer than 4 of 4 eras" in note]
    assert len(told) == 1
    assert told[0] in said
    assert "teach nothing" in told[0]
    values = predicted(model, own, whole)
    lacking = (Known.of(whole).before(own, 3) == ABSENT).any(axis=1)
    assert 0 < lacking.sum() < len(lacking)
    assert np.allclose(values[lacking], values[~lacking].mean())
    assert values[~lacking].std() > 0
    shown = model.predict_in_detail(own.without_targets(), history_before(whole, 35, 3, 2))
    assert np.array_equal(shown.predictions, values)
    (note,) = shown.notes
    assert note.startswith("1 of 1 eras have stocks that are there for fewer than 4 of 4 eras")
    masked, _ = fitted(StockRNN, train, min_history=4)
    assert len(np.unique(predicted(masked, own, whole)[lacking])) > 1


def test_another_target_is_learnt_in_the_place_of_the_main_one():
    params = StockRNN.Params.model_validate({"target": "target_other"})
    assert info_of(StockRNN, params).multi_target
    frame = stock_frame(30)
    upside = replace(frame, targets=frame.targets * np.array([1, -1], dtype=np.float32))
    ctx = context_of(upside, targets=("target", "target_other"))
    model, _ = fitted(StockRNN, upside, ctx, **LEARNING, target="target_other")
    assert corr_of(model, upside, upside) < -0.3
    with pytest.raises(ModelError, match="'target_other' is not loaded"):
        fitted(StockRNN, frame, target="target_other")


@every_net
def test_a_stopped_training_goes_on_to_the_same_bits(net, tmp_path):
    whole = stock_frame(24)
    train, own = whole.between(1, 20), whole.between(23, 23)
    expected, _ = fitted(net, train, epochs=4)

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitted(net, train, context_of(train, unfinished=tmp_path, progress=stop), epochs=4)
    assert (tmp_path / "net_0.npz").exists()
    went_on, _ = fitted(net, train, context_of(train, unfinished=tmp_path), epochs=4)
    assert np.array_equal(predicted(went_on, own, whole), predicted(expected, own, whole))


@pytest.mark.slow  # twelve trainings
@every_net
def test_epochs_are_chosen_on_held_out_eras(net):
    whole = stock_frame(45, 10)
    how = {"epochs": "auto", "learning_rate": 0.01, "eras_per_batch": 20}
    model, report = fitted(net, whole.between(1, 42), **how)
    assert any("epochs were chosen by a smooth curve" in note for note in report.notes)
    assert model.n_steps >= 2


def test_it_goes_on_from_new_eras():
    whole = stock_frame(40)
    model, _ = fitted(StockRNN, whole.between(1, 25))
    own = whole.between(35, 35)
    before = predicted(model, own, whole)
    model.fit_more(whole.between(26, 30), context_of(whole.between(1, 30)), 2)
    assert model.n_steps == 4
    assert not np.array_equal(predicted(model, own, whole), before)


# The parts, against torch and NumPy.


@pytest.mark.parametrize(("mine", "theirs"), [(GRULayer, "GRU"), (LSTMLayer, "LSTM")])
def test_a_layer_is_what_it_is_called_and_stands_still_where_a_stock_is_not_there(mine, theirs):
    torch.manual_seed(0)
    layer, other = mine(5), getattr(torch.nn, theirs)(5, 5, batch_first=True)
    with torch.no_grad():
        for weight, name in ((layer.read, "ih"), (layer.kept, "hh")):
            weight.weight.copy_(getattr(other, f"weight_{name}_l0"))
            weight.bias.copy_(getattr(other, f"bias_{name}_l0"))
        read = torch.randn(3, 6, 5)
        present = torch.ones(3, 6, dtype=torch.bool)
        assert torch.allclose(layer(read, present), other(read)[0], atol=1e-6)
        present[:, 2] = False
        without = layer(read[:, [0, 1, 3, 4, 5]], present[:, [0, 1, 3, 4, 5]])
        states = layer(read, present)
        assert torch.allclose(states[:, -1], without[:, -1], atol=1e-6)
        assert torch.equal(states[:, 2], states[:, 1])


def test_the_sharpe_loss_is_minus_mean_over_deviation_of_what_weights_earn():
    rng = np.random.default_rng(1)
    sizes = [5, 9, 7]
    offsets = np.cumsum([0, *sizes])
    batch = unlabelled_batch(np.zeros((21, 1), dtype=np.int8), offsets, torch.device("cpu"))
    labels, values = rng.normal(size=(21, 1)), rng.normal(size=21)
    labels[[2, 10]] = np.nan
    batch = replace(batch, labels=torch.tensor(labels, dtype=torch.float32))
    earned = []
    for start, stop in pairwise(offsets.tolist()):
        known = ~np.isnan(labels[start:stop, 0])
        x = values[start:stop][known] - values[start:stop][known].mean()
        earned.append(float(x @ labels[start:stop, 0][known] / np.abs(x).sum()))
    wanted = -np.mean(earned) / np.std(earned)
    outputs = torch.tensor(values, dtype=torch.float32)[:, None]
    assert np.allclose(sharpe_losses(outputs, batch).numpy(), [wanted] * 3, rtol=1e-5)
    assert np.allclose(sharpe_losses(7 * outputs + 2, batch).numpy(), [wanted] * 3, rtol=1e-4)
    # an era that counts for nothing
    batch = replace(batch, weights=torch.tensor(np.repeat([1.0, 0.0, 1.0], sizes)))
    two = [earned[0], earned[2]]
    assert np.allclose(
        sharpe_losses(outputs, batch).numpy(), -np.mean(two) / np.std(two), rtol=1e-4
    )


@every_net
def test_a_batch_in_pieces_makes_the_same_step(net):
    frame = stock_frame(16)
    how = {"precision": "float32", "dropout": 0.0}
    whole, _ = fitted(net, frame, **how)
    pieces, _ = fitted(net, frame, **how, accumulate=4)
    own = frame.between(10, 16)
    one, two = (predicted(model, own, frame) for model in (whole, pieces))
    assert np.allclose(one, two, atol=1e-3 * one.std())


# The market's gate.

GATED = {**MODELS[StockTransformer], "gate": "market"}


def test_a_gate_knows_what_is_usual_from_training_eras_alone():
    whole = stock_frame(40)
    train, own = whole.between(1, 25), whole.between(30, 30)
    model, _ = fitted(StockTransformer, train, **GATED, learning_rate=0.03)
    (net,) = model.nets
    assert model.own["market"] == ["calm"]
    calm = np.sign(values := train.side["calm"].to_numpy()) * np.log1p(np.abs(values))
    eras = [calm[rows] for _, rows in train.iter_eras()]
    found = np.array([[era.mean() for era in eras], [era.std() for era in eras]])
    assert np.allclose(net.gate.mean.numpy(), found.mean(axis=1), atol=1e-5)
    assert np.allclose(net.gate.spread.numpy(), found.std(axis=1), atol=1e-5)

    expected = predicted(model, own, whole)
    values = whole.side["calm"].to_numpy().copy()
    values[whole.row_eras != 30] *= -7  # of other eras, judged ones too
    assert np.array_equal(predicted(model, own, with_side(whole, values)), expected)
    values[whole.row_eras == 30] += 2
    other = with_side(whole, values).between(30, 30)
    assert not np.array_equal(predicted(model, other, whole), expected)


def test_a_gate_weighs_features_with_mean_1_and_begins_as_1():
    gate = Gate(3, 5, 2.0)
    with torch.no_grad():
        assert torch.equal(gate(torch.tensor([[1.0, float("nan"), 9.0]])), torch.ones(1, 5))
        gate.weigh.weight.copy_(torch.randn(5, 3))
        weights = gate(torch.randn(4, 3))
        assert torch.allclose(weights.mean(dim=1), torch.ones(4))
        assert (weights > 0).all()
        assert not torch.allclose(weights[0], weights[1])
        far = gate(torch.tensor([[50.0, 0.0, 0.0], [3.0, 0.0, 0.0]]))
        assert torch.equal(far[0], far[1])


def test_a_gate_without_columns_is_refused():
    frame = without_side(stock_frame(20))
    with pytest.raises(ModelError, match=r"model\.params\.gate.*name some in data\.side"):
        fitted(StockTransformer, frame, **GATED)
    with pytest.raises(DataError, match=r"'calms' is not loaded.*did you mean 'calm'"):
        fitted(StockTransformer, stock_frame(20), **GATED, market=["calms"])


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"width": 10}, "width: 10 is not a multiple of heads: 4"),
        ({"gate": "none", "market": ["calm"]}, "market names columns of gate: market"),
    ],
)
def test_what_does_not_fit_a_transformer_is_refused(params, problem):
    with pytest.raises(ValidationError, match=problem):
        StockTransformer.Params.model_validate(params)


# Exported.


def told_of(era, number=None):
    """What a bundle tells of an era beside its features."""
    side = {"calm": np.array(era.side["calm"].to_pylist(), dtype=object)}
    number = int(era.eras[0]) if number is None else number
    return {"number": number, "entity": era.entity.to_pylist(), "side": side, "ids": []}


FORMS = [
    (StockRNN, {"layers": 2, "seeds": 2}),
    (StockRNN, {"encoder": "lstm", "min_history": 3, "short_history": "neutral"}),
    (StockTransformer, {"gate": "market", "layers": 2, "seeds": 2}),
    (StockTransformer, {"across_layers": 0}),
]


@pytest.mark.parametrize(("net", "params"), FORMS)
@pytest.mark.parametrize("dtype", [np.int8, np.float32])
def test_exported_it_predicts_the_same_with_the_past_it_carries(net, params, dtype):
    whole = stock_frame(30, 25, dtype=dtype)
    gone = np.random.default_rng(2).random(whole.features.shape) < 0.1
    missing = -1 if dtype is np.int8 else np.nan
    whole = replace(whole, features=np.where(gone, missing, whole.features).astype(dtype))
    model, _ = fitted(net, whole.between(1, 24), learning_rate=0.03, **params)
    own = whole.between(28, 28).without_targets()
    history = history_before(whole, 28, 9, 2)  # longer than is looked at
    exported = model.export_with(history, 28)
    assert len(exported.arrays["known_bins"]) == whole.between(25, 27).n_rows
    assembled = assemble_exported(exported, own.feature_names, own.features.dtype.name)
    assert {"number", "entity"} <= set(assembled.asks)
    expected = model.predict(own, history)
    found = assembled.predict(own.features, told_of(own))
    assert np.abs(found - expected).max() < 1e-6
    assert expected.std() > 1e-3
    # a week late, what was the newest era is one older, and the newest is missing
    later = assembled.predict(own.features, told_of(own, 29))
    moved = replace(own, eras=np.array([29], dtype=np.int32))
    assert np.abs(later - model.predict(moved, whole.between(1, 27))).max() < 1e-6


def test_a_net_of_one_era_is_exported_without_a_past_and_a_control_not_at_all():
    frame = stock_frame(20)
    own = frame.between(20, 20).without_targets()
    alone, _ = fitted(StockRNN, frame, window=1)
    assembled = assemble_exported(alone.export(), own.feature_names, "int8")
    assert assembled.asks == ()
    assert np.abs(assembled.predict(own.features) - alone.predict(own)).max() < 1e-6
    control, _ = fitted(StockRNN, frame, past="shuffled")
    with pytest.raises(ModelError, match="past: shuffled is a control"):
        control.export_with(frame, 20)


# What is refused.


@every_net
def test_rows_that_do_not_say_what_they_are_about_are_refused(net):
    frame = stock_frame(20)
    nameless = replace(frame, entity=None)
    with pytest.raises(ModelError, match=r"data\.entity.* these rows do not say it"):
        fitted(net, nameless, context())
    model, _ = fitted(net, frame)
    with pytest.raises(ModelError, match="these rows do not say it"):
        model.predict(nameless.between(20, 20).without_targets(), frame)


def test_too_little_past_is_refused():
    with pytest.raises(
        ModelError, match="no row of the 1 training era has a row of the same stock"
    ):
        fitted(StockRNN, stock_frame(1))
    every = stock_frame(30)
    apart = every.select_eras(every.eras[::10])
    with pytest.raises(ModelError, match="no row of the 3 training eras has a row"):
        fitted(StockRNN, apart)
    few = {"window": 30, "min_history": 30}
    with pytest.raises(ModelError, match="no stock is there for 30 of 30 eras"):
        fitted(StockRNN, stock_frame(20), **few)
    with pytest.raises(ModelError, match="loss: sharpe needs 3 training eras, and there are 2"):
        fitted(StockRNN, stock_frame(2), loss="sharpe")


def test_without_history_it_says_so():
    frame = stock_frame(20)
    model, _ = fitted(StockRNN, frame)
    with pytest.raises(ModelError, match="looks back on 3 eras; none were given"):
        model.predict(frame.between(20, 20).without_targets())
    with pytest.raises(ModelError, match="looks back on 3 eras, which have to go along"):
        model.export()
    alone, _ = fitted(StockRNN, frame, window=1)
    assert np.isfinite(alone.predict(frame.between(20, 20).without_targets())).all()


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"window": 0}, "window"),
        ({"window": 4, "min_history": 5}, "min_history: 5 is more than window: 4"),
        ({"loss": "cross_entropy"}, "'mse', 'corr' or 'sharpe'"),
        ({"auxiliary_targets": {"a": 1.0}}, "auxiliary_targets means nothing to a net of stocks"),
        ({"loss": "sharpe", "accumulate": 2}, "one number of a whole batch"),
        ({"loss": "sharpe", "rows_per_era": 100}, "rows_per_era: all"),
        ({"loss": "sharpe", "eras_per_batch": 2}, "sharpe needs 3 eras_per_batch"),
    ],
)
@every_net
def test_what_means_nothing_is_refused(net, params, problem):
    with pytest.raises(ValidationError, match=problem):
        net.Params.model_validate(params)


def test_frames_without_anything_beside_them_do():
    frame = without_side(stock_frame(20))
    model, _ = fitted(StockRNN, frame)
    assert np.isfinite(predicted(model, frame.between(20, 20), frame)).all()
