"""The page never holds means of different eras beside each other, and every row says its eras."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from numerai_lab.report import write_report
from report_html import Page, report
from report_run import BENCHMARK, change_json, make_run


@pytest.fixture(scope="module")
def shorter(tmp_path_factory):
    """A run over eras 21-100 whose benchmark was scored from era 71 on."""
    return make_run(tmp_path_factory.mktemp("runs"), benchmark_from=71)


@pytest.fixture(scope="module")
def page(shorter):
    return report(shorter)


@pytest.fixture(scope="module")
def corr(shorter):
    table = pq.read_table(shorter / "scores_per_era.parquet").to_pandas()
    table = table[table["target"] == "target"]
    return table.pivot(index="era", columns="prediction", values="corr")


def test_the_headline_is_on_the_eras_that_all_have(page, corr):
    both, own = [name for name in page.tables if name.startswith("Scores on target")]
    assert both == "Scores on target, mean per era, on the same 30 eras (71-100)"
    assert own == "Scores on target, mean per era, on the same 80 eras (21-100)"
    head, *rows = page.tables[both]
    part = corr.loc[71:]
    for row, name in zip(rows, ("prediction", "xgb", BENCHMARK), strict=True):
        assert row[head.index("corr")] == f"{part[name].mean():.4f}"
        assert row[head.index("eras")] == "30 71-100"
    head, *rows = page.tables[own]
    assert len(rows) == 2
    for row, name in zip(rows, ("prediction", "xgb"), strict=True):
        assert row[head.index("corr")] == f"{corr[name].mean():.4f}"
        assert row[head.index("eras")] == "80 21-100"
    assert "rows of different tables do not compare" in page.words


def test_the_benchmarks_line_begins_at_the_height_of_the_runs(page, corr):
    lines = {line["name"]: line for line in page.figures["chart-cumulative"]["data"]}
    own, other = lines["xgb_ttt"], lines[BENCHMARK]
    assert (own["x"][0], other["x"][0]) == (21, 71)
    height = dict(zip(own["x"], own["y"], strict=True))
    lead = np.cumsum(corr[BENCHMARK].loc[71:] - corr["prediction"].loc[71:])
    for era, value in zip(other["x"], other["y"], strict=True):
        assert value - height[era] == pytest.approx(lead[era], abs=2e-5)
    words = page.words
    assert f"{BENCHMARK} was scored in 30 eras (71-100) of these only" in words
    sums = corr.loc[71:].sum()
    assert f"over the eras of both {BENCHMARK} {sums[BENCHMARK]:.2f}, xgb_ttt" in words


def test_every_row_of_scores_says_its_eras(page):
    for caption, (head, *rows) in page.tables.items():
        if "95 % interval" not in head:
            continue
        for row in rows:
            n, span = row[head.index("eras")].split()[:2]
            first, last = span.split("-")
            assert int(n) == int(last) - int(first) + 1, caption
    whole = [caption for caption in page.tables if caption.startswith("corr: ")]
    assert whole[0].endswith("(each row over all its own eras: see the last column)")


def test_a_fold_in_part_stands_beside_the_run_in_the_same_part(page, corr):
    head, *rows = page.tables["Mean corr by fold"]
    column, own = head.index(BENCHMARK), head.index("xgb_ttt")
    # Folds of 20 eras from 21 on; the benchmark begins in the middle of the third.
    assert [row[column] for row in rows[:2]] == ["–", "–"]
    part = corr.loc[71:80]
    said = f"{part[BENCHMARK].mean():.4f} in 10 eras (71-80) this run there "
    assert rows[2][column] == said + f"{part['prediction'].mean():.4f}"
    assert rows[2][own] == f"{corr['prediction'].loc[61:80].mean():.4f}"
    assert rows[3][column] == f"{corr[BENCHMARK].loc[81:100].mean():.4f}"


def test_a_contribution_known_in_fewer_eras_says_in_which(tmp_path):
    run = make_run(tmp_path)
    scores = json.loads((run / "scores.json").read_text(encoding="utf-8"))
    for held in (scores, scores["same_eras"]["target"][0]):
        held["scores"]["prediction"]["mmc"] |= {"mean": 0.0123, "n_eras": 7, "first_era": 94}
    change_json(run / "scores.json", **scores)
    page = report(run)
    head, own, *_ = page.tables["Scores on target, mean per era, 80 eras (21-100)"]
    assert own[head.index("mmc")] == "0.0123 in 7 eras 94-100"
    assert "in 7 of 80 eras only (94-100)" in page.words.split("mmc", 1)[1][:80]


def test_one_table_where_all_have_the_same_eras(tmp_path):
    page = report(make_run(tmp_path))
    (caption,) = [name for name in page.tables if name.startswith("Scores on target")]
    assert caption == "Scores on target, mean per era, 80 eras (21-100)"
    assert "do not compare" not in page.words
    assert "of these only" not in page.words


def test_a_version_without_blocks_says_that_rows_do_not_compare(tmp_path):
    run = make_run(tmp_path, benchmark_from=71)
    change_json(run / "scores.json", same_eras=None)
    page = Page(write_report(run).read_text(encoding="utf-8"))
    assert "different eras and do not compare; `numerai-lab evaluate RUN` shows" in page.words
