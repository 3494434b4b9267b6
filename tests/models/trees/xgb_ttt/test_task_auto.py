"""`auxiliary.task: auto`: the guard chooses among the tasks, on training and resolved eras only."""

import numpy as np
import pytest
from pydantic import ValidationError

from numerai_lab.models import EarlierFit, check_model, get_model, shipped_spaces
from ttt_world import context, regime_frame

XGBTTT = get_model("xgb_ttt")
TREES = {"num_boost_round": 20, "max_depth": 3, "eta": 0.2}
SMALL = {"held_out": 3, "bottleneck": 3}
ALONE = ["feature_reconstruction", "autoencoder", "feature_prediction"]


def params(task="auto", auxiliary=None, **adapt):
    """`nearest_eras` grows no trees, so three tasks take little more than one."""
    auxiliary = {"task": task, "codes": 2, **SMALL, **(auxiliary or {})}
    adapt = {"method": "nearest_eras", "refit_eras": 5, **adapt}
    return XGBTTT.Params.model_validate({**TREES, "auxiliary": auxiliary, "adapt": adapt})


def fitted(frame, written, ctx=None):
    model = XGBTTT(written)
    return model, model.fit(frame, ctx or context())


@pytest.fixture(scope="module")
def world():
    return regime_frame(1)


@pytest.fixture(scope="module")
def auto(world):
    return fitted(world.between(1, 110), params())


def test_the_one_chosen_is_what_naming_it_gives(world, auto, tmp_path):
    model, report = auto
    assert [*report.details["tasks"]] == ALONE
    name = report.details["code"]["task"]
    assert report.details["tasks"][name]["strength"] > 0
    (note,) = [note for note in report.notes if note.startswith(f"task {name} of ")]
    assert all(task in note for task in ALONE)
    named, _ = fitted(world.between(1, 110), params(name))
    judged = world.between(113, 140)
    assert np.array_equal(model.predict(judged), named.predict(judged))
    (tmp_path / "kept").mkdir()
    model.save(tmp_path / "kept")
    again = XGBTTT.load(tmp_path / "kept")
    assert (again.rivals.name, [*again.rivals.all]) == (name, ALONE)
    assert np.array_equal(model.predict(judged), again.predict(judged))
    assert model.rivals.told() == again.rivals.told()
    others = again.rivals.others.items()
    again.rivals.name = next(task for task, one in others if one.strength > 0)  # it took over
    told, *_ = again.predict_in_detail(judged.without_targets()).notes
    assert f"read by task {again.rivals.name}, which surely gained more by then" in told
    again.rivals.name = name
    again.replay(judged)
    assert again.rivals.told() != model.rivals.told()
    assert all(one.history.eras[-1] == 140 for one in again.rivals.all.values())


def test_a_later_fold_goes_on_with_what_all_tasks_gained(world, auto, tmp_path):
    """No trial is fitted: the earlier fold's model goes through its judged eras with each task."""
    (tmp_path / "kept").mkdir()
    auto[0].save(tmp_path / "kept")
    earlier = EarlierFit(110, world.between(113, 130), lambda: XGBTTT.load(tmp_path / "kept"))
    grown = []
    ctx = context(earlier=(earlier,), progress=lambda done, _: grown.append(done))
    _, report = fitted(world.between(1, 130), params(), ctx)
    assert max(grown) == TREES["num_boost_round"]
    assert all("113-130" in told["reason"] for told in report.details["tasks"].values())
    assert report.details["guard"]["blocks"][-1]["judged"] == (113, 130)


def test_it_keeps_the_promises_of_a_model():
    auxiliary = {"task": "auto", "noise_ratio": 0, **SMALL}
    few = {"trees": {"num_boost_round": 3, "bags": 2}}
    check_model(XGBTTT, {"num_boost_round": 5, "auxiliary": auxiliary, "adapt": few})


def test_where_no_task_reads_a_regime_all_is_off():
    model, report = fitted(regime_frame(1, n_eras=60, moves=0), params())
    assert "adaptation off" in report.notes[-1]
    assert not model.online


@pytest.mark.parametrize(
    ("auxiliary", "adapt", "said"),
    [
        ({"weight": 0.5}, {}, "write weight: 0"),
        ({"weight": "auto"}, {}, "write weight: 0"),
        ({}, {"strength": 0.5}, "write strength: auto"),
    ],
)
def test_what_does_not_go_with_it_is_refused(auxiliary, adapt, said):
    with pytest.raises(ValidationError, match=said):
        params(auxiliary=auxiliary, **adapt)


def test_tune_may_choose_auto_where_the_guard_may():
    choice = ("auxiliary", "task")
    assert "auto" in shipped_spaces(XGBTTT.Params)[choice].choice
    fixed = shipped_spaces(XGBTTT.Params, {"adapt": {"strength": 0.5}})
    assert "auto" not in fixed[choice].choice
    assert shipped_spaces(XGBTTT.Params)["adapt", "steps"].choice == [None, "auto"]
