"""`submit`: a live file that is far from as long as usual is refused, with the numbers."""

import shutil

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from numerai_lab.tournament.submitting.checks import OddLive, StaleLive, check_new, check_rows
from submit_lab import ONE, ROUND, Submit, ThreadStandIn


@pytest.fixture
def short(tmp_path, final_runs, start_at):
    """A server whose live file can be cut or made longer, and a submit against it."""
    data = shutil.copytree(final_runs.parent / "data", tmp_path / "served")
    server = ThreadStandIn.start(data)
    lab = Submit(tmp_path, final_runs, server)
    lab.slots(ONE)
    path = data / "v5.3" / "live.parquet"
    whole = pq.read_table(path)

    def submit(rows: int, when: str, *more: str):
        table = pa.concat_tables([whole] * (1 + rows // len(whole))).slice(0, rows)
        ids = pa.array([f"n{row:015x}" for row in range(rows)])
        table = table.set_column(table.schema.get_field_index("id"), "id", ids)
        pq.write_table(table, path)
        server.control(set_time=when)
        result = start_at(lab, *more)
        return result.code, result.out, result.err

    yield lab, submit
    server.stop()


def test_a_live_file_of_a_few_rows_is_refused_from_the_first_round_on(short):
    lab, submit = short
    code, _, err = submit(6, "2026-03-03T12:05:00Z")
    assert code == 1
    assert "the live file has 6 rows, the run's last eras had 60: fewer than can be right" in err
    assert lab.submissions() == []
    code, _, err = submit(60, "2026-03-04T12:05:00Z")
    assert code == 0, err
    for rows, when in ((40, "2026-03-05T12:05:00Z"), (150, "2026-03-06T12:05:00Z")):
        code, _, err = submit(rows, when)
        assert code == 1
        assert f"the live file has {rows} rows, round {ROUND + 1} had 60" in err
    assert len(lab.submissions()) == 1
    code, _, err = submit(150, "2026-03-06T12:06:00Z", "--force")
    assert code == 0, err
    assert "had 60: fewer" not in err
    assert "--force submits it all the same" in err
    assert len(lab.submissions()) == 2


@pytest.mark.parametrize(
    ("rows", "first", "refused"),
    [
        *((rows, False, False) for rows in (4800, 6000, 7000, 12_000)),
        *((rows, False, True) for rows in (0, 3, 600, 4799, 12_001)),
        *((rows, True, False) for rows in (3000, 6000, 12_000)),
        *((rows, True, True) for rows in (0, 3, 2999, 12_001)),
    ],
)
def test_how_far_from_usual_is_too_far(rows, first, refused):
    try:
        check_rows(rows, 6000, "round 7", "alpha", first=first)
    except OddLive as error:
        assert refused
        assert f"{rows:,} rows, round 7 had 6,000" in str(error)  # noqa: PT017
    else:
        assert not refused


def test_a_part_of_the_live_file_of_the_round_before_is_stale(tmp_path):
    old = pd.DataFrame({"id": [f"n{i}" for i in range(8)], "prediction": [i / 9 for i in range(8)]})
    old.to_csv(tmp_path / "1.csv", index=False)
    for part in (old.iloc[:3], pd.concat([old, old.assign(id=old["id"] + "x").iloc[:5]])):
        with pytest.raises(StaleLive, match="round 1"):
            check_new(part, tmp_path / "1.csv", 1)
