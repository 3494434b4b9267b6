"""`icl`: promises of a model, what it is shown, controls, fine-tuning behind its guard, exports."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

torch = pytest.importorskip("torch", reason="tests of nets need torch: make nets")

from net_lab import context, judged_frame, train_frame
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.models import assemble_exported, check_model
from numerai_lab.models.conformance.toy import toy_frame
from numerai_lab.models.nets.in_context import ICL, ICLParams, runtime
from numerai_lab.models.nets.in_context.checkpoint import read_checkpoint, shipped_checkpoint
from numerai_lab.models.nets.in_context.contexts import fit_projection, labels_of, shuffled
from numerai_lab.models.nets.in_context.module import NETS, Size, new_net
from numerai_lab.models.nets.in_context.runtime import answers, encoded

SMALL = {"context_rows": 60, "context_eras": 4}


def params(checkpoint, **more):
    return {**SMALL, "checkpoint": str(checkpoint), **more}


def fitted(checkpoint, frame=None, told=None, **more):
    model = ICL(ICLParams.model_validate(params(checkpoint, **more)))
    report = model.fit(train_frame(20) if frame is None else frame, context(**(told or {})))
    return model, report


@pytest.mark.parametrize(
    "more",
    [{"context": "newest"}, {"context": "nearest", "contexts": 2}, {"context": "resolved"}],
    ids=lambda more: more["context"],
)
def test_it_keeps_every_promise_of_a_model(tiny_checkpoint, more):
    check_model(ICL, params(tiny_checkpoint, **more))


@pytest.mark.parametrize("architecture", NETS)
def test_in_numpy_the_nets_give_what_they_give_in_torch(architecture, monkeypatch):
    torch.manual_seed(1)
    net = new_net(Size(architecture, n_scores=4, width=8, hidden=8, layers=4, heads=4)).eval()
    with torch.no_grad():
        for weight in net.parameters():
            weight += 0.3 * torch.randn(weight.shape)
        x, y, asked = torch.randn(30, 4), torch.randn(30), torch.randn(1500, 4)
        expected = net(x[None], y[None], asked[None])[0].numpy()
    arrays = {name: weight.numpy() for name, weight in net.state_dict().items()}

    def given():
        read = encoded(x.numpy(), y.numpy(), vars(net.size), arrays)
        return answers(asked.numpy(), read, vars(net.size), arrays)

    found = given()
    assert np.abs(found - expected).max() < 1e-4
    assert np.std(found) > 0.05
    monkeypatch.setattr(runtime, "NUMBERS_AT_ONCE", 500)  # a few rows of the context at once
    pieces = given()
    assert np.abs(pieces - found).max() < 1e-5


@pytest.mark.parametrize("dtype", [np.int8, np.float32])
def test_exported_it_predicts_the_same_with_gaps(tiny_checkpoint, dtype):
    frame = train_frame(20, missing=0.2, dtype=dtype)
    model, _ = fitted(tiny_checkpoint, frame, context="nearest", contexts=2, controls=False)
    judged = judged_frame(missing=0.3, dtype=dtype)
    exported = assemble_exported(model.export(), judged.feature_names, judged.features.dtype.name)
    predicted = model.predict(judged)
    for _, rows in judged.iter_eras():
        assert np.abs(exported.predict(judged.features[rows]) - predicted[rows]).max() < 1e-6
    assert np.std(predicted) > 0


def shown(model) -> dict:
    return model.export().arrays


def test_what_is_shown_are_the_eras_that_are_asked_for(tiny_checkpoint):
    eras = {
        name: shown(fitted(tiny_checkpoint, context=name)[0])["pool_eras"].tolist()
        for name in ("newest", "spread", "nearest")
    }
    assert eras["newest"] == [17, 18, 19, 20]
    assert eras["spread"] == [1, 7, 14, 20]
    assert eras["nearest"] == list(range(1, 21))
    arrays = shown(fitted(tiny_checkpoint, contexts=2)[0])
    assert np.diff(arrays["pool_offsets"]).tolist() == [30] * 4  # all rows there are
    assert abs(arrays["pool_y"].mean()) < 1e-6


def test_nearest_eras_are_those_that_vary_alike(tiny_checkpoint):
    """Half of the training eras have features that move together, and so has the judged era."""
    rng = np.random.default_rng(0)
    rows = toy_frame(3, rows_per_era=np.full(16, 60))
    features = rows.features.copy()
    for i, (_, era) in enumerate(rows.iter_eras()):
        if i % 2:
            features[era] = rng.integers(0, 5, (60, 1)).astype(np.int8)
    frame = replace(rows, features=features)
    model, _ = fitted(tiny_checkpoint, frame, context="nearest", context_eras=8)
    from numerai_lab.models.nets.in_context.runtime import chosen_eras, projected

    arrays = shown(model)
    settings = model.export().settings
    for place in (3, 6):
        era = int(frame.eras[place])
        scores = projected(frame.between(era, era).features_in_memory(), arrays)
        assert set(chosen_eras(scores, settings, arrays) % 2) == {place % 2}


def test_controls_stand_beside_the_prediction(tiny_checkpoint):
    model, _ = fitted(tiny_checkpoint)
    told = model.predict_in_detail(judged_frame())
    assert set(told.variants) == {"shuffled_context", "ancient_context"}
    assert all(not np.allclose(v, told.predictions) for v in told.variants.values())
    none, _ = fitted(tiny_checkpoint, controls=False)
    assert none.predict_in_detail(judged_frame()).variants == {}
    assert np.array_equal(none.predict(judged_frame()), told.predictions)


@pytest.mark.parametrize("context", ["newest", "nearest"])
def test_an_era_among_others_gets_what_it_gets_alone(tiny_checkpoint, context):
    """A context that stays the same from era to era is read once, which changes no bit."""
    model, _ = fitted(tiny_checkpoint, train_frame(20), context=context, contexts=2, context_eras=4)
    judged = train_frame(6, first_era=40).without_targets()
    together = model.predict_in_detail(judged)
    alone = [model.predict_in_detail(judged.between(int(e), int(e))) for e in judged.eras]
    assert np.array_equal(together.predictions, np.concatenate([one.predictions for one in alone]))
    for name, values in together.variants.items():
        assert np.array_equal(values, np.concatenate([one.variants[name] for one in alone]))


def test_shuffling_keeps_each_eras_labels():
    pool = {
        "pool_y": np.arange(30, dtype=np.float32),
        "pool_offsets": np.array([0, 10, 30]),
        "pool_eras": np.array([1, 2]),
    }
    labels = shuffled(pool, 0)["pool_y"]
    assert sorted(labels[:10]) == list(range(10))
    assert sorted(labels[10:]) == list(range(10, 30))
    assert not np.array_equal(labels, pool["pool_y"])
    assert np.array_equal(pool["pool_y"], np.arange(30))


def test_resolved_eras_are_shown_and_unresolved_ones_are_not(tiny_checkpoint):
    model, _ = fitted(tiny_checkpoint, context="resolved", history_eras=10)
    later = toy_frame(9, rows_per_era=np.full(8, 25), first_era=21)
    own = later.between(28, 28).without_targets()
    history = later.between(21, 27)
    unknown = replace(history, targets=np.full_like(history.targets, np.nan))
    without = model.predict_in_detail(own, unknown)
    assert "had no resolved era" in without.remarks[0]
    assert not np.allclose(model.predict(own, history), without.predictions)
    partly = replace(history, targets=history.targets.copy())
    partly.targets[history.row_eras > 24] = np.nan
    assert np.array_equal(model.predict(own, partly), model.predict(own, history.between(21, 24)))
    with pytest.raises(ModelError, match="no history was given"):
        model.predict(own)
    with pytest.raises(ModelError, match="export a run with a final model"):
        model.export()
    expected = model.predict(own, history)
    model.remember(history)
    assert np.array_equal(model.predict(own, history.between(0, 0)), expected)
    assert shown(model)["pool_eras"].tolist() == [24, 25, 26, 27]
    assert model.predict_in_detail(own, history.between(0, 0)).remarks == []


def test_scores_are_directions_of_the_training_rows_and_know_no_label():
    frame = train_frame(10, rows=200)
    one = ICLParams()
    found = fit_projection(frame, 3, one, 0)
    other = replace(frame, targets=-frame.targets)
    assert np.array_equal(fit_projection(other, 3, one, 0)["projection"], found["projection"])
    from numerai_lab.models.nets.in_context.runtime import projected

    scores = projected(frame.features, found)
    assert np.allclose(scores.mean(axis=0), 0, atol=1e-3)
    assert np.allclose(np.cov(scores.T), np.eye(3), atol=1e-2)
    wide = fit_projection(frame, frame.n_features + 5, ICLParams(projection="random"), 0)
    scores = projected(frame.features, wide)
    assert not scores[:, frame.n_features :].any()
    assert np.allclose(scores[:, : frame.n_features].var(axis=0), 1, atol=1e-2)


def test_labels_are_standardised_or_made_normal():
    values = np.array([0.0, 0.25, 0.25, 0.5, 1.0], dtype=np.float32)
    plain = labels_of(values, "standardised")
    assert plain.mean() == pytest.approx(0, abs=1e-6)
    assert plain.std() == pytest.approx(1)
    normal = labels_of(np.exp(3 * values), "gaussian")
    assert np.allclose(normal, labels_of(values, "gaussian"))
    assert normal[1] == normal[2]
    assert not labels_of(np.full(4, 0.5, dtype=np.float32), "gaussian").any()
    classes, counts = np.unique(labels_of(np.exp(np.arange(100.0)), "classes"), return_counts=True)
    assert counts.tolist() == [5, 20, 50, 20, 5]
    assert np.allclose(np.diff(classes), classes[1] - classes[0])
    assert len(np.unique(labels_of(values, "classes")[1:3])) == 1


def test_fine_tuning_returns_the_pretrained_net_unless_it_surely_gains(tiny_checkpoint):
    """On labels that are noise nothing gains, and the weights are those of the checkpoint."""
    frame = train_frame(60, rows=20)
    rng = np.random.default_rng(0)
    noise = replace(frame, targets=rng.permutation(frame.targets))
    tuning = {"fine_tune_epochs": 2, "fine_tune_rows": 16, "controls": False}
    model, report = fitted(tiny_checkpoint, noise, **tuning)
    told = report.details["icl"]["fine_tuning"]
    assert told["kept"] == 0
    assert len(told["gains"]) == 2
    assert told["interval"][0] <= 0
    assert any("not fine-tuned" in note for note in report.notes)
    assert told["block_eras"] == 4
    plain, _ = fitted(tiny_checkpoint, noise, controls=False)
    assert np.array_equal(model.predict(judged_frame()), plain.predict(judged_frame()))


def linear_frame(seed, n_eras, rows, first_era=1) -> EraFrame:
    """Labels that the first principal scores tell, the same in every era."""
    frame = toy_frame(seed, rows_per_era=np.full(n_eras, rows), first_era=first_era)
    z = frame.features.astype(np.float32) - 2
    label = z[:, 0] + z[:, 1] - z[:, 2]
    label = (label - label.min()) / (label.max() - label.min())
    return replace(frame, targets=np.stack([label] * frame.targets.shape[1], axis=1))


def test_fine_tuning_that_surely_gains_is_kept_and_shown_beside_what_it_began_with(
    tiny_checkpoint, tmp_path
):
    """A net that has learnt nothing yet learns a label that is the same in every era."""
    frame = linear_frame(1, 60, 40)
    tuning = {"fine_tune_epochs": 8, "fine_tune_rows": 64, "fine_tune_rate": 0.01}
    model, report = fitted(
        tiny_checkpoint, frame, projection="random", synthetic_share=0.2, **tuning
    )
    told = report.details["icl"]["fine_tuning"]
    assert told["kept"] > 0
    assert told["interval"][0] > 0
    assert told["gains"][told["kept"] - 1] == max(told["gains"])
    judged = linear_frame(2, 3, 80, first_era=90)
    detailed = model.predict_in_detail(judged.without_targets())
    label = judged.targets[:, 0]
    own, before = (
        np.corrcoef(label, values)[0, 1]
        for values in (detailed.predictions, detailed.variants["pretrained"])
    )
    assert own > 0.5 > before
    model.save(tmp_path)
    again = ICL.load(tmp_path).predict_in_detail(judged.without_targets())
    assert np.array_equal(again.predictions, detailed.predictions)
    assert np.array_equal(again.variants["pretrained"], detailed.variants["pretrained"])
    name, kind, twin = ICL.twin_of_variant(model.params)
    assert (name, kind, twin.fine_tune_epochs) == ("pretrained", "icl", 0)


def test_the_guard_resamples_blocks_as_long_as_labels_overlap(tiny_checkpoint):
    """Four times the overlap: 12 eras of 60-day labels, which a purge of 16 tells."""
    tuning = {"fine_tune_epochs": 1, "fine_tune_rows": 8, "controls": False}
    for purge, expected in ((8, 16), (16, 48)):
        _, report = fitted(
            tiny_checkpoint, train_frame(60, rows=10), {"purge_eras": purge}, **tuning
        )
        assert report.details["icl"]["fine_tuning"]["block_eras"] == expected


def test_fine_tuning_that_was_stopped_goes_on_to_the_same_weights(tiny_checkpoint, tmp_path):
    class Stopped(Exception):
        pass

    def stop(done, total):
        if (done, total) == (2, 4):
            raise Stopped

    frame = linear_frame(1, 60, 20)
    tuning = {"fine_tune_epochs": 4, "fine_tune_rows": 32, "fine_tune_rate": 0.01}
    tuning |= {"projection": "random", "controls": False}
    whole, _ = fitted(tiny_checkpoint, frame, **tuning)
    with pytest.raises(Stopped):
        fitted(tiny_checkpoint, frame, {"unfinished": tmp_path, "progress": stop}, **tuning)
    again, _ = fitted(tiny_checkpoint, frame, {"unfinished": tmp_path}, **tuning)
    judged = judged_frame()
    assert np.array_equal(again.predict(judged), whole.predict(judged))


def test_too_few_eras_to_fine_tune_are_told(tiny_checkpoint):
    said = []
    _, report = fitted(tiny_checkpoint, told={"say": said.append}, fine_tune_epochs=1)
    assert "20 training eras are too few" in said[0]
    assert report.details["icl"]["fine_tuning"] == {"gains": []}


def test_a_context_that_tells_nothing_is_refused(tiny_checkpoint):
    with pytest.raises(ModelError, match=r"the context has 1 row\(s\)"):
        fitted(tiny_checkpoint, train_frame(1, rows=1))
    frame = train_frame(6)
    alike = replace(frame, targets=np.full_like(frame.targets, 0.5))
    with pytest.raises(ModelError, match="have one class of label"):
        fitted(tiny_checkpoint, alike)


def test_each_context_needs_two_rows(tiny_checkpoint):
    """Four rows that are dealt to four contexts are one row each."""
    with pytest.raises(ModelError, match=r"the context has 1 row\(s\)"):
        fitted(tiny_checkpoint, context_rows=1, context_eras=1, contexts=4)


def test_fewer_rows_than_were_asked_for_are_said(tiny_checkpoint):
    def told(frame, **more):
        said = []
        model, _ = fitted(tiny_checkpoint, frame, told={"say": said.append}, **more)
        return shown(model)["pool_y"].size, said

    wide = train_frame(20, rows=60)
    assert told(wide) == (60, [])
    assert told(wide, context_eras=10_000, context_rows=400) == (400, [])  # of 20 eras, not 20
    assert told(wide, context="nearest", context_rows=100) == (500, [])
    n, said = told(wide, contexts=40)
    assert n == 240
    assert "240 rows are there to be shown where 2,400 were asked for" in said[0]


def test_what_a_run_gives_and_icl_does_not_use_is_said(tiny_checkpoint):
    frame, said = train_frame(8), []
    given = {"weights": np.ones(frame.n_rows), "stop": frame, "device": "cuda"}
    fitted(tiny_checkpoint, frame, {"say": said.append, **given})
    for words in ("weights", "early stopping", "device cuda"):
        assert any(sentence.startswith(words) and "not used" in sentence for sentence in said)


def test_features_that_do_not_vary_are_said(tiny_checkpoint):
    frame, said = train_frame(8), []
    still = replace(frame, features=np.full_like(frame.features, -1))
    model, report = fitted(tiny_checkpoint, still, {"say": said.append})
    assert "no feature varies in the training eras" in said[0]
    assert any("rows vary in 0 of the net's 4 scores" in note for note in report.notes)
    assert np.isfinite(model.predict(judged_frame())).all()
    half = frame.features.copy()
    half[:, 2:] = 2
    _, report = fitted(tiny_checkpoint, replace(frame, features=half))
    assert any("rows vary in 2 of the net's 4 scores" in note for note in report.notes)


def test_wrong_parameters_are_refused(tiny_checkpoint, tmp_path):
    for wrong in ({"context": "oldest"}, {"context_rows": 0}, {"synthetic_share": 1.0}):
        with pytest.raises(ValidationError):
            ICLParams.model_validate(wrong)
    with pytest.raises(ModelError, match="there is no such checkpoint"):
        fitted(tmp_path / "nowhere")


def test_the_shipped_net_learns_from_the_rows_it_is_shown():
    """A label that three features tell is read from the context, and not from shuffled labels."""
    folder = shipped_checkpoint()
    assert sum(path.stat().st_size for path in folder.iterdir()) < 3 << 20
    facts = read_checkpoint(folder).facts
    assert (facts["features_to"], facts["labels_to"]) == (None, None)
    model = ICL(ICLParams(context_rows=96, context_eras=4))
    model.fit(linear_frame(1, 12, 40), context())
    judged = linear_frame(2, 1, 200, first_era=90)
    told = model.predict_in_detail(judged.without_targets())
    label = judged.targets[:, 0]
    own, shuffled_labels = (
        np.square(values - label).mean() / label.var()
        for values in (told.predictions, told.variants["shuffled_context"])
    )
    assert own < 0.4
    assert shuffled_labels > 0.7


MEMBER = """
extends: tiny.yaml
name: {name}
model: {model}
"""
SHOWN = "{type: icl, params: {context_rows: 64, context_eras: 8}}"
LINEAR = "{type: ridge, params: {alpha: 1.0}}"


@pytest.mark.slow  # two runs of three folds, and a final model each
@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("both", f"{{type: stack, params: {{members: {{shown: {SHOWN}, linear: {LINEAR}}}}}}}"),
        ("left", f"{{type: residual, params: {{first: {SHOWN}, second: {LINEAR}}}}}"),
    ],
)
def test_it_is_a_member_and_a_first_stage(name, model, lab, tiny_config, tmp_path):
    config, runs = tmp_path / f"{name}.yaml", ("--runs-dir", tmp_path / "runs")
    config.write_text(MEMBER.format(name=name, model=model))
    result = lab("train", config, *runs, "--final")
    assert result.code == 0, result.err
    (run,) = (path.parent for path in (tmp_path / "runs").glob(f"{name}/*/DONE"))
    judged = pd.read_parquet(run / "predictions.parquet")
    if name == "both":
        assert judged["shown"].groupby(judged["era"]).std().min() > 0
    assert len(list((run / "final").rglob("context.npz"))) == 1
    exported = lab("export", run, *runs, "--out", tmp_path / "m.pkl")
    assert exported.code == 0, exported.err
    assert b"torch" not in (tmp_path / "m.pkl").read_bytes()
