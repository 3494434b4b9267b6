"""`data describe`: what it tells of made-up data whose truth is known."""

import json
from dataclasses import replace

import numpy as np
import pytest

from numerai_lab.describe import describe_metadata
from numerai_lab.errors import DataError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("described")


def write(path, text):
    path.write_text(text)
    return path


CONFIG = """
data:
  source: synthetic
  targets: [target, target_ender_60]
  synthetic: {n_eras: 60, rows_per_era: 60, n_features: 12}
split: {type: walk_forward, first_train_eras: 30, chunk_eras: 15}
model: {type: ridge}
"""


def test_a_metadata_file_alone_is_described(folder, lab):
    sets = {
        "small": ["a"],
        "all": ["a", "b", "c", "d"],
        "x": ["a", "b"],
        "y": ["b", "c"],
        "z": ["b", "c"],
    }
    path = write(folder / "features.json", json.dumps({"feature_sets": sets, "targets": ["t"]}))
    page = folder / "sets.html"
    told = lab("data", "describe", path, "--out", page, "--json").json
    assert lab("data", "describe", "--data", path, "--out", page, "--json").json == told
    assert told["sets"]["n_features"] == 4
    assert told["sets"]["in_no_group"] == 1
    assert told["sets"]["same"] == [["y", "z"]]
    assert told["sets"]["shares"][2] == [0.5, 1.0, 1.0, 0.5, 0.5]
    assert told["target_names"] == ["t"]
    assert "Share of the row" in page.read_text()
    with pytest.raises(DataError, match="holds no feature_sets"):
        describe_metadata(write(folder / "other.json", "[]"))


@pytest.fixture(scope="module")
def described(folder):
    from numerai_lab.describe import describe_data
    from numerai_lab.experiment import Reporter, prepare, read_experiment

    resolved = read_experiment(str(write(folder / "c.yaml", CONFIG)), None, ())
    with Reporter(quiet=True) as reporter:
        prepared = prepare(resolved, reporter)
    frame = prepared.dataset.frame
    features = frame.features_in_memory().copy()
    features[:, 1] = features[:, 0]
    features[: len(features) // 10, 2] = -1
    features[-len(features) // 3 :, 3] = 4
    changed = replace(frame, features=features)
    dataset = replace(prepared.dataset, frame=changed)
    return describe_data(replace(prepared, dataset=dataset)), changed, prepared


def test_what_was_planted_is_found(described):
    told, frame, _ = described
    names, features = frame.feature_names, told["features"]
    closest = features["correlation"]["pairs"][0]
    assert {closest["a"], closest["b"]} == {names[0], names[1]}
    assert closest["corr"] == pytest.approx(1.0, abs=1e-4)
    assert features["missing"]["features"][0]["feature"] == names[2]
    assert features["missing"]["features"][0]["share"] == pytest.approx(0.1, abs=0.02)
    assert features["drift"]["psi"][0]["feature"] == names[3]
    assert features["drift"]["psi"][0]["psi"] > 0.25
    assert told["targets"]["target_ender_60"]["overlap_eras"] == 12
    assert told["correlation"][0][0] == pytest.approx(1.0)


def test_labels_of_judged_eras_are_not_looked_at(described):
    from numerai_lab.describe import describe_data

    told, frame, prepared = described
    assert told["training"]["last"] < told["training"]["first_judged"] == 31
    targets = frame.targets.copy()
    later = frame.row_eras > told["training"]["last"]
    targets[later] = targets[later][::-1]
    other = replace(prepared.dataset, frame=replace(frame, targets=targets))
    again = describe_data(replace(prepared, dataset=other))
    assert again["signal"] == told["signal"]
    assert again["correlation"] == told["correlation"]


def test_correlation_is_pearsons_within_eras(described):
    told, frame, _ = described
    one = told["signal"][0]
    column = frame.feature_names.index(one["feature"])
    eras = frame.between(told["training"]["first"], told["training"]["last"])
    each = [
        np.corrcoef(eras.features[rows, column], eras.target("target")[rows])[0, 1]
        for _, rows in eras.iter_eras()
    ]
    assert one["mean"] == pytest.approx(np.mean(each), abs=1e-9)
    assert one["same_sign"] == np.mean(np.sign(each) == np.sign(np.mean(each)))


def test_the_command_says_it_in_the_terminal(folder, lab):
    path = write(folder / "own.yaml", CONFIG)
    said = lab("data", "describe", path, "--out", folder / "own.html", "--quiet").out
    assert "corr with target on eras 1-" in said
    assert "before era 31, the first that is judged" in said
    page = (folder / "own.html").read_text()
    assert "effective directions" in page
    assert "default-src" in page
