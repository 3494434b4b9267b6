"""Early folds end trials that are surely worse; those count, and have no score."""

import pytest

from tune_lab import CONFIG

WORLD = "{n_eras: 80, rows_per_era: 80, n_features: 10, n_regimes: 1, signal: 6, seed: 3}"


@pytest.fixture(scope="module")
def strong(tmp_path_factory):
    """A world with a strong signal, in which one round learns surely less than thirty."""
    return tmp_path_factory.mktemp("strong") / "data"


@pytest.fixture
def world(small, strong):
    text = CONFIG.format(folder=strong).split("    max_depth")[0]
    small.write(text.replace("num_boost_round: 3", "eta: 0.3") + "    max_depth: 1\n")
    rounds = "{tune: choice, choice: [40, 1], default: 40}"
    return [
        *("--set", "data.source=synthetic", "--set", f"data.synthetic={WORLD}"),
        *("--set", "tune.eras.to=70", "--set", f"model.params.num_boost_round={rounds}"),
    ]


@pytest.mark.parametrize("score", ["mean", "sharpe_hac"])
def test_a_trial_that_is_surely_worse_ends_after_its_first_fold(small, world, score):
    found = small.tune(*world, "--set", f"tune.score={score}", "--trials", 5)
    by_rounds = {(t["values"]["model.params.num_boost_round"], t["state"]) for t in found["trials"]}
    assert by_rounds == {(40, "complete"), (1, "pruned")}
    pruned = [trial for trial in found["trials"] if trial["state"] == "pruned"]
    assert all(trial["score"] is None for trial in pruned)
    assert found["luck"]["n_judged"] == 5
    header = small.tuned.read_text().splitlines()[0]
    assert f"the best of 5 trials ({len(pruned)} of them pruned)" in header


def test_pruning_can_be_switched_off(small, world):
    found = small.tune(*world, "--set", "tune.prune=false", "--trials", 5)
    assert found["n_trials"] == {"complete": 5, "pruned": 0, "failed": 0, "crashed": 0}
    assert found["pruner"] is None
