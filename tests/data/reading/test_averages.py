"""`data.averages`: the mean of targets as a target, honest about rows that lack one of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data_files import load, numerai_folder, table
from numerai_lab.errors import DataError

MEAN = {"both": ["target", "target_ender_60"]}


def rows(n_lacking: int = 0) -> pd.DataFrame:
    """Six eras, the last `n_lacking` rows without the second target."""
    found = table()
    found.iloc[len(found) - n_lacking :, found.columns.get_loc("target_ender_60")] = np.nan
    return found


@pytest.mark.parametrize("store", ["never", "always"])
def test_a_row_that_lacks_one_target_has_no_average_and_is_counted(tmp_path, store):
    frame, said = rows(14), []
    folder = numerai_folder(tmp_path, frame)
    data = load(
        said,
        dir=folder,
        averages=MEAN,
        targets=["target", "both"],
        store={"use": store, "dir": tmp_path / "store"},
    )
    expected = frame[["target", "target_ender_60"]].mean(axis=1, skipna=False).to_numpy()
    assert data.train_targets == ("target", "both")
    np.testing.assert_allclose(data.frame.target("both"), expected, atol=1e-7)
    assert np.isnan(expected).sum() == 14
    sentence = "target both: 14 of 60 rows lack one of target, target_ender_60, and so have no"
    assert any(sentence in line for line in said)
    assert data.horizons["both"] == 60


def test_an_average_is_made_only_where_it_is_asked_for(tmp_path):
    data = load(dir=numerai_folder(tmp_path, rows()), averages=MEAN)
    assert data.frame.target_names == ("target",)
    extra = load(dir=tmp_path, averages=MEAN, arguments={"targets": ["both"]})
    assert extra.train_targets == ("target",)
    assert "both" in extra.frame.target_names


def test_as_the_main_target_rows_without_it_are_left_out(tmp_path):
    folder, said = numerai_folder(tmp_path, rows(14)), []
    data = load(said, dir=folder, averages=MEAN, targets=["both"])
    assert data.frame.n_rows == data.counts["rows"] == 46
    assert data.counts["rows_without_target"] == 14
    assert "dropped 14 of 60 rows: no 'both'" in said
    every = load(dir=folder, averages=MEAN, targets=["both"], arguments={"keep_unlabelled": True})
    assert every.frame.n_rows == 46
    assert every.known.n_rows == 60


@pytest.mark.parametrize(
    ("averages", "said"),
    [
        ({"mean": ["target", "target_y"]}, "has no target 'target_y'"),
        ({"mean": ["target", "target_endr_60"]}, "did you mean 'target_ender_60'"),
        ({"feature_0": ["target", "target_ender_60"]}, "'feature_0' is the name of a column"),
        ({"target_ender_60": ["target", "target_x"]}, "is the name of a column"),
    ],
)
def test_names_that_do_not_fit_the_files(tmp_path, averages, said):
    name = next(iter(averages))
    with pytest.raises(DataError, match=f"data.averages.{name}: .*{said}"):
        load(dir=numerai_folder(tmp_path), averages=averages, targets=["target", name])
