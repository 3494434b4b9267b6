"""The terminal's tables: aligned, within 80 columns, no false precision."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerai_lab.report import (
    render_comparison,
    render_plan,
    render_scores,
    to_text,
)
from report_run import BENCHMARK, make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def scores(run):
    return json.loads((run / "scores.json").read_text(encoding="utf-8"))


def plain(text: str) -> None:
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80


def row(text: str, name: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(name))
    return line.removeprefix(name).split()


def test_scores_show_every_prediction_with_its_interval(scores):
    text = to_text(render_scores(scores, "xgb_ttt"))
    plain(text)
    corr = {name: scores["scores"][name]["corr"] for name in ("prediction", "xgb", BENCHMARK)}
    assert row(text, "corr") == [f"{c['mean']:.4f}" for c in corr.values()]
    assert row(text, "sharpe ") == [f"{c['sharpe']:.2f}" for c in corr.values()]
    for c in corr.values():
        assert f"[{c['ci_low']:.4f}, {c['ci_high']:.4f}]" in text
    assert row(text, "bmc")[2] == "–"
    assert f"contribution beyond the benchmark {BENCHMARK}" in text
    assert "warning: prediction 'xgb' is constant in 3 of 80 eras" in " ".join(text.split())


def test_columns_are_aligned(scores):
    lines = to_text(render_scores(scores, "xgb_ttt")).splitlines()
    table = lines[1 : lines.index("")]
    assert len({len(line) for line in table}) == 1


def test_many_predictions_go_below_each_other_beside_the_run(scores):
    names = [f"a_rather_long_baseline_name_{i}" for i in range(5)]
    many = {"prediction": scores["scores"]["prediction"]}
    many |= dict.fromkeys(names, scores["scores"]["xgb"])
    alone = {"scores": many, "scores_by_target": {}, "same_eras": {}, "benchmark": None}
    text = to_text(render_scores(scores | alone, "xgb_ttt"))
    plain(text)
    assert text.count("xgb_ttt") == 3
    for name in names:
        assert name[:15] in text


def test_more_still_have_a_line_each(scores):
    names = [f"a_rather_long_baseline_name_{i}" for i in range(9)]
    many = {"prediction": scores["scores"]["prediction"]}
    many |= dict.fromkeys(names, scores["scores"]["xgb"])
    alone = {"scores": many, "scores_by_target": {}, "same_eras": {}, "benchmark": None}
    text = to_text(render_scores(scores | alone, "stack"))
    plain(text)
    mean = f"{scores['scores']['xgb']['corr']['mean']:.4f}"
    for name in names:
        assert row(text, name)[0] == mean
    assert text.count("95 % interval") > 1
    assert text.count("hit rate") == 1
    rows = [scores["comparisons"][0] | {"baseline": name} for name in names]
    paired = to_text(render_comparison(rows, experiment="stack"))
    plain(paired)
    assert paired.splitlines()[1].startswith("stack minus")
    assert row(paired, names[3])[0] == "+0.0015"


def test_nothing_scored():
    assert "no prediction was scored" in to_text(render_scores({}))


def test_names_are_not_markup(scores):
    renamed = {"[red]x[/red]": scores["scores"]["xgb"]}
    assert "[red]x[/red]" in to_text(render_scores(scores | {"scores": renamed}))


def test_comparison_says_which_way(scores):
    base = scores["comparisons"][0]
    worse = base | {
        "baseline": "b",
        "mean_difference": -0.0021,
        "ci_low": -0.004,
        "ci_high": -0.001,
    }
    unclear = base | {"baseline": "c", "ci_low": -0.0004, "probability_of_improvement": 0.871}
    unknown = {"baseline": "d", "metric": "corr", "ci_low": None}
    same = base | {"baseline": "e", "mean_difference": 0.0, "ci_low": 0.0, "ci_high": 0.0}
    text = to_text(render_comparison([same, base, worse, unclear, unknown]))
    plain(text)
    lines = text.splitlines()
    assert lines[-5].split()[-1] == "identical"
    assert lines[-4].split()[-1] == "better"
    assert "+0.0015" in lines[-4]
    assert ">99 %" in lines[-4]
    assert lines[-3].endswith("worse")
    assert "-0.0021" in lines[-3]
    assert lines[-2].endswith("unclear")
    assert "87 %" in lines[-2]
    assert lines[-1].endswith("unknown")


def over_time(*means, **more):
    thirds = [
        {"label": f"{i}", "mean": mean, "ci_low": mean - 0.001, "ci_high": mean + 0.001}
        for i, mean in enumerate(means)
    ]
    return {"thirds": thirds, **more}


def test_better_so_far_is_not_better(scores):
    base = scores["comparisons"][0]
    held, not_held = base | over_time(0.002, 0.001, 0.0005), base | over_time(0.006, 0.005, -0.002)
    control = not_held | {"prediction": "shuffled", "control": True}
    text = to_text(render_comparison([held, not_held, control]))
    plain(text)
    ways = [line.split("  ")[-1] for line in text.splitlines() if "0.0026" in line]
    assert ways == ["better", "better so far", "above so far"]
    assert text.endswith("so far: not in every third of the eras")
    assert "so far" not in to_text(render_comparison([held]))


def test_a_comparison_in_full_tells_how_it_went(scores):
    years = [{"label": "2019", "mean": 0.004, "ci_low": 0.001, "ci_high": 0.007}]
    rolling = {"window_eras": 52, "n_windows": 573, "share_above": 0.71, "worst": -0.0041}
    rolling |= {"worst_first": 560, "worst_last": 611}
    level = {"p_value": 0.012, "last_era_before": 572, "mean_before": 0.0056, "mean_after": -0.002}
    more = {"years": years, "rolling": rolling, "level_change": level, "p_among": 0.0312}
    more |= {"n_compared": 4, "smallest_detectable": 0.0031}
    row = scores["comparisons"][0] | over_time(0.006, 0.005, -0.002, **more)
    text = to_text(render_comparison([row], in_full=True))
    plain(text)
    text = " ".join(text.split())
    assert "better so far, not in every period" in text
    assert "2 -0.0020 [-0.0030, -0.0010]" in text
    assert "by year 2019 +0.0040" in text
    assert "above 0 in 71 % of 573, the worst -0.0041 (eras 560-611)" in text
    assert "after era 572 (CUSUM test, p 0.012): +0.0056 before, -0.0020 since" in text
    assert "0.0031 and more, with 80 eras (80 % power, 5 % level)" in text
    assert "among 4 compared p 0.031" in text
    calm = row | {"level_change": level | {"p_value": 0.4}}
    assert "no sign of one" in to_text(render_comparison([calm], in_full=True))


def test_runs_that_are_compared_stand_in_the_first_column(scores):
    first, second = "xgb/20261122T083000Z-1a2b3c4d", "lgbm_ensemble/20261122T093000Z-5e6f7a8b"
    rows = [
        scores["comparisons"][0] | {"prediction": p, "baseline": "b/1"} for p in (first, second)
    ]
    text = to_text(render_comparison(rows))
    plain(text)
    assert "minus b/1" in text
    for label in (first, second):
        for piece in label.split("/"):
            assert piece in text


def test_a_score_known_in_few_eras_says_so(scores):
    mmc = scores["scores"]["prediction"]["mmc"] | {"n_eras": 10}
    own = scores["scores"]["prediction"] | {"mmc": mmc}
    text = to_text(render_scores(scores | {"scores": {"prediction": own}}))
    assert "mmc is known in 10 of 80 eras only" in text


def test_plan_shows_the_purge_and_embargo_only_where_there_is_one(run):
    folds = json.loads((run / "manifest.json").read_text(encoding="utf-8"))["folds"]
    text = to_text(render_plan(folds))
    plain(text)
    assert text.splitlines()[2].split() == ["1", "1-12", "60,000", "8", "21-40", "20", "100,000"]
    assert "embargo" not in text
    blocked = to_text(render_plan([folds[0] | {"embargo_eras": 4}]))
    plain(blocked)
    assert "embargo" in blocked


def test_several_targets_are_all_shown(scores):
    """The headline is of the first one; below, every target has its row."""
    own, other = scores["scores"]["prediction"], scores["scores"]["xgb"]
    many = {"target": scores["scores"], "target_ender_60": {"prediction": own, "xgb": other}}
    text = to_text(render_scores(scores | {"scores_by_target": many}, "xgb_ttt"))
    plain(text)
    table = text[text.index("corr on every target") :].splitlines()
    start = table.index("target_ender_60")
    line = table[start + 1]
    assert line.split()[:2] == ["xgb_ttt", f"{own['corr']['mean']:.4f}"]
    assert f"[{own['corr']['ci_low']:.4f}, {own['corr']['ci_high']:.4f}]" in line
    assert line.split()[-3:] == [f"{own['corr']['sharpe']:.2f}", "80", "(21-100)"]
    assert table[start + 2].split()[:2] == ["xgb", f"{other['corr']['mean']:.4f}"]
    alone = scores | {"scores_by_target": {"target": scores["scores"]}}
    assert "every target" not in to_text(render_scores(alone))


@pytest.fixture(scope="module")
def shorter(tmp_path_factory):
    """Scores of a run whose benchmark was scored from era 71 on only."""
    run = make_run(tmp_path_factory.mktemp("runs"), benchmark_from=71)
    return json.loads((run / "scores.json").read_text(encoding="utf-8"))


def test_predictions_beside_each_other_are_on_the_same_eras(shorter):
    text = to_text(render_scores(shorter, "xgb_ttt"))
    plain(text)
    first, second = text.split("target target, mean per era, on the same ")[1:]
    assert first.startswith("30 eras (71-100)")
    assert second.startswith("80 eras (21-100)")
    same = {name: s["corr"] for name, s in shorter["same_eras"]["target"][0]["scores"].items()}
    assert list(same) == ["prediction", "xgb", BENCHMARK]
    assert row(first, "corr") == [f"{c['mean']:.4f}" for c in same.values()]
    assert row(first, "eras") == ["30", "(71-100)"] * 3
    assert row(second, "corr") == [
        f"{shorter['scores'][name]['corr']['mean']:.4f}" for name in ("prediction", "xgb")
    ]
    assert BENCHMARK not in second[: second.index("corr ")]
    assert row(second, "eras") == ["80", "(21-100)"] * 2


def test_an_older_run_with_different_eras_says_that_its_rows_do_not_compare(shorter):
    older = {key: value for key, value in shorter.items() if key != "same_eras"}
    words = " ".join(to_text(render_scores(older, "xgb_ttt")).split())
    assert "different eras and do not compare; `numerai-lab evaluate RUN`" in words
    same = to_text(render_scores(shorter, "xgb_ttt"))
    assert "do not compare" not in " ".join(same.split())


def test_a_prediction_without_an_era_in_common_stands_by_itself(shorter):
    blocks = [{**block} for block in shorter["same_eras"]["target"]][1:]
    text = to_text(render_scores(shorter | {"same_eras": {"target": blocks}}, "xgb_ttt"))
    plain(text)
    last = text.split("target target, mean per era, ")[-1]
    assert last.startswith("each on its own eras")
    assert BENCHMARK in last.splitlines()[1]
    assert f"{BENCHMARK}: no era in common with the run's own predictions." in text


def test_a_contribution_known_in_fewer_eras_names_them(scores):
    few = json.loads(json.dumps(scores))
    few["same_eras"]["target"][0]["scores"]["prediction"]["mmc"] |= {"n_eras": 7, "first_era": 94}
    few["scores"]["prediction"]["mmc"] |= {"n_eras": 7, "first_era": 94}
    text = to_text(render_scores(few, "xgb_ttt"))
    plain(text)
    assert row(text, "  in eras")[:2] == ["7", "(94-100)"]
    assert "mmc is known in 7 of 80 eras only (94-100)" in text


numbers = st.none() | st.floats(-1, 1) | st.just(float("nan")) | st.just(float("inf"))


@given(mean=numbers, low=numbers, high=numbers, sharpe=numbers)
def test_any_number_fits_80_columns_and_nan_never_shows(mean, low, high, sharpe):
    stats = {"mean": mean, "ci_low": low, "ci_high": high, "sharpe": sharpe, "n_eras": None}
    by_name = {name: {"corr": stats, "mmc": stats} for name in ("prediction", "xgb", BENCHMARK)}
    text = to_text(render_scores({"scores": by_name, "benchmark": BENCHMARK}, "x" * 40))
    plain(text)
    assert "nan" not in text
    assert "inf" not in text
