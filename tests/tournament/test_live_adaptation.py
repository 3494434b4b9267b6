"""A final model that adapts itself goes through the eras resolved since its fit, and no others."""

import shutil

import numpy as np
import pandas as pd
import pytest

from tournament_runs import with_labels

CONFIG = """\
name: ageing
data: {{source: numerai, dir: "{folder}", eras: {{to: 36}}}}
split: {{type: walk_forward, first_train_eras: 24, chunk_eras: 12, purge_eras: 4}}
scoring: {{exposure: false, fnc_feature_set: none, bootstrap: {{samples: 100}}}}
threads: 1
model:
  type: xgb_ttt
  params:
    num_boost_round: 5
    auxiliary: {{noise_ratio: 0}}
    adapt: {{method: nearest_eras, strength: 0.5, refit_eras: {refit}}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tournament):
    """Files of 60 eras, of which the final models below know 36; 57-60 have no label yet."""
    folder = tmp_path_factory.mktemp("ageing")
    shutil.copytree(tournament, folder / "data")
    return folder


@pytest.fixture(scope="module")
def made(folder):
    from numerai_lab.cli import run

    for name, refit in (("every", 1), ("never", "null")):
        config = folder / f"{name}.yaml"
        config.write_text(CONFIG.format(folder=folder / "data", refit=refit))
        where = ["--run-dir", str(folder / name)]
        assert run(["train", str(config), "--final", "-q", *where]) == 0
    return folder


@pytest.fixture
def predict(made, lab, tmp_path, tournament):
    shutil.copy(tournament / "validation.parquet", made / "data")

    def predict(name):
        out = tmp_path / "live.parquet"
        result = lab("predict", made / name, "--out", out)
        assert result.code == 0, result.err
        return pd.read_parquet(out)["prediction"].to_numpy(), result.err

    return predict


def test_what_resolved_since_the_fit_counts(predict, folder):
    learnt, said = predict("every")
    assert "20 eras resolved since the fit (37-56) were gone through" in said
    fixed, said = predict("never")
    assert "resolved since the fit" not in said
    assert not np.array_equal(learnt, fixed)
    with_labels(folder, 37, 56, lambda labels: 1 - labels)
    assert not np.array_equal(predict("every")[0], learnt)
    assert np.array_equal(predict("never")[0], fixed)


def test_labels_inside_the_purge_of_the_live_era_change_nothing(predict, folder):
    """The live era is 61; one that carried labels already would be of eras 57 to 60."""
    learnt, _ = predict("every")
    with_labels(folder, 57, 60, lambda labels: np.linspace(0, 1, len(labels)).astype(np.float32))
    again, said = predict("every")
    assert "(37-56)" in said
    assert np.array_equal(again, learnt)


MEMBERS = """\
    members:
      line: {{type: ridge, params: {{alpha: 1.0}}}}
      adapts:
        type: xgb_ttt
        params:
          num_boost_round: 5
          auxiliary: {{noise_ratio: 0}}
          adapt: {{method: nearest_eras, strength: 0.5, refit_eras: {refit}}}
"""


@pytest.fixture(scope="module", params=["earlier_folds", "inner"])
def stacked(folder, request):
    """Stacks of a line and of what adapts, whose members are runs, or are trained within."""
    from numerai_lab.cli import run

    made = folder / request.param
    made.mkdir()
    for name, refit in (("every", 1), ("never", "null")):
        config = made / f"{name}.yaml"
        text = CONFIG.format(folder=folder / "data", refit=refit)
        text = text[: text.index("model:")].replace("name: ageing", f"name: {request.param}_{name}")
        text = text.replace("chunk_eras: 12", "chunk_eras: 6")
        text += "model:\n  type: stack\n  params:\n    weights: equal\n"
        text += f"    weights_from: {request.param}\n"
        config.write_text(text + MEMBERS.format(refit=refit))
        where = ["--runs-dir", str(made / "runs"), "--run-dir", str(made / name)]
        assert run(["train", str(config), "--final", "-q", *where]) == 0
    return made


@pytest.mark.slow
def test_members_go_through_what_resolved_since_their_fit(stacked, folder, lab, tmp_path):
    shutil.copy(stacked.parent / "data" / "validation.parquet", tmp_path / "as_it_was")

    def predict(name):
        result = lab("predict", stacked / name, "--out", tmp_path / "live.parquet")
        assert result.code == 0, result.err
        return pd.read_parquet(tmp_path / "live.parquet")["prediction"].to_numpy(), result.err

    learnt, said = predict("every")
    of = "member adapts: " if stacked.name == "earlier_folds" else ""
    assert f"{of}20 eras resolved since the fit (37-56) were gone through" in said
    fixed, said = predict("never")
    assert "resolved since the fit" not in said
    assert not np.array_equal(learnt, fixed)
    with_labels(folder, 37, 56, lambda labels: 1 - labels)
    assert not np.array_equal(predict("every")[0], learnt)
    assert np.array_equal(predict("never")[0], fixed)
    shutil.copy(tmp_path / "as_it_was", stacked.parent / "data" / "validation.parquet")
    with_labels(folder, 57, 60, lambda labels: np.linspace(0, 1, len(labels)).astype(np.float32))
    assert np.array_equal(predict("every")[0], learnt)  # inside the purge
    shutil.copy(tmp_path / "as_it_was", stacked.parent / "data" / "validation.parquet")
