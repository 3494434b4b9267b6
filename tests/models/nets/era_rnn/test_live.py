"""`era_rnn` live: `submit` hands a final model the eras that were over when the round opened."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch", reason="tests of nets need torch: make nets")

from net_lab import write_eras
from submit_lab import ROUND, Submit, ThreadStandIn, train_final

PARAMS = {
    "epochs": 8, "learning_rate": 0.05, "width": 4, "components": 3, "steps": 4, "step": 2,
    "folds": 2, "first": {"type": "ridge", "params": {"alpha": 1.0}},
}  # fmt: skip
LAST_FIT, NEWEST, PURGE = 46, 60, 4


@pytest.mark.slow  # a run with a final model, a submission and three predictions
def test_a_round_is_submitted_from_what_was_over_by_then(start_at, lab, tournament, tmp_path):
    made = tmp_path / "made"
    write_eras(tournament, made, LAST_FIT)
    (made / "live.parquet").write_bytes((tournament / "live.parquet").read_bytes())
    chosen = ("--set", "name=past", "--set", f"model={json.dumps({'type': 'era_rnn'})}")
    chosen += ("--set", f"model.params={json.dumps(PARAMS)}", "--set", "split.first_train_eras=24")
    runs = train_final(tmp_path, made, *chosen)
    data = tmp_path / "data" / "v5.3"
    write_eras(tournament, data, NEWEST)  # the weeks since

    server = ThreadStandIn.start(tmp_path / "data")
    project = Submit(tmp_path, runs, server)
    project.slots('slots: [{name: alpha, run: "latest:past"}]\n')
    try:
        result = start_at(project)
        assert result.code == 0, result.err
        assert f"taken as era {NEWEST + 1}" in result.err
        assert project.submissions() == [("alpha", ROUND)]
        sent, served = project.sent("alpha", ROUND)
    finally:
        server.stop()

    def predicted():
        out = tmp_path / "live.csv"
        live = ("--features", served)
        done = lab("predict", "latest:past", "--runs-dir", runs, *live, "--out", out)
        assert done.code == 0, done.err
        return pd.read_csv(out).set_index("id")["prediction"].loc[sent.index]

    def with_labels(first, last, values):
        rows = pd.read_parquet(data / "validation.parquet")
        of = rows["era"].astype(int).between(first, last)
        rows.loc[of, "target"] = values(rows.loc[of, "target"])
        rows.to_parquet(data / "validation.parquet")

    assert np.allclose(predicted(), sent, atol=1e-6)
    with_labels(NEWEST + 1 - PURGE, NEWEST, lambda labels: 1 - labels)  # not known by then
    assert np.allclose(predicted(), sent, atol=1e-6)
    with_labels(LAST_FIT + 1, NEWEST - PURGE, lambda labels: 1 - labels)  # over since the fit
    assert not np.allclose(predicted(), sent, atol=1e-6)
