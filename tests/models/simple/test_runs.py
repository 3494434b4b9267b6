"""The shipped configs from rows to predictions of a final model, on the small tournament."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

CONFIGS = Path(__file__).parents[3] / "configs"


@pytest.mark.parametrize("name", ["ridge", "max_sharpe"])
def test_the_shipped_config_trains_and_predicts(name, lab, tournament, tmp_path):
    run = tmp_path / "run"
    small = ["split={type: walk_forward, first_train_eras: 40, chunk_eras: 10, purge_eras: 4}"]
    small += ["compare_to=[]", "scoring.bootstrap={samples: 200}", "data.targets=[target]"]
    sets = [word for value in small for word in ("--set", value)]
    trained = lab(
        *("train", CONFIGS / f"{name}.yaml", "--data", tournament, "--final", "--json"),
        *("--run-dir", run, *sets),
    )
    assert trained.code == 0, trained.err
    fit = json.loads((run / "folds" / "01" / "fit.json").read_text())
    assert (fit["size"], fit["unit"]) == (12, "coefficients")
    assert "was chosen on" in " ".join(fit["notes"])
    assert np.isfinite(trained.json["scores"]["prediction"]["corr"]["mean"])
    out = tmp_path / "live.csv"
    live = lab("predict", run, "--features", tournament / "live.parquet", "--out", out)
    assert live.code == 0, live.err
    assert pd.read_csv(out)["prediction"].nunique() > 10


@pytest.mark.parametrize(("targets", "purge"), [("", 8), ("targets: {target_ender_60: 1}", 16)])
def test_targets_of_other_horizons_lengthen_the_purge(targets, purge, lab, tiny_config, tmp_path):
    text = tiny_config.read_text().split("model:")[0].replace(", purge_eras: 4", "")
    config = tmp_path / "mixed.yaml"
    config.write_text(text + f"model: {{type: ridge, params: {{{targets}}}}}\n")
    both = "data.targets=[target, target_ender_60]"
    result = lab("train", config, "--plan", "--json", "--set", both)
    assert result.code == 0, result.err
    assert result.json["folds"][0]["purge_eras"] == purge
