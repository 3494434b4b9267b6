"""`era_rnn`: the past as it may be known, encoders, what is learnt of it, alone and in a run."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from scipy.special import expit

torch = pytest.importorskip("torch", reason="tests of nets need torch: make nets")

from net_lab import context, train_frame, write_eras
from numerai_lab.eraframe import end_to_end
from numerai_lab.errors import ModelError
from numerai_lab.models import check_model, history_before, info_of
from numerai_lab.models.nets.era_rnn import EraRNN, EraRNNParams
from numerai_lab.models.nets.era_rnn.module import EraBatch, EraNet, losses
from numerai_lab.models.nets.era_rnn.past import Past, find_components, scores_of
from numerai_lab.scoring import corr_per_era

TINY = {
    "epochs": 2, "width": 4, "components": 3, "steps": 4, "step": 2, "folds": 2,
    "first": {"type": "ridge", "params": {"alpha": 1.0}},
}  # fmt: skip


def fitted(frame, ctx=None, **params):
    model = EraRNN(EraRNNParams.model_validate({**TINY, **params}))
    return model, model.fit(frame, ctx or context())


def test_it_keeps_every_promise_of_a_model():
    check_model(EraRNN, {**TINY, "epochs": 1, "eras_per_batch": 30})


@pytest.mark.slow  # some sixteen fits each
@pytest.mark.parametrize(
    "params",
    [
        {"form": "gate", "encoder": "lstm", "second": {"type": "max_sharpe"}, "seeds": 2},
        {"encoder": "mixer", "loss": "corr"},
    ],
)
def test_other_forms_keep_every_promise(params):
    check_model(EraRNN, {**TINY, **params})


# The encoders, against NumPy.


def gru(x, w):
    """Cho et al. 2014, with the reset gate inside, as in cuDNN: [n, T, D] -> [n, width]."""
    h = np.zeros((len(x), w["weight_hh_l0"].shape[1]))
    for t in range(x.shape[1]):
        read = np.split(x[:, t] @ w["weight_ih_l0"].T + w["bias_ih_l0"], 3, axis=1)
        kept = np.split(h @ w["weight_hh_l0"].T + w["bias_hh_l0"], 3, axis=1)
        reset, update = expit(read[0] + kept[0]), expit(read[1] + kept[1])
        h = (1 - update) * np.tanh(read[2] + reset * kept[2]) + update * h
    return h


def lstm(x, w):
    """Hochreiter and Schmidhuber 1997, with a forget gate."""
    h, c = np.zeros((2, len(x), w["weight_hh_l0"].shape[1]))
    for t in range(x.shape[1]):
        read = x[:, t] @ w["weight_ih_l0"].T + w["bias_ih_l0"]
        i, f, g, o = np.split(read + h @ w["weight_hh_l0"].T + w["bias_hh_l0"], 4, axis=1)
        c = expit(f) * c + expit(i) * np.tanh(g)
        h = expit(o) * np.tanh(c)
    return h


def mixer(x, w):
    """TSMixer (Chen et al. 2023): along time, across channels, then all times to one."""

    def norm(v, name):
        mean, var = v.mean(axis=(1, 2), keepdims=True), v.var(axis=(1, 2), keepdims=True)
        return (v - mean) / np.sqrt(var + 1e-3) * w[f"{name}.weight"] + w[f"{name}.bias"]

    def dense(v, name):
        return v @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    v = dense(x, "input")
    turned = norm(v, "blocks.0.norm_along").transpose(0, 2, 1)
    v = v + np.maximum(dense(turned, "blocks.0.along"), 0).transpose(0, 2, 1)
    wide = np.maximum(dense(norm(v, "blocks.0.norm_across"), "blocks.0.wide"), 0)
    v = v + dense(wide, "blocks.0.back")
    return dense(v.transpose(0, 2, 1), "along")[:, :, 0]


@pytest.mark.parametrize("encoder", [gru, lstm, mixer])
@pytest.mark.parametrize("form", ["coefficients", "gate"])
def test_an_encoder_is_what_it_is_called(encoder, form):
    params = EraRNNParams(encoder=encoder.__name__, form=form, steps=5, width=3)
    torch.manual_seed(0)
    net = EraNet(8, 3, params).double().eval()
    with torch.no_grad():
        for weight in net.parameters():
            weight.copy_(torch.randn_like(weight))
    x = torch.randn(6, 5, 8, dtype=torch.float64)
    w = {name: value.numpy() for name, value in net.encoder.state_dict().items()}
    own = {name.removeprefix("layers."): value for name, value in w.items()}
    read = encoder(x.numpy(), own)
    said = read @ net.head.weight.detach().numpy().T + net.head.bias.detach().numpy()
    wanted = np.column_stack([np.ones(6), said])
    if form == "gate":
        wanted = np.column_stack([1 - expit(said), expit(said)])
    scale = net.scale.item()
    with torch.no_grad():
        assert np.abs(net(x).numpy() - scale * wanted).max() < 1e-12


@pytest.mark.parametrize(("form", "wanted"), [("coefficients", [1, 0, 0]), ("gate", [0.5, 0.5])])
def test_a_net_begins_as_its_models(form, wanted):
    net = EraNet(6, 2, EraRNNParams(form=form)).eval()
    with torch.no_grad():
        assert net(torch.randn(3, 13, 6)).tolist() == [wanted] * 3


# The past.


def test_the_past_is_read_up_to_what_is_known():
    """Points of two eras, a purge of 3: of era 20 what was earned up to 16 is known."""
    numbers = np.array([11, 12, 15, 16, 17, 19, 20])
    earned, spread = numbers[:, None] * 1.0, numbers[:, None] * 10.0
    earned[2] = np.nan  # its labels are absent
    past = Past(numbers, earned, spread)
    usual = np.array([[0.0], [1.0], [0.0], [10.0]])
    (window,) = past.windows([20], usual, steps=5, step=2, purge_eras=3)
    assert window.tolist() == [
        [11.5, 11.5, 1, 1],  # 11 and 12
        [0, 0, 0, 0],  # 13 and 14 are not there
        [16, 15.5, 1, 1],  # 15 and 16
        [0, 17, 0, 1],  # 17 is not known, 18 not there
        [0, 19.5, 0, 1],  # 19, and the era itself
    ]
    assert np.array_equal(
        past.windows([20], usual, 5, 2, 3), past.since(11).windows([20], usual, 5, 2, 3)
    )


def test_what_an_era_earned_is_the_correlation_of_scores_with_its_labels():
    frame = train_frame(n_eras=3, missing=0.1)
    components = find_components(frame, 4)
    assert components.shape == (8, 4)
    assert np.allclose(components.T @ components, np.eye(4), atol=1e-5)
    label = frame.target("target_other")  # some rows lack it
    past = Past.of(frame, components, "target_other")
    for i, (_, rows) in enumerate(frame.iter_eras()):
        scores, deviation = scores_of(frame.features[rows], components)
        known = ~np.isnan(label[rows])
        for k in range(4):
            corr = np.corrcoef(scores[known, k], label[rows][known])[0, 1]
            assert past.earned[i, k] == pytest.approx(corr, abs=1e-6)
        assert np.allclose(past.spread[i], np.log(deviation))
    assert np.isnan(Past.of(frame.without_targets(), components, "target").earned).all()
    two = Past.of(frame.select_eras(frame.eras[1:]), components, "target").with_more(past)
    assert np.array_equal(two.earned, past.earned)


def test_a_loss_of_covariances_is_that_of_the_rows():
    rng = np.random.default_rng(0)
    columns, label, weights = rng.normal(size=(50, 3)), rng.normal(size=50), rng.normal(size=3)
    columns, label = columns - columns.mean(axis=0), label - label.mean()

    def tensor(values):
        return torch.tensor(np.asarray(values), dtype=torch.float32)[None]

    batch = EraBatch(
        bins=torch.empty(1, 0), part=torch.zeros(1), offsets=(0, 1), labels=torch.empty(1, 0),
        weights=torch.ones(1), shares=torch.ones(1), gaps=False, windows=torch.empty(1, 0),
        moments=tensor(columns.T @ label / 50), grams=tensor(columns.T @ columns / 50),
        variances=tensor(label @ label / 50)[0],
    )  # fmt: skip
    predicted = columns @ weights
    found = [losses(tensor(weights), batch, loss).item() for loss in ("mse", "corr")]
    corr = np.corrcoef(predicted, label)[0, 1]
    assert found == pytest.approx([np.square(predicted - label).mean(), 1 - corr], rel=1e-4)


# What it learns.


def turning(n_eras, first_era=1, turned=20):
    """Rows whose leading component is worth 1 or -1 for `turned` eras, and a weak feature."""
    rng = np.random.default_rng(first_era)
    frame = train_frame(n_eras=n_eras, rows=60, first_era=first_era)
    common = rng.normal(size=(frame.n_rows, 1))
    values = rng.normal(size=(frame.n_rows, 8))
    values[:, 2:] = 0.8 * common + 0.6 * values[:, 2:]
    features = np.clip(np.round(2 + 1.2 * values), 0, 4).astype(np.int8)
    sign = np.where((frame.row_eras // turned) % 2, 1.0, -1.0)
    noisy = sign * common[:, 0] + 0.5 * values[:, 0] + rng.normal(size=frame.n_rows)
    targets = np.column_stack([noisy, noisy]).astype(np.float32)
    return replace(frame, features=features, targets=targets)


@pytest.fixture(scope="module")
def turned():
    """A model that has seen 160 eras, the eras known later, and predictions of the last 40."""
    whole = turning(220)
    train = whole.between(1, 160)
    params = {"epochs": 40, "steps": 6, "width": 8, "learning_rate": 0.01, "dropout": 0.0}
    model, report = fitted(train, **params)
    judged = whole.between(181, 220)
    shown = [
        model.predict_in_detail(
            judged.between(era, era).without_targets(),
            history_before(whole, era, model.history_eras, 2),
        )
        for era in judged.eras.tolist()
    ]
    return model, report, whole, judged, shown


def test_what_lasts_is_learnt_and_the_past_of_other_eras_is_no_use(turned):
    _, _, _, judged, shown = turned

    def corr(name):
        values = [one.predictions if name is None else one.variants[name] for one in shown]
        scores = corr_per_era(np.concatenate(values), judged.target("target"), judged.offsets)
        return float(scores.mean())

    assert corr(None) > corr("first") + 0.08
    assert corr("shuffled") < corr(None) - 0.08


def test_a_fit_tells_how_far_its_weights_move(turned):
    _, report, _, _, shown = turned
    low, high = report.details["weights"]["change"]
    assert 0 < low < high
    assert any("change beside the first" in note for note in report.notes)
    assert all(one.per_era["change"][0] > 0 for one in shown)


def test_labels_within_the_purge_are_not_read(turned):
    model, _, whole, _, _ = turned
    own = whole.between(200, 200).without_targets()
    history = history_before(whole, 200, model.history_eras, 0)  # all labels: more than may be
    targets = history.targets.copy()
    targets[history.row_eras >= 198] *= -1
    expected = model.predict(own, history)
    assert np.array_equal(model.predict(own, replace(history, targets=targets)), expected)
    targets[history.row_eras == 197] *= -1
    assert not np.array_equal(model.predict(own, replace(history, targets=targets)), expected)


def test_it_goes_on_from_new_eras_and_knows_them_then(turned, tmp_path):
    model, _, whole, _, _ = turned
    model.save(tmp_path)
    later = EraRNN.load(tmp_path)
    report = later.fit_more(whole.between(163, 190), context(), 3)
    assert later.n_steps == 43
    assert len(report.details["training"]["nets"][0]["loss"]) == 3
    own, nothing = whole.between(193, 193).without_targets(), whole.between(0, 0)
    expected = later.predict(own, whole.between(163, 190))
    assert np.array_equal(later.predict(own, nothing), expected)
    assert not np.array_equal(model.predict(own, nothing), expected)


def test_a_gate_follows_the_model_that_earns():
    """The first is right in one regime, the second in the other."""
    whole = turning(160)
    params = {"epochs": 30, "steps": 6, "width": 8, "learning_rate": 0.02, "dropout": 0.0}
    gate = {"form": "gate", "second": {"type": "max_sharpe"}, **params}
    model, report = fitted(whole.between(1, 120), **gate)
    low, high = report.details["weights"]["share"]
    assert 0 <= low < high <= 1
    names = [variant.name for variant in info_of(EraRNN, model.params).variants]
    assert names == ["first", "second", "shuffled"]


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"rows_per_era": 100}, "rows_per_era means nothing to era_rnn"),
        ({"auxiliary_targets": {"a": 1.0}}, "auxiliary_targets means nothing"),
        ({"loss": "cross_entropy"}, "'mse' or 'corr'"),
        ({"second": {"type": "ridge"}}, "second is the other model of form: gate"),
        ({"first": {"type": "mtm"}}, "'mtm' needs rows without labels"),
        ({"first": {"type": "era_rnn"}}, "'era_rnn' needs earlier eras at prediction"),
    ],
)
def test_what_means_nothing_is_refused(params, problem):
    with pytest.raises(ValidationError, match=problem):
        EraRNNParams.model_validate(params)


def test_too_few_eras_for_the_blocks_are_refused():
    with pytest.raises(ModelError, match=r"model\.params\.folds"):
        fitted(train_frame(n_eras=3))


def test_without_history_it_says_so():
    model, _ = fitted(train_frame(n_eras=20))
    with pytest.raises(ModelError, match="looks back on 7 eras; none were given"):
        model.predict(train_frame(n_eras=1, first_era=50).without_targets())
    with pytest.raises(ModelError, match="where Numerai runs a bundle there are live rows alone"):
        model.export()


def test_a_stopped_training_goes_on_to_the_same_bits(tmp_path):
    frame = train_frame(n_eras=20)
    judged = train_frame(n_eras=1, first_era=23).without_targets()
    expected, _ = fitted(frame, epochs=4)

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitted(frame, context(unfinished=tmp_path, progress=stop), epochs=4)
    assert (tmp_path / "net_0.npz").exists()
    went_on, _ = fitted(frame, context(unfinished=tmp_path), epochs=4)
    history = end_to_end([frame])
    assert np.array_equal(went_on.predict(judged, history), expected.predict(judged, history))


CONFIG = """
extends: tiny.yaml
name: past
model: {type: era_rnn, params: PARAMS}
"""
STACK = """
extends: tiny.yaml
name: both
model:
  type: stack
  params:
    members: {past: {from: past.yaml}, linear: {type: ridge, params: {alpha: 1.0}}}
"""


@pytest.mark.slow  # three runs of three folds, a final model each, and one that goes on
def test_from_training_to_a_refreshed_final_model_and_as_a_member(
    lab, tiny_config, tournament, tmp_path
):
    config, data = tmp_path / "past.yaml", tmp_path / "data"
    write_eras(tournament, data, 46)
    tiny_config.write_text(tiny_config.read_text().replace(str(tournament), str(data)))
    config.write_text(CONFIG.replace("PARAMS", json.dumps(TINY)))
    runs = ("--runs-dir", tmp_path / "runs")
    result = lab("train", config, *runs, "--final")
    assert result.code == 0, result.err
    (run,) = (tmp_path / "runs" / "past").glob("*/")
    page = (run / "report.html").read_text()
    assert "its first model (ridge) alone" in page
    assert "control: the past of other eras" in page
    assert set(pd.read_parquet(run / "predictions.parquet").columns) >= {"first", "shuffled"}
    explained = lab("explain", run, *runs, "--rows", "50", "--permute", "2")
    assert explained.code == 0, explained.err
    refused = lab("export", run, *runs, "--out", tmp_path / "past.pkl")
    assert refused.code == 2
    assert "there are live rows alone, without the number of their era" in refused.err
    write_eras(tournament, data, 60)
    more = lab("train", "--continue", run, "--amount", "1", *runs)
    assert more.code == 0, more.err
    assert "1 epochs more" in more.err
    both = tmp_path / "both.yaml"
    both.write_text(STACK)
    stacked = lab("train", both, *runs, "--final")
    assert stacked.code == 0, stacked.err
