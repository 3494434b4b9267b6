"""train --plan without an earlier run: an estimate from fits on a part of the rows."""

from __future__ import annotations

import tempfile
import time

import pytest

from numerai_lab.experiment import Reporter, estimate_time, prepare, read_experiment
from plugins import install_model

CONFIG = """\
name: waiting
data:
  source: synthetic
  dir: "{folder}"
  synthetic: {{n_eras: 40, rows_per_era: 400, n_features: 8}}
split: {{type: walk_forward, first_train_eras: 14, chunk_eras: 6, purge_eras: 4}}
model: {{type: waiting, params: {{per_row: {per_row}}}}}
"""


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on only while somebody sleeps, so that no other load matters."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(time, "sleep", sleep)


@pytest.fixture
def estimate(tmp_path, monkeypatch, clock):
    """Estimate a model that takes so many seconds a row, and say which rows its folds have."""
    monkeypatch.syspath_prepend(
        install_model(tmp_path / "installed", "waiting", "waiting_model:Waiting")
    )
    config = tmp_path / "waiting.yaml"

    def of(per_row: float, seconds: float):
        config.write_text(CONFIG.format(folder=tmp_path, per_row=per_row))
        resolved = read_experiment(str(config), None, ())
        reporter = Reporter(quiet=True)
        with reporter:
            prepared = prepare(resolved, reporter, plan_only=True)
            runs = tmp_path / "runs"
            found = estimate_time(resolved, prepared, runs, None, reporter, seconds)
        frame = prepared.dataset.frame
        rows = [frame.select_eras(fold.train).n_rows for fold in prepared.plan.folds]
        return found[""], rows

    return of


def test_a_part_of_the_rows_tells_the_time_of_all(estimate):
    found, rows = estimate(per_row=0.01, seconds=150.0)
    assert found.folds == (1, len(rows))
    assert found.shares == pytest.approx((0.1, 0.4))
    assert found.seconds == pytest.approx(0.01 * sum(rows), rel=0.05)


def test_a_fit_that_takes_too_long_is_stopped_and_said(estimate):
    found, rows = estimate(per_row=0.01, seconds=1.0)
    assert found.seconds is None
    assert found.why_not.startswith("a fit on 10.0% of the rows alone took more than")
    # steps are eras of equal length: it would have gone on for 0.01 s a row in each fold
    assert found.at_least == pytest.approx(0.01 * 0.1 * len(rows) * rows[0], rel=0.1)


def test_it_is_told_with_what_it_rests_on_and_leaves_nothing(
    lab, tiny_config, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    (tmp_path / "other.yaml").write_text("extends: tiny.yaml\nname: other\nseed: 3\n")
    asked = ("train", tiny_config, "--plan", "--set", "compare_to=[other]")
    told = lab(*asked, "--json").json
    assert set(told["estimates"]) == {"folds", "compare_to: other"}
    own = told["estimates"]["folds"]
    assert own["shares"][-1] == 1.0
    assert own["folds"] == [1, 3]
    both = [one["seconds"] for one in told["estimates"].values()]
    assert told["seconds_estimated"] == pytest.approx(sum(both))
    assert min(both) > 0
    result = lab(*asked)
    assert "time    3 folds: about" in result.out
    assert "timed fold 1 and 3 on 66.7% and 100.0% of the rows of each era" in result.out
    assert "compare_to: other: about" in result.out
    assert "an estimate, for this machine as busy as it is now" in result.out
    assert list((tmp_path / "temporary").iterdir()) == []
    assert not (tmp_path / "runs").exists()


def test_what_a_finished_run_has_done_already_is_not_estimated(lab, trained, tiny_config, tmp_path):
    more = "extends: tiny.yaml\nname: more\nmodel: {params: {eta: 0.2}}\n"
    (tmp_path / "more.yaml").write_text(more)
    asked = ("train", tmp_path / "more.yaml", "--plan", "--set", "compare_to=[tiny]", "--json")
    told = lab(*asked, "--runs-dir", tmp_path / "runs").json
    assert set(told["estimates"]) == {"folds"}
