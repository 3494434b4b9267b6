"""Weekly rows made of daily prices: layout, leaks, who is in them, the cache."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from threading import Barrier

import numpy as np
import pandas as pd
import pytest

from numerai_lab.data import load_data, load_unlabelled
from numerai_lab.errors import DataError
from price_files import make, make_of, section_of

FEATURES = 32


def features_of(rows):
    return [name for name in rows if name.startswith("feature_")]


def known_columns(rows):
    """All columns but what lies ahead."""
    return [name for name in rows if not name.startswith(("target", "scaled"))]


def test_rows_are_in_numerais_layout(made):
    frame = load_data(made.section, say=lambda _: None).frame
    assert frame.n_features == FEATURES
    assert frame.features.dtype == np.int8
    assert frame.ids[0].as_py() == f"{frame.entity[0].as_py()}_{frame.side['date'][0].as_py()}"
    values = np.asarray(frame.features)
    assert (values.min(), values.max()) == (0, 4)  # nothing missing, by min_history_days
    first = values[: frame.offsets[1]]
    counts = np.apply_along_axis(np.bincount, 0, first, minlength=5)
    assert (np.abs(counts - len(first) / 5) <= 1).mean() > 0.95
    levels = {0.0, 0.25, 0.5, 0.75, 1.0}
    assert set(np.unique(frame.target("target"))) <= levels


def test_eras_end_on_the_last_trading_day_of_their_week(made, prices):
    days = pd.Series(sorted(prices["date"].unique()))
    last = days.groupby(days.dt.to_period("W")).max()
    rows = made.rows()
    mine = pd.to_datetime(rows["era"].unique())
    assert set(mine) <= set(last)
    assert mine.max() == days.max()  # the live era
    ids = made.folder.path / "live.parquet"
    live = pd.read_parquet(ids)
    assert set(live["era"]) == {days.max().date()}
    assert not [name for name in live if name.startswith(("target", "scaled"))]


def test_features_do_not_change_when_prices_after_them_do(tmp_path, made, prices):
    days = sorted(prices["date"].unique())
    until = days[430]
    changed = prices.copy()
    after = changed["date"] > until
    wild = np.random.default_rng(1).uniform(0.3, 3, int(after.sum())).astype(np.float32)
    for name in ("open", "high", "low", "close"):
        changed.loc[after, name] *= wild
    changed = changed[~(after & (changed["ticker"] == "MADE001"))]  # and one vanishes
    other, own = make(tmp_path, changed).rows(), made.rows()
    before = own[pd.to_datetime(own["era"]) <= until]
    same = other.loc[before.index]
    columns = known_columns(own)
    pd.testing.assert_frame_equal(before[columns], same[columns])
    # and what lies ahead did change, where it lies behind the day, and only there
    at = pd.to_datetime(before["era"])
    for days_ahead in (5, 20):
        reaches = at > days[430 - days_ahead - 2]
        target = f"scaled_{days_ahead}"
        assert (before[target] != same[target])[reaches].any()
        pd.testing.assert_series_equal(before[target][~reaches], same[target][~reaches])


def test_the_newest_rows_are_those_of_a_file_that_ends_there(tmp_path, made, prices):
    days = sorted(prices["date"].unique())
    end = pd.Timestamp(max(d for d in made.rows()["era"].unique() if d < days[480].date()))
    live = pd.read_parquet(
        make(tmp_path, prices[prices["date"] <= end]).folder.path / "live.parquet"
    )
    live = live.set_index("id")
    own = made.rows().loc[live.index, list(live)]
    pd.testing.assert_frame_equal(live, own, check_dtype=False)


def test_features_after_a_last_fall_do_not_tell_that_the_ticker_is_gone(tmp_path, prices):
    days = sorted(prices["date"].unique())
    eras = pd.Series(days).groupby(pd.Series(days).dt.to_period("W")).max()
    era = eras[eras > days[450]].iloc[0]
    at = days.index(era)
    rows = prices.copy()
    fallen = (rows["ticker"] == "MADE002") & (rows["date"] >= days[at - 1])
    for name in ("open", "high", "low", "close"):
        rows.loc[fallen, name] *= 0.1
    stays = make(tmp_path, rows, "stays").rows()
    goes = rows[~((rows["ticker"] == "MADE002") & (rows["date"] > days[at + 2]))]
    goes = make(tmp_path, goes, "goes").rows()
    before = goes[pd.to_datetime(goes["era"]) <= era]
    assert "MADE002" in set(before["ticker"][pd.to_datetime(before["era"]) == era])
    columns = known_columns(goes)
    pd.testing.assert_frame_equal(before[columns], stays.loc[before.index, columns])


def test_targets_are_returns_from_day_two(made, prices):
    close = prices.pivot(index="date", columns="ticker", values="close").astype(np.float64)
    rows = made.rows()
    era = sorted(rows["era"].unique())[20]
    at = close.index.get_loc(pd.Timestamp(era))
    mine = rows[rows["era"] == era].set_index("ticker")
    near = close.iloc[at + 6] / close.iloc[at + 1] - 1
    wanted = near[mine.index] / (mine["volatility"] * np.sqrt(5))
    np.testing.assert_allclose(mine["scaled_5"], wanted, rtol=1e-4, atol=1e-5)
    ahead = close.iloc[at + 22] / close.iloc[at + 2] - 1
    rank = ahead[mine.index].rank().corr(mine["target_20"].rank())
    assert rank > 0.7  # but for what beta, size and volatility explain


def test_targets_end_where_prices_do(made, prices):
    days = sorted(prices["date"].unique())
    rows = made.rows()
    for ahead in (5, 20, 60):
        known = rows["era"][rows[f"target_{ahead}"].notna()].max()
        assert days.index(pd.Timestamp(known)) + ahead + 2 < len(days)


def test_a_plain_target_is_neutral_to_nothing(tmp_path, made, prices):
    plain = make(tmp_path, prices, targets={"horizons_days": [20], "neutral_to": []}).rows()
    close = prices.pivot(index="date", columns="ticker", values="close").astype(np.float64)
    era = sorted(plain["era"].unique())[10]
    at = close.index.get_loc(pd.Timestamp(era))
    mine = plain[plain["era"] == era].set_index("ticker")
    ahead = (close.iloc[at + 22] / close.iloc[at + 2])[mine.index]
    pairs = pd.DataFrame({"bin": mine["target"], "return": ahead}).sort_values("return")
    assert pairs["bin"].is_monotonic_increasing


def test_one_that_is_gone_keeps_its_final_return(tmp_path, prices):
    days = sorted(prices["date"].unique())
    rows = prices.copy()
    leaver = rows["ticker"] == "MADE002"
    rows = rows[~(leaver & (rows["date"] > days[450]))]
    final = (rows["ticker"] == "MADE002") & (rows["date"] == days[450])
    for name in ("open", "high", "low", "close"):
        rows.loc[final, name] *= 0.1  # a return of -90 % on its last day is no mistake
    made = make(tmp_path, rows)
    assert "jumps" not in made.counts
    assert made.counts["tickers_gone"] >= 1
    own = made.rows()
    own = own[own["ticker"] == "MADE002"].sort_values("era")
    at = [days.index(pd.Timestamp(era)) for era in own["era"]]
    spans = [place for place in at if place + 1 < 450 <= place + 6]
    assert spans  # an era whose next five days hold the fall
    assert (own["scaled_5"][[place in spans for place in at]] < -5).all()


def test_a_jump_is_missing_and_said(tmp_path, prices):
    days = sorted(prices["date"].unique())
    rows = prices.copy()
    split = (rows["ticker"] == "MADE004") & (rows["date"] >= days[450])
    for name in ("open", "high", "low", "close"):
        rows.loc[split, name] /= 4
    made = make(tmp_path, rows)
    assert made.counts["jumps"] == 1
    assert any("MADE004" in said and "split" in said for said in made.said)
    own = made.rows()
    own = own[own["ticker"] == "MADE004"].sort_values("era").set_index("era")
    over = [era for era in own.index if 445 <= days.index(pd.Timestamp(era)) < 449]
    assert own.loc[over, "scaled_5"].isna().all()
    assert np.isfinite(own["volatility"]).all()
    assert own["return_63"].abs().max() < 6  # the fall by three quarters is in no feature


def test_a_price_in_another_currency_is_a_jump_too(tmp_path, prices, made):
    days = sorted(prices["date"].unique())
    rows = prices.copy()
    quoted = (rows["ticker"] == "MADE004") & (rows["date"] >= days[450])
    for name in ("open", "high", "low", "close"):
        rows.loc[quoted, name] *= 100  # pence instead of pounds
    other = make(tmp_path, rows)
    assert other.counts["jumps"] == 1
    assert any("split or currency that was not adjusted" in said for said in other.said)
    own, whole = (
        one[one["ticker"] == "MADE004"].set_index("era")["macd_16_48"]
        for one in (other.rows(), made.rows())
    )
    assert (own - whole.loc[own.index]).abs().max() < 1  # the day itself is lost, no level


def test_a_split_of_two_to_one_that_was_not_adjusted_is_kept_and_said(tmp_path, prices):
    days = sorted(prices["date"].unique())
    rows = prices.copy()
    split = (rows["ticker"] == "MADE004") & (rows["date"] >= days[450])
    before, after = (
        rows.loc[(rows["ticker"] == "MADE004") & (rows["date"] == day), "close"].iloc[0]
        for day in days[449:451]
    )
    for name in ("open", "high", "low", "close"):
        rows.loc[split, name] *= before / after / 2
    made = make(tmp_path, rows)
    assert "jumps" not in made.counts
    assert made.counts["returns_like_a_split"] == 1
    (said,) = (one for one in made.said if "as a split of two to one does" in one)
    assert "MADE004" in said


def test_a_universe_says_who_could_be_bought(tmp_path, prices):
    days = sorted(prices["date"].unique())
    universe = pd.DataFrame(
        {
            "ticker": sorted(prices["ticker"].unique()),
            "from": None,
            "to": None,
        }
    )
    universe.loc[universe["ticker"] == "MADE006", "to"] = str(days[420].date())
    universe.to_csv(tmp_path / "universe.csv", index=False)
    made = make(tmp_path, prices, universe=str(tmp_path / "universe.csv"))
    own = made.rows()
    assert made.folder.facts["point_in_time"]
    last = max(own["era"][own["ticker"] == "MADE006"])
    assert pd.Timestamp(last) <= days[420]
    # it leaves the universe, not the market: its last targets are there
    assert own["target_20"][(own["ticker"] == "MADE006")].notna().all()


def test_sectors_come_from_a_file_and_targets_can_be_neutral_to_them(tmp_path, prices):
    tickers = sorted(prices["ticker"].unique())
    sectors = pd.DataFrame({"ticker": tickers, "sector": ["a", "b"] * (len(tickers) // 2)})
    sectors.loc[len(sectors)] = ["MADE000", "b"]
    sectors["from"] = [None] * len(tickers) + ["2002-09-01"]
    sectors.to_parquet(tmp_path / "sectors.parquet")
    made = make(
        tmp_path,
        prices,
        sectors=str(tmp_path / "sectors.parquet"),
        targets={"neutral_to": ["sector"]},
    )
    own = made.rows()
    first = own[own["ticker"] == "MADE000"].sort_values("era")["sector"].tolist()
    assert (first[0], first[-1]) == ("a", "b")
    means = own.dropna(subset="target_20").groupby("sector")["target_20"].mean()
    assert abs(means["a"] - means["b"]) < 0.02
    with pytest.raises(DataError, match=r"neutral to the sector.*data\.prices\.sectors"):
        make(tmp_path, prices, "none", targets={"neutral_to": ["sector"]})


def test_the_cache_is_used_checked_and_mended(tmp_path, prices):
    made = make(tmp_path, prices)
    file = made.folder.path / "rows.parquet"
    before = file.stat().st_mtime_ns
    again = make_of(tmp_path, tmp_path / "prices.parquet")
    assert again.folder.path == made.folder.path
    assert file.stat().st_mtime_ns == before
    content = file.read_bytes()
    file.write_bytes(content[:-9] + b"x" + content[-8:])
    mended = make_of(tmp_path, tmp_path / "prices.parquet")
    assert any("damaged" in said and "made anew" in said for said in mended.said)
    assert file.read_bytes() == content
    other = make_of(tmp_path, tmp_path / "prices.parquet", min_history_days=400)
    assert other.folder.path != made.folder.path


def test_two_that_want_the_same_rows_at_once_both_get_them(tmp_path, made, prices):
    file = tmp_path / "prices.parquet"
    prices.to_parquet(file, index=False)
    together = Barrier(2)

    def one(_):
        together.wait(60)
        return make_of(tmp_path, file)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(one, range(2))
    assert first.folder.path == second.folder.path
    pd.testing.assert_frame_equal(first.rows(), made.rows())
    assert any("waiting for" in said for said in first.said + second.said)


def test_one_csv_a_ticker_gives_the_same_rows(tmp_path, made, prices):
    folder = tmp_path / "csv"
    folder.mkdir()
    for ticker, rows in prices.groupby("ticker"):
        rows.drop(columns="ticker").to_csv(folder / f"{ticker}.csv", index=False)
    other = make_of(tmp_path, folder).rows()
    pd.testing.assert_frame_equal(other, made.rows())


def test_live_rows_are_read_as_training_rows_are(made):
    dataset = load_data(made.section, say=lambda _: None)
    live = load_unlabelled(
        made.folder.path / "live.parquet",
        features=dataset.frame.feature_names,
        dtype="int8",
        columns=made.section.columns,
        missing=made.section.missing,
        say=lambda _: None,
    )
    assert live.frame.n_eras == 1
    assert dataset.era_dates[int(dataset.frame.eras[-1])] < date(2003, 3, 1)


def test_without_a_file_the_market_is_made_up_and_its_momentum_is_there(tmp_path):
    means = {}
    for strength in (0.0, 12.0):
        made = {"n_tickers": 40, "n_days": 700, "momentum": strength, "network": 0.0}
        section = section_of(tmp_path, tmp_path, made_up=made).model_copy(update={"files": []})
        dataset = load_data(section, say=lambda _: None)
        assert dataset.source == "synthetic"
        assert dataset.notice.startswith("MADE-UP PRICES")
        frame = dataset.frame
        place = frame.feature_names.index("feature_return_63")
        values, target = np.asarray(frame.features)[:, place], frame.target("target")
        corr = [np.corrcoef(values[r], target[r])[0, 1] for _, r in frame.iter_eras()]
        means[strength] = np.mean(corr)
    assert means[12.0] > 0.2
    assert abs(means[0.0]) < 0.1
