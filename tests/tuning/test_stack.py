"""A stack is tuned in how it weighs members whose runs are finished; none is trained."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from numerai_lab.cli import run
from numerai_lab.experiment import Reporter, read_experiment
from numerai_lab.tuning.plan import plan_study
from tune_lab import Lab

CONFIG = """\
name: small
data: {{source: numerai, dir: "{folder}"}}
split: {{type: walk_forward, first_train_eras: 30, chunk_eras: 6, purge_eras: 4}}
scoring: {{bootstrap: {{samples: 200}}}}
threads: 1
tune: {{eras: {{to: 48}}}}
model:
  type: stack
  params:
    prior_eras: {{tune: float, low: 1.0, high: 500.0, log: true, default: 52.0}}
    weights: {{tune: choice, choice: [nnls, ridge], default: nnls}}
    members:
      line: {{type: ridge, params: {{alpha: 1.0}}}}
      deep: {{type: xgb, params: {{num_boost_round: 3, max_depth: 2}}}}
      other: {{type: max_sharpe}}
"""


@pytest.fixture
def lab(tmp_path, tournament, monkeypatch) -> Lab:
    monkeypatch.chdir(tmp_path)
    found = Lab(tmp_path)
    found.write(CONFIG.format(folder=tournament))
    return found


def plain(text: str) -> str:
    """The config without what is searched."""
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if "{tune: " not in line)


def test_trials_weigh_what_finished_runs_predicted(lab, tournament):
    said = lab.tune("--trials", 1)
    assert said["exit_code"] == 2
    assert (
        "has no finished run on these rows and folds, and trials train no members"
        in (said["error"])
    )
    config = Path("plain.yaml")
    config.write_text(plain(CONFIG.format(folder=tournament)))
    assert run(["train", str(config), "--quiet"]) == 0
    before = sorted(Path("runs").glob("*/*"))
    found = lab.tune("--trials", 2)
    assert sorted(Path("runs").glob("*/*")) == before
    assert [fold["judged"] for fold in found["folds"]] == [[37, 42], [43, 48]]
    assert found["after"]["first_era"] == 53
    # the default is what the trained stack is: so is its score, on the same folds
    (stacked,) = Path("runs/small").iterdir()
    scores = pd.read_parquet(stacked / "scores_per_era.parquet")
    own = scores[(scores["prediction"] == "prediction") & scores["era"].between(37, 48)]
    assert found["default"]["score"] == pytest.approx(float(own["corr"].mean()), abs=1e-12)
    assert len({tuple(trial["values"].items()) for trial in found["trials"]}) == 2
    # trials are given nothing of later eras
    resolved = read_experiment(str(lab.folder / "small.yaml"), None, (), tunable=True)
    with Reporter(quiet=True) as reporter:
        study = plan_study(resolved, reporter).study
    assert int(study.dataset.frame.eras[-1]) == int(study.members.rows.eras[-1]) == 48
    tuned = lab.tuned.read_text()
    assert "prior_eras" in tuned
    assert run(["train", str(lab.tuned), "--plan"]) == 0


def test_what_a_member_learns_with_is_not_searched_here(lab, tournament):
    text = CONFIG.replace("alpha: 1.0", "alpha: {{tune: float, low: 0.1, high: 10.0}}")
    lab.write(text.format(folder=tournament))
    said = lab.tune("--trials", 1)
    assert said["exit_code"] == 2
    assert "model.params.members.line.params.alpha is of a member" in said["error"]
