"""Strict YAML: the traps of YAML 1.1 are read right, and what is refused says so."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from numerai_lab.config import Resolved, load_experiment, resolved_yaml
from numerai_lab.errors import ConfigError

BASE = """\
name: base
split: {type: official}
model:
  type: xgb
  params:
    key: VALUE
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a file into an empty current directory and give its relative path."""
    monkeypatch.chdir(tmp_path)

    def write(text: str | bytes, name: str = "x.yaml") -> Path:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def read_value(write, text: str) -> object:
    return load_experiment(write(BASE.replace("VALUE", text))).experiment.model.params["key"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0575", 575),
        ("0589", 589),
        ("0x10", 16),
        ("0o17", 15),
        ("-3", -3),
        ("1e-3", 0.001),
        ("1E5", 1e5),
        (".5", 0.5),
        ("2.", 2.0),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("Off", "Off"),
        ("true", True),
        ("False", False),
        ("12:30", "12:30"),
        ("2016-01-01", "2016-01-01"),
        ("1_000", "1_000"),
        ("'0575'", "0575"),
        ('"1e-3"', "1e-3"),
        ("", None),
        ("null", None),
        ("~", None),
        ("nil", "nil"),
        ("[1, no, {a: 1e1}]", [1, "no", {"a": 10.0}]),
        ("|\n      two\n      lines", "two\nlines\n"),
    ],
)
def test_values_follow_yaml_1_2(write, text, value):
    read = read_value(write, text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (".nan", "expected a finite number, got .nan"),
        ("-.inf", "expected a finite number, got -.inf"),
        ("1e999", "expected a finite number, got 1e999"),
        ("9" * 5000, "a number of 5000 digits is too large"),
        ("{a: 1, b: 2, a: 3}", "x.yaml:6 model.params.key.a: repeated key"),
        ("{1: 2}", "x.yaml:6 model.params.key.1: a key must be text; put it in quotes"),
        ("{[a]: 2}", "x.yaml:6 model.params.key.?: a key must be text"),
        ("{<<: {a: 1}}", "merge keys (<<) are not read; use extends"),
        ("&a 1", "x.yaml:6: anchors and aliases (& and *) are not read"),
        ("*a", "x.yaml:6: anchors and aliases (& and *) are not read"),
        ("!!python/name:os.system", "x.yaml:6: tags (!!python/name:os.system) are not read"),
        ("!!str 5", "x.yaml:6: tags (!!str) are not read"),
        ("[1, 2", "x.yaml:7: not valid YAML"),
        ("a: b", "x.yaml:6: not valid YAML, a second ': ' on one line"),
        ("\n\tb: 1", "x.yaml:7: a tab where YAML wants spaces"),
        ("'open", "not valid YAML"),
        ("@x", "x.yaml:6: not valid YAML"),
        ("\x07", "x.yaml:6: the character '\\x07' is not allowed in YAML; remove it"),
        ("1\n---\nb: 1", "x.yaml:7: a second document (---) in one file"),
        ("[" * 2000 + "]" * 2000, "x.yaml:6: not valid YAML: nested more than 50 deep"),
    ],
)
def test_what_is_refused_says_so(write, text, words):
    with pytest.raises(ConfigError) as caught:
        read_value(write, text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_repeated_key_names_both_lines(write):
    path = write(BASE + "seed: 1\nsplit: {type: blocked}\n")
    with pytest.raises(ConfigError) as caught:
        load_experiment(path)
    assert str(caught.value) == "x.yaml:8 split: repeated key, already given on line 2"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "x.yaml: the file is empty"),
        (b"# only a comment\n", "x.yaml: the file is empty"),
        (b"- a\n- b\n", "x.yaml:1: expected keys with values (key: value), the file holds a list"),
        (b"eta = 0.05", "x.yaml:1: expected keys with values (key: value), the file holds a sin"),
        (b"name: x\nquestion: \xe9\n", "x.yaml:2: the byte 0xe9 is not UTF-8 text; save the file"),
    ],
)
def test_files_that_hold_no_config(write, content, words):
    with pytest.raises(ConfigError) as caught:
        load_experiment(write(content))
    assert words in str(caught.value)


def test_a_byte_order_mark_and_windows_line_ends_are_read(write):
    text = BASE.replace("VALUE", "1").replace("\n", "\r\n")
    resolved = load_experiment(write(b"\xef\xbb\xbf" + text.encode()))
    assert resolved.places["model.params.key"] == "x.yaml:6"


def test_missing_files_and_folders(write):
    write(BASE, "configs/xgb.yaml")
    for path, words in [
        ("configs/xbg.yaml", "configs/xbg.yaml: no such file, did you mean 'xgb.yaml'?"),
        ("configs/xgb", "configs/xgb: no such file, did you mean 'xgb.yaml'?"),
        ("nowhere/x.yaml", "nowhere/x.yaml: no such file"),
        ("configs/xgb.yaml/x", "configs/xgb.yaml/x: no such file"),
        ("configs", "configs: this is a folder, not a YAML file"),
    ]:
        with pytest.raises(ConfigError) as caught:
            load_experiment(path)
        assert str(caught.value) == words


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["no", "0575", "1e-3", "12:30", "~", "", "<<", "=", "- a", "a: b", "# x", "0o7", ".5", "1_0"]
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**18), 10**18),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=40)
@given(params=st.dictionaries(texts, values, max_size=4))
@example(params={"a": 1e-05, "b": 1e22, "c": "\u2028\x85\n", "d": "x" * 3000, "e": [[], {}]})
def test_whatever_is_held_is_written_so_that_it_reads_the_same(tmp_path_factory, params):
    path = tmp_path_factory.mktemp("round") / "x.yaml"
    base = load_with(path, {"type": "m"})
    experiment = base.experiment.model_copy(
        update={"model": base.experiment.model.model_copy(update={"params": params})}
    )
    text = resolved_yaml(experiment)
    path.write_text(text, encoding="utf-8")
    again = load_experiment(path).experiment
    assert again == experiment
    assert repr(again.model.params) == repr(params)
    # Others read resolved.yaml too: nothing in it is a trap for YAML 1.1.
    assert yaml.safe_load(text)["model"]["params"] == params


def load_with(path: Path, model: dict) -> Resolved:
    plain = {"name": "x", "split": {"type": "official"}, "model": model}
    path.write_text(yaml.safe_dump(plain), encoding="utf-8")
    return load_experiment(path)
