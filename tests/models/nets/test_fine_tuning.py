"""`fine_tune`: nets that learn on from eras as these resolve, behind the guard of all models."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="tests of nets need torch: make nets")

from net_lab import context, fitted, judged_frame, train_frame
from numerai_lab.experiment.predicting import predict_eras
from numerai_lab.models import check_model, get_model, info_of, shipped_spaces
from numerai_lab.models.contract import EarlierFit
from numerai_lab.models.nets.mlp import MLP
from numerai_lab.scoring import corr_per_era

TINY = {
    "mlp": {"epochs": 2, "width": 8, "hidden": 8, "learning_rate": 0.01},
    "mixer": {"epochs": 1, "width": 4, "hidden": 6, "bottleneck": 2, "subsets": 2, "blocks": 1},
    "era_set": {"epochs": 1, "width": 8, "hidden": 8, "heads": 2, "points": 3},
    "mtm": {
        "epochs": 1, "width": 8, "hidden": 8, "heads": 2, "layers": 1, "n_groups": 3,
        "pretrain_epochs": 0,
    },
}  # fmt: skip
EVERY_NET = ["mlp", *(pytest.param(name, marks=pytest.mark.slow) for name in list(TINY)[1:])]
PURGE, TRAINED_TO = 2, 12


def tuned(name="mlp", frame=None, ctx=None, more=None, **section):
    kind = get_model(name)
    params = {
        **TINY[name],
        **(more or {}),
        "fine_tune": {"strength": 0.5, "refit_eras": 1} | section,
    }
    model = kind(kind.Params.model_validate(params))
    report = model.fit(train_frame() if frame is None else frame, ctx or context())
    return model, report


def eras(first, last, seed_of=40, turned=False):
    """Labelled eras after the fit; with `turned` the signal has the other sign."""
    frame = train_frame(n_eras=seed_of, rows=60).between(first, last)
    return replace(frame, targets=1 - frame.targets) if turned else frame


@pytest.fixture(scope="module")
def plain():
    return {name: fitted(TINY[name], model_type=get_model(name))[0] for name in ("mlp",)}


def taught(model, frame):
    for era in frame.eras.tolist():
        model.observe(frame.between(era, era))
    return model


def test_before_an_era_has_resolved_it_is_exactly_the_net_as_it_was_fitted(plain):
    model, report = tuned()
    judged = judged_frame()
    shown = model.predict_in_detail(judged)
    expected = plain["mlp"].predict(judged)
    for values in (shown.predictions, *shown.variants.values(), model.predict(judged)):
        assert np.array_equal(values, expected)
    assert [*shown.variants] == ["frozen", "replayed"]
    assert shown.notes == (
        "3 of 3 eras predicted by the unadapted net: no era since its fit has been learnt yet",
    )
    assert "strength 0.5 as written" in report.notes
    assert MLP.twin_of_variant(model.params) == ("frozen", "mlp", plain["mlp"].params)


@pytest.mark.parametrize("name", EVERY_NET)
def test_it_follows_a_signal_that_has_turned_and_its_control_does_not(name):
    more = {"learning_rate": 0.03}
    model, _ = tuned(name, more=more, strength=1.0, rate=1.0, replay=0.5, epochs=6)
    taught(model, eras(13, 28, turned=True))
    judged = eras(30, 40, turned=True)
    shown = model.predict_in_detail(judged.without_targets())

    def corr(values):
        return corr_per_era(values, judged.target("target"), judged.offsets)[:, 0].mean()

    assert corr(shown.predictions) > corr(shown.variants["frozen"]) + 0.2
    assert corr(shown.variants["replayed"]) < corr(shown.predictions) - 0.2
    assert shown.per_era["eras_learnt"] == [16.0] * 11


def test_half_of_the_change_is_added(plain):
    models = [taught(tuned(strength=a)[0], eras(13, 16)) for a in (0.5, 1.0)]
    judged = judged_frame()
    f = plain["mlp"].predict(judged)
    half, whole = (model.predict(judged) - f for model in models)
    assert np.abs(whole).max() > 1e-4
    assert np.allclose(half, whole / 2, atol=1e-6)


@pytest.mark.parametrize("name", EVERY_NET)
def test_labels_inside_the_purge_change_nothing(name, tmp_path):
    tuned(name)[0].save(tmp_path)
    frame = eras(1, 40)

    def predict(labelled):
        model = get_model(name).load(tmp_path)
        judged = labelled.between(15, 20)
        return predict_eras(model, judged, labelled, TRAINED_TO, PURGE).predictions[-60:]

    def with_other_labels(first, last):
        targets = frame.targets.copy()
        targets[(frame.row_eras >= first) & (frame.row_eras <= last)] = 0.25
        targets[(frame.row_eras == last), 0] = np.linspace(0, 1, 60)
        return replace(frame, targets=targets)

    expected = predict(frame)
    # era 20 is predicted with labels up to 20 - 2 - 1 = 17
    assert np.array_equal(predict(with_other_labels(18, 40)), expected)
    assert not np.array_equal(predict(with_other_labels(17, 17)), expected)


def test_what_it_has_learnt_is_kept(tmp_path):
    model = taught(tuned(refit_eras=3)[0], eras(13, 17))
    model.save(tmp_path)
    again = MLP.load(tmp_path)
    judged = judged_frame()
    shown, same = model.predict_in_detail(judged), again.predict_in_detail(judged)
    assert np.array_equal(shown.predictions, same.predictions)
    assert np.array_equal(shown.variants["replayed"], same.variants["replayed"])
    # two eras wait for a third, in both
    for one in (model, again):
        taught(one, eras(18, 18))
    assert np.array_equal(model.predict(judged), again.predict(judged))
    assert not np.array_equal(model.predict(judged), shown.predictions)


@pytest.mark.parametrize("name", EVERY_NET)
def test_a_bundle_has_what_was_learnt_and_its_strength_falls_with_its_age(name, monkeypatch):
    import importlib

    model = taught(tuned(name)[0], eras(13, 15))
    model.guarded.decision = replace(
        model.guarded.decision,
        by_age=[{"last": 10, "strength": 0.5}, {"last": 20, "strength": 0.25}],
    )
    exported = model.export()
    runtime = importlib.import_module(f"numerai_lab.models.nets.{name}.runtime")
    settings = {**exported.settings, "fitted_day": 20_000}
    for era, weeks in ((15, 0), (28, 13), (60, 60)):
        rows = replace(eras(20, 20), eras=np.array([era], dtype=np.int32)).without_targets()
        monkeypatch.setattr("time.time", lambda weeks=weeks: 86400.0 * (20_000 + 7 * weeks))
        values = runtime.predict(rows.features, settings, exported.arrays, [])
        expected = model.predict(rows)
        assert np.abs(values - expected).max() < 1e-5 * expected.std()
    old = MLP.predict(model, rows)
    assert np.array_equal(old, model.predict_in_detail(rows).variants["frozen"])


def long_frame(n_eras=90):
    return train_frame(n_eras=n_eras, rows=24)


def test_the_guard_leaves_off_what_gains_nothing_for_sure_and_follows_it():
    """The signal is the same in all eras: learning on is worth nothing that could be sure."""
    model, report = tuned(frame=long_frame(), strength="auto", refit_eras=4, rate=0.05)
    told = report.details["guard"]
    assert [block["judged"] for block in told["blocks"]] == [(46, 67), (68, 90)]
    assert told["reason"] in " ".join(report.notes)
    assert info_of(MLP, model.params).earlier_fits
    if told["strength"] == 0:
        assert "adaptation off" in told["reason"]
    assert model.online  # what is off may come back


def turning(n_eras=160):
    """Eras whose signal turns slowly: what was learnt last is worth more than what was first."""
    frame = train_frame(n_eras=n_eras, rows=40)
    rng = np.random.default_rng(1)
    x = frame.features.astype(float) - 2
    angle = np.repeat(np.linspace(0, 4.5, n_eras), 40)
    signal = np.cos(angle) * x[:, 0] + np.sin(angle) * x[:, 1] + 0.7 * rng.normal(size=len(x))
    targets = frame.targets.copy()
    targets[:, 0] = np.clip(np.round(2 + signal), 0, 4) / 4
    return replace(frame, targets=targets)


@pytest.mark.slow  # four fits, and two hundred small ones
def test_the_guard_takes_what_surely_gains_and_later_folds_are_told_by_earlier_ones(tmp_path):
    frame, more = turning(), {"epochs": 4}
    section = {"strength": "auto", "refit_eras": 2, "rate": 1.0, "epochs": 2}
    first, report = tuned(frame=frame.between(1, 110), more=more, **section)
    assert report.details["strength"] > 0
    ages = report.details["guard"]["by_age"]
    assert ages[0]["strength"] > 0
    first.save(tmp_path)
    rows = frame.between(113, 150)
    told = EarlierFit(110, rows, lambda: MLP.load(tmp_path))
    _, later = tuned(
        frame=frame.between(1, 150), ctx=context(earlier=(told,)), more=more, **section
    )
    # no net is fitted for a trial: the gains are those of the fold before, by its true age; before
    # era 117 it had not learnt two eras
    blocks = later.details["guard"]["blocks"]
    assert (110, (117, 150)) in [(block["train"][1], tuple(block["judged"])) for block in blocks]
    judged = frame.between(153, 160)
    detail = predict_eras(first, judged, frame, 110, PURGE)
    scores = [
        corr_per_era(values, judged.target("target"), judged.offsets)[:, 0].mean()
        for values in (detail.predictions, detail.variants["frozen"])
    ]
    assert scores[0] > scores[1] + 0.05


def test_a_net_that_goes_on_notes_the_gain_and_begins_again(tmp_path):
    model, _ = tuned(strength="auto", frame=long_frame(60), refit_eras=4)
    new = replace(eras(1, 40), eras=np.arange(61, 101, dtype=np.int32))
    assert model.guarded.history.eras == []  # too few eras for trials
    report = model.fit_more(new, context(), 1)
    # era 64 has resolved by 67, and is learnt with the three before it
    assert model.guarded.history.eras == [*range(67, 101)]
    assert report.details["guard"]["reason"] in " ".join(report.notes)
    judged = replace(judged_frame(), eras=np.array([103, 104, 105], dtype=np.int32))
    shown = model.predict_in_detail(judged)
    assert np.array_equal(shown.predictions, shown.variants["frozen"])
    model.save(tmp_path)
    assert MLP.load(tmp_path).guarded.history == model.guarded.history
    assert not np.array_equal(taught(model, eras(13, 16)).guarded.adaptation.tuned, [])


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) for n in TINY])
def test_it_keeps_every_promise_of_a_model(name):
    check_model(get_model(name), {**TINY[name], "fine_tune": {"strength": 0.5, "refit_eras": 2}})


@pytest.mark.parametrize(
    ("model", "params", "said"),
    [
        ("mtm", {"adapt": {}, "fine_tune": {}}, "adapt and fine_tune are two ways"),
        ("mlp", {"fine_tune": {"replay": 1.0}}, "less than 1"),
        ("mlp", {"fine_tune": {"strength": 2}}, "less than or equal to 1"),
        ("era_rnn", {"first": {"type": "ridge"}, "fine_tune": {}}, "fine_tune"),
        (
            "residual",
            {"first": {"type": "mlp", "params": {"fine_tune": {}}}, "second": {"type": "ridge"}},
            "labels as they become known",
        ),
    ],
)
def test_what_cannot_be_is_said(model, params, said):
    with pytest.raises(ValueError, match=said):
        get_model(model).Params.model_validate(params)


def test_a_written_section_has_spaces_of_its_own():
    kind = get_model("mtm").Params
    alone = set(shipped_spaces(kind, {}))
    tuned, adapts = (
        set(shipped_spaces(kind, {s: {"strength": 0.5}})) for s in ("fine_tune", "adapt")
    )
    assert tuned - alone == {("fine_tune", "rate"), ("fine_tune", "replay")}
    assert adapts - alone == {("adapt", "rate"), ("adapt", "steps")}


def test_what_is_kept_is_plain_json(tmp_path):
    model = taught(tuned()[0], eras(13, 14))
    model.save(tmp_path)
    meta = json.loads((tmp_path / "meta.json").read_text())
    assert meta["own"]["guarded"]["decision"]["strength"] == 0.5
    assert model.own == {}
