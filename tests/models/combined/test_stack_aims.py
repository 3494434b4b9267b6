"""`aim` of a stack: weights for what members add to the meta model or to a benchmark."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.optimize import nnls

from numerai_lab.config import Payout
from numerai_lab.models import BENCHMARK, META_MODEL, FitContext, Members, check_model, get_model
from numerai_lab.models.combined.stack.params import StackParams
from numerai_lab.models.conformance.toy import TARGETS, toy_frame
from numerai_lab.scoring import (
    aim_per_era,
    aimed_label,
    contribution_per_era,
    corr_per_era,
    gaussian_rank_per_era,
    payout_rule,
)

RIDGE = {"type": "ridge", "params": {"alpha": 1.0}}
MEMBERS = {"known": RIDGE, "new": RIDGE, "noise": RIDGE}
CONTEXT = FitContext(seed=1, target=TARGETS[0], targets=TARGETS[:1], purge_eras=1, n_threads=1)
RULE = payout_rule(Payout(), 20)


def params(**more) -> StackParams:
    return StackParams.model_validate({"members": MEMBERS, "prior_eras": 0, **more})


@pytest.fixture(scope="module")
def world() -> Members:
    """Members that say what everybody knows, that say something new, and that say nothing.

    What everybody knows moves the target more, so corr is highest with much of it.
    """
    rows = toy_frame(0, rows_per_era=np.full(16, 300))
    random = np.random.default_rng(5)
    common, new, noise, other = random.normal(size=(4, rows.n_rows))
    label = rows.target(TARGETS[0]).copy()
    wanted = common + 0.5 * new + 2 * other
    for _, era in rows.iter_eras():
        places = np.argsort(np.argsort(wanted[era])) / (era.stop - era.start)
        label[era] = np.select(
            [places < 0.05, places < 0.25, places < 0.75, places < 0.95],
            [0.0, 0.25, 0.5, 0.75],
            1.0,
        )
    members = {"known": common + 0.3 * noise, "new": new, "noise": noise[::-1].copy()}
    crowd = common + 0.3 * random.normal(size=rows.n_rows)
    return Members(
        replace(rows, targets=np.column_stack([label, rows.targets[:, 1]])),
        np.repeat([1, 2], 8).astype(np.int32),
        {name: values.astype(np.float32) for name, values in members.items()},
        purge_eras=1,
        references={META_MODEL: crowd, BENCHMARK: crowd},
        payout=RULE,
    )


def fitted(world: Members, **more):
    model = get_model("stack")(params(**more))
    report = model.fit(world.rows, replace(CONTEXT, members=world))
    return model, report, {one["member"]: one["weight"] for one in report.details["members"]}


def worth(model, world: Members, aim: str) -> float:
    predictions = model.predict(world.rows, world.predictions)
    crowd = world.references[META_MODEL]
    target = world.rows.target(TARGETS[0])
    scores = aim_per_era(aim, predictions, target, world.rows.offsets, crowd, world.payout)
    return float(scores.mean())


def test_each_aim_is_reached_best_by_the_weights_that_are_fitted_for_it(world):
    models = {aim: fitted(world, aim=aim) for aim in ("corr", "mmc", "bmc", "payout")}
    weights = {aim: found for aim, (_, _, found) in models.items()}
    assert weights["corr"]["known"] > 0.5 > 0.25 > weights["mmc"]["known"]
    assert weights["mmc"]["known"] < weights["payout"]["known"] < weights["corr"]["known"]
    assert weights["mmc"] == weights["bmc"]  # the benchmark is the meta model here
    for aim in ("corr", "mmc", "payout"):
        scores = {other: worth(model, world, aim) for other, (model, _, _) in models.items()}
        assert scores[aim] >= max(scores.values()) - 1e-3, (aim, scores)
    assert worth(models["mmc"][0], world, "mmc") > 1.5 * worth(models["corr"][0], world, "mmc")


def test_corr_is_the_default_and_looks_at_nobody_else(world):
    blind = replace(world, references={}, payout=None)
    assert fitted(blind)[2] == fitted(world, aim="corr")[2] == fitted(world)[2]


@pytest.mark.parametrize("aim", ["mmc", "payout"])
def test_weights_are_those_of_least_squares_on_what_the_meta_model_leaves(world, aim):
    """On the rows themselves, the label with the meta model's ranks projected out."""
    design, answer = [], []
    values = np.column_stack(list(world.predictions.values())).astype(np.float64)
    crowd = gaussian_rank_per_era(world.references[META_MODEL], world.rows.offsets)
    for _, era in world.rows.iter_eras():
        ranks = gaussian_rank_per_era(values[era], np.array([0, era.stop - era.start]))
        y = world.rows.target(TARGETS[0])[era].astype(np.float64)
        centred = y - y.mean()
        left = 4 * (centred - crowd[era] * (crowd[era] @ centred) / (crowd[era] @ crowd[era]))
        label = left
        if aim == "payout":
            label = RULE.corr_multiplier * centred / centred.std() + RULE.mmc_multiplier * left
        root = np.sqrt(len(y))
        design.append((ranks - ranks.mean(axis=0)) / root)
        answer.append(label / root)
    expected, _ = nnls(np.vstack(design), np.concatenate(answer))
    found = fitted(world, aim=aim)[2]
    np.testing.assert_allclose(list(found.values()), expected / expected.sum(), atol=2e-6)


def test_the_label_of_mmc_gives_mmc_itself(world):
    """Its mean product with a member's ranks, also where the meta model lacks a few rows."""
    rows, crowd = world.rows, world.references[META_MODEL].copy()
    crowd[::10] = np.nan
    target = rows.target(TARGETS[0])
    expected = contribution_per_era(world.predictions["new"], crowd, target, rows.offsets)[:, 0]
    for i, (_, era) in enumerate(rows.iter_eras()):
        label = aimed_label("mmc", target[era].astype(np.float64), crowd[era], None)
        there = ~np.isnan(label)
        member = world.predictions["new"][era][there].astype(np.float64)
        ranks = gaussian_rank_per_era(member, np.array([0, len(member)]))
        assert ranks @ label[there] / len(member) == pytest.approx(expected[i], abs=1e-12)


def test_the_score_of_payout_is_corr_and_mmc_with_their_multipliers(world):
    rows, crowd = world.rows, world.references[META_MODEL]
    target, values = rows.target(TARGETS[0]), world.predictions["new"]
    expected = 0.75 * corr_per_era(values, target, rows.offsets)
    expected += 2.25 * contribution_per_era(values, crowd, target, rows.offsets)
    found = aim_per_era("payout", values, target, rows.offsets, crowd, RULE)
    np.testing.assert_allclose(found, expected)


def test_eras_that_the_meta_model_lacks_teach_nothing_and_are_counted(world):
    crowd = world.references[META_MODEL].copy()
    absent = np.isin(world.rows.row_eras, world.rows.eras[:5])
    crowd[absent] = np.nan
    crowd[world.rows.row_eras == world.rows.eras[5]] = 0.5
    some = replace(world, references={META_MODEL: crowd})
    _, report, weights = fitted(some, aim="mmc")
    assert report.details["weights_on"]["n_eras"] == 10
    said = "aim mmc: in 6 of 16 eras the meta model has less than 80 % of the rows, or is constant"
    assert any(said in note for note in report.notes)
    assert weights == fitted(world.of(world.rows.eras[6:]), aim="mmc")[2]
    none = replace(world, references={META_MODEL: np.full(world.rows.n_rows, np.nan)})
    _, report, weights = fitted(none, aim="payout")
    assert set(weights.values()) == {1 / 3}
    assert any("no label with the meta model's predictions is known" in n for n in report.notes)


def test_a_cap_and_negative_weights_work_with_every_aim(world):
    capped = fitted(world, aim="mmc", max_weight=0.6)[2]
    assert max(capped.values()) == pytest.approx(0.6)
    signed = fitted(world, aim="mmc", weights="ridge")[2]
    assert signed["new"] > 0
    assert sum(map(abs, signed.values())) == pytest.approx(1)


def test_keeps_the_promises_of_a_model():
    written = {"members": MEMBERS, "aim": "payout"}
    check_model(get_model("stack"), written, fresh_process=False)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"weights": "equal"}, "aim mmc decides nothing where weights are given or equal"),
        ({"weights_from": "inner"}, "with weights_from: earlier_folds only"),
    ],
)
def test_an_aim_without_anything_to_decide_is_refused(more, said):
    with pytest.raises(ValidationError, match=said):
        params(aim="mmc", **more)


@pytest.mark.parametrize("aim", ["mmc", "payout"])
def test_a_stack_that_goes_on_keeps_its_aim(world, aim):
    """Fitted on the first eras and then on the others, its weights are those of all."""
    eras = world.rows.eras
    _, whole, _ = fitted(world, aim=aim)
    model, _, first = fitted(world.of(eras[:8]), aim=aim)
    more = replace(world.of(eras[8:]), purge_eras=0)
    ctx = replace(CONTEXT, members=more, purge_eras=0)
    report = model.fit_more(more.rows, ctx, more.rows.n_eras)
    found, expected = (
        {one["member"]: one["weight"] for one in told.details["members"]}
        for told in (report, whole)
    )
    assert found == pytest.approx(expected, abs=2e-6)
    assert found != pytest.approx(first, abs=1e-4)
