"""Experiments on daily prices, from the command line to live predictions."""

import contextlib
import io
import json
from pathlib import Path

import pandas as pd
import pytest

from numerai_lab.cli import run
from price_files import price_table

CONFIG = """
name: small
data:
  source: prices
  dir: {place}/data
  targets: [target_20]
split: {{type: walk_forward, first_train_eras: 20, chunk_eras: 20}}
model: {{type: ridge, params: {{alpha: 1.0}}}}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a config, a file of prices, and a run on them with a final model."""
    place = tmp_path_factory.mktemp("small")
    (place / "small.yaml").write_text(CONFIG.format(place=place))
    price_table().to_parquet(place / "prices.parquet")
    arguments = [str(place / "small.yaml"), "--data", str(place / "prices.parquet"), "--final"]
    with contextlib.redirect_stdout(io.StringIO()) as told:
        assert run(["train", *arguments, "--runs-dir", str(place / "runs"), "--json"]) == 0
    (place / "told.json").write_text(told.getvalue())
    return place


@pytest.fixture
def run_dir(place):
    return Path(json.loads((place / "told.json").read_text())["run_dir"])


def test_a_run_says_survivorship_first(run_dir):
    manifest = json.loads((run_dir / "manifest.json").read_text())
    assert manifest["data"]["source"] == "prices"
    page = (run_dir / "report.html").read_text()
    banner = page.index("SURVIVORSHIP")
    assert banner < page.index("<main")
    assert "2002-" in page  # eras are dates
    assert "chart-turnover" in page  # and stocks can be followed
    scores = json.loads((run_dir / "scores.json").read_text())["scores"]["prediction"]
    assert 0 < scores["rank_turnover"]["mean"] < 1
    assert scores["rank_turnover"]["sharpe"] is None


def test_the_list_of_runs_names_the_rows_prices_and_no_folder_of_digits(lab, place):
    told = lab("runs", "--runs-dir", place / "runs", "--json")
    assert told.json["runs"][0]["data"]["label"].startswith("prices ")


def test_it_is_judged_again_although_the_prices_have_changed(lab, place, run_dir):
    before = json.loads((run_dir / "scores.json").read_text())["scores"]
    file = place / "prices.parquet"
    content = file.read_bytes()
    file.unlink()
    try:
        assert lab("evaluate", run_dir, "--runs-dir", place / "runs").code == 0
    finally:
        file.write_bytes(content)
    assert json.loads((run_dir / "scores.json").read_text())["scores"] == before


def test_the_last_era_is_predicted(lab, place, run_dir, tmp_path):
    out = tmp_path / "live.csv"
    told = lab("predict", run_dir, "--out", out)
    assert told.code == 0, told.err
    rows = pd.read_csv(out)
    assert set(rows) == {"id", "prediction"}
    assert rows["id"].str.endswith("_2003-02-28").all()


def test_newer_prices_are_predicted_with_the_same_rules(lab, place, run_dir, tmp_path):
    prices = price_table()
    days = sorted(prices["date"].unique())
    prices[prices["date"] <= days[-4]].to_csv(tmp_path / "newer.csv", index=False)
    told = lab(
        "predict", run_dir, "--features", tmp_path / "newer.csv", "--out", tmp_path / "p.csv"
    )
    assert told.code == 0, told.err
    rows = pd.read_csv(tmp_path / "p.csv")
    assert rows["id"].str.endswith(str(days[-4].date())).all()


def test_prices_are_shown_with_what_was_dropped(lab, place, tmp_path):
    rows = price_table()
    rows.loc[5, "close"] = -1
    rows.to_parquet(tmp_path / "odd.parquet")
    config = place / "small.yaml"
    told = lab("data", "prices", tmp_path / "odd.parquet", "--config", config)
    assert told.code == 0, told.err
    assert "1 rows with a price that is missing or not above 0" in told.out
    assert "no universe file" in told.out
    page = Path(told.out.rstrip().rsplit("page", 1)[1].strip())
    assert "Survivorship" in page.read_text()
    again = lab("data", "prices", tmp_path / "odd.parquet", "--config", config, "--json")
    assert again.json["counts"]["rows_without_positive_prices"] == 1


def test_prices_need_an_experiment_on_prices(lab, place):
    told = lab("data", "prices", place / "prices.parquet", "--config", "xgb")
    assert told.code == 2
    assert "source: parquet" in told.err or "not prices" in told.err
    told = lab("train", "xgb", "--data", place / "prices.parquet")
    assert told.code == 2
    assert "name an experiment on such" in told.err


def test_files_of_prices_are_those_of_a_baseline_too_that_knows_no_prices(lab, place, tmp_path):
    split = "split: {type: walk_forward, first_train_eras: 20, chunk_eras: 20}\n"
    model = "model: {type: ridge, params: {alpha: 9.0}}\n"
    (tmp_path / "flat.yaml").write_text(f"name: flat\n{split}{model}")
    text = CONFIG.format(place=place).replace("small", "beside") + "compare_to: [flat]\n"
    (tmp_path / "beside.yaml").write_text(text)
    prices = place / "prices.parquet"
    told = lab("train", tmp_path / "beside.yaml", "--data", prices, "--json")
    assert told.code == 0, told.err
    scores = json.loads((Path(told.json["run_dir"]) / "scores.json").read_text())["scores"]
    assert "flat" in scores


def test_entity_and_side_are_its_own(lab, place):
    told = lab("train", place / "small.yaml", "--plan", "--set", "data.entity=symbol")
    assert told.code == 2
    assert "have the entity ticker" in told.err


NETWORK = """
extends: small.yaml
name: network
data:
  targets: [target_5, scaled_5]
transforms:
  - {{type: network_momentum, graph: learned, degree: 4, lookbacks_days: [40, 60], only: true}}
placebo: 0
model: {{type: max_sharpe, params: {{shrinkage: 0.1, targets: {{scaled_5: 1}}}}}}
scoring: {{portfolio: {{cost_bp: 5}}}}
compare_to: [own]
"""
OWN = """
extends: network.yaml
name: own
transforms: [{{type: network_momentum, columns: own, only: true}}]
compare_to: []
"""


@pytest.fixture(scope="module")
def networked(place):
    """A run of network momentum with a final model, beside one of own momentum."""
    (place / "network.yaml").write_text(NETWORK.format())
    (place / "own.yaml").write_text(OWN.format())
    arguments = ["--data", str(place / "prices.parquet"), "--final", "--json", "--quiet"]
    with contextlib.redirect_stdout(io.StringIO()) as told:
        where = ["--runs-dir", str(place / "runs")]
        assert run(["train", str(place / "network.yaml"), *arguments, *where]) == 0
    return Path(json.loads(told.getvalue())["run_dir"])


def test_portfolios_are_held_and_shown(networked):
    held = json.loads((networked / "scores.json").read_text())["portfolio"]
    assert (held["hold_days"], held["cost_bp"]) == (5, 5)
    assert set(held["columns"]) == {"prediction", "own"}
    mine = held["columns"]["prediction"]
    assert mine["sharpe_net"] < mine["sharpe_gross"]
    assert held["differences"][0]["baseline"] == "own"
    page = (networked / "report.html").read_text()
    assert "Portfolios, a year" in page
    assert 'id="chart-portfolio"' in page
    log = (networked / "log.jsonl").read_text()
    assert "learned graphs of" in log


def test_portfolios_follow_from_predictions_and_weekly_returns(networked):
    """By hand from the files: one sleeve a week at the next close."""
    folder = Path(json.loads((networked / "manifest.json").read_text())["data"]["folder"])
    rows = pd.read_parquet(folder / "rows.parquet").set_index("id")
    predicted = pd.read_parquet(networked / "predictions.parquet").set_index("id")["prediction"]
    rows = rows.loc[predicted.index].assign(prediction=predicted)
    earned = pd.read_parquet(folder / "returns.parquet").set_index(["era", "ticker"])["return"]
    gross = []
    for era, mine in rows.groupby("era"):
        x = (mine["prediction"] - mine["prediction"].mean()) / mine["volatility"]
        x = (x - x.mean()) / (x - x.mean()).abs().sum()
        gross.append(float((x.to_numpy() * earned.loc[era].loc[mine["ticker"]].to_numpy()).sum()))
    per_era = pd.read_parquet(networked / "scores_per_era.parquet")
    own = per_era[(per_era["prediction"] == "prediction") & (per_era["target"] == "target_5")]
    assert own["portfolio_gross"].to_numpy() == pytest.approx(gross, abs=1e-8)


def test_portfolios_can_be_compared_between_runs(lab, place, networked):
    others = sorted((place / "runs" / "own").glob("2*"))
    asked = ("compare", networked, others[0], "--metric", "portfolio_net.sharpe")
    told = lab(*asked, "--runs-dir", place / "runs")
    assert told.code == 0, told.err
    assert "portfolio_net" in told.out


def test_the_network_of_the_live_era_is_that_of_training(lab, networked, tmp_path):
    told = lab("predict", networked, "--out", tmp_path / "live.csv")
    assert told.code == 0, told.err
    rows = pd.read_csv(tmp_path / "live.csv")
    assert rows["prediction"].nunique() > 10


def test_bad_terms_of_a_portfolio_are_refused(lab, place):
    told = lab("train", place / "small.yaml", "--plan", "--set", "scoring.portfolio.cost_bp=-1")
    assert told.code == 2
    assert "cost_bp" in told.err


def test_what_follows_stocks_goes_into_a_bundle_and_a_graph_does_not(
    lab, place, networked, tmp_path
):
    steps = "transforms=[{type: lags, of: stock, top: 3, lags: [1, 4]}]"
    settings = ("--set", steps, "--set", "placebo=0")
    where = ("--data", place / "prices.parquet", "--run-dir", tmp_path / "run")
    made = lab("train", place / "small.yaml", *where, "--final", "--quiet", *settings)
    assert made.code == 0, made.err
    assert lab("export", tmp_path / "run", "--out", tmp_path / "b.pkl").code == 0
    assert lab("predict", tmp_path / "run", "--out", tmp_path / "live.csv").code == 0
    told = pd.read_csv(tmp_path / "live.csv", index_col="id")["prediction"]
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    live = Path(manifest["data"]["folder"]) / "live.parquet"
    rows, bundle = pd.read_parquet(live).set_index("id"), pd.read_pickle(tmp_path / "b.pkl")
    assert bundle(rows)["prediction"].tolist() == told[rows.index].tolist()
    with pytest.raises(ValueError, match="no column 'ticker', which the model needs beside"):
        bundle(rows.drop(columns="ticker"))
    refused = lab("export", networked, "--out", tmp_path / "n.pkl")
    assert refused.code == 2
    assert "looks back on earlier eras, and what it needs of them cannot go along" in refused.err
