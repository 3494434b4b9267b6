"""`entity` and `side`: what a row is about, and columns that are there but are never features."""

from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from data_files import parquet, table
from numerai_lab.config import Columns, Data, Missing, Store
from numerai_lab.data import Beside, load_data, load_unlabelled
from numerai_lab.errors import DataError

ROWS = 10


def prices(n_eras=6):
    """Rows of ten stocks, in another order in each era, the last eras first."""
    rows = table(n_eras=n_eras, rows=ROWS).iloc[::-1].copy()
    place = np.concatenate([np.roll(np.arange(ROWS), era) for era in range(n_eras)])
    rows["ticker"] = [f"T{i}" for i in place]
    rows["return_5d"] = place / 100
    rows["feature_like"] = place % 3
    rows["sector"] = [None if i == 3 else "even" if i % 2 == 0 else "odd" for i in place]
    rows["day"] = [date(2020, 1, 1 + i) for i in place]
    return rows


def read(tmp_path, rows=None, say=lambda _: None, **settings):
    section = parquet(tmp_path / "prices.parquet", prices() if rows is None else rows)
    settings.setdefault("entity", "ticker")
    settings.setdefault("side", ["return_5d", "sector", "day", "feature_like"])
    return load_data(Data(**{**section, **settings}), say=say)


def agree(frame, rows):
    """Whether entity and side are those of each row, found by its id."""
    own = rows.loc[frame.ids.to_pylist()]
    sectors = [None if isinstance(s, float) else s for s in own["sector"]]
    return (
        frame.entity.to_pylist() == own["ticker"].tolist()
        and frame.side["return_5d"].to_pylist() == own["return_5d"].tolist()
        and frame.side["sector"].to_pylist() == sectors
        and frame.side["day"].to_pylist() == own["day"].tolist()
    )


def test_they_are_read_beside_the_features_and_are_none(tmp_path):
    frame = read(tmp_path).frame
    assert frame.feature_names == tuple(f"feature_{i}" for i in range(4))
    assert frame.side["return_5d"].type == pa.float64()
    assert frame.side["day"].type == pa.date32()
    assert agree(frame, prices())
    assert frame.side_column("sector").null_count == 6


def test_they_go_with_their_rows(tmp_path):
    frame, rows = read(tmp_path).frame, prices()
    for part in (
        frame.between(2, 4),
        frame.select_eras([1, 4, 6]),
        frame.take(np.array([0, 7, 23, 24, 59])),
        frame.between(3, 3).without_targets(),
        frame.between(7, 9),
    ):
        assert agree(part, rows)
    assert len(frame.between(7, 9).entity) == 0


def test_rows_that_are_dropped_take_them_along(tmp_path):
    rows = prices()
    rows["feature_0"] = rows["feature_0"].astype("float64")
    rows.loc[rows.index[[3, 17, 40]], "feature_0"] = np.nan
    rows.loc[rows.index[[5, 21]], "target"] = np.nan
    frame = read(tmp_path, rows, missing=Missing(max_row_missing=0.2)).frame
    assert frame.n_rows == 55
    assert agree(frame, rows)


def test_a_store_gives_the_same(tmp_path):
    rows = prices()
    rows.loc[rows.index[[5, 21]], "target"] = np.nan
    plain = read(tmp_path, rows).frame
    kept = read(tmp_path, rows, store=Store(use="always", dir=tmp_path / "store")).frame
    assert not isinstance(kept.features, np.ndarray)
    assert kept.entity.equals(plain.entity)
    assert kept.side == plain.side


def test_rows_to_predict_have_them_too(tmp_path):
    parquet(tmp_path / "live.parquet", prices(1))
    asked = {
        "features": ["feature_0", "feature_1"],
        "dtype": "int8",
        "columns": Columns(),
        "missing": Missing(),
        "say": lambda _: None,
    }
    beside = Beside("ticker", ("return_5d", "sector", "day"))
    frame = load_unlabelled(tmp_path / "live.parquet", **asked, beside=beside).frame
    assert agree(frame, prices(1))
    prices(1).drop(columns="sector").to_parquet(tmp_path / "thin.parquet")
    with pytest.raises(DataError, match="lacks column 'sector'"):
        load_unlabelled(tmp_path / "thin.parquet", **asked, beside=beside)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"side": ["volume"]}, "lacks column 'volume'"),
        ({"entity": "return_5d"}, "entities are double, they must be text or whole numbers"),
        ({"entity": "sector"}, "6 rows have no entity"),
        ({"entity": "feature_like"}, "entity that their era has already, such as '2' in era 1"),
        ({"features": ["feature_0", "feature_like"]}, "'feature_like' is in data.side and among"),
        (
            {"columns": Columns(features=["feature_0", "ticker"])},
            "'ticker' is the entity and",
        ),
        ({"side": ["target"]}, "'target' is a target and in data.entity or data.side"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, settings, sentence):
    with pytest.raises(DataError, match=sentence):
        read(tmp_path, **settings)


def test_numerai_has_neither(tmp_path):
    for settings in ({"entity": "id"}, {"side": ["era"]}):
        with pytest.raises(DataError, match="drawn anew for every era"):
            load_data(Data(source="numerai", dir=tmp_path, **settings), say=lambda _: None)


def test_a_frame_holds_itself_together(tmp_path):
    frame = read(tmp_path).frame
    with pytest.raises(DataError, match="'entity' has 3 values beside 60 rows"):
        replace(frame, entity=frame.entity[:3])
    with pytest.raises(DataError, match="'target' is beside the features, and among"):
        replace(frame, side={"target": frame.side["return_5d"]})
    with pytest.raises(DataError, match=r"'sektor' is not loaded.*did you mean 'sector'"):
        frame.side_column("sektor")
