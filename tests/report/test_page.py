"""report.html: what it says, that it opens offline, and what it makes of poor input."""

from __future__ import annotations

import json
import re
import shutil
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from numerai_lab.errors import MachineError, RunError
from numerai_lab.report import render_comparison, to_text, write_report
from numerai_lab.report.glossary import TERMS
from report_html import Page, report
from report_run import BENCHMARK, change_json, make_run, write_json


def scores_of(run: Path) -> dict:
    return json.loads((run / "scores.json").read_text(encoding="utf-8"))


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


NASTY = "<script>alert('x')</script><b>&\"'"


def test_escapes_whatever_comes_from_files(tmp_path):
    run = make_run(tmp_path, features=(NASTY, "feature_größe_π", "</script><script>1"))
    table = pq.read_table(run / "scores_per_era.parquet").to_pandas()
    table["prediction"] = table["prediction"].replace("xgb", NASTY)
    pq.write_table(pa.Table.from_pandas(table), run / "scores_per_era.parquet")
    scores = scores_of(run)
    scores["scores"][NASTY] = scores["scores"].pop("xgb")
    scores["comparisons"][0]["baseline"] = NASTY
    write_json(run / "scores.json", scores | {"warnings": [NASTY], "target": "target"})
    change_json(run / "manifest.json", question=NASTY, notes=[NASTY], command=NASTY)
    (run / "resolved.yaml").write_text(NASTY, encoding="utf-8")
    page = report(run)
    # Three scripts of our own: the figures, plotly and page.js. Nothing else runs.
    assert len(page.all("script")) == 3
    assert page.words.count(NASTY) >= 8
    assert "feature_größe_π" in page.words
    # plotly draws tags in names as markup, so its names are escaped once more.
    names = {t["name"] for t in page.figures["chart-cumulative"]["data"]}
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;&lt;b&gt;&amp;&quot;&#x27;" in names


def clean(page: Page) -> None:
    assert not re.search(r"\b(nan|none|null|inf|undefined)\b", page.words, re.IGNORECASE)


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


def test_nan_eras_are_left_out_and_counted(tmp_path):
    run = make_run(tmp_path)
    table = pq.read_table(run / "scores_per_era.parquet").to_pandas()
    table.loc[(table["prediction"] == "prediction") & (table["era"] < 31), "corr"] = np.nan
    pq.write_table(pa.Table.from_pandas(table), run / "scores_per_era.parquet")
    scores = scores_of(run)
    scores["scores"]["prediction"]["corr"] |= {"n_nan": 10, "n_eras": 70}
    write_json(run / "scores.json", scores)
    page = report(run)
    clean(page)
    assert "Eras without a corr, left out of every mean: xgb_ttt has 10." in page.words
    assert page.figures["chart-per-era"]["data"][0]["x"][0] == 31


def test_a_run_without_any_score_says_so(tmp_path):
    run = make_run(tmp_path, names=("prediction",))
    table = pq.read_table(run / "scores_per_era.parquet").to_pandas()
    table["corr"] = np.nan
    pq.write_table(pa.Table.from_pandas(table), run / "scores_per_era.parquet")
    nothing = {"mean": float("nan"), "sharpe": float("inf"), "n_eras": 0, "n_nan": 80}
    change_json(run / "scores.json", scores={"prediction": {"corr": nothing}}, comparisons=[])
    page = report(run)
    clean(page)
    assert "there is nothing to draw" in page.words
    assert "–" in page.words


def test_nulls_everywhere_are_dashes(tmp_path):
    run = make_run(tmp_path)

    def emptied(value: object, depth: int) -> object:
        if isinstance(value, dict):
            return {k: emptied(v, depth - 1) if depth else None for k, v in value.items()}
        if isinstance(value, list) and depth:
            return [emptied(v, depth - 1) for v in value if isinstance(v, dict)]
        return None

    originals = {name: json.loads((run / name).read_text()) for name in ("manifest.json",)}
    originals |= {"scores.json": scores_of(run)}
    for name in originals:
        for depth in (0, 1, 2, 3):
            for other in originals:
                write_json(run / other, originals[other])
            write_json(run / name, emptied(originals[name], depth))
            clean(report(run))


def test_optional_files_may_be_absent(tmp_path):
    run = make_run(tmp_path)
    for name in ("exposure.json", "config.yaml", "resolved.yaml", "folds/02/fit.json"):
        (run / name).unlink()
    page = report(run)
    clean(page)
    assert "fold 2: no fit.json" in page.words
    assert "The run has no exposure by feature." in page.words


def test_a_baseline_with_the_same_name_is_told_apart(tmp_path):
    run = make_run(tmp_path)
    change_json(run / "manifest.json", experiment="xgb")
    words = report(run).words
    assert "xgb (this run)" in words
    assert "xgb (this run) - xgb: better" in words


def test_controls_of_runs_made_before_they_were_declared_are_told(tmp_path):
    run = make_run(tmp_path, names=("prediction", "frozen", "shuffled"))
    change_json(run / "manifest.json", model={"type": "xgb_ttt"})
    scores = scores_of(run)
    for one in scores["comparisons"]:
        one |= {"prediction": "shuffled", "baseline": "frozen"}
    del scores["variants"]
    write_json(run / "scores.json", scores)
    words = report(run).words
    assert "shuffled - frozen: above" in words
    assert "a control: what the era's own state gains is prediction - shuffled" in words
    assert "same trees, not adapted" in words


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
        "a control: what the era's own state gains is prediction - shuffled",
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


def one_sentence(error: pytest.ExceptionInfo[Exception], *said: str) -> None:
    text = str(error.value)
    assert "\n" not in text
    for part in said:
        assert part in text


@pytest.mark.parametrize("name", ["manifest.json", "scores.json", "scores_per_era.parquet"])
def test_a_missing_file_is_named(tmp_path, name):
    run = make_run(tmp_path)
    (run / name).unlink()
    with pytest.raises(RunError) as error:
        write_report(run)
    one_sentence(error, name, "no such file", "numerai-lab evaluate")
    assert not (run / "report.html").exists()


@pytest.mark.parametrize(
    "name", ["manifest.json", "scores.json", "exposure.json", "folds/01/fit.json"]
)
@pytest.mark.parametrize("text", ['{"folds": [', "[1, 2]", "wrong types", "\xff"])
def test_a_damaged_json_file_is_named(tmp_path, name, text):
    run = make_run(tmp_path, n_folds=1)
    if text == "wrong types":
        text = '{"folds": "four", "scores": 3, "features": 3, "fold": "one"}'
    (run / name).write_bytes(text.encode("latin-1"))
    with pytest.raises(RunError) as error:
        write_report(run)
    one_sentence(error, name)


def test_a_truncated_parquet_file_is_named(tmp_path):
    run = make_run(tmp_path)
    path = run / "scores_per_era.parquet"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(RunError) as error:
        write_report(run)
    one_sentence(error, "scores_per_era.parquet", "not a whole parquet file")


def test_missing_and_wrong_columns_are_named(tmp_path):
    run = make_run(tmp_path)
    path = run / "scores_per_era.parquet"
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["corr"]), path)
    with pytest.raises(RunError, match="columns are missing: corr"):
        write_report(run)
    words = pa.array(["a"] * table.num_rows)
    pq.write_table(table.set_column(table.column_names.index("corr"), "corr", words), path)
    with pytest.raises(RunError, match="column 'corr' is string"):
        write_report(run)


def test_no_run_directory(tmp_path):
    with pytest.raises(RunError, match="there is no run directory"):
        write_report(tmp_path / "nowhere")


def test_a_failed_write_leaves_the_earlier_report_and_nothing_half(tmp_path, monkeypatch):
    run = make_run(tmp_path)
    path = write_report(run)
    before, names = path.read_bytes(), sorted(p.name for p in run.iterdir())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(MachineError) as error:
        write_report(run)
    one_sentence(error, "disk is full", "report.html")
    assert path.read_bytes() == before
    assert sorted(p.name for p in run.iterdir()) == names


def test_the_same_run_gives_the_same_bytes(tmp_path):
    run = make_run(tmp_path)
    first = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first
    assert len(first) < 6_000_000


def test_a_score_known_in_few_eras_says_so(tmp_path):
    run = make_run(tmp_path)
    scores = scores_of(run)
    scores["scores"]["prediction"]["mmc"]["n_eras"] = 10
    write_json(run / "scores.json", scores)
    words = report(run).words
    assert "mmc is known in 10 of 80 eras only" in words
    assert "in 10 of 80 eras only" in words.split("mmc", 1)[1][:80]


def heads_of(html: str) -> dict[str, list[str]]:
    """Return the column heads of each table by its caption."""
    tables = re.findall(r"<caption>(.*?)</caption><thead>(.*?)</thead>", html)
    return {caption: re.findall(r"<th[^>]*>(.*?)</th>", head) for caption, head in tables}


def test_a_level_has_no_columns_that_mean_nothing_for_it(tmp_path):
    heads = heads_of(write_report(make_run(tmp_path)).read_text(encoding="utf-8"))
    gains = {"sharpe", "sharpe hac", "max drawdown", "hit rate"}
    for caption, level in (
        ("exposure_max", True),
        ("exposure_rms", True),
        ("benchmark_corr", True),
        ("corr", False),
        ("bmc", False),
        ("payout", False),
    ):
        (head,) = [head for title, head in heads.items() if title.startswith(f"{caption}:")]
        assert gains & set(head) == (set() if level else gains), caption
        assert {"mean", "95 % interval", "last 50", "eras"} <= set(head)


def test_an_older_run_with_a_sharpe_of_rounding_shows_none(tmp_path):
    run = make_run(tmp_path)
    scores = scores_of(run)
    for metric in ("bmc", "corr", "exposure_max"):
        scores["scores"]["prediction"][metric]["sharpe"] = 4889729025994419.0
    write_json(run / "scores.json", scores)
    assert "4889729025994419" not in report(run).words


def test_payout_and_reference_files_are_shown(tmp_path):
    run = make_run(tmp_path)
    paid = {"n_rounds": 80, "mean": 0.00123, "compounded": -0.0456, "n_clipped": 2}
    change_json(run / "scores.json", payout={"simulation": paid})
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["data"]["references"] = [{"path": "data/meta_model.parquet", "rows": 3000}]
    write_json(run / "manifest.json", manifest)
    words = report(run).words
    assert (
        "each of 80 eras (21-100) it would have paid 0.12 % of the stake a round, -4.6 %" in words
    )
    assert "data/meta_model.parquet" in words


def test_the_first_screen_says_what_it_came_to(tmp_path):
    run = make_run(tmp_path, benchmark_from=71)
    page = report(run)
    clean(page)
    assert "Verdict corr is surely above 0; better than xgb." in page.words
    corr = scores_of(run)["comparisons"][0]
    assert f"xgb_ttt minus it {corr['mean_difference']:+.4f}" in page.words
    change_json(run / "scores.json", warnings=["scores that cannot be: possibly a leak"])
    assert "not to be believed before the suspected leak is explained" in report(run).words


def test_falls_are_those_of_the_curve_and_add_up_to_the_drawdown(tmp_path):
    run = make_run(tmp_path)
    table = pq.read_table(run / "scores_per_era.parquet").to_pandas()
    own = table[table["prediction"] == "prediction"].sort_values("era")
    total = own["corr"].cumsum().to_numpy()
    depth = np.maximum.accumulate(total) - total
    words = report(run).words
    shown = words[words.index("deepest of") :]
    deepest = int(own["era"].iloc[int(np.argmax(depth))])
    assert f"1. {depth.max():.3f}" in shown
    assert str(deepest) in shown[:200]


def test_quarters_are_shown_where_eras_have_dates(tmp_path):
    run = make_run(tmp_path)
    assert "by year and quarter" not in report(run).words
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    first = date(2019, 1, 4)
    days = {str(era): (first + timedelta(weeks=era - 21)).isoformat() for era in range(21, 101)}
    change_json(run / "manifest.json", data={**manifest["data"], "era_dates": days})
    table = pq.read_table(run / "scores_per_era.parquet").to_pandas()
    own = table[table["prediction"] == "prediction"].set_index("era")["corr"]
    quarter = own.loc[21:33].mean()  # 13 weeks from 4 January on
    words = report(run).words
    assert f"2019 {quarter:.4f} 13 eras" in words[words.index("by year and quarter") :]


def test_the_stake_is_carried_through_the_eras(tmp_path):
    run = make_run(tmp_path)
    table = pq.read_table(run / "scores_per_era.parquet").to_pandas()
    paid = table[table["prediction"] == "prediction"].sort_values("era")["payout"].to_numpy()
    scores = scores_of(run)
    scores["payout"] = {"rule": {"stake_share": 0.5}, "simulation": {}}
    write_json(run / "scores.json", scores)
    page = report(run)
    line = page.figures["chart-stake"]["data"][-1]
    assert line["y"][-1] == pytest.approx(100 * (np.prod(1 + 0.5 * paid) - 1), rel=1e-4)
    counts = page.figures["chart-distribution"]["data"][0]["y"]
    assert sum(counts) == len(paid)
    for metric in ("mmc", "bmc"):
        ends = page.figures[f"chart-cumulative-{metric}"]["data"][-1]["y"]
        own = table[table["prediction"] == "prediction"].sort_values("era")[metric]
        assert ends[-1] == pytest.approx(own.sum(), rel=1e-4)


def test_the_glossary_is_one_click_away_and_the_same_in_the_docs(tmp_path):
    html = write_report(make_run(tmp_path)).read_text(encoding="utf-8")
    assert 'href="#glossary"' in html
    assert 'id="glossary"' in html
    written = (Path(__file__).parents[2] / "docs" / "glossary.md").read_text(encoding="utf-8")
    told = dict(
        re.findall(r"^- \*\*(.+?)\*\*: (.+?)(?=\n- |\Z)", written, re.DOTALL | re.MULTILINE)
    )
    assert {term: " ".join(text.split()) for term, text in told.items()} == TERMS
