"""Nets of stocks in whole runs on prices: live, going on, as members, and what is not known yet."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch", reason="tests of nets need torch: make nets")

from price_files import price_table
from stand_in import PUBLIC, SECRET

CONFIG = """
name: {name}
data:
  source: prices
  dir: {place}/data
  targets: [target_5, scaled_5]
split: {{type: walk_forward, first_train_eras: 20, chunk_eras: 10}}
threads: 1
model: {model}
"""
SMALL = {"window": 4, "width": 8, "epochs": 1}
NETS = {"stock_rnn": SMALL, "stock_transformer": {**SMALL, "heads": 2, "points": 3}}


@pytest.fixture(scope="module")
def table():
    return price_table()


def config(place, name, model):
    path = place / f"{name}.yaml"
    path.write_text(CONFIG.format(name=name, place=place, model=json.dumps(model)))
    return path


def trained(lab, place, path, *more):
    told = lab(
        "train", path, "--data", place / "prices.parquet", "--runs-dir", place / "runs", *more
    )
    assert told.code == 0, told.err
    (run,) = (one.parent for one in (place / "runs").glob(f"{path.stem}/*/DONE"))
    return run


def live(lab, run, out):
    told = lab("predict", run, "--out", out)
    assert told.code == 0, told.err
    return pd.read_csv(out).set_index("id")["prediction"], told


def bundled(lab, run, place, ids):
    """Export a run, and predict the newest live rows with the bundle."""
    told = lab("export", run, "--out", place / "stocks.pkl")
    assert told.code == 0, told.err
    assert "what it needs of earlier eras goes along" in told.out + told.err
    content = (place / "stocks.pkl").read_bytes()
    assert b"torch" not in content
    for live_rows in (place / "data" / "prices").glob("*/live.parquet"):
        rows = pd.read_parquet(live_rows).set_index("id")
        if rows.index[0] in ids:
            return pickle.loads(content)(rows)["prediction"].reindex(ids)
    raise AssertionError("no live rows of these ids")


@pytest.mark.slow  # a run with a final model, which goes on, is explained, and predicts three times
@pytest.mark.parametrize("name", NETS)
def test_from_training_to_next_weeks_predictions(name, lab, table, tmp_path, stand_in, monkeypatch):
    days = np.sort(table["date"].unique())
    until = days[-26]
    table[table["date"] <= until].to_parquet(tmp_path / "prices.parquet")
    model = {"type": name, "params": NETS[name]}
    run = trained(lab, tmp_path, config(tmp_path, "small", model), "--final")
    facts = json.loads((run / "final" / "fit.json").read_text())
    assert facts["history"]["kept"] == "rows"
    assert len(facts["history"]["kept_eras"]) == 3
    first, _ = live(lab, run, tmp_path / "one.csv")
    assert first.index.str.endswith(str(pd.Timestamp(until).date())).all()
    assert first.between(0, 1).all()
    assert first.nunique() > 1

    explained = lab("explain", run, "--permute", 2)
    assert explained.code == 0, explained.err
    assert "feature_" in explained.out
    assert np.abs(bundled(lab, run, tmp_path, first.index) - first).max() < 1e-6
    keys = {"API_URL": stand_in.url, "PUBLIC_ID": PUBLIC, "SECRET_KEY": SECRET}
    for key, value in keys.items():
        monkeypatch.setenv(f"NUMERAI_{key}", value)
    monkeypatch.chdir(tmp_path)
    submitted = lab("submit", run, "--slot", "alpha")
    assert submitted.code == 2
    assert "does not tell its data version" in submitted.err

    # five weeks later
    table.to_parquet(tmp_path / "prices.parquet")
    later, told = live(lab, run, tmp_path / "two.csv")
    assert later.index.str.endswith(str(days[-1].astype("datetime64[D]"))).all()
    assert "in no file" not in told.err
    assert np.abs(bundled(lab, run, tmp_path, later.index) - later).max() < 1e-6
    grown = lab("train", "--continue", run, "--amount", 1, "--runs-dir", tmp_path / "runs")
    assert grown.code == 0, grown.err
    newest = sorted((tmp_path / "runs" / "small").glob("*/DONE"))[-1].parent
    third, _ = live(lab, newest, tmp_path / "three.csv")
    assert third.index.equals(later.index)
    assert not np.array_equal(third.to_numpy(), later.to_numpy())


@pytest.mark.slow  # two runs
@pytest.mark.parametrize("name", NETS)
def test_prices_of_later_days_change_no_prediction_of_a_run(name, lab, table, tmp_path):
    """Prices after a day are others: all that was predicted until then stays to the byte."""
    found = {}
    for kind in ("real", "other"):
        place = tmp_path / kind
        place.mkdir()
        own = table.copy()
        day = np.sort(own["date"].unique())[475]
        if kind == "other":
            later = own["date"] > day
            drawn = np.random.default_rng(1).normal(scale=0.02, size=int(later.sum()))
            moves = np.exp(drawn).astype(np.float32)
            for column in ("open", "high", "low", "close"):
                own.loc[later, column] *= moves
        own.to_parquet(place / "prices.parquet")
        model = {"type": name, "params": NETS[name]}
        run = trained(lab, place, config(place, "small", model))
        found[kind] = pd.read_parquet(run / "predictions.parquet").set_index("id")
    dates = pd.to_datetime(found["real"].index.str.slice(-10))
    early = np.asarray(dates <= pd.Timestamp(day))
    one, two = (found[kind]["prediction"] for kind in ("real", "other"))
    assert early.sum() > 50
    assert np.array_equal(one[early].to_numpy(), two.reindex(one.index)[early].to_numpy())
    assert not np.array_equal(one[~early].to_numpy(), two.reindex(one.index)[~early].to_numpy())


@pytest.mark.slow  # runs of two members, and what is made of them
@pytest.mark.parametrize("name", NETS)
def test_a_stack_has_it_as_a_member(name, lab, table, tmp_path):
    table.to_parquet(tmp_path / "prices.parquet")
    members = {
        "stocks": {"type": name, "params": NETS[name]},
        "linear": {"type": "ridge", "params": {"alpha": 1.0}},
    }
    model = {"type": "stack", "params": {"members": members}}
    run = trained(lab, tmp_path, config(tmp_path, "both", model), "--final")
    judged = pd.read_parquet(run / "predictions.parquet")
    assert {"stocks", "linear"} <= set(judged.columns)
    predictions, _ = live(lab, run, tmp_path / "p.csv")
    assert predictions.between(0, 1).all()


@pytest.mark.parametrize("name", NETS)
def test_numerais_rows_are_refused(name, lab, tiny_config):
    model = json.dumps({"type": name})
    told = lab("train", tiny_config, "--set", f"model={model}")
    assert told.code == 2
    assert f"model '{name}' follows what rows are about over time" in told.err


@pytest.mark.slow  # the shipped config on its made-up panel
@pytest.mark.parametrize("name", NETS)
def test_the_shipped_config_runs(name, lab, tmp_path):
    chosen = {
        "data.dir": str(tmp_path / "data"),
        "data.prices.made_up": {"n_tickers": 20, "n_days": 1400},
        "compare_to": [],
        "split.first_train_eras": 100,
    }
    settings = [
        one for key, value in chosen.items() for one in ("--set", f"{key}={json.dumps(value)}")
    ]
    told = lab(
        "train", Path("configs") / f"{name}.yaml", *settings, "--runs-dir", tmp_path / "runs"
    )
    assert told.code == 0, told.err
    assert "portfolio" in told.out
