"""`ctx.artefacts`: made once, checked before use, and never one that has seen too much."""

from __future__ import annotations

import json
import multiprocessing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from damage import flip
from numerai_lab.checksums import read_sealed
from numerai_lab.errors import ModelError
from numerai_lab.models import Artefacts, check_model, file_identities, seal_artefact
from numerai_lab.models.conformance.toy import toy_frame
from pretrained_model import Pretrained

ROWS = toy_frame(1)  # eras 1 to 30
LIBRARIES = {"torch": "2.13.0"}


@pytest.fixture
def place(tmp_path):
    """Where a fit that is judged from era 40 on, and trained to era 30, keeps artefacts."""
    said: list[str] = []
    place = Artefacts(tmp_path / "artefacts", "d" * 64, 7, LIBRARIES, 40, 30, said.append)
    return place, said


def write(text: str, calls: list[str] | None = None):
    def build(folder: Path) -> None:
        if calls is not None:
            calls.append(text)
        (folder / "weights").mkdir()
        (folder / "weights" / "w.txt").write_text(text)

    return build


def test_it_is_made_once_from_the_same(place):
    mine, said = place
    calls: list[str] = []
    params = {"layers": [2, 3], "rate": 0.1}
    first = mine.make("net", params, write("a", calls), rows=ROWS)
    again = mine.make("net", dict(reversed(params.items())), write("b", calls), rows=ROWS)
    assert calls == ["a"]
    assert again == first
    assert (first.path / "weights/w.txt").read_text() == "a"
    assert (first.features_to, first.labels_to) == (30, 30)
    told = read_sealed(first.path / "manifest.json")
    assert told["rows"] == ROWS.identity()
    assert told["params"] == params
    assert (told["seed"], told["data"], told["libraries"]) == (7, "d" * 64, LIBRARIES)
    assert mine.used == [
        {"name": "net", "features_to": 30, "labels_to": 30, "sha256": first.sha256}
    ]
    assert said == []


def test_whatever_it_is_made_from_makes_another(place):
    mine, _ = place
    calls: list[str] = []
    makers = [
        (mine, "net", {"a": 1}, ROWS),
        (mine, "other", {"a": 1}, ROWS),
        (mine, "net", {"a": 2}, ROWS),
        (mine, "net", {"a": 1}, ROWS.without_targets()),
        (mine, "net", {"a": 1}, ROWS.between(1, 29)),
        (replace(mine, seed=8), "net", {"a": 1}, ROWS),
        (replace(mine, data="e" * 64), "net", {"a": 1}, ROWS),
        (replace(mine, libraries={"torch": "2.14.0"}), "net", {"a": 1}, ROWS),
    ]
    made = {one.make(*what, write("", calls), rows=rows).path for one, *what, rows in makers}
    assert len(made) == len(calls) == len(makers)


def test_a_frame_is_what_is_in_it():
    same = replace(ROWS, features=ROWS.features.copy(), ids=pa.array(ROWS.ids.to_pylist()))
    assert same.identity() == ROWS.identity()
    assert ROWS.between(2, 9).identity() == ROWS.select_eras(range(2, 10)).identity()
    features = ROWS.features.copy()
    features[-1, -1] ^= 1
    targets = ROWS.targets.copy()
    targets[0, 0] += 1
    others = [
        replace(ROWS, features=features),
        replace(ROWS, targets=targets),
        replace(ROWS, eras=ROWS.eras + 1),
        replace(ROWS, feature_names=ROWS.feature_names[::-1]),
        replace(ROWS, ids=ROWS.ids.take(pa.array(np.arange(ROWS.n_rows)[::-1]))),
        replace(ROWS, side={"sector": ROWS.ids}),
    ]
    assert len({one.identity() for one in (ROWS, *others)}) == len(others) + 1


@pytest.mark.parametrize(
    ("first_judged", "last_trained", "said"),
    [
        (30, 30, "features up to era 30, and era 30 is judged"),
        (12, 30, "features up to era 30, and era 12 is judged"),
        (40, 29, "labels up to era 30, and training ends with era 29"),
        (None, 29, "labels up to era 30, and training ends with era 29"),
    ],
)
def test_what_has_seen_too_much_is_refused(place, first_judged, last_trained, said):
    mine, _ = place
    made = mine.make("net", {}, write("a"), rows=ROWS)
    later = replace(mine, first_judged=first_judged, last_trained=last_trained)
    for use in (
        lambda: later.open(made.path),
        lambda: later.make("net", {}, write("a"), rows=ROWS),
    ):
        with pytest.raises(ModelError, match=said):
            use()
    assert later.made_before("net", {}) is None


def test_without_labels_only_features_count(place):
    mine, _ = place
    strict = replace(mine, first_judged=31, last_trained=1)
    made = strict.make("net", {}, write("a"), rows=ROWS.without_targets())
    assert made.labels_to is None


def test_what_an_earlier_fold_made_is_found(place):
    mine, said = place
    early = mine.make("net", {"a": 1}, write("early"), rows=ROWS.between(1, 20))
    late = mine.make("net", {"a": 1}, write("late"), rows=ROWS)
    mine.make("net", {"a": 2}, write("other"), rows=ROWS)
    assert mine.made_before("net", {"a": 1}) == late
    assert replace(mine, first_judged=25, last_trained=22).made_before("net", {"a": 1}) == early
    assert mine.made_before("net", {"a": 3}) is None
    flip(late.path / "weights/w.txt")
    assert mine.made_before("net", {"a": 1}) == early
    assert "is not what was written" in said[0]


@pytest.mark.parametrize("harm", ["changed", "cut", "gone", "stranger", "manifest", "no manifest"])
def test_a_damaged_one_is_made_anew_and_said(place, harm):
    mine, said = place
    made = mine.make("net", {}, write("weights"), rows=ROWS)
    weights, manifest = made.path / "weights/w.txt", made.path / "manifest.json"
    match harm:
        case "changed":
            flip(weights)
        case "cut":
            weights.write_text("wei")
        case "gone":
            weights.unlink()
        case "stranger":
            (made.path / "more").write_text("")
        case "manifest":
            manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "seed": 8}))
        case "no manifest":
            manifest.unlink()
    with pytest.raises(ModelError, match="make it anew, or name another"):
        mine.open(made.path)
    again = mine.make("net", {}, write("weights"), rows=ROWS)
    assert again == made
    assert weights.read_text() == "weights"
    assert sum("made anew" in sentence for sentence in said) == 1


def test_one_that_fails_leaves_nothing(place):
    mine, _ = place

    def fails(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise ModelError("out of patience")

    with pytest.raises(ModelError, match="out of patience"):
        mine.make("net", {}, fails, rows=ROWS)
    assert [path for path in mine.folder.iterdir() if path.is_dir()] == []


def _make_slowly(mine: Artefacts, started, may_end) -> None:
    def slow(folder: Path) -> None:
        started.set()
        may_end.wait(30)
        (folder / "w").write_text("theirs")

    mine.make("net", {}, slow, rows=ROWS)


def test_of_two_processes_one_makes_it(place):
    mine, _ = place
    context = multiprocessing.get_context("fork")
    started, may_end = context.Event(), context.Event()
    silent = replace(mine, say=print)
    process = context.Process(target=_make_slowly, args=(silent, started, may_end))
    process.start()
    assert started.wait(30)
    said: list[str] = []

    def hears(sentence: str) -> None:
        said.append(sentence)
        may_end.set()

    made = replace(mine, say=hears).make("net", {}, write("mine"), rows=ROWS)
    process.join(30)
    assert (made.path / "w").read_text() == "theirs"
    assert said == [f"another process makes {made.path}: waiting for it"]


def test_files_of_parameters_are_known_by_their_bytes(tmp_path):
    file, folder, made = tmp_path / "w.bin", tmp_path / "w", tmp_path / "made"
    file.write_bytes(b"abc")
    for one in (folder, made):
        one.mkdir()
        (one / "w.bin").write_bytes(b"abc")
    seal_artefact(made, {"name": "w", "features_to": 12, "labels_to": None})
    named = {"file": file, "folder": folder, "made": made}
    known = file_identities(iter(named.items()))
    assert known["made"]["features_to"] == 12
    for one in (file, folder / "w.bin"):
        flip(one)
    changed = file_identities(iter(named.items()))
    assert {key for key in named if changed[key] != known[key]} == {"file", "folder"}
    flip(made / "w.bin")
    with pytest.raises(ModelError, match="is not what was written"):
        file_identities(iter(named.items()))
    with pytest.raises(ModelError, match="there is no such file"):
        file_identities(iter({"gone": tmp_path / "gone"}.items()))


def test_a_pretrained_model_keeps_every_promise():
    check_model(Pretrained)
