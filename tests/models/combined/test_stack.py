"""`stack`: weights from what members predicted out of fold, and the blend of those there are."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from numerai_lab.eraframe import end_to_end
from numerai_lab.errors import ModelError
from numerai_lab.models import FitContext, Members, cannot_go_on, check_model, get_model
from numerai_lab.models.combined import WeightFit, blend
from numerai_lab.models.combined.stack.weighing import cap
from numerai_lab.models.conformance.toy import TARGETS, toy_frame
from numerai_lab.scoring import corr_per_era, gaussian_rank_per_era
from plugins import install_model

XGB = {"type": "xgb", "params": {"num_boost_round": 3, "max_depth": 2}}
THREE = {"a": {"type": "ridge"}, "b": {"type": "max_sharpe"}, "c": XGB}
CONTEXT = FitContext(seed=1, target=TARGETS[0], targets=TARGETS[:1], purge_eras=1, n_threads=1)


def stack(**params):
    stacked = get_model("stack")
    return stacked(stacked.Params.model_validate({"members": THREE, **params}))


def out_of_fold(predictions, frame=None):
    rows = toy_frame(0) if frame is None else frame
    folds = np.repeat([1, 2], [rows.n_eras // 2, rows.n_eras - rows.n_eras // 2])
    return Members(rows, folds.astype(np.int32), predictions, purge_eras=1)


def signal_and_noise(frame, n_noise=2):
    """A member that knows something of the target, and members that know nothing."""
    random = np.random.default_rng(3)
    label = np.nan_to_num(frame.target(TARGETS[0]))
    noise = random.normal(size=(n_noise, frame.n_rows)).astype(np.float32)
    known = (label + 0.5 * random.normal(size=len(label))).astype(np.float32)
    return {"a": known, **dict(zip("bc", noise, strict=True))}


def fitted(members, **params):
    model = stack(**params)
    report = model.fit(toy_frame(0), replace(CONTEXT, members=members))
    return model, report, {one["member"]: one["weight"] for one in report.details["members"]}


@pytest.mark.parametrize(
    "params",
    [{}, {"weights": "ridge"}, {"weights_from": "inner", "inner_folds": 1}],
    ids=["nnls", "ridge", "inner"],
)
def test_keeps_the_promises_of_a_model(params):
    check_model(get_model("stack"), {"members": THREE, **params}, fresh_process=False)


def test_weights_go_to_the_member_that_knew_something():
    frame = toy_frame(0)
    _, report, weights = fitted(out_of_fold(signal_and_noise(frame)), prior_eras=0)
    assert weights["a"] > 0.9
    assert sum(weights.values()) == pytest.approx(1)
    members = {one["member"]: one for one in report.details["members"]}
    assert members["a"]["oof_corr"] > 0.2 > abs(members["b"]["oof_corr"])
    assert abs(members["a"]["correlations"]["b"]) < 0.1
    assert report.details["weights_on"]["n_eras"] == frame.n_eras


def test_the_prior_draws_weights_towards_equal_ones_and_evidence_away():
    members = out_of_fold(signal_and_noise(toy_frame(0)))
    shares = [fitted(members, prior_eras=n)[2]["a"] for n in (0, 10, 1000, 1e6)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] == pytest.approx(1 / 3, abs=0.01)


def test_given_weights_are_taken_as_they_are():
    members = out_of_fold(signal_and_noise(toy_frame(0)))
    _, report, weights = fitted(members, weights={"a": 1.0, "b": 3.0, "c": 0.0})
    assert weights == {"a": 0.25, "b": 0.75, "c": 0.0}
    assert report.size == 2
    assert set(fitted(members, weights="equal")[2].values()) == {1 / 3}


def test_without_any_era_members_weigh_the_same_and_it_is_said():
    nothing = toy_frame(0).select_eras([])
    none = dict.fromkeys("abc", np.empty(0, dtype=np.float32))
    _, report, weights = fitted(out_of_fold(none, nothing))
    assert set(weights.values()) == {1 / 3}
    assert "no label is known that weights could be fitted on: equal weights" in report.notes


def test_members_of_no_use_and_constant_ones_are_told():
    frame = toy_frame(0)
    label = np.nan_to_num(frame.target(TARGETS[0])).astype(np.float32)
    constant = np.full(frame.n_rows, 0.5, dtype=np.float32)
    given = {"a": -label, "b": -label, "c": constant}
    _, report, weights = fitted(out_of_fold(given))
    assert set(weights.values()) == {1 / 3}
    assert "nnls finds no member of any use: equal weights" in report.notes
    assert "constant predictions, without weight: c" in report.notes
    _, _, weights = fitted(out_of_fold({**given, "a": label}))
    assert weights["c"] == 0
    for weights in ("equal", {"a": 1, "b": 1, "c": 2}):
        _, report, _ = fitted(out_of_fold(given), weights=weights)
        assert "constant predictions, which add nothing: c" in report.notes
    _, _, signed = fitted(out_of_fold({**given, "a": label}), weights="ridge", prior_eras=1)
    assert signed["b"] < 0 < signed["a"]


def test_a_half_life_lets_later_eras_decide():
    frame = toy_frame(0)
    label = np.nan_to_num(frame.target(TARGETS[0])).astype(np.float32)
    noise = np.random.default_rng(1).normal(size=(3, frame.n_rows)).astype(np.float32)
    late = frame.row_eras > frame.eras[frame.n_eras // 2]
    given = {
        "a": np.where(late, noise[0], label),
        "b": np.where(late, label, noise[1]),
        "c": noise[2],
    }
    _, _, alike = fitted(out_of_fold(given), prior_eras=0)
    _, _, recent = fitted(out_of_fold(given), prior_eras=0, half_life_eras=1.5)
    assert recent["b"] > 0.85 > 0.6 > alike["b"]


def test_eras_that_a_member_lacks_teach_nothing_and_are_predicted_without_it():
    frame = toy_frame(0)
    given = signal_and_noise(frame)
    lacks = frame.row_eras <= frame.eras[4]
    given["b"] = np.where(lacks, np.nan, given["b"]).astype(np.float32)
    model, report, _ = fitted(out_of_fold(given))
    assert report.details["weights_on"]["n_eras"] == frame.n_eras - 5
    assert f"member b lacks 5 of {frame.n_eras} eras: these teach no weights" in report.notes
    detail = model.predict_in_detail(frame, given)
    assert detail.remarks[:6] == ["predicted without b"] * 5 + [None]
    era = slice(0, int(frame.offsets[1]))
    weights = {one["member"]: one["weight"] for one in report.details["members"]}
    two = np.column_stack([given["a"], given["c"]])[era].astype(np.float64)
    expected = blend(two, np.array([weights["a"], weights["c"]]))
    np.testing.assert_array_equal(detail.predictions[era], expected)
    assert np.all(detail.variants["b"][era] == 0.5)
    with pytest.raises(ModelError, match=f"no member predicts the rows of era {frame.eras[0]}"):
        model.predict(frame, dict.fromkeys("abc", given["b"]))


def test_a_member_that_lacks_a_few_rows_has_its_median_there():
    frame = toy_frame(0)
    given = signal_and_noise(frame)
    few = frame.offsets[:-1][np.diff(frame.offsets) >= 5]
    given["b"][few] = np.nan
    model, report, _ = fitted(out_of_fold(given))
    assert report.details["weights_on"]["n_eras"] == frame.n_eras
    assert not any("lacks" in note for note in report.notes)
    detail = model.predict_in_detail(frame, given)
    assert detail.remarks == []
    for start, stop in zip(frame.offsets[:-1], frame.offsets[1:], strict=True):
        if start in few:
            middle = np.float32(np.nanmedian(given["b"][start:stop]))
            assert detail.variants["b"][start] == middle


def test_what_it_shows_beside_its_prediction():
    frame = toy_frame(0)
    given = signal_and_noise(frame)
    model, _, weights = fitted(out_of_fold(given))
    shown = model.predict_in_detail(frame, given).variants
    assert list(shown) == ["equal", "a", "b", "c", "without_a", "without_b", "without_c"]
    assert list(shown) == [v.name for v in model.info_for(model.params).variants]
    np.testing.assert_array_equal(shown["a"], given["a"])
    ranks = {name: gaussian_rank_per_era(v, frame.offsets) for name, v in given.items()}
    rest = weights["b"] * ranks["b"] + weights["c"] * ranks["c"]
    assert np.corrcoef(shown["without_a"], rest)[0, 1] > 0.95
    assert np.corrcoef(shown["equal"], sum(ranks.values()))[0, 1] > 0.95


def test_a_stack_of_equal_weights_is_not_shown_twice():
    frame = toy_frame(0)
    given = signal_and_noise(frame)
    model, _, _ = fitted(out_of_fold(given), weights="equal")
    shown = model.predict_in_detail(frame, given).variants
    assert list(shown) == ["a", "b", "c", "without_a", "without_b", "without_c"]
    assert list(shown) == [v.name for v in model.info_for(model.params).variants]


def test_members_inside_the_fit_never_see_labels_of_the_parts_they_predict():
    """Later labels change, and what members predict of earlier parts does not: nor its score."""
    frame = toy_frame(0)
    params = {"weights_from": "inner", "inner_folds": 2, "prior_eras": 0}
    members = {"a": {"type": "ridge", "params": {"alpha": 1.0}}, "c": XGB}
    one = stack(**params, members=members).fit(frame, CONTEXT)
    changed = frame.targets.copy()
    last = frame.row_eras == frame.eras[-1]
    changed[last, 0] = changed[last, 0][::-1]
    other = stack(**params, members=members).fit(replace(frame, targets=changed), CONTEXT)
    n_eras = one.details["weights_on"]["n_eras"]
    for before, after in zip(one.details["members"], other.details["members"], strict=True):
        # only the last era's own score differs, so a mean of n eras moves by at most 2 / n
        assert 0 < abs(before["oof_corr"] - after["oof_corr"]) < 2 / n_eras


def test_members_inside_the_fit_have_targets_and_eras_of_their_own():
    frame = toy_frame(0)
    other = {"type": "ridge", "targets": [TARGETS[1]], "train_step": 2, "train_offset": 1}
    model = stack(weights_from="inner", inner_folds=1, members={"a": {"type": "ridge"}, "b": other})
    assert model.info_for(model.params).multi_target
    report = model.fit(frame, replace(CONTEXT, targets=TARGETS))
    assert any("training rows have no target_other" in note for note in report.notes)
    detail = model.predict_in_detail(frame.without_targets())
    assert abs(np.corrcoef(detail.variants["a"], detail.variants["b"])[0, 1]) < 0.999
    only = replace(frame, targets=frame.targets[:, :1], target_names=TARGETS[:1])
    with pytest.raises(ModelError, match="trains on 'target_other', which is not loaded"):
        model.fit(only, CONTEXT)


@given(
    st.lists(st.floats(0, 1), min_size=2, max_size=8).filter(lambda w: sum(w) > 0.1),
    st.floats(0.15, 1),
)
def test_a_cap_keeps_the_sum_and_the_order(weights, largest):
    shares = np.array(weights) / sum(weights)
    capped, held = cap(shares, largest)
    assert capped.sum() == pytest.approx(1)
    assert held == (largest * (shares > 0).sum() >= 1)
    if held:
        assert capped.max() <= largest + 1e-12
        order = np.argsort(shares)
        assert np.all(np.diff(capped[order]) >= -1e-12)
    assert np.all((capped > 0) == (shares > 0))


@given(st.integers(0, 100), st.sampled_from([0.0, 5.0]))
def test_penalised_weights_are_those_of_a_direct_solution(seed, prior):
    """Against scipy's nnls on the rows themselves, with rows for the penalty."""
    from scipy.optimize import nnls

    random = np.random.default_rng(seed)
    values = random.normal(size=(60, 3))
    label = (values @ [1.0, 0.5, -0.2] + random.normal(size=60)).astype(np.float32)
    offsets = np.array([0, 20, 60])
    fit = WeightFit(3)
    fit.add(values, label, offsets)
    x, y = [], []
    for start, stop in ((0, 20), (20, 60)):
        ranks = gaussian_rank_per_era(values[start:stop], np.array([0, stop - start]))
        n = np.sqrt(stop - start)
        x.append((ranks - ranks.mean(axis=0)) / n)
        centred = label[start:stop].astype(np.float64) - label[start:stop].mean(dtype=np.float64)
        y.append(centred / centred.std() / n)
    design, answer = np.vstack(x), np.concatenate(y)
    alike = np.ones(3)
    best = (design.T @ answer).sum() / (alike @ design.T @ design @ alike)
    penalty, towards = np.sqrt(prior) * np.eye(3), np.sqrt(prior) * max(best, 0) * alike
    found, _ = nnls(np.vstack([design, penalty]), np.concatenate([answer, towards]))
    solved = fit.solve(prior_eras=prior)
    np.testing.assert_allclose(solved, found / found.sum(), atol=2e-6)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"members": {"a": XGB}}, "at least 2"),
        ({"members": {"equal": XGB, "b": XGB}}, "'equal' is the name of another column"),
        ({"members": {"without_a": XGB, "b": XGB}}, "'without_a' is the name of another column"),
        ({"weights": {"a": 1.0, "b": 1.0}}, "member 'c' has none"),
        ({"weights": dict.fromkeys("abc", 0.0)}, "at least one above 0"),
        ({"max_weight": 0.2}, "max_weight 0.2 leaves 0.4 of the weight to nobody among 3"),
        (
            {"weights_from": "inner", "members": {"a": XGB, "b": {**XGB, "feature_set": "small"}}},
            "member 'b' has feature_set, which only a run has",
        ),
        (
            {
                "weights_from": "inner",
                "members": {"a": XGB, "b": {"type": "stack", "params": {"members": THREE}}},
            },
            "member 'b' \\(stack\\) needs more than training rows",
        ),
    ],
)
def test_what_cannot_be_is_refused(params, said):
    with pytest.raises(ValidationError, match=said):
        stack(**params)


def test_too_few_eras_for_inner_parts_are_refused():
    model = stack(weights_from="inner", inner_folds=12)
    with pytest.raises(ModelError, match="weights_from: inner needs out-of-fold predictions"):
        model.fit(toy_frame(0).between(1, 9), replace(CONTEXT, purge_eras=8))


@pytest.mark.parametrize("half_life", [None, 5.0])
def test_weights_fitted_again_are_those_of_a_fit_on_all_eras(half_life, tmp_path):
    """On eras past the purge: what members predict of the others is not out of fold."""
    train = toy_frame(0)
    new = toy_frame(1, first_era=int(train.eras[-1]) + 1)
    before, after = signal_and_noise(train), signal_and_noise(new)
    after["b"], after["a"] = after["a"], after["b"]  # later on another member knows something
    model, _, first = fitted(out_of_fold(before), prior_eras=3, half_life_eras=half_life)
    model.save(tmp_path)
    model = type(model).load(tmp_path)
    assert cannot_go_on(model, "stack") is None
    assert model.n_steps == train.n_eras
    zeros = np.zeros(new.n_eras, dtype=np.int32)
    ctx = replace(CONTEXT, members=Members(new, zeros, after, purge_eras=1))
    report = model.fit_more(new, ctx, new.n_eras)
    assert model.n_steps == train.n_eras + new.n_eras
    unseen = new.between(int(train.eras[-1]) + 2, int(new.eras[-1]))
    assert 0 < unseen.n_eras < new.n_eras
    rows = end_to_end([train, unseen])
    both = {name: np.concatenate([before[name], after[name][-unseen.n_rows :]]) for name in before}
    whole, told, expected = fitted(out_of_fold(both, rows), prior_eras=3, half_life_eras=half_life)
    found = {one["member"]: one["weight"] for one in report.details["members"]}
    assert found == pytest.approx(expected, abs=2e-6)
    assert found["b"] > first["b"]
    for mine, theirs in zip(report.details["members"], told.details["members"], strict=True):
        assert mine["oof_corr"] == pytest.approx(theirs["oof_corr"])
    assert report.details["weights_on"]["n_eras"] == told.details["weights_on"]["n_eras"]
    assert report.details["weights_on"]["folds"] == [1, 2]
    np.testing.assert_array_equal(model.predict(new, after), whole.predict(new, after))


def test_new_eras_within_the_purge_leave_the_weights_and_say_so():
    train, new = toy_frame(0), toy_frame(1, first_era=33)
    model, _, _ = fitted(out_of_fold(signal_and_noise(train)))
    ctx = replace(
        CONTEXT,
        purge_eras=50,
        members=Members(
            new, np.zeros(new.n_eras, dtype=np.int32), signal_and_noise(new), purge_eras=50
        ),
    )
    before = model.predict(new, ctx.members.predictions)
    report = model.fit_more(new, ctx, new.n_eras)
    assert any("no new era lies more than the purge of 50 eras" in note for note in report.notes)
    np.testing.assert_array_equal(model.predict(new, ctx.members.predictions), before)
    with pytest.raises(ModelError, match="which makes 30 steps, not 3"):
        model.fit_more(new, ctx, 3)


def test_members_inside_go_on_after_they_were_weighed(tmp_path, monkeypatch):
    """A member that learns new eras by heart is weighed by what it knew before."""
    monkeypatch.syspath_prepend(install_model(tmp_path, "honest", "honest_model:Honest"))
    train = toy_frame(0)
    new = toy_frame(1, first_era=33)
    noise = np.random.default_rng(5).permutation(new.target(TARGETS[0]))
    new = replace(new, targets=np.column_stack([noise, new.targets[:, 1:]]).astype(np.float32))
    members = {
        "deep": {"type": "xgb", "params": {"num_boost_round": 20, "max_depth": 8, "eta": 0.5}},
        "line": {"type": "ridge", "params": {"alpha": 1.0}},
        "odd": {"type": "ridge", "train_step": 2, "train_offset": 1, "params": {"alpha": 1.0}},
        "honest": {"type": "honest"},
    }
    model = stack(weights_from="inner", inner_folds=1, members=members)
    first = model.fit(train, CONTEXT)
    assert cannot_go_on(model, "stack") is None
    before = model.predict_in_detail(new.without_targets()).variants
    report = model.fit_more(new, CONTEXT, new.n_eras)
    assert report.notes[0] == (
        "member honest stays as it was fitted: model 'honest' cannot go on from a fit"
    )
    after = model.predict_in_detail(new.without_targets()).variants
    np.testing.assert_array_equal(before["honest"], after["honest"])
    for name in ("deep", "line", "odd"):
        assert not np.array_equal(before[name], after[name])

    def corr(values):
        return corr_per_era(values, new.target(TARGETS[0]), new.offsets)[:, 0]

    unseen = new.eras > train.eras[-1] + CONTEXT.purge_eras
    earlier, later = (
        {one["member"]: one["oof_corr"] for one in told.details["members"]}
        for told in (first, report)
    )
    n = first.details["weights_on"]["n_eras"]
    for name, score in later.items():
        known = (earlier[name] * n + corr(before[name])[unseen].sum()) / (n + unseen.sum())
        assert score == pytest.approx(known)
    assert corr(after["deep"]).mean() > 0.5 > corr(before["deep"]).mean()


def test_a_stack_of_members_that_cannot_go_on_cannot(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(install_model(tmp_path, "honest", "honest_model:Honest"))
    two = {"a": {"type": "honest"}, "b": {"type": "honest", "train_step": 2}}
    model = stack(weights_from="inner", inner_folds=1, members=two)
    model.fit(toy_frame(0), CONTEXT)
    said = "none of its members can go on: model 'honest' cannot go on from a fit"
    assert cannot_go_on(model, "stack") == said


def test_a_stack_saved_before_sums_were_kept_predicts_and_cannot_go_on(tmp_path):
    train = toy_frame(0)
    given = signal_and_noise(train)
    model, _, _ = fitted(out_of_fold(given))
    model.save(tmp_path)
    facts = json.loads((tmp_path / "meta.json").read_text())
    for key in ("evidence", "n_steps", "last_era"):
        del facts[key]
    (tmp_path / "meta.json").write_text(json.dumps(facts))
    old = type(model).load(tmp_path)
    np.testing.assert_array_equal(old.predict(train, given), model.predict(train, given))
    assert "did not keep what its weights rest on" in cannot_go_on(old, "stack")
