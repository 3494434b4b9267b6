"""report.html of files that hold strange text, lack values, are damaged, or are not there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from numerai_lab.errors import MachineError, RunError
from numerai_lab.report import write_report
from report_html import clean, report
from report_run import change_json, make_run, scores_of, write_json

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
    assert "a control: what the era's own state gains is xgb_ttt - shuffled" in words
    assert "same trees, not adapted" in words


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


def test_an_older_run_with_a_sharpe_of_rounding_shows_none(tmp_path):
    run = make_run(tmp_path)
    scores = scores_of(run)
    for metric in ("bmc", "corr", "exposure_max"):
        scores["scores"]["prediction"][metric]["sharpe"] = 4889729025994419.0
    write_json(run / "scores.json", scores)
    assert "4889729025994419" not in report(run).words
