"""report.html, section by section: first screen, falls, quarters, stake, payout, glossary."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from numerai_lab.report import write_report
from numerai_lab.report.glossary import TERMS
from report_html import clean, report
from report_run import change_json, make_run, scores_of, write_json


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


def test_rank_turnover_is_drawn_where_stocks_can_be_followed_and_told_of_elsewhere(tmp_path):
    run = make_run(tmp_path)
    table = pq.read_table(run / "scores_per_era.parquet").to_pandas()
    table["rank_turnover"] = np.nan
    pq.write_table(pa.Table.from_pandas(table), run / "scores_per_era.parquet")
    page = report(run)
    assert "There is no rank turnover" in page.words
    assert "chart-turnover" not in page.figures
    table["rank_turnover"] = np.linspace(0.1, 0.3, len(table))
    pq.write_table(pa.Table.from_pandas(table), run / "scores_per_era.parquet")
    own = table[table["prediction"] == "prediction"].sort_values("era")["rank_turnover"]
    page = report(run)
    assert "There is no rank turnover" not in page.words
    line = page.figures["chart-turnover"]["data"][0]
    np.testing.assert_allclose(line["y"], own, rtol=1e-5)
