"""Files of prices with something wrong in them: counted and said, or refused in one sentence."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from numerai_lab.data import load_data, price_folder
from numerai_lab.errors import DataError
from price_files import make, make_of, section_of


@pytest.fixture(scope="module")
def bad(tmp_path_factory, prices):
    """Prices with one of every fault that is counted."""
    place = tmp_path_factory.mktemp("bad")
    days = sorted(prices["date"].unique())
    rows = prices.set_index(["ticker", "date"])
    rows.loc[("MADE000", days[400]), "close"] = 0.0
    rows.loc[("MADE001", days[401]), "open"] = -1.0
    rows.loc[("MADE002", days[402]), ["high", "low"]] = [1.0, 2.0]
    rows.loc[("MADE004", days[403]), "close"] *= 1.5
    rows.loc[("MADE006", days[404]), "volume"] = 0
    rows = rows.reset_index()
    rows = rows[~((rows["ticker"] == "MADE007") & rows["date"].isin(days[405:408]))]
    rows = rows[~((rows["ticker"] == "MADE008") & rows["date"].isin(days[100:130]))]
    again = rows[(rows["ticker"] == "MADE009") & (rows["date"] == days[410])]
    other = rows[(rows["ticker"] == "MADE010") & (rows["date"] == days[411])].copy()
    other["close"] *= 1.001
    other["high"] *= 1.01
    holiday = rows[(rows["ticker"] == "MADE011") & (rows["date"] == days[420])].copy()
    holiday["date"] = pd.Timestamp("2002-07-27")  # a Saturday
    rows = pd.concat([rows, again, other, holiday])
    rows["ticker"] = rows["ticker"].replace({"MADE012": " made012"})
    rows.loc[rows["ticker"] == "MADE014", "ticker"] = None
    swapped = rows["ticker"] == "MADE015"
    rows.loc[swapped] = rows[swapped].iloc[::-1].to_numpy()
    rows["date"] = rows["date"].dt.tz_localize("America/New_York")
    return make(place, rows, "bad")


@pytest.mark.parametrize(
    ("what", "number", "words"),
    [
        ("rows_without_positive_prices", 2, "2 rows with a price that is missing or not above 0"),
        ("rows_with_high_below_low", 1, "high below low"),
        ("rows_with_close_outside", 1, "not between low and high"),
        ("rows_repeated", 1, "repeat another one"),
        ("rows_contradicting", 2, "MADE010"),
        ("days_too_thin", 1, "no trading days, such as 2002-07-27"),
        ("days_carried", 8, "carry the last close"),
        ("gaps_too_long", 1, "histories begin anew"),
        ("rows_without_volume", 1, "1 rows have no volume"),
        ("rows_without_ticker", 560, "560 rows without a ticker"),
        ("rows_out_of_order", None, "were not in the order of dates"),
        ("tickers_rewritten", 1, "taken as MADE012"),
        ("zoned_files", 1, "time zone in 1 of 1 files"),
    ],
)
def test_a_fault_is_counted_and_said(bad, what, number, words):
    assert bad.counts[what] == number or number is None
    assert any(words in said for said in bad.said), bad.said


def test_the_rest_is_as_if_the_faults_were_not_there(bad, made):
    own, whole = bad.rows(), made.rows()
    assert "MADE014" not in set(own["ticker"])
    kept = own[own["ticker"] == "MADE015"]
    columns = ["volatility", "return_63", "macd_8_24"]
    pd.testing.assert_frame_equal(kept[columns], whole.loc[kept.index, columns])
    assert "MADE012" in set(own["ticker"])
    # after a gap of thirty days a history begins anew
    late, early = (rows[rows["ticker"] == "MADE008"]["era"].min() for rows in (own, whole))
    assert late > early


def refused(tmp_path, table, **settings):
    with pytest.raises(DataError) as told:
        make(tmp_path, table, "wrong", **settings)
    text = str(told.value)
    assert "\n" not in text
    return text


def test_closes_that_alone_are_adjusted_are_refused(tmp_path, prices):
    rows = prices.copy()
    rows["close"] *= 0.5
    assert "the other prices are not" in refused(tmp_path, rows)


def test_wrong_columns_and_types_are_named(tmp_path, prices):
    text = refused(tmp_path, prices.rename(columns={"close": "adj_close"}))
    assert "has no column 'close'" in text
    assert "data.prices.columns" in text
    assert "must be numbers" in refused(tmp_path, prices.assign(volume="many"))
    assert "no date" in refused(tmp_path, prices.assign(date="Monday"))
    assert "must be dates" in refused(tmp_path, prices.assign(date=1.5))


def test_other_names_of_columns_can_be_given(tmp_path, made, prices):
    named = prices.rename(columns={"close": "Adj Close", "date": "Date", "ticker": "symbol"})
    columns = {"close": "adj close", "ticker": "Symbol"}
    other = make(tmp_path, named, columns=columns)
    pd.testing.assert_frame_equal(other.rows(), made.rows())


def test_files_that_hold_nothing_are_refused(tmp_path, prices):
    assert "has no rows" in refused(tmp_path, prices.iloc[:0])
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    with pytest.raises(DataError, match="is an empty file"):
        make_of(tmp_path, empty)
    with pytest.raises(DataError, match="neither CSV nor parquet"):
        make_of(tmp_path, _written(tmp_path / "prices.xlsx"))
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match="no parquet and no CSV"):
        make_of(tmp_path, tmp_path / "nothing")
    with pytest.raises(DataError, match="there is no such file"):
        make_of(tmp_path, tmp_path / "gone.csv")
    with pytest.raises(DataError, match="damaged"):
        make_of(tmp_path, _written(tmp_path / "prices.parquet"))


def _written(path):
    path.write_text("x")
    return path


def test_too_little_history_and_unknown_names_are_refused(tmp_path, prices):
    short = prices[prices["date"] < sorted(prices["date"].unique())[200]]
    assert "no week has 10 tickers with 320 days" in refused(tmp_path, short)
    text = refused(tmp_path, prices, targets={"neutral_to": ["betta"]})
    assert "'betta' is no feature" in text


def test_targets_that_are_not_made_are_named(tmp_path, made):
    section = made.section.model_copy(update={"targets": ["target_10"]})
    with pytest.raises(DataError, match=r"'target_10' is no target made of prices"):
        load_data(section, say=lambda _: None)


def test_timestamps_in_utc_and_text_are_days_too(tmp_path, made, prices):
    rows = prices.assign(date=prices["date"].dt.strftime("%Y-%m-%d"))
    pd.testing.assert_frame_equal(make(tmp_path, rows).rows(), made.rows())
    stamped = prices.assign(date=prices["date"] + pd.Timedelta(hours=16))
    other = make(tmp_path, stamped, "stamped")
    assert any("time of day" in said for said in other.said)
    pd.testing.assert_frame_equal(other.rows(), made.rows())


def test_survivorship_is_said_without_a_universe(made):
    dataset = load_data(made.section, say=lambda _: None)
    assert dataset.source == "prices"
    assert dataset.notice.startswith("SURVIVORSHIP")
    assert not np.isnan(dataset.frame.target("target")).any()


def test_ragged_csv_is_refused(tmp_path):
    file = tmp_path / "ragged.csv"
    file.write_text("date,ticker\n2002-01-01,A,3\n")
    with pytest.raises(DataError, match="is no CSV table"):
        price_folder(section_of(tmp_path / "cache", file), lambda _: None)


def test_integer_days_are_read(tmp_path, made, prices):
    rows = prices.assign(date=prices["date"].dt.strftime("%Y%m%d").astype(int))
    table = pa.Table.from_pandas(rows, preserve_index=False)
    pq.write_table(table, tmp_path / "whole.parquet")
    pd.testing.assert_frame_equal(make_of(tmp_path, tmp_path / "whole.parquet").rows(), made.rows())
