"""The page on a phone and on a desk: folded warnings, breaks in paths, nothing beyond an edge."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numerai_lab.config import Payout
from numerai_lab.report import write_report
from numerai_lab.report.markup import breakable
from numerai_lab.report.messages import fold_warnings, severity
from numerai_lab.scoring import accusation, score_predictions
from report_html import report
from report_run import BENCHMARK, change_json, make_run

LEAK = accusation("target", {"prediction": "0.1200 over 80 eras (limit 0.0786)"})
WARNINGS = [
    "12 of 4,000 feature values are missing: fnc and exposure take the feature's mean for them",
    "meta model covers less than 80 % of the rows, or is constant, in 44 of 80 eras: no mmc there",
    "prediction 'xgb' is constant in 3 of 80 eras (first: 0044): no score there",
    LEAK,
]
FAR = "/home/somebody/projects/tournament/numerai/data/v5.3/validation_benchmark_models.parquet"


def warnings_of(html: str) -> tuple[str, str]:
    """Return what stands in full and what is folded in the page's box of warnings."""
    box = re.search(r'<div class="warnings".*?</div>', html, re.DOTALL)[0]
    full, _, folded = box.partition("<details><summary>")
    return full, folded


def html_of(run):
    return write_report(run).read_text(encoding="utf-8")


def test_each_warning_takes_one_line_the_most_severe_first_and_many_are_folded(tmp_path):
    run = make_run(tmp_path)
    change_json(run / "scores.json", warnings=[*WARNINGS[:3], *["another " * 20] * 2])
    full, folded = warnings_of(html_of(run))
    assert "5 warnings" in full
    assert full.count("<li>") == 3
    assert full.count('<details class="line"><summary>') == 3
    said = ("is constant in 3 of 80 eras", "meta model covers", "feature values are missing")
    places = [full.index(what) for what in said]
    assert places == sorted(places)
    assert "2 more" in folded
    assert folded.count("<li>") == 2


def test_a_suspected_leak_is_never_folded(tmp_path):
    run = make_run(tmp_path)
    other = accusation("target_ender_60", {"xgb": "0.2000 over 80 eras (limit 0.0866)"})
    change_json(run / "scores.json", warnings=[*WARNINGS, other])
    full, folded = warnings_of(html_of(run))
    assert full.count("possibly a leak") == 2
    assert full.count("<li>") == 3
    assert full.count('class="line"') == 1  # a leak is not cut
    assert "leak" not in folded
    assert "2 more" in folded


def test_one_warning_is_not_folded_and_the_data_banner_never_is(tmp_path):
    html = html_of(make_run(tmp_path))
    full, folded = warnings_of(html)
    assert "<strong>Warning</strong>" in full
    assert folded == ""
    assert html.index("Synthetic data") < html.index("<details>")


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from([*WARNINGS, "", "anything else"]), min_size=1, max_size=8))
def test_folding_loses_no_warning_and_hides_no_leak(warnings):
    full, folded = fold_warnings(warnings)
    assert sorted(full + folded) == sorted(warnings)
    assert full
    ranks = [severity(warning) for warning in [*full, *folded]]
    assert ranks == sorted(ranks)
    assert all(severity(warning) > 0 for warning in folded)


def test_what_scoring_says_is_ranked_as_it_says_it():
    """The ranks go by words of the sentences, so the sentences themselves are ranked here."""
    eras, offsets = np.arange(1, 5, dtype=np.int32), np.arange(0, 41, 10)
    values = np.random.default_rng(0).uniform(size=40)
    features = np.random.default_rng(1).uniform(size=(40, 3)).astype(np.float32)
    features[3, 1] = np.nan
    said: list[str] = []
    score_predictions(
        {"prediction": np.where(np.arange(40) < 10, 0.5, values), "xgb": values},
        {"target": values.astype(np.float32)},
        eras,
        offsets,
        payout=Payout(),
        say=said.append,
        features=features,
        meta_model=np.where(np.arange(40) < 20, np.nan, values),
    )
    ranks = {warning.split(" ")[0]: severity(warning) for warning in said}
    assert ranks == {"prediction": 1, "1": 4, "meta": 3}
    assert severity(WARNINGS[2]) == 2
    assert severity(LEAK) == 0


@given(st.text(st.sampled_from('ab1_-/\\.:= \n<&"é')))
def test_a_path_breaks_after_its_separators_only(text):
    parts = str(breakable(text)).split("<wbr>")
    assert "".join(parts) == str(breakable(text)).replace("<wbr>", "")
    assert "".join(parts).replace("&lt;", "<").replace("&amp;", "&").replace("&quot;", '"') == text
    for before, after in pairwise(parts):
        assert before[-1] in "/\\_:=-."
        assert after[0] not in "/\\_:=-"
        assert before[-1] != "." or not after[0].isdigit()


def test_a_long_path_breaks_at_its_folders(tmp_path):
    run = make_run(tmp_path)
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    manifest["data"]["files"][0]["path"] = FAR
    change_json(run / "manifest.json", data=manifest["data"])
    path = re.search(r"<code>([^/]*/<wbr>home.*?)</code>", html_of(run))[1]
    assert path.replace("<wbr>", "") == FAR
    assert "projects/<wbr>tournament/<wbr>numerai/<wbr>data/<wbr>v5.3/" in path


def test_numbers_and_a_chart_come_before_the_tables(tmp_path):
    html = html_of(make_run(tmp_path))
    wanted = ('class="verdict"', 'class="beside"', "chart-cumulative", 'class="cards"')
    places = [html.index(what) for what in (*wanted, 'id="scores"')]
    assert places == sorted(places)
    assert "2 notes on how it ran" in html


def test_every_cell_bears_the_head_of_its_column(tmp_path):
    """A phone shows rows as blocks, in which the head stands above each cell."""
    html = html_of(make_run(tmp_path, benchmark_from=71))
    tables = re.findall(r"<table.*?</table>", html, re.DOTALL)
    assert len(tables) > 10
    for table in tables:
        heads = re.findall(r"<th[^>]*scope=\"col\"[^>]*>(.*?)</th>", table)
        for row in re.findall(r"<tr><th scope=\"row\">.*?</tr>", table):
            labels = re.findall(r'<td[^>]*data-label="(.*?)"', row)
            assert [label.replace("\u200b", "") for label in labels] == heads[1:]


def test_a_charts_place_is_kept_before_it_is_drawn(tmp_path):
    page = report(make_run(tmp_path))
    for chart in (a for a in page.all("div", "id") if a["id"].startswith("chart-")):
        height = page.figures[chart["id"]]["layout"]["height"]
        assert chart["style"] == f"--height:{height}px"


BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))),
    None,
)
MEASURE = """
<!doctype html><style>body { margin: 0 } iframe { border: 0; display: block }</style>
<iframe id="phone" width="390" height="844" src="page.html"></iframe>
<iframe id="desk" width="1280" height="800" src="page.html"></iframe>
<script>
addEventListener("load", () => {
  const found = {};
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument, place = (e) => e.getBoundingClientRect();
    const first = { card: place(page.querySelector(".beside strong")).bottom };
    first.chart = place(page.getElementById("chart-cumulative")).top;
    for (const folded of page.querySelectorAll("details")) folded.open = true;
    const beyond = [...page.querySelectorAll("td, th, code, .card, li")].filter((cell) => {
      const { right, width } = place(cell);
      return width && right > page.documentElement.clientWidth + 0.5 && !cell.closest("pre");
    });
    const narrow = [...page.querySelectorAll("td")].filter((cell) => cell.textContent.trim()
      && getComputedStyle(cell).display !== "none" && cell.scrollWidth > cell.clientWidth + 1);
    const cut = [...page.querySelectorAll(".scroll")].filter((e) => e.scrollWidth > e.clientWidth);
    found[frame.id] = {
      ...first, wide: page.documentElement.scrollWidth - page.documentElement.clientWidth,
      beyond: beyond.map((cell) => cell.textContent.slice(0, 40)),
      narrow: narrow.map((cell) => cell.textContent.slice(0, 40)),
      cut: cut.map((box) => box.getAttribute("aria-label")),
    };
  }
  document.body.textContent = "FOUND" + JSON.stringify(found) + "DNUOF";
});
</script>
"""


@pytest.mark.skipif(
    BROWSER is None,
    reason="no chromium or chrome here: the page's layout at 390 and 1280 px is NOT checked",
)
def test_the_first_screen_holds_numbers_and_a_chart_and_nothing_is_cut(tmp_path):
    """In a real browser, at 390 x 844 and 1280 x 800; without plotly, which is not laid out."""
    names = ("prediction", "xgb", "frozen", "shuffled", BENCHMARK)
    features = tuple(f"feature_nonmarine_furlable_anticlinal_{i:03d}" for i in range(30))
    run = make_run(tmp_path / "runs", names=names, features=features, benchmark_from=71)
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    manifest["data"]["files"][0]["path"] = manifest["data"]["folder"] = FAR
    change_json(run / "manifest.json", data=manifest["data"], command=f"numerai-lab train {FAR}")
    change_json(run / "scores.json", warnings=WARNINGS)
    html = re.sub(r"<script id=\"plotly\">.*", "", html_of(run), flags=re.DOTALL)
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    (tmp_path / "measure.html").write_text(MEASURE, encoding="utf-8")
    command = [
        *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"),
        *(f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=5000"),
        *("--window-size=1400,1700", "--dump-dom", (tmp_path / "measure.html").as_uri()),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert "FOUND" in done.stdout, done.stderr[-2000:]
    found = json.loads(done.stdout.split("FOUND")[-1].split("DNUOF")[0].replace("&amp;", "&"))
    for name, height in (("phone", 844), ("desk", 800)):
        seen = found[name]
        assert seen["card"] < height
        assert seen["chart"] < height - 200, "less than 200 px of the chart on the first screen"
        assert seen["wide"] == 0
        assert (seen["beyond"], seen["narrow"], seen["cut"]) == ([], [], []), name
