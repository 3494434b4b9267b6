"""`ctx.unlabelled` in a run: rows without labels before the first judged era, and never later."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from honest_model import Honest
from numerai_lab.errors import UserError
from numerai_lab.experiment import ClusterExecutor, Reporter, prepare, read_experiment
from numerai_lab.models import ModelInfo, check_model
from plugins import install_model


class Looks(Honest):
    """Least squares, which reports the eras it was shown without labels."""

    info: ClassVar[ModelInfo] = ModelInfo(summary="looks around", unit="fits", unlabelled=True)

    def fit(self, train, ctx):
        report = super().fit(train, ctx)
        seen = ctx.unlabelled
        assert seen.target_names == ()
        assert seen.feature_names == train.feature_names
        trained = seen.between(int(train.eras[0]), int(train.eras[0]))
        first = train.between(int(train.eras[0]), int(train.eras[0]))
        details = {
            "eras": seen.eras.tolist(),
            "rows": np.diff(seen.offsets).tolist(),
            "same": bool(set(first.ids.to_pylist()) <= set(trained.ids.to_pylist())),
        }
        return replace(report, details=details)


@pytest.fixture
def looks(tmp_path, monkeypatch, tournament):
    """Install the model; data whose last eras and some other rows have no label."""
    install_model(tmp_path / "installed", "looks", f"{__name__}:Looks")
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


def test_workers_do_not_read_such_rows(looks, tiny_config, tmp_path):
    config = tmp_path / "looks.yaml"
    config.write_text("extends: tiny.yaml\nname: looks\nmodel: {type: looks}\n")
    with Reporter(quiet=True) as reporter:
        prepared = prepare(read_experiment(str(config), None, ()), reporter, plan_only=True)
    executor = ClusterExecutor(SimpleNamespace(spec="local:2"))
    with pytest.raises(UserError, match="rows without labels, which workers do not read"):
        executor.check(prepared, Reporter(quiet=True))


def test_such_a_model_keeps_every_promise():
    check_model(Looks)
