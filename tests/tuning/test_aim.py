"""`tune.aim`: trials are judged by what they add to the benchmark."""

from __future__ import annotations

import numpy as np
import pytest

from numerai_lab.report import render_tuning, to_text
from tune_lab import CONFIG

EARLY = "tune: {{eras: {{to: 40}}}}"


@pytest.fixture
def aimed(small, tournament):
    """The small config with another `tune` section."""

    def write(section: str) -> None:
        assert EARLY in CONFIG
        small.write(CONFIG.replace(EARLY, f"tune: {section}").format(folder=tournament))
        return small

    return write


def test_trials_are_judged_by_bmc(aimed):
    lab = aimed("{{eras: {{from: 20, to: 50}}, aim: bmc}}")
    found = lab.tune("--trials", 2)
    assert found["aim"] == "bmc"
    assert found["after"]["first_era"] > 50
    header = lab.tuned.read_text()
    assert "of bmc on inner folds" in header
    page = (lab.study / "tune.html").read_text()
    assert "mean bmc, tuned" in page
    shown = to_text(render_tuning(found))
    assert "mean bmc" in shown
    assert "mean corr" not in shown
    scores = [trial["score"] for trial in found["trials"] if trial["score"] is not None]
    assert found["best"]["score"] == max(scores)
    plain = aimed("{{eras: {{from: 20, to: 50}}}}")
    again = plain.tune("--trials", 2)
    assert "another aim, another benchmark" in again["error"]


def test_eras_without_the_meta_model_are_refused(aimed):
    lab = aimed("{{eras: {{to: 40}}, aim: payout}}")
    said = lab.tune("--trials", 1)
    assert said["exit_code"] == 2
    assert (
        "aim payout looks at the meta model, which has less than 80 % of the rows in"
        in (said["error"])
    )
    assert not np.any(list(lab.study.glob("*")))
