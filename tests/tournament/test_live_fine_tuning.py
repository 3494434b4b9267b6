"""A final net that is fine-tuned learns the eras resolved since its fit, and no others."""

import shutil

import cloudpickle
import numpy as np
import pandas as pd
import pytest

from tournament_runs import with_labels

pytest.importorskip("torch", reason="tests of nets need torch: make nets")

CONFIG = """\
name: tuned
data: {{source: numerai, dir: "{folder}", eras: {{to: 36}}}}
split: {{type: walk_forward, first_train_eras: 24, chunk_eras: 12, purge_eras: 4}}
scoring: {{exposure: false, fnc_feature_set: none, bootstrap: {{samples: 100}}}}
threads: 1
model:
  type: mlp
  params:
    {{epochs: 2, width: 8, hidden: 8, fine_tune: {{strength: 0.5, refit_eras: 1, rate: 1}}}}
"""
LEARNT = "20 eras resolved since the fit (37-56) were gone through"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tournament):
    """Files of 60 eras, of which the final net knows 36; 57-60 have no label yet."""
    from numerai_lab.cli import run

    folder = tmp_path_factory.mktemp("tuned")
    shutil.copytree(tournament, folder / "data")
    config = folder / "tuned.yaml"
    config.write_text(CONFIG.format(folder=folder / "data"))
    assert run(["train", str(config), "--final", "-q", "--run-dir", str(folder / "run")]) == 0
    return folder


def test_its_report_shows_what_it_gained_and_how_strongly(folder):
    report = (folder / "run" / "report.html").read_text()
    for words in ("Gain of each era", "Strength and time of each era", "replayed"):
        assert words in report


@pytest.fixture
def predict(folder, lab, tmp_path, tournament):
    shutil.copy(tournament / "validation.parquet", folder / "data")

    def predict():
        out = tmp_path / "live.parquet"
        result = lab("predict", folder / "run", "--out", out)
        assert result.code == 0, result.err
        assert LEARNT in result.err
        return pd.read_parquet(out)["prediction"].to_numpy()

    return predict


def test_it_learns_what_has_resolved_and_nothing_inside_the_purge(predict, folder):
    """The live era is 61; one that carried labels already would be of eras 57 to 60."""
    learnt = predict()
    with_labels(folder, 57, 60, lambda labels: np.linspace(0, 1, len(labels)).astype(np.float32))
    assert np.array_equal(predict(), learnt)
    with_labels(folder, 56, 56, lambda labels: 1 - labels)
    assert not np.array_equal(predict(), learnt)


def test_it_is_exported_with_what_it_has_learnt(predict, folder, lab, tmp_path):
    bundle = tmp_path / "net.pkl"
    exported = lab("export", folder / "run", "--out", bundle)
    assert exported.code == 0, exported.err
    assert LEARNT in exported.err
    assert b"torch" not in bundle.read_bytes()
    rows = pd.read_parquet(folder / "data" / "live.parquet")
    learnt = predict()
    values = cloudpickle.loads(bundle.read_bytes())(rows)["prediction"]
    assert np.abs(values.to_numpy() - learnt).max() < 1e-5
