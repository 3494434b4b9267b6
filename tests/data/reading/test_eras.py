"""What era columns may hold, and that what they count is known to be weeks."""

import datetime as dt
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_files import load, table
from numerai_lab.config import Columns, Data
from numerai_lab.data import load_unlabelled
from numerai_lab.errors import DataError

N_ERAS = 20
FIRST = dt.date(2013, 1, 4)
WEEK = 5896  # of FIRST, counted from Monday 1900-01-01
EPOCH = dt.date(1970, 1, 1)
NUMBERS = [500 + i for i in range(N_ERAS)]
FRIDAYS = [FIRST + dt.timedelta(weeks=i) for i in range(N_ERAS)]
STAMPS = [dt.datetime.combine(day, dt.time(20)) for day in FRIDAYS]
COMPACT = [int(day.strftime("%Y%m%d")) for day in FRIDAYS]
DAYS = [(day - EPOCH).days for day in FRIDAYS]
TEXT = pa.array([f"{number:04d}" for number in NUMBERS])


def write(path, values, **options):
    """Write a file of three rows an era, whose eras are these values."""
    rows = pa.Table.from_pandas(table(n_eras=len(values), rows=3))
    column = pa.array(values) if isinstance(values, list) else values
    kind, rows_of = column.type, pa.array(np.repeat(np.arange(len(values)), 3))
    if kind == pa.string_view():  # Arrow cannot take from it
        column = column.cast(pa.string())
    column = column.take(rows_of).cast(kind)
    place = rows.schema.get_field_index("era")
    pq.write_table(rows.set_column(place, "era", column), path, **options)
    return {"source": "parquet", "files": [path]}


def declared(form):
    return {"era": {"column": "era", "format": form}}


DELTAS = {"use_dictionary": False, "column_encoding": {"era": "DELTA_BYTE_ARRAY"}}
FORMS = {
    "text": TEXT,
    "large_string": TEXT.cast(pa.large_string()),
    "string_view": TEXT.cast(pa.string_view()),
    "binary": TEXT.cast(pa.binary()),
    "dictionary": TEXT.dictionary_encode(),
    "dictionary of numbers": pa.array(NUMBERS, pa.int16()).dictionary_encode(),
    "era501": [f"era{number}" for number in NUMBERS],
    "501.0": [f"{number}.0" for number in NUMBERS],
    "decimal": [decimal.Decimal(f"{number}.00") for number in NUMBERS],
    "float": [float(number) for number in NUMBERS],
    "float16": pa.array(np.float16(NUMBERS)),
    "uint64": pa.array(NUMBERS, pa.uint64()),
}


@pytest.mark.parametrize("values", FORMS.values(), ids=FORMS)
def test_numbers_in_whatever_type_they_are_written(tmp_path, values):
    said = []
    data = load(said, **write(tmp_path / "a.parquet", values))
    assert data.frame.eras.tolist() == NUMBERS
    assert (said, data.era_dates) == ([], {})


@pytest.mark.parametrize("use", ["always", "never"])
def test_texts_written_as_deltas(tmp_path, use):
    section = write(tmp_path / "a.parquet", TEXT, **DELTAS, row_group_size=7)
    data = load(**section, store={"use": use, "dir": tmp_path / "store"})
    assert data.frame.eras.tolist() == NUMBERS


DATES = {
    "date32": ("auto", FRIDAYS),
    "date64": ("auto", pa.array(FRIDAYS, pa.date64())),
    "timestamp": ("auto", pa.array(STAMPS, pa.timestamp("ns"))),
    "timestamp with zone": (
        "auto",
        pa.array(STAMPS, pa.timestamp("us")).cast(pa.timestamp("us", "America/New_York")),
    ),
    "text": ("auto", [str(day) for day in FRIDAYS]),
    "text with time": ("auto", [f"{moment.isoformat()}Z" for moment in STAMPS]),
    "dictionary of dates": ("auto", pa.array(FRIDAYS).dictionary_encode()),
    "compact": ("date", COMPACT),
    "compact float": ("date", [float(number) for number in COMPACT]),
    "compact text": ("date", [str(number) for number in COMPACT]),
    "declared though a date": ("date", FRIDAYS),
    "days": ("days_since_1970", DAYS),
}


@pytest.mark.parametrize(("form", "values"), DATES.values(), ids=DATES)
@pytest.mark.parametrize("use", ["always", "never"])
def test_dates_become_weeks(tmp_path, form, values, use):
    said = []
    section = write(tmp_path / "a.parquet", values)
    section |= {"columns": declared(form), "store": {"use": use, "dir": tmp_path / "store"}}
    data = load(said, **section)
    assert data.frame.eras.tolist() == [WEEK + i for i in range(N_ERAS)]
    assert data.era_dates == {WEEK + i: day for i, day in enumerate(FRIDAYS)}
    assert (
        "eras are dates: 2013-01-04 to 2013-05-17 became weeks 5896 to 5915, counted from 1900"
    ) in said
    # The number of a date does not depend on the other rows.
    some = load(**section, eras={"from": "2013-02-01", "to": "2013-02-10"})
    assert some.frame.eras.tolist() == [WEEK + 4, WEEK + 5]
    assert list(some.era_dates.values()) == FRIDAYS[4:6]


def monthly(i):
    return dt.date(2013 + i // 12, i % 12 + 1, 28)


REFUSED = {
    "compact dates": (COMPACT, "20130517 is 2013-05-17, write .*column: era, format: date}"),
    "compact text": ([str(number) for number in COMPACT], "format: date}"),
    "days": (DAYS, "15842 is 2013-05-17, write .*format: days_since_1970}"),
    "seconds": ([86400 * day for day in DAYS], "is not the number of a week"),
    "nanoseconds": ([86400 * 10**9 * day for day in DAYS], "is not a number"),
    "year and week": ([201300 + i for i in range(1, 21)], "is not the number of a week"),
    "far apart": ([14 * i for i in range(20)], "typically 14 apart.*format: week_number}"),
    "two in a week": (
        [FIRST - dt.timedelta(days=1), *FRIDAYS],
        "2013-01-03 and 2013-01-04 lie in one week, and an era is a week",
    ),
    "two in a day": ([STAMPS[0].replace(hour=9), *STAMPS], "two times of one day"),
    "a date among numbers": ([*map(str, NUMBERS), "2013-01-04"], "write all eras in one way"),
    "no such day": (["2013-02-30"], "is not a date"),
    "another century": ([dt.date(1815, 6, 18)], "is not a date from 1900"),
    "bool": ([True, False], "values are bool"),
    "list": ([[1], [2]], "values are list"),
}


@pytest.mark.parametrize(("values", "says"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("use", ["always", "never"])
def test_what_may_not_count_weeks_is_refused(tmp_path, values, says, use):
    section = write(tmp_path / "a.parquet", values)
    with pytest.raises(DataError, match=says) as caught:
        load(**section, store={"use": use, "dir": tmp_path / "store"})
    assert "a.parquet" in str(caught.value)
    assert caught.value.fix


@pytest.mark.parametrize(
    ("form", "value", "says"),
    [
        ("date", 5896, "era 5896 is not a date written as 20130104"),
        ("date", 20131399, "is not a date"),
        ("date", "X", "leave live rows out"),
        ("week_number", FIRST, "is a date, not the number of a week"),
        ("days_since_1970", 10**12, "is not a number of days"),
    ],
)
def test_a_value_that_is_not_as_declared(tmp_path, form, value, says):
    section = write(tmp_path / "a.parquet", [value])
    with pytest.raises(DataError, match=says):
        load(**section, columns=declared(form))


SAID = {
    "every week": (list(range(1, 21)), None),
    "a hole": ([1, 2, 3, 4, 90, 91, 92], None),
    "one era": ([575], None),
    "every 4th": ([4 * i for i in range(20)], "typically 4 apart: taken as every 4th week"),
    "every 13th": ([13 * i for i in range(20)], "every 13th week"),
    "every 7th": ([7 * i for i in range(20)], "if they count days, name a column of dates"),
    "every 2nd week of dates": (FRIDAYS[::2], "typically 2 weeks apart"),
    "months": ([monthly(i) for i in range(20)], "typically 4 weeks apart"),
}


@pytest.mark.parametrize(("values", "sentence"), SAID.values(), ids=SAID)
def test_what_eras_are_taken_for_is_said(tmp_path, values, sentence):
    said = []
    load(said, **write(tmp_path / "a.parquet", values))
    assert len(said) == (sentence is not None)
    assert sentence is None or sentence in said[0]


def test_numbers_at_any_distance_where_they_are_declared(tmp_path):
    section = write(tmp_path / "a.parquet", [30 * i for i in range(20)] + [20_000])
    data = load(**section, columns=declared("week_number"))
    assert data.frame.eras[-1] == 20_000


def test_the_unit_is_that_of_the_files_not_of_the_eras_chosen(tmp_path):
    section = write(tmp_path / "a.parquet", NUMBERS)
    said = []
    assert load(said, **section, eras={"step": 15, "offset": 4}).frame.n_eras == 2
    assert said == []


def test_eras_of_a_store_that_were_changed_are_read_from_the_files_again(tmp_path):
    stored = {"use": "always", "dir": tmp_path / "store"}
    section = {**write(tmp_path / "a.parquet", NUMBERS), "store": stored}
    before = load(**section).frame.eras.tolist()
    made = next((tmp_path / "store").glob("*/eras.npz"))
    saved = np.load(made)
    np.savez(made, eras=np.array(COMPACT, dtype=np.int32), offsets=saved["offsets"])
    assert load(**section).frame.eras.tolist() == before


@pytest.mark.parametrize(
    ("values", "form", "order", "numbers"),
    [
        (["X"], "auto", [1], (None,)),
        ([20130104], "auto", [1], (20130104,)),
        ([dt.date(2013, 1, 11), FIRST], "auto", [2, 1], (WEEK, WEEK + 1)),
        # Two days of one week: to be predicted each by itself.
        ([dt.date(2013, 1, 3), FIRST], "auto", [1, 2], (WEEK, WEEK)),
        ([20130111, 20130104], "date", [2, 1], (WEEK, WEEK + 1)),
        (["0010", "9", "X", "9.0"], "auto", [2, 1, 3, 1], (9, 10, None)),
        ([b"era12", b"era3"], "auto", [2, 1], (3, 12)),
    ],
)
def test_eras_of_rows_to_predict(tmp_path, values, form, order, numbers):
    write(tmp_path / "a.parquet", values)
    found = load_unlabelled(
        tmp_path / "a.parquet",
        features=[f"feature_{i}" for i in range(4)],
        dtype="int8",
        columns=Columns.model_validate(declared(form)),
        missing=Data().missing,
        say=lambda _: None,
    )
    ids = pd.read_parquet(tmp_path / "a.parquet").index
    in_order = [ids[3 * i + j] for i in np.argsort(order, kind="stable") for j in range(3)]
    assert found.frame.n_eras == len(set(order))
    assert found.frame.ids.to_pylist() == in_order
    assert found.era_numbers == numbers
