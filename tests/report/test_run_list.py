"""The list of runs on a terminal: whole names, aligned numbers, what tells runs apart."""

from __future__ import annotations

import pytest

from numerai_lab.report import render_runs, to_text

NUMBERS = {"corr": 0.02131, "ci_low": 0.0123, "ci_high": 0.0301, "sharpe": 1.024}
JUDGED = {"first_era": 157, "last_era": 1240}


def listed(*runs):
    text = to_text(render_runs(runs))
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80
    return text


def test_runs_show_their_state_until_they_are_finished():
    done = {"experiment": "xgb", "run": "runs/xgb/20261122T083000Z-1a2b3c4d", "state": "finished"}
    half = {"experiment": "lgbm_ensemble", "run": "20261122T093000Z-5e6f7a8b"}
    text = listed(done | NUMBERS | JUDGED, half | {"state": "2 of 4 folds"})
    (first,) = [line for line in text.splitlines() if "20261122T083000Z-1a2b3c4d" in line]
    (second,) = [line for line in text.splitlines() if "20261122T093000Z-5e6f7a8b" in line]
    assert first.split()[1:] == ["0.0213", "[0.012,", "0.030]", "1.02", "157-1240"]
    assert "2 of 4 folds" in second
    assert "no runs yet" in to_text(render_runs([]))


@pytest.mark.parametrize("name", ["xgb_ttt_leaf_refresh", "x" * 45])
def test_a_runs_name_is_whole_and_its_parent_is_named(name):
    facts = {"corr": -0.0213, "ci_low": -0.0123, "ci_high": -0.0301, "sharpe": -11.02, **JUDGED}
    first = {"experiment": name, "run": f"runs/{name}/20261122T083000Z-1a2b3c4d", **facts}
    second = {**first, "run": f"runs/{name}/20261122T083000Z.2-1a2b3c4d", "final": True}
    second["continues"] = first["run"]
    text = listed(first, second)
    lines = text.splitlines()
    assert name in lines
    (whole,) = [line for line in lines if "20261122T083000Z.2-1a2b3c4d" in line]
    assert whole.split()[1:] == ["-0.0213", "[-0.012,", "-0.030]", "-11.02", "157-1240", "final"]
    assert "grown by train --continue from 20261122T083000Z-1a2b3c4d" in " ".join(text.split())
    assert "final" not in listed(first)


def test_date_data_and_what_differs_stand_below():
    run = {
        "experiment": "xgb",
        "run": "a",
        "created_utc": "2026-11-22T08:30:59.123456+00:00",
        "data": {"label": "SYNTHETIC 1a2b3c"},
        "differs": {
            "model.params.max_depth": 7,
            "split.purge_eras": 8,
            "early_stopping.purge_eras": "auto",
            "weights.type": "w" * 90,
        },
    }
    text = " ".join(listed(run).split())
    assert "2026-11-22 08:30 SYNTHETIC 1a2b3c max_depth 7, early_stopping.purge_eras auto" in text
    assert text.endswith("split.purge_eras 8")
    assert f"type {'w' * 37}..." in text
    assert "cannot be read" in listed({**run, "differs": None})


def test_of_many_settings_those_of_the_model_are_shown_and_the_others_counted():
    rows = {f"data.prices.window_{i}": i for i in range(20)}
    run = {"experiment": "xgb", "run": "a", "differs": {**rows, "model.params.max_depth": 7}}
    text = " ".join(listed(run).split())
    assert "max_depth 7, window_0 0, window_1 1" in text
    assert text.endswith("window_4 4, and 15 more settings")
    seven = {"model.type": "xgb", "split.type": "official", **dict([*rows.items()][:5])}
    text = " ".join(listed({**run, "differs": seven}).split())
    assert "model.type xgb, split.type official" in text
    assert text.endswith("window_4 4")


def test_experiments_are_grouped_the_newest_last():
    names = ["old", "busy", "old", "busy", "new", "busy"]
    runs = [{"experiment": name, "run": f"run{i}"} for i, name in enumerate(names)]
    shown = [line.strip().split()[0] for line in listed(*runs).splitlines()[1:]]
    assert shown == ["old", "run0", "run2", "new", "run4", "busy", "run1", "run3", "run5"]
