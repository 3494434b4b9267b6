"""`ctx.unlabelled` in a run: rows without labels before the first judged era, and never later."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from looking_model import Looks
from numerai_lab.experiment import Reporter, prepare, read_experiment
from numerai_lab.models import check_model
from plugins import install_model


@pytest.fixture
def looks(tmp_path, monkeypatch, tournament):
    """Install the model; data whose last eras and some other rows have no label."""
    install_model(tmp_path / "installed", "looks", "looking_model:Looks")
    monkeypatch.syspath_prepend(tmp_path / "installed")
    data = tmp_path / "data"
    data.mkdir()
    for name in ("train.parquet", "validation.parquet"):
        rows = pd.read_parquet(tournament / name)
        rows.iloc[::9, rows.columns.get_indexer(["target"])] = np.nan
        rows.loc[rows["era"].astype(int) == 25, "target"] = np.nan  # a whole era in between
        rows.to_parquet(data / name)
    (data / "features.json").write_bytes((tournament / "features.json").read_bytes())
    return data


def test_every_fold_sees_rows_before_its_judged_eras_and_no_other(
    looks, lab, tiny_config, tmp_path
):
    config = tmp_path / "looks.yaml"
    config.write_text("extends: tiny.yaml\nname: looks\nmodel: {type: looks}\n")
    settings = ("--set", f"data.dir={json.dumps(str(looks))}", "--runs-dir", tmp_path / "runs")
    result = lab("train", config, "--final", "--json", *settings)
    assert result.code == 0, result.err
    assert "only their features are learnt from" in result.err
    run = Path(result.json["run_dir"])
    rows = pd.concat(
        [pd.read_parquet(looks / name) for name in ("train.parquet", "validation.parquet")]
    )
    counts = rows.groupby(rows["era"].astype(int)).size()
    assert len(result.json["folds"]) > 1
    for fold in result.json["folds"]:
        path = run / "folds" / f"{fold['fold']:02d}" / "fit.json"
        seen = json.loads(path.read_text())["details"]
        expected = counts[counts.index < fold["judged"]["first"]]
        assert seen["eras"] == expected.index.tolist()
        assert seen["rows"] == expected.tolist()
        assert 25 in seen["eras"]
        assert seen["same"]
    final = json.loads((run / "final" / "fit.json").read_text())
    assert final["details"]["eras"] == counts.index.tolist()
    assert final["details"]["eras"][-1] > final["last_era"]


def test_labelled_rows_and_folds_are_those_of_any_other_model(looks, tiny_config, tmp_path):
    config = tmp_path / "looks.yaml"
    config.write_text("extends: tiny.yaml\nname: looks\n")
    there = f"data.dir={json.dumps(str(looks))}"
    with Reporter(quiet=True) as reporter:
        mine, theirs = (
            prepare(read_experiment(str(config), None, (there, f"model={model}")), reporter)
            for model in ("{type: looks}", "{type: xgb}")
        )
    assert mine.dataset.known.n_rows > mine.dataset.frame.n_rows
    assert theirs.dataset.known is None
    for name in ("eras", "offsets", "features", "targets"):
        ours, other = (getattr(one.dataset.frame, name) for one in (mine, theirs))
        assert np.array_equal(ours, other, equal_nan=name == "targets")
    assert mine.dataset.frame.ids.equals(theirs.dataset.frame.ids)
    for one, other in zip(mine.plan.folds, theirs.plan.folds, strict=True):
        assert np.array_equal(one.train, other.train)
        assert np.array_equal(one.judged, other.judged)


def test_such_a_model_keeps_every_promise():
    check_model(Looks)
