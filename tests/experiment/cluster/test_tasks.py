"""What goes out to workers as tasks: folds, members, seeds, eras of test-time training."""

import json
import os
import signal
import site
from pathlib import Path

import pytest

from cluster_lab import (
    LGBM,
    ONE_FOLD,
    ONE_MEMBER,
    files,
    local_workers,
    lowest_corr,
    predictions,
    said,
    scores,
)
from damage import flip
from numerai_lab.errors import RunError
from numerai_lab.experiment import Reporter
from plugins import install_model

pytest.importorskip("distributed", reason="needs the extra [dask]")


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(LGBM, id="era_step", marks=pytest.mark.slow),
        pytest.param((*ONE_MEMBER, "model.params.seeds=2"), id="seeds"),
    ],
)
def test_members_go_out_to_workers(train, cluster, settings):
    here = train("here", *ONE_FOLD, *settings)
    there = train("there", *ONE_FOLD, *settings, cluster=cluster)
    assert "2 members go out to 2 workers" in said(there)
    assert predictions(there).equals(predictions(here))


STACK = """model={type: weighted, params: {members: {
    a: {type: xgb, params: {num_boost_round: 3}}, b: {type: xgb, params: {num_boost_round: 2}}}}}"""


@pytest.mark.slow  # five runs
def test_members_that_are_runs_go_out_and_what_is_made_of_them_is_fitted_here(
    train, cluster, tmp_path, monkeypatch
):
    folder = install_model(tmp_path / "installed", "weighted", "stacked_model:Weighted")
    monkeypatch.syspath_prepend(folder)
    here = train("here", STACK, "name=made")
    there = train("there", STACK, "name=made", cluster=cluster)
    assert files(there) == files(here)
    assert predictions(there).equals(predictions(here))
    assert "cluster" not in said(there)
    for name in ("made.a", "made.b"):
        (member,) = (tmp_path / "there" / name).iterdir()
        assert "3 folds go out to 2 workers" in (member / "log.jsonl").read_text()


def test_folds_go_out_to_workers(train, here, cluster):
    alone = here(final=True)
    there = train("there", final=True, cluster=cluster)
    assert "3 folds go out to 2 workers" in said(there)
    assert files(there) == files(alone)
    assert predictions(there).equals(predictions(alone))
    assert scores(there) == scores(alone)
    assert there.verifiable()
    for folder in (there.fold_dir(1), there.fold_dir(3), there.final_dir):
        there.check_part(folder)
    flip(there.fold_dir(3) / "model" / "booster.ubj")
    with pytest.raises(RunError, match=r"booster\.ubj is not what was written"):
        there.check_part(there.fold_dir(3))


BACK = "{type: decompose, of: correlation, top: 3, window: 6}"
TRANSFORMS = f"transforms=[{{type: interactions, top: 3}}, {BACK}]"


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param((), id="folds", marks=pytest.mark.slow),
        pytest.param(ONE_FOLD, id="eras"),
    ],
)
def test_transforms_are_made_by_workers(train, here, cluster, settings):
    alone = here(*settings, TRANSFORMS)
    there = train("there", *settings, TRANSFORMS, cluster=cluster)
    assert "go out to" in said(there)
    assert files(there) == files(alone)
    assert predictions(there).equals(predictions(alone))
    assert {"without", "placebo"} <= set(predictions(there).column_names)


@pytest.mark.slow
def test_forests_go_out_as_whole_folds(train, here, cluster):
    forest = "model={type: extra_trees, params: {n_estimators: 8, min_data_in_leaf: 20}}"
    alone = here(*ONE_FOLD, forest)
    there = train("there", *ONE_FOLD, forest, cluster=cluster)
    assert "1 folds go out to 2 workers" in said(there)
    assert predictions(there).equals(predictions(alone))


def ttt(method, auxiliary="weight: 0", more="steps: 1"):
    """Settings of test-time training that adapts itself to every era of the tournament."""
    adapt = f"adapt: {{method: {method}, strength: 0.5, {more}}}"
    params = (
        f"num_boost_round: 8, max_depth: 2, auxiliary: {{noise_ratio: 0, {auxiliary}}}, {adapt}"
    )
    return f"model={{type: xgb_ttt, params: {{{params}}}}}"


def told(run):
    """What a run tells of its first fold's eras, without times."""
    facts = json.loads((run.fold_dir(1) / "fit.json").read_text())
    return facts["notes"], {k: v for k, v in facts["per_era"].items() if k != "seconds"}


PARTS = "fold 1: 16 judged eras go out to workers in 2 parts"


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(ttt("code_leaves"), id="code_leaves"),
        pytest.param(
            ttt("leaf_refresh", "task: feature_prediction, held_out: 2, weight: 0.1"),
            id="leaf_refresh",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_ttt_eras_go_out_with_their_control(train, here, cluster, model):
    alone = here(*ONE_FOLD, model)
    there = train("there", *ONE_FOLD, model, cluster=cluster)
    assert PARTS in said(there)
    assert not predictions(alone)["shuffled"].equals(predictions(alone)["frozen"])
    assert predictions(there).equals(predictions(alone))
    assert scores(there) == scores(alone)
    assert told(there) == told(alone)


MASKED = """model={type: mtm, params: {epochs: 1, width: 8, hidden: 8, heads: 2, layers: 1,
    n_groups: 3, pretrain_epochs: 0, joint_weight: 0.5,
    adapt: {strength: 0.5, steps: 1, rate: 0.02}}}"""
"""Pretrained weights are artefacts, which stay where they are made."""


@pytest.mark.slow  # workers that start cold: torch does not survive a fork
def test_a_net_s_eras_go_out_with_the_control_that_one_process_draws(train, here):
    pytest.importorskip("torch", reason="tests of nets need torch: make nets")
    alone = here(*ONE_FOLD, MASKED)
    with local_workers(cold=True) as cluster:
        there = train("there", *ONE_FOLD, MASKED, cluster=cluster)
    assert PARTS in said(there)
    assert not predictions(alone)["shuffled"].equals(predictions(alone)["frozen"])
    assert predictions(there).equals(predictions(alone))
    assert told(there)[1] == told(alone)[1]  # notes have rows a second


@pytest.mark.slow  # workers that start cold: torch does not survive a fork
def test_a_net_s_folds_go_out(train, here):
    pytest.importorskip("torch", reason="tests of nets need torch: make nets")
    net = "model={type: mlp, params: {epochs: 2, width: 8, hidden: 8, seeds: 2}}"
    alone = here(net)
    with local_workers(cold=True) as cluster:
        there = train("there", net, cluster=cluster)
    assert "3 folds go out to 2 workers" in said(there)
    assert predictions(there).equals(predictions(alone))


@pytest.mark.slow
def test_ttt_tells_of_all_eras_what_parts_tell(train, here, cluster):
    model = ttt("code_leaves", more="seconds_per_era: 0.0000001")
    alone = here(*ONE_FOLD, model)
    there = train("there", *ONE_FOLD, model, cluster=cluster)
    assert PARTS in said(there)
    assert "16 of 16 eras predicted by the unadapted trees: the time limit" in said(there)
    assert told(there) == told(alone)


@pytest.mark.slow
def test_ttt_folds_go_out_with_their_variants(train, here, cluster):
    alone = here(ttt("code_leaves"))
    there = train("there", ttt("code_leaves"), cluster=cluster)
    assert "3 folds go out to 2 workers" in said(there)
    assert predictions(there).equals(predictions(alone))


@pytest.mark.slow
def test_ttt_with_later_labels_is_one_task(train, here, cluster):
    nearest = ttt("nearest_eras", more="refit_eras: 1")
    alone = here(*ONE_FOLD, nearest)
    there = train("there", *ONE_FOLD, nearest, cluster=cluster)
    assert "parts" not in said(there)
    assert predictions(there).equals(predictions(alone))


@pytest.fixture
def installed(cluster, tmp_path, monkeypatch):
    """Install a model of another package here and on the workers."""

    def install(name, target):
        folder = install_model(tmp_path / "installed", name, target)
        monkeypatch.syspath_prepend(folder)
        for place in (Path(__file__).parents[2] / "support", folder):
            cluster.on_all(site.addsitedir, str(place))

    return install


@pytest.mark.parametrize("target", ["Looks", pytest.param("LooksTogether", marks=pytest.mark.slow)])
def test_workers_read_rows_without_labels_by_themselves(train, here, cluster, installed, target):
    installed(target.lower(), f"looking_model:{target}")
    model = f"model={{type: {target.lower()}}}"
    alone = here(*ONE_FOLD, model, final=True)
    there = train("there", *ONE_FOLD, model, final=True, cluster=cluster)
    for folder in ("folds/01", "final"):
        mine, theirs = (
            json.loads((run.path / folder / "fit.json").read_text())["details"]
            for run in (alone, there)
        )
        for name in ("eras", "rows", "means"):
            assert mine[name] == theirs[name]
    assert mine["eras"][-1] == 60  # 57 to 60 have no label
    if target == "Looks":
        assert predictions(there).equals(predictions(alone))
    else:
        assert theirs["workers"] == 2


@pytest.mark.parametrize("target", ["Honest", "Together"])
def test_a_model_that_this_package_does_not_know(train, here, cluster, installed, target):
    model = f"model={{type: {target.lower()}}}"
    installed(target.lower(), f"honest_model:{target}")
    alone = here(*ONE_FOLD, model, final=True)
    there = train("there", *ONE_FOLD, model, final=True, cluster=cluster)
    assert files(there) == files(alone)
    if target == "Honest":
        assert "1 folds go out to 2 workers" in said(there)
        assert predictions(there).equals(predictions(alone))
    else:
        assert '"fitted by 2"' in said(there)
        assert lowest_corr(alone, there) > 1 - 1e-9


class Killer(Reporter):
    """Kills a worker when eras are about to go out."""

    def __init__(self, pid):
        super().__init__(quiet=True)
        self.pid = pid

    def say(self, text):
        super().say(text)
        if "judged eras go out" in text:
            os.kill(self.pid, signal.SIGKILL)


@pytest.mark.slow
def test_ttt_eras_of_a_killed_worker_go_to_another(train, here):
    alone = here(*ONE_FOLD, ttt("code_leaves"))
    with local_workers() as cluster:
        pids = cluster.on_all(os.getpid)
        killer = Killer(pids[cluster.workers[0]])
        there = train("there", *ONE_FOLD, ttt("code_leaves"), cluster=cluster, reporter=killer)
        assert cluster.workers[0] not in cluster.client.nthreads()
    assert PARTS in said(there)
    assert predictions(there).equals(predictions(alone))
