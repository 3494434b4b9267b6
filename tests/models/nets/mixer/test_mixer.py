"""`mixer`: the published block, subsets, the bottleneck as features, alone and within others."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import erf

torch = pytest.importorskip("torch", reason="tests of nets need torch: make nets")

from net_lab import context, fitted, judged_frame, train_frame
from numerai_lab.errors import ModelError
from numerai_lab.models import assemble_exported, check_model
from numerai_lab.models.combined.residual import Residual
from numerai_lab.models.nets.mixer import Mixer, MixerParams
from numerai_lab.models.nets.mixer.module import MixerBlock, draw_subsets

TINY = {"subsets": 3, "width": 4, "hidden": 6, "bottleneck": 2, "epochs": 3}


def mixer(params=None, frame=None, **changes):
    return fitted({**TINY, **(params or {})}, frame, Mixer, **changes)


@pytest.fixture(scope="module")
def model():
    return mixer({"seeds": 2})[0]


# The block, against the published one.


def published_block(x, w, activation, drop):
    """`res_block` of google-research/tsmixer (Apache-2.0) with layer norms, in NumPy.

    x [batch, length, channels]; w by Keras' shapes; drop: what a dropout layer does.
    """

    def norm(values, gamma, beta):  # over time and features; Keras' epsilon
        mean = values.mean(axis=(1, 2), keepdims=True)
        variance = ((values - mean) ** 2).mean(axis=(1, 2), keepdims=True)
        return gamma * (values - mean) / np.sqrt(variance + 1e-3) + beta

    y = norm(x, w["gamma_time"], w["beta_time"])
    y = np.transpose(y, (0, 2, 1))
    y = activation(y @ w["time"] + w["time_bias"])
    y = np.transpose(y, (0, 2, 1))
    residual = drop(y) + x
    y = norm(residual, w["gamma_feature"], w["beta_feature"])
    y = drop(activation(y @ w["ff"] + w["ff_bias"]))
    y = drop(y @ w["back"] + w["back_bias"])
    return y + residual


ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "gelu": lambda x: x * 0.5 * (1 + erf(x / np.sqrt(2))),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("training", [False, True])
def test_the_block_is_the_published_one(name, training):
    torch.manual_seed(0)
    block = MixerBlock(5, 3, 7, name, 0.5).double().train(training)
    with torch.no_grad():
        for weight in block.parameters():  # norms, too, or scale and shift would not be seen
            weight.copy_(torch.randn_like(weight))
    left_out = []  # what each dropout multiplied by, in order
    block.dropout.register_forward_hook(
        lambda _, given, out: left_out.append((out / given[0]).nan_to_num(1.0).numpy())
    )
    x = torch.randn(4, 5, 3, dtype=torch.float64)
    with torch.no_grad():
        got = block(x).numpy()
    own = {name: weight.detach().numpy() for name, weight in block.state_dict().items()}
    keras = {
        "gamma_time": own["norm_along.weight"],
        "beta_time": own["norm_along.bias"],
        "time": own["along.weight"].T,
        "time_bias": own["along.bias"],
        "gamma_feature": own["norm_across.weight"],
        "beta_feature": own["norm_across.bias"],
        "ff": own["wide.weight"].T,
        "ff_bias": own["wide.bias"],
        "back": own["back.weight"].T,
        "back_bias": own["back.bias"],
    }
    factors = iter(np.array(factor) for factor in left_out)

    def drop(values):
        factor = next(factors)
        return values * (factor.swapaxes(1, 2) if factor.shape != values.shape else factor)

    wanted = published_block(x.numpy(), keras, ACTIVATIONS[name], drop)
    assert len(left_out) == 3
    assert any((factor == 0).any() for factor in left_out) == training
    assert np.abs(got - wanted).max() < 1e-12


# The model.


def test_it_keeps_every_promise_of_a_model():
    check_model(Mixer, TINY)


@pytest.mark.parametrize("dtype", [np.int8, np.float32])
def test_exported_it_predicts_the_same_with_gaps(dtype):
    frame = train_frame(missing=0.2, dtype=dtype)
    form = {"activation": "gelu", "seeds": 2, "loss": "cross_entropy"}
    model, _ = mixer(form, frame)
    judged = judged_frame(missing=0.3, dtype=dtype)
    exported = assemble_exported(model.export(), judged.feature_names, judged.features.dtype.name)
    predicted = model.predict(judged)
    for _, rows in judged.iter_eras():
        apart = np.abs(exported.predict(judged.features[rows]) - predicted[rows])
        assert apart.max() < 1e-6
    assert np.std(predicted) > 1e-4


def test_it_learns():
    frame = train_frame(n_eras=40, rows=40)
    judged = train_frame(n_eras=10, rows=200, first_era=60)
    model, _ = mixer({"epochs": 8, "learning_rate": 0.02}, frame)
    corr = np.corrcoef(model.predict(judged.without_targets()), judged.target("target"))[0, 1]
    assert corr > 0.3


# Subsets.


@pytest.mark.parametrize(
    ("n", "subsets", "share", "size", "times"),
    [(10, 6, 0.5, 5, {3}), (7, 3, 0.5, 4, {1, 2}), (7, 3, 0.34, 3, {1, 2}), (4, 2, 1.0, 4, {2})],
)
def test_every_feature_is_in_as_many_subsets_as_any_other(n, subsets, share, size, times):
    torch.manual_seed(1)
    reads = draw_subsets(n, subsets, share)
    assert reads.sum(dim=1).tolist() == [size] * subsets
    assert set(reads.sum(dim=0).tolist()) == times


def test_subsets_come_from_the_seed_and_differ_between_nets(model):
    one, two = model.nets
    again = mixer()[0].nets[0]
    assert torch.equal(one.reads, again.reads)
    assert not torch.equal(one.reads, two.reads)
    other = mixer(seed=4)[0].nets[0]
    assert not torch.equal(one.reads, other.reads)


def test_a_subset_reads_nothing_outside_of_it():
    frame = train_frame(missing=0.3)
    (net,) = mixer({"subsets": 2}, frame)[0].nets
    outside = ~net.reads.repeat_interleave(4, dim=0)
    for weight in (net.input.weight, net.input.missing):
        assert (weight[outside] == 0).all()
        assert (weight[~outside] != 0).all()


def test_subsets_that_leave_features_out_are_refused():
    with pytest.raises(ValueError, match=r"subsets: 3 x share: 0\.3 is less than 1"):
        MixerParams(subsets=3, share=0.3)


# The bottleneck.


def test_the_bottleneck_is_what_a_prediction_is_made_from(model):
    frame = judged_frame()
    codes = model.encode(frame)
    assert codes.dtype == np.float32
    assert codes.shape == (frame.n_rows, 4)
    facts, total = model.export().settings["labels"], np.zeros(frame.n_rows)
    for net, own in zip(model.nets, np.hsplit(codes, 2), strict=True):
        outputs = net.head(torch.nn.functional.gelu(torch.from_numpy(own)))[:, 0]
        total += outputs.detach().numpy() * facts["std"][0] + facts["mean"][0]
    assert np.abs(total / 2 - model.predict(frame)).max() < 1e-6
    assert (codes.std(axis=0) > 1e-3).all()


def test_the_bottleneck_of_a_row_depends_on_nothing_else(model):
    frame = train_frame(4, first_era=70)
    codes = model.encode(frame)
    some = frame.select_eras(np.array([71]))
    rows = slice(int(frame.offsets[1]), int(frame.offsets[2]))
    assert np.abs(model.encode(some) - codes[rows]).max() < 1e-6
    one = some.take(np.array([5]))
    assert np.abs(model.encode(one) - codes[rows][5]).max() < 1e-6
    assert np.array_equal(model.encode(frame.without_targets()), codes)


def test_a_saved_model_encodes_the_same_and_refuses_other_features(model, tmp_path):
    model.save(tmp_path)
    kept = Mixer.load(tmp_path)
    assert np.array_equal(kept.encode(judged_frame()), model.encode(judged_frame()))
    with pytest.raises(ModelError, match="features the model was trained on are absent"):
        kept.encode(judged_frame(n_features=7))


# Within other models.

RIDGE = {"type": "ridge", "params": {"alpha": 1.0}}


@pytest.mark.parametrize("order", [("first", "second"), ("second", "first")])
def test_it_is_either_part_of_a_residual(order):
    parts = dict(zip(order, ({"type": "mixer", "params": TINY}, RIDGE), strict=True))
    model = Residual(Residual.Params.model_validate({"folds": 2, **parts}))
    frame, judged = train_frame(20, 40), train_frame(4, 200, first_era=60)
    model.fit(frame, context())
    predicted = model.predict(judged.without_targets())
    assert np.corrcoef(predicted, judged.target("target"))[0, 1] > 0.1
    exported = assemble_exported(model.export(), judged.feature_names, "int8")
    for _, rows in judged.iter_eras():
        assert np.abs(exported.predict(judged.features[rows]) - predicted[rows]).max() < 1e-4


STACK = """
extends: tiny.yaml
name: both
model:
  type: stack
  params:
    members:
      net: {type: mixer, params: PARAMS}
      linear: {type: ridge, params: {alpha: 1.0}}
"""


def test_a_stack_has_it_as_a_member_and_its_folds_encode_rows_they_have_not_seen(
    lab, tiny_config, tmp_path
):
    config = tmp_path / "both.yaml"
    config.write_text(STACK.replace("PARAMS", json.dumps(TINY)))
    result = lab("train", config, "--runs-dir", tmp_path / "runs")
    assert result.code == 0, result.err
    folders = sorted((tmp_path / "runs").glob("*/*/folds/*/model/weights.npz"))
    models = [Mixer.load(path.parent) for path in folders]
    assert len(models) > 1
    frame = train_frame(1, n_features=12)
    names = models[0].export().feature_names
    codes = [model.encode(replace(frame, feature_names=names)) for model in models]
    assert all(code.shape == (frame.n_rows, 2) for code in codes)
    assert np.abs(codes[0] - codes[1]).max() > 1e-3
