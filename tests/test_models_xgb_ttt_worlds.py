"""xgb_ttt in the synthetic regime worlds: a clear win where features tell the regime, else none."""

import pytest

from numerai_lab.config import Synthetic
from numerai_lab.data import generate_tournament

CONFIG = """\
name: worlds
data: {{source: numerai, dir: "{folder}"}}
split: {{type: holdout, train: {{to: 149}}, validate: {{from: 158}}}}
scoring: {{exposure: false, fnc_feature_set: none, benchmark: none}}
threads: 1
model:
  type: xgb_ttt
  params: {{num_boost_round: 80, max_depth: 4, eta: 0.1, colsample_bytree: 0.3}}
"""


def judged(lab, tmp_path, world):
    folder = tmp_path / "data"
    size = {"n_eras": 224, "rows_per_era": 400, "n_features": 40, "seed": 1}
    generate_tournament(folder, Synthetic(world=world, **size))
    config = tmp_path / "worlds.yaml"
    config.write_text(CONFIG.format(folder=folder))
    result = lab("train", config, "--runs-dir", tmp_path / "runs", "--json")
    assert result.code == 0, result.err
    against_frozen = [c for c in result.json["comparisons"] if c["baseline"] == "frozen"]
    return {c["prediction"]: c for c in against_frozen}, result.err


@pytest.mark.parametrize("world", ["linked_strong", "linked_weak"])
def test_wins_clearly_where_the_features_tell_the_regime(lab, tmp_path, world):
    comparisons, said = judged(lab, tmp_path, world)
    assert "chosen on eras" in said
    assert comparisons["prediction"]["ci_low"] > 0.002
    assert comparisons["shuffled"]["ci_low"] < 0
    assert comparisons["shuffled"]["mean_difference"] < comparisons["prediction"]["ci_low"]


@pytest.mark.parametrize(
    ("world", "reason"),
    [
        ("static", "no regime found in the features"),
        ("unlinked", "no regime found in the features"),
        ("covariate_shift", "no strength gains for sure"),
    ],
)
def test_costs_nothing_where_there_is_nothing_to_win(lab, tmp_path, world, reason):
    comparisons, said = judged(lab, tmp_path, world)
    assert reason in said
    assert comparisons["prediction"]["mean_difference"] == 0
