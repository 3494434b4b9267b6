"""tune.html and the table in the terminal: what was found, and how much of it is luck."""

import copy

import pytest

from numerai_lab.report import render_tuning, to_text, write_tuning
from report_html import Page
from tune_lab import TRIALS


@pytest.fixture
def page(tmp_path):
    def read(found) -> Page:
        write_tuning(found, tmp_path / "tune.html")
        return Page((tmp_path / "tune.html").read_text())

    return read


def changed(found, **changes):
    return {**copy.deepcopy(found), **changes}


def test_the_command_writes_it(finished):
    lab, found = finished
    assert found["report"] == str(lab.study / "tune.html")
    shown = Page((lab.study / "tune.html").read_text())
    assert {attrs["id"] for attrs in shown.all("section")} == {
        *("parameters", "luck", "after", "trials", "facts")
    }
    (policy,) = shown.all("meta", "content")[-1:]
    assert policy["content"].startswith("default-src 'none'")
    assert not shown.all("link")
    assert not shown.all("script", "src")


def test_history_slices_and_the_eras_afterwards_are_drawn(finished, page):
    found = finished[1]
    drawn = page(found).figures
    history = {trace["name"]: trace for trace in drawn["chart-history"]["data"]}
    assert history["trial"]["x"] == list(range(TRIALS))
    assert history["best so far"]["y"][-1] == pytest.approx(found["best"]["score"], rel=1e-5)
    assert history["not tuned"]["y"][0] == found["default"]["score"]
    luck = found["luck"]
    by_luck = history["best of as many equal trials"]["y"][0]
    assert by_luck == pytest.approx(luck["mean"] + luck["by_luck"])
    assert drawn["chart-slice-1"]["layout"]["xaxis"]["type"] == "log"
    assert [len(trace["x"]) for trace in drawn["chart-after"]["data"]] == [12, 12]
    assert {chart["layout"]["meta"] for chart in drawn.values()} == {"alone"}


def test_values_and_trials_are_in_tables(finished, page):
    found = finished[1]
    shown = page(found)
    rows = {row[0]: row[1:] for row in shown.tables["What was searched and found"]}
    best = found["best"]["values"]
    assert rows["max_depth"][:3] == ["1 to 4", "2", str(best["model.params.max_depth"])]
    assert rows["eta"][0] == "0.05 to 0.5, log"
    trials = shown.tables["The best"]
    assert len(trials) == 1 + TRIALS
    assert trials[1][0].startswith(f"trial {found['best']['number']}")
    assert "Too few trials, or too much alike, for importance" in shown.words


def test_luck_is_said(finished, page):
    found = finished[1]
    assert f"lead by {found['luck']['by_luck']:.4f} by luck alone" in page(found).words
    assert "Deflated Sharpe ratio" in page(found).words
    one = page(changed(found, luck=None))
    assert "there is nothing to have chosen among" in one.words


def test_without_later_eras_it_says_so(finished, page):
    shown = page(changed(finished[1], after=None))
    assert "There are no eras after those of the study" in shown.words
    assert "chart-after" not in shown.figures


def test_what_a_config_says_is_no_markup(finished, page):
    found = changed(finished[1], question="<b>bold</b> & more")
    found["parameters"][0] |= {"space": {"tune": "choice", "choice": ["<i>", "x"]}, "best": "<i>"}
    for trial in (*found["trials"], found["best"]):
        trial["values"]["model.params.max_depth"] = "<i>"
    shown = page(found)
    assert "<b>bold</b> & more" in shown.words
    assert shown.figures["chart-slice-0"]["data"][0]["x"][0] == "&lt;i&gt;"
    assert not shown.all("i")


def test_pruned_and_failed_trials_are_told(finished, page):
    found = changed(finished[1])
    found["n_trials"] |= {"pruned": 1, "failed": 1}
    found["trials"][2] |= {"state": "pruned", "score": None}
    found["trials"][3] |= {"state": "failed", "score": None, "reason": "too <deep>"}
    shown = page(found)
    assert "1 pruned, 1 failed" in shown.words
    assert "Failed: too <deep>" in shown.words
    history = {trace["name"]: trace for trace in shown.figures["chart-history"]["data"]}
    assert history["pruned"]["x"] == [2]


def test_the_terminal_shows_the_same(finished):
    told = to_text(render_tuning(finished[1]))
    best = finished[1]["best"]
    assert f"mean corr {best['score']:.4f} in trial {best['number']}" in told
    assert "0.05 to 0.5, log" in told
    assert "by luck alone" in told
    assert "which the study never\nsaw" in told or "which the study never saw" in told
    assert all(len(line) <= 80 for line in told.splitlines())
