"""What was written is what is read, or the file is named as damaged."""

import json

import pytest

from numerai_lab.checksums import (
    OWN_SUM,
    NotAsWritten,
    damage_of,
    marks_of,
    own_sum_holds,
    read_sealed,
    with_own_sum,
    write_sealed,
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "trees").write_bytes(bytes(range(200)))
    (tmp_path / "fit.json").write_text("{}")
    (tmp_path / ".lock").write_text("")
    return tmp_path


def test_whole_files_are_whole(folder):
    marks = marks_of(folder)
    assert set(marks) == {"fit.json", "model/trees"}
    assert damage_of(folder, marks) is None


@pytest.mark.parametrize("bit", [0, 7, 800, 1599])
def test_a_flipped_bit_is_named(folder, bit):
    marks = marks_of(folder)
    path = folder / "model" / "trees"
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
    assert "model/trees is not what was written" in damage_of(folder, marks)
    assert damage_of(folder, marks, ["fit.json"]) is None


def test_cut_gone_and_unknown_files_are_named(folder):
    marks = marks_of(folder)
    (folder / "model" / "trees").write_bytes(bytes(100))
    assert damage_of(folder, marks) == "model/trees has 100 bytes, 200 were written"
    (folder / "model" / "trees").unlink()
    assert damage_of(folder, marks) == "model/trees is gone"
    assert "is not among" in damage_of(folder, marks, ["other"])


def test_a_json_record_carries_its_own_checksum():
    written = with_own_sum({"round": 7, "when": "2026-01-01", "rows": (1, 2), "é": 0.1})
    read = json.loads(json.dumps(written))
    assert own_sum_holds(read) is True
    assert own_sum_holds({**read, "round": 8}) is False
    assert own_sum_holds({key: value for key, value in read.items() if key != OWN_SUM}) is None
    assert with_own_sum(written) == written


def test_a_sealed_file_is_read_as_it_was_written_or_not_at_all(tmp_path):
    path = tmp_path / "record.json"
    with pytest.raises(FileNotFoundError):
        read_sealed(path)
    write_sealed(path, {"round": 7, "files": ["a", "b"]})
    assert read_sealed(path) == {"round": 7, "files": ["a", "b"]}
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"7", b"8"))
    with pytest.raises(NotAsWritten, match="its checksum differs"):
        read_sealed(path, or_unsealed=True)
    for damaged in (whole[:-9], b"", b"\xff" + whole, b"[" * 100_000):
        path.write_bytes(damaged)
        with pytest.raises(NotAsWritten, match="cannot be read"):
            read_sealed(path)
    path.write_text('{"round": 7}')
    with pytest.raises(NotAsWritten, match="has no checksum of its own"):
        read_sealed(path)
    assert read_sealed(path, or_unsealed=True) == {"round": 7}
