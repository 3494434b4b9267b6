"""`mtm` adapted to each era by its masked loss: the guard, the control, what is kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="tests of nets need torch: make nets")

from net_lab import context, train_frame
from numerai_lab.errors import ModelError
from numerai_lab.models import check_model, info_of
from numerai_lab.models.contract import EarlierFit
from numerai_lab.models.nets.batches import unlabelled_batch
from numerai_lab.models.nets.mtm import MTM, MTMParams
from numerai_lab.models.nets.mtm.adapting import NetAdaptation, weights_moved
from numerai_lab.models.nets.mtm.masks import draw

TINY = {
    "epochs": 1, "width": 8, "hidden": 8, "layers": 1, "heads": 2, "n_groups": 3,
    "pretrain_epochs": 1, "eras_per_batch": 24,
}  # fmt: skip


def params_of(**params):
    return MTMParams.model_validate({**TINY, **params})


def fitted(frame=None, ctx=None, **params):
    model = MTM(params_of(**params))
    report = model.fit(train_frame() if frame is None else frame, ctx or context())
    return model, report


@pytest.fixture(scope="module")
def judged():
    return train_frame(n_eras=3, rows=40, first_era=90).without_targets()


@pytest.fixture(scope="module")
def plain():
    return fitted()[0]


@pytest.fixture(scope="module")
def adapts():
    return fitted(adapt={"strength": 0.5, "rate": 0.02})[0]


@pytest.mark.slow  # some fifteen fits, and sixteen eras adapted to in each
def test_it_keeps_every_promise_of_a_model():
    check_model(MTM, {**TINY, "adapt": {"strength": 0.5, "steps": 1}})


def test_strength_0_is_exactly_the_net_unadapted(plain, judged):
    model, report = fitted(adapt={"strength": 0})
    shown = model.predict_in_detail(judged)
    expected = plain.predict(judged)
    assert np.array_equal(model.predict(judged), expected)
    assert np.array_equal(shown.predictions, expected)
    for name in ("frozen", "shuffled"):
        assert np.array_equal(shown.variants[name], expected)
    assert report.details["strength"] == 0
    assert "strength 0 as written" in report.notes
    model.export()


def test_half_of_the_change_is_added_and_other_eras_stand_beside(plain, adapts, judged):
    shown = adapts.predict_in_detail(judged)
    assert np.array_equal(shown.variants["frozen"], plain.predict(judged))
    assert np.array_equal(adapts.predict(judged), shown.predictions)
    whole, _ = fitted(adapt={"strength": 1.0, "rate": 0.02})
    change = whole.predict(judged) - plain.predict(judged)
    assert np.abs(change).max() > 1e-4
    assert np.allclose(shown.predictions - shown.variants["frozen"], change / 2, atol=1e-6)
    assert np.abs(shown.variants["shuffled"] - shown.predictions).max() > 1e-6
    assert shown.per_era["strength"] == [0.5] * 3
    assert all(np.isfinite(shown.per_era[name]).all() for name in ("code_1", "masked_loss"))
    names = [variant.name for variant in info_of(MTM, adapts.params).variants]
    assert names == ["scratch", "frozen", "shuffled"]


def test_an_era_of_few_rows_stays_unadapted_and_is_said(plain, adapts, judged):
    few = judged.take(np.arange(15))
    shown = adapts.predict_in_detail(few)
    assert np.array_equal(shown.predictions, plain.predict(few))
    assert shown.notes == ("1 of 1 eras predicted by the unadapted net: fewer than 20 rows",)


@pytest.mark.parametrize("what", ["norms", "encoder"])
def test_steps_lower_the_masked_loss_of_their_era(what):
    """The state is applied by hand, and the loss compared behind masks of other draws."""
    frame = train_frame(n_eras=8, rows=60)
    features = frame.features.copy()
    features[:, 4:] = features[:, :4]
    frame = replace(frame, features=features)
    model, _ = fitted(frame)
    rows = frame.between(3, 3)
    (net,) = model.nets
    asked = params_of(adapt={"what": what, "steps": 15, "rate": 0.03})
    adaptation = NetAdaptation([net], model.export().settings["labels"], asked, seed=3)
    adapted = adaptation.adapt(3, rows.features, model.predict(rows))

    def loss():
        torch.manual_seed(8)
        batch = unlabelled_batch(rows.features, (0, 20, 40, 60), torch.device("cpu"))
        with torch.no_grad():
            return [
                net.masked(batch, draw(batch, net.n_groups, 1, model.params))[1].mean().item()
                for _ in range(20)
            ]

    before, start = np.mean(loss()), 0
    moved = weights_moved(net, what)
    names = {name for name, weight in net.named_parameters() if any(weight is w for w in moved)}
    assert any("norm" in name for name in names)
    assert ("places" in names) == (what == "encoder")
    assert not any(name.startswith(("head", "rebuilt")) for name in names)
    with torch.no_grad():
        for weight in moved:
            weight += torch.from_numpy(adapted.state[start : start + weight.numel()]).view_as(
                weight
            )
            start += weight.numel()
    assert start == len(adapted.state)
    assert np.mean(loss()) < before - 0.003


def fitted_by_trials(frame):
    known = context(unlabelled=train_frame(n_eras=95, rows=20).without_targets())
    return fitted(frame, known, adapt={"steps": 1, "rate": 0.02})


@pytest.fixture(scope="module")
def guarded():
    """A fit whose trials decide."""
    return fitted_by_trials(train_frame(n_eras=90, rows=20))


def test_trials_decide_and_their_control_is_told(guarded, judged):
    model, report = guarded
    told = report.details["guard"]
    assert told["strength"] == report.details["strength"] == 0
    assert told["reason"] in report.notes
    assert "adaptation off: no strength gains" in told["reason"]
    assert [block["judged"] for block in told["blocks"]] == [(46, 67), (68, 90)]
    for block in told["blocks"]:
        assert [gain["strength"] for gain in block["gains"]] == [0.25, 0.5, 1.0]
        assert all("over_control" in gain for gain in block["gains"])
    shown = model.predict_in_detail(judged)
    assert np.array_equal(shown.predictions, shown.variants["frozen"])


@pytest.mark.slow  # two fits with their trials
def test_a_trial_sees_no_label_of_later_eras(guarded):
    frame = train_frame(n_eras=90, rows=20)
    turned = frame.targets.copy()
    turned[frame.row_eras > 75] = 1 - turned[frame.row_eras > 75]
    fits = guarded, fitted_by_trials(replace(frame, targets=turned))
    one, other = (report.details["guard"]["blocks"][0] for _, report in fits)
    assert one == other
    later = [report.details["guard"]["blocks"][1] for _, report in fits]
    assert later[0] != later[1]


def test_a_net_without_a_masked_loss_cannot_be_adapted_and_says_so():
    _, report = fitted(pretrain_epochs=0, adapt={"strength": 1.0})
    assert report.details["strength"] == 0
    assert any("adaptation off: the net has learnt no masked loss" in n for n in report.notes)


def test_an_adapted_net_has_neither_bundle_nor_classes(adapts, judged):
    with pytest.raises(ModelError, match=r"strength 0\.5 by steps on its masked loss.*strength: 0"):
        adapts.export()
    with pytest.raises(ModelError, match="classes have no probability"):
        adapts.predict_classes(judged, "target")


def test_it_is_the_same_after_saving(adapts, judged, tmp_path):
    adapts.save(tmp_path)
    again = MTM.load(tmp_path)
    shown = [model.predict_in_detail(judged.between(91, 91)) for model in (adapts, again)]
    assert np.array_equal(shown[0].predictions, shown[1].predictions)
    assert np.array_equal(shown[0].variants["shuffled"], shown[1].variants["shuffled"])


def test_an_era_unlike_the_training_eras_is_not_adapted_to(adapts, plain, judged):
    """All values are missing: no training era is like that, and the change fades to 0."""
    strange = replace(judged, features=np.full_like(judged.features, -1))
    usual, far = (adapts.predict_in_detail(rows) for rows in (judged, strange))
    assert max(far.per_era["support"]) < min(usual.per_era["support"])
    assert far.per_era["support"] == [0.0] * 3
    assert np.array_equal(far.predictions, plain.predict(strange))
    told = adapts.support_of(strange)
    assert told["factor"] == 0
    assert told["distance"] > 2 * told["limit"]


def test_the_control_draws_from_all_training_eras_too(adapts, judged):
    """One era alone has only those of training to be given; there are as many as were taught."""
    _, states = adapts.predict_apart(judged)
    assert len(adapts.guarded.adaptation.states) == train_frame().n_eras
    drawn = set()
    for first in range(90, 150):
        (other,) = adapts.draw_others(first, states[:1])
        known = [np.array_equal(other, state) for state in adapts.guarded.adaptation.states]
        assert sum(known) == 1
        drawn.add(known.index(True))
    assert len(drawn) > 8


def test_eras_predicted_in_parts_have_the_control_of_all_at_once(adapts):
    """As workers of a cluster predict them: states come together, and are drawn from there."""
    judged = train_frame(n_eras=6, rows=30, first_era=90).without_targets()
    whole = adapts.predict_in_detail(judged)
    parts = [judged.between(90, 92), judged.between(93, 95)]
    apart = [adapts.predict_apart(part) for part in parts]
    others = iter(adapts.draw_others(90, [state for _, states in apart for state in states]))
    control = [
        adapts.predict_control(part, detail, [next(others) for _ in part.eras])
        for part, (detail, _) in zip(parts, apart, strict=True)
    ]
    assert np.array_equal(np.concatenate(control), whole.variants["shuffled"])
    predictions = np.concatenate([detail.predictions for detail, _ in apart])
    assert np.array_equal(predictions, whole.predictions)


@pytest.mark.slow  # three fits on 90 eras
def test_later_folds_are_told_by_earlier_ones_with_their_control(guarded, tmp_path):
    first, _ = guarded
    first.save(tmp_path)
    rows = train_frame(n_eras=130, rows=20).between(93, 120)
    known = context(
        unlabelled=train_frame(n_eras=122, rows=20).without_targets(),
        earlier=(EarlierFit(90, rows, lambda: MTM.load(tmp_path)),),
    )
    later, report = fitted(
        train_frame(n_eras=120, rows=20), known, adapt={"steps": 1, "rate": 0.02}
    )
    blocks = report.details["guard"]["blocks"]
    assert (90, (93, 120)) in [(block["train"][1], tuple(block["judged"])) for block in blocks]
    assert all("over_control" in gain for block in blocks for gain in block["gains"])
    (tmp_path / "later").mkdir()
    later.save(tmp_path / "later")
    assert MTM.load(tmp_path / "later").guarded.history == later.guarded.history


def test_a_net_that_goes_on_keeps_adapting(adapts, tmp_path):
    adapts.save(tmp_path)
    model = MTM.load(tmp_path)
    new = train_frame(n_eras=20, rows=30).between(13, 16)
    report = model.fit_more(new, context(), 1)
    assert "strength 0.5 as written" in report.notes
    assert len(model.guarded.adaptation.states) == 16
    assert model.guarded.adaptation.support.eras[-1] == 16
    judged = train_frame(n_eras=30, rows=40).between(20, 22).without_targets()
    shown = model.predict_in_detail(judged)
    assert not np.array_equal(shown.predictions, shown.variants["frozen"])
