"""Zero-skill labels that overlap: with the purge the interval covers 0, without it it does not."""

import json

import pytest

CANARY = """\
name: canary
data:
  source: synthetic
  dir: "{folder}"
  synthetic: {{n_eras: 140, rows_per_era: 100, n_features: 12, signal: 0, seed: 4}}
split: {{type: walk_forward, first_train_eras: 40, chunk_eras: 4}}
threads: 1
scoring: {{exposure: false, fnc_feature_set: none, bootstrap: {{samples: 1000}}}}
model:
  type: xgb
  params: {{num_boost_round: 8, max_depth: 6, eta: 0.4}}
"""


@pytest.fixture(scope="module")
def scores(tmp_path_factory, forks):
    folder = tmp_path_factory.mktemp("canary")
    config = folder / "canary.yaml"
    config.write_text(CANARY.format(folder=folder / "data"))
    found = {}
    for purge in ("auto", 0):
        code, out, err = forks.run(
            *("train", config, "--runs-dir", folder / "runs", "--json", "--quiet"),
            *("--set", f"split.purge_eras={purge}"),
        )
        assert code == 0, err
        found[purge] = json.loads(out)["scores"]["prediction"]["corr"]
    return found


def finds_no_leak(corr) -> bool:
    return corr["ci_low"] <= 0 <= corr["ci_high"]


def test_purged_scores_cover_zero(scores):
    assert finds_no_leak(scores["auto"]), scores["auto"]


def test_the_same_run_without_purge_is_caught(scores):
    assert not finds_no_leak(scores[0]), scores[0]
    assert scores[0]["ci_low"] > 0
