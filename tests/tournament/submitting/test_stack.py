"""`submit` of a stack: the final models of its members, runs of their own, predict the live era."""

import json

import pandas as pd
import pytest

from submit_lab import ROUND, Submit, ThreadStandIn, train_final

MEMBERS = {
    "trees": {"type": "xgb", "params": {"num_boost_round": 5, "max_depth": 2}},
    "lines": {"type": "ridge", "params": {"alpha": 1.0}},
}
MODEL = {"type": "stack", "params": {"weights_from": "earlier_folds", "members": MEMBERS}}


def test_a_stack_of_runs_is_submitted_as_it_predicts(start_at, lab, tournament, tmp_path):
    split = ("split.first_train_eras=40", "split.chunk_eras=8")
    made = ("name=both", f"model={json.dumps(MODEL)}", *split)
    runs = train_final(tmp_path, tournament, *(word for one in made for word in ("--set", one)))
    server = ThreadStandIn.start(tmp_path / "data")
    project = Submit(tmp_path, runs, server)
    project.slots('slots: [{name: alpha, run: "latest:both"}]\n')
    try:
        done = start_at(project)
        assert done.code == 0, done.err
        assert project.submissions() == [("alpha", ROUND)]
        sent, served = project.sent("alpha", ROUND)
    finally:
        server.stop()
    out = tmp_path / "live.csv"
    live = ("--features", served)
    said = lab("predict", "latest:both", "--runs-dir", runs, *live, "--out", out)
    assert said.code == 0, said.err
    predicted = pd.read_csv(out).set_index("id")["prediction"].loc[sent.index]
    assert predicted.to_numpy() == pytest.approx(sent.to_numpy(), abs=1e-6)
    assert sent.nunique() == len(sent)
