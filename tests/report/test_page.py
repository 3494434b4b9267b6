"""report.html: what it says of a run, its charts, folds and differences; it opens offline."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from numerai_lab.report import render_comparison, to_text, write_report
from report_html import clean, report
from report_run import BENCHMARK, change_json, make_run, scores_of, write_json


def test_shows_the_run_its_numbers_and_its_facts(tmp_path):
    run = make_run(tmp_path)
    page = report(run)
    scores = scores_of(run)["scores"]
    for name in ("prediction", "xgb", BENCHMARK):
        corr = scores[name]["corr"]
        for key in ("mean", "last_50"):
            assert f"{corr[key]:.4f}" in page.words
        assert f"[{corr['ci_low']:.4f}, {corr['ci_high']:.4f}]" in page.words
        assert f"{corr['sharpe']:.2f}" in page.words
    for said in (
        "Does adapting the trees to each unlabelled era raise corr",
        "xgb_ttt - xgb: better",
        "of which in the library",
        "Fitting is everything from the rows to a model that can predict",
        "+0.0015",
        "probability of improvement >99 %",
        f"bmc, {BENCHMARK}",
        "Synthetic data",
        "so this run used the synthetic tournament",
        "is constant in 3 of 80 eras",
        "1,234 rows without target were dropped",
        "all 4 folds: 2 constant features were left out",
        "with uncommitted changes",
        "abababababababab",
        "48.2 MB",
        "numerai-lab train configs/xgb_ttt.yaml",
        "params: {max_depth: 5}",
        "target_cyrusd_20",
        "10 min 49 s",
    ):
        assert said in page.words, said


def test_real_data_has_no_synthetic_banner(tmp_path):
    assert "Synthetic data" not in report(make_run(tmp_path, synthetic=False)).words


def test_synthetic_data_has_its_banner_even_without_a_notice(tmp_path):
    run = make_run(tmp_path)
    change_json(run / "manifest.json", data={"source": "synthetic", "notice": None})
    assert "say nothing about Numerai" in report(run).words


def test_opens_offline(tmp_path):
    page = report(make_run(tmp_path))
    for tag, attributes in page.elements:
        assert tag not in ("link", "img", "iframe", "object", "base")
        assert "src" not in attributes
        assert attributes.get("href", "#").startswith("#")
        assert "url(" not in attributes.get("style", "")
    assert "url(" not in page.style
    assert "@import" not in page.style
    # And the browser is told to refuse whatever would ask the network all the same.
    (policy,) = (m["content"] for m in page.all("meta", "http-equiv"))
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy
    assert "*" not in policy


def test_charts_draw_what_the_files_hold(tmp_path):
    run = make_run(tmp_path)
    figures = report(run).figures
    table = pq.read_table(run / "scores_per_era.parquet").to_pandas()
    own = table[table["prediction"] == "prediction"].sort_values("era")["corr"].to_numpy()

    cumulative = {t["name"]: t for t in figures["chart-cumulative"]["data"]}
    assert set(cumulative) == {"xgb_ttt", "xgb", BENCHMARK}
    np.testing.assert_allclose(cumulative["xgb_ttt"]["y"], np.cumsum(own), rtol=1e-5)
    np.testing.assert_allclose(figures["chart-per-era"]["data"][0]["y"], own, rtol=1e-5)

    depth = next(t for t in figures["chart-drawdown"]["data"] if t["name"] == "xgb_ttt")["y"]
    expected = scores_of(run)["scores"]["prediction"]["corr"]["max_drawdown"]
    assert -min(depth) == pytest.approx(expected, rel=1e-5)

    rolling = next(t for t in figures["chart-rolling-20"]["data"] if t["name"] == "xgb_ttt")
    assert rolling["x"][0] == 21 + 19
    assert rolling["y"][0] == pytest.approx(own[:20].mean(), rel=1e-5)

    other = table[table["prediction"] == "xgb"].sort_values("era")["corr"].to_numpy()
    lead = next(t for t in figures["chart-lead"]["data"] if t["name"] == "against xgb")
    np.testing.assert_allclose(lead["y"], np.cumsum(own - other), rtol=1e-4, atol=1e-6)
    assert len(figures["chart-exposure"]["data"]) == 2


def test_charts_are_valid_plotly_figures(tmp_path):
    import plotly.graph_objects as go

    for figure in report(make_run(tmp_path)).figures.values():
        go.Figure(figure)  # raises on a key or a value that plotly does not know


def test_every_chart_has_its_words_and_every_table_its_headers(tmp_path):
    page = report(make_run(tmp_path))
    charts = [a for a in page.all("div", "role") if a["role"] == "img"]
    assert {a["id"] for a in charts} == set(page.figures)
    assert any("Positive in" in a["aria-label"] and "80 eras" in a["aria-label"] for a in charts)
    assert len(page.all("figcaption")) == len(page.all("figure")) == len(page.figures)
    assert len(page.all("table")) == len(page.all("caption")) == len(page.all("thead"))
    assert page.all("th") == page.all("th", "scope")


def test_folds_are_drawn_to_scale_with_their_purge(tmp_path):
    page = report(make_run(tmp_path, n_folds=1, chunk=20))
    spans = [(a["class"], a["style"], a["title"]) for a in page.all("i", "title")]
    # Eras 1-12 train, 13-20 are purged, 21-40 judged: 30 %, 20 % and 50 % of the axis.
    assert ("train", "left:0.000%;width:30.000%", "train: eras 1-12") in spans
    assert ("purge", "left:30.000%;width:20.000%", "purge: eras 13-20") in spans
    assert ("judged", "left:50.000%;width:50.000%", "judged: eras 21-40") in spans


def test_blocked_folds_show_embargo_and_skipped_eras(tmp_path):
    run = make_run(tmp_path, n_folds=1)
    fold = {
        "fold": 1,
        "train": {"first": 5, "last": 100},
        "judged": {"first": 41, "last": 60},
        "purge_eras": 8,
        "embargo_eras": 4,
        "train_eras": [[5, 32], [65, 100]],
        "judged_eras": [[41, 60]],
        "dropped_eras": [[1, 4], [33, 40], [61, 64]],
    }
    change_json(run / "manifest.json", folds=[fold])
    titles = {item["title"] for item in report(run).all("i", "title")}
    assert {"unused: eras 1-4", "purge: eras 33-40", "embargo: eras 61-64"} <= titles


def test_every_fourth_era_is_one_striped_span(tmp_path):
    run = make_run(tmp_path, n_folds=1)
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["folds"][0]["train_eras"] = [[e, e] for e in range(1, 400, 4)]
    write_json(run / "manifest.json", manifest)
    classes = [item["class"] for item in report(run).all("i", "title")]
    assert classes.count("train sparse") == 1
    assert "train" not in classes


def test_alone_without_benchmark_meta_model_or_baseline(tmp_path):
    run = make_run(tmp_path, names=("prediction",))
    scores = scores_of(run)
    for key in ("bmc", "mmc", "fnc", "payout"):
        del scores["scores"]["prediction"][key]
    write_json(run / "scores.json", scores | {"meta_model": None, "warnings": None})
    page = report(run)
    clean(page)
    assert "No benchmark was scored, so there is no bmc." in page.words
    assert "No meta model was scored, so there is no mmc." in page.words
    assert "chart-lead" not in page.figures


def test_one_fold_of_one_era(tmp_path):
    run = make_run(tmp_path, n_folds=1, chunk=1)
    page = report(run)
    clean(page)
    assert "chart-rolling-20" not in page.figures
    assert page.figures["chart-cumulative"]["data"][0]["mode"] == "markers"


def test_a_baseline_with_the_same_name_is_told_apart(tmp_path):
    run = make_run(tmp_path)
    change_json(run / "manifest.json", experiment="xgb")
    words = report(run).words
    assert "xgb (this run)" in words
    assert "xgb (this run) - xgb: better" in words


def test_page_and_terminal_say_the_same_of_a_difference(tmp_path):
    run = make_run(tmp_path)
    first = scores_of(run)["comparisons"][0]
    control = first | {"prediction": "shuffled", "baseline": "frozen", "control": True}
    reading = "what the era's own state gains is prediction - shuffled"
    variants = [{"name": "shuffled", "label": "control", "control": True, "reading": reading}]
    same = first | {"baseline": "frozen", "mean_difference": 0, "ci_low": 0, "ci_high": 0}
    same |= {"probability_of_improvement": 0.5}
    change_json(run / "scores.json", comparisons=[first, control, same], variants=variants)
    words = report(run).words
    for said in (
        "xgb_ttt - xgb: better",
        "shuffled - frozen: above",
        "a control: what the era's own state gains is xgb_ttt - shuffled",
        "xgb_ttt - frozen: identical",
        "corr 0.0000 per era, 95 % [0.0000, 0.0000], 80 paired eras",
    ):
        assert said in words, said
    lines = to_text(render_comparison([first, control, same])).splitlines()
    ways = ("prediction - xgb", "better"), ("shuffled - frozen", "above")
    for line, (name, way) in zip(
        lines[-3:], [*ways, ("prediction - frozen", "identical")], strict=True
    ):
        assert line.startswith(f"{name} ")
        assert line.endswith(f" {way}")
    assert "50 %" not in lines[-1]


def test_a_difference_is_told_by_period(tmp_path):
    run = make_run(tmp_path)
    first = scores_of(run)["comparisons"][0]
    means = {"21-47": 0.006, "48-74": 0.005, "75-100": -0.002}
    thirds = [{"label": label, "mean": mean} for label, mean in means.items()]
    told = {"thirds": thirds, "smallest_detectable": 0.0031}
    change_json(run / "scores.json", comparisons=[first | told])
    page = report(run)
    clean(page)
    assert "xgb_ttt - xgb: better so far, not in every period" in page.words
    assert "75-100 -0.0020" in page.words
    assert "detectable: 0.0031 and more, with 80 eras" in page.words


def test_one_fold_has_no_range_over_folds(tmp_path):
    run = make_run(tmp_path)
    assert "lowest and highest fold" in report(run).words
    for path in (run / "folds").glob("0[2-9]"):
        shutil.rmtree(path)
    words = report(run).words
    assert "features by share of importance" in words
    assert "lowest and highest fold" not in words
    assert "mean over folds" not in words


def test_the_same_run_gives_the_same_bytes(tmp_path):
    run = make_run(tmp_path)
    first = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first
    assert len(first) < 6_000_000
