"""Feature sets, targets and horizons."""

import json

import pytest

from data_files import load, numerai_folder, parquet, table
from numerai_lab.config import Data
from numerai_lab.data import horizon_days
from numerai_lab.errors import DataError


def test_sets_of_file_and_config(tmp_path):
    folder = numerai_folder(tmp_path)
    assert load(dir=folder, feature_set="small").frame.feature_names == ("feature_0", "feature_1")
    assert load(dir=folder).frame.n_features == 4
    own = {"mine": ["feature_3"], "small": "all"}
    data = load(dir=folder, feature_set="mine", feature_sets=own)
    assert data.frame.feature_names == ("feature_3",)
    assert len(data.feature_sets["small"]) == 4
    listed = load(dir=folder, feature_set="small", features=["feature_2"])
    assert listed.frame.feature_names == ("feature_2",)


def test_sets_are_cut_to_the_files_and_nan_in_the_json_is_read(tmp_path):
    folder = numerai_folder(tmp_path)
    content = '{"feature_stats": {"feature_0": {"corr": NaN}}, "feature_sets": %s}'
    sets = json.dumps({"small": ["feature_0"], "newer": ["feature_1", "feature_9"]})
    (folder / "features.json").write_text(content % sets)
    data = load(dir=folder, feature_set="small")
    assert data.feature_sets["newer"] == ("feature_1",)
    with pytest.raises(DataError, match="1 features that are not in the files, first 'feature_9'"):
        load(dir=folder, feature_set="newer")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"feature_set": "smal"}, r"unknown feature set 'smal', did you mean 'small'\?"),
        ({"features": ["feature_7"]}, "not in the files, first 'feature_7'"),
        ({"features": ["feature_1", "feature_1"]}, "'feature_1' twice"),
        ({"targets": ["target_ender_06"]}, "lacks column 'target_ender_06'"),
        ({"targets": ["target_endr_60"]}, r"lacks column 'target_endr_60', did you mean 'target_e"),
        ({"targets": ["era"], "horizons": {"era": 20}}, "a target must be numbers"),
    ],
)
def test_wrong_names(tmp_path, section, message):
    folder = numerai_folder(tmp_path)
    with pytest.raises(DataError, match=message):
        load(dir=folder, **section)


def test_broken_features_json(tmp_path):
    folder = numerai_folder(tmp_path)
    (folder / "features.json").write_text("{")
    with pytest.raises(DataError, match=r"features\.json: the feature sets cannot be read"):
        load(dir=folder)


def test_optional_and_extra_targets(tmp_path):
    folder = numerai_folder(tmp_path, validation=table(first_era=7, seed=1))
    said = []
    data = load(
        said,
        dir=folder,
        optional_targets=["target_ender_60", "target_x_20"],
        arguments={"targets": ["target_ender_60", "target"]},
    )
    assert data.train_targets == ("target", "target_ender_60")
    assert data.frame.target_names == ("target", "target_ender_60")
    assert data.horizons == {"target": 20, "target_ender_60": 60}
    assert [line for line in said if "target_x_20" in line]
    extra = load(dir=folder, arguments={"targets": ["target_ender_60"]})
    assert extra.train_targets == ("target",)
    assert extra.frame.target_names == ("target", "target_ender_60")


def test_missing_columns_name_the_file(tmp_path):
    section = parquet(tmp_path / "a.parquet", table().rename(columns={"era": "eras"}))
    with pytest.raises(DataError, match=r"a\.parquet: the file lacks column 'era', did you mean"):
        load(**section)


def test_an_unnamed_index_is_the_id_and_a_counting_one_is_not(tmp_path):
    frame = table()
    named = frame.index.tolist()
    frame.index.name = None
    assert load(**parquet(tmp_path / "a.parquet", frame)).frame.ids.to_pylist() == named
    with pytest.raises(DataError, match="lacks column 'id'"):
        load(**parquet(tmp_path / "b.parquet", frame.reset_index(drop=True)))


@pytest.mark.parametrize(
    ("name", "section", "days"),
    [
        ("target", {}, 20),
        ("target_x_60", {}, 60),
        ("target_x_60", {"horizons": {"target_x_60": 5}}, 5),
        ("mean", {"averages": {"mean": ["target", "target_x_60"]}}, 60),
    ],
)
def test_horizon_days(name, section, days):
    assert horizon_days(name, Data(**section)) == days


def test_unknown_horizon_tells_the_way_out():
    with pytest.raises(DataError, match=r"horizons: \{bernie: 20\}"):
        horizon_days("bernie", Data())
