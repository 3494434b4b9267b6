"""Layers: parent < file < data profile < --set, and where each value came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from numerai_lab.config import HoldoutSplit, OfficialSplit, Resolved, load_experiment
from numerai_lab.errors import ConfigError

PARENT = """\
name: parent
question: Why?
data:
  targets: [target, target_b]
  missing: {policy: constant, value: 0}
split:
  type: official
  chunk_eras: 52
  purge_eras: 9
model:
  type: xgb
  params:
    eta: 0.05
    deep: {a: 1, b: 2}
weights: {type: era_decay, half_life_eras: 50}
"""


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A folder configs/ with a parent and a few profiles; returns a writer of more files."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, text: str) -> str:
        path = Path("configs") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return str(path)

    write("parent.yaml", PARENT)
    write("data/small.yaml", "source: synthetic\nsynthetic: {n_eras: 40}\n")
    write("data/numerai.yaml", "source: numerai\n")
    return write


def child(tree, text: str, **options) -> Resolved:
    return load_experiment(tree("child.yaml", f"extends: parent.yaml\n{text}"), **options)


def refusal(path: str, **options) -> str:
    with pytest.raises(ConfigError) as caught:
        load_experiment(path, **options)
    return str(caught.value)


# --- extends


def test_mappings_merge_and_lists_replace_and_places_stay(tree):
    resolved = child(tree, "data: {targets: [target_c]}\nmodel:\n  params:\n    deep: {b: 3}\n")
    experiment = resolved.experiment
    assert experiment.data.targets == ["target_c"]
    assert experiment.data.missing.policy == "constant"
    assert experiment.model.params == {"eta": 0.05, "deep": {"a": 1, "b": 3}}
    assert resolved.places["model.params.eta"] == "configs/parent.yaml:13"
    assert resolved.places["model.params.deep.a"] == "configs/parent.yaml:14"
    assert resolved.places["model.params.deep.b"] == "configs/child.yaml:5"
    assert resolved.places["data.targets[0]"] == "configs/child.yaml:2"
    assert "data.targets[1]" not in resolved.places
    assert "extends" not in resolved.places


def test_name_and_question_are_not_inherited(tree):
    experiment = child(tree, "seed: 1\n").experiment
    assert (experiment.name, experiment.question) == ("child", "")


def test_errors_of_the_parent_are_told_at_the_parent(tree):
    tree("parent.yaml", PARENT + "sed: 1\n")
    assert refusal(tree("child.yaml", "extends: parent\nthreads: x\n")).splitlines() == [
        "2 errors:",
        "  configs/child.yaml:2 threads: expected a whole number >= 0, got the text 'x'",
        "  configs/parent.yaml:16 sed: unknown key, did you mean 'seed'?",
    ]


def test_the_suffix_may_be_left_out_and_parents_have_parents(tree):
    tree("middle.yaml", "extends: parent\nseed: 5\nthreads: 1\n")
    resolved = load_experiment(tree("deep/child.yaml", "extends: ../middle\nthreads: 2\n"))
    assert (resolved.experiment.seed, resolved.experiment.threads) == (5, 2)
    assert resolved.places["seed"] == "configs/middle.yaml:2"
    assert resolved.raw == "extends: ../middle\nthreads: 2\n"


def test_another_type_replaces_the_section(tree):
    text = "split: {type: holdout, train: {to: 9}}\nmodel: {type: other}\nweights: {type: none}\n"
    resolved = child(tree, text)
    split = resolved.experiment.split
    assert isinstance(split, HoldoutSplit)
    assert split.purge_eras == "auto"
    assert resolved.experiment.model.params == {}
    assert resolved.experiment.weights.half_life_eras == 200
    assert not [key for key in resolved.places if key.startswith(("split.chunk", "model.params"))]


def test_the_same_type_merges(tree):
    split = child(tree, "split: {type: official, chunk_eras: 30}\n").experiment.split
    assert isinstance(split, OfficialSplit)
    assert (split.chunk_eras, split.purge_eras) == (30, 9)


def test_things_by_name_replace_those_of_the_parent_and_set_changes_one(tree):
    stack = "type: stack, params: {prior_eras: 9, weights: {a: 1, b: 2}, members: "
    both = "{a: {type: xgb, params: {eta: 0.1}}, b: {type: ridge}}"
    tree("stack.yaml", f"split: {{type: official}}\nmodel: {{{stack}{both}}}}}\n")
    child = "{members: {c: {type: ridge}, b: {type: xgb}}, weights: {b: 1, c: 1}}"
    path = tree("child.yaml", f"extends: stack.yaml\nmodel: {{params: {child}}}\n")
    resolved = load_experiment(path)
    params = resolved.experiment.model.params
    assert params["members"] == {"c": {"type": "ridge"}, "b": {"type": "xgb"}}
    assert params["weights"] == {"b": 1, "c": 1}
    assert params["prior_eras"] == 9
    assert "model.params.members.a.type" not in resolved.places
    one = load_experiment(path, overrides=("model.params.members.b.params.eta=0.2",))
    assert one.experiment.model.params["members"]["b"] == {"type": "xgb", "params": {"eta": 0.2}}
    assert list(one.experiment.model.params["members"]) == ["c", "b"]


def test_null_clears_a_section(tree):
    tree("parent.yaml", PARENT + "early_stopping: {rounds: 3}\n")
    assert child(tree, "early_stopping: null\n").experiment.early_stopping is None
    assert child(tree, "seed: 1\n").experiment.early_stopping is not None


@pytest.mark.parametrize(
    ("extends", "words"),
    [
        ("[a, b]", "configs/child.yaml:1: extends: expected the name of one file"),
        ("", "configs/child.yaml:1: extends: expected the name of one file"),
        ("parnet", "extends: no such file configs/parnet.yaml, did you mean 'parent.yaml'?"),
        ("data", "extends: no such file configs/data.yaml"),
        ("child", "circle (configs/child.yaml -> configs/child.yaml)"),
        ("other", "circle (configs/child.yaml -> configs/other.yaml -> configs/child.yaml)"),
    ],
)
def test_parents_that_cannot_be(tree, extends, words):
    tree("other.yaml", "extends: child.yaml\n")
    assert words in refusal(tree("child.yaml", f"extends: {extends}\n"))


# --- --data


def test_a_profile_lies_over_the_data_section_only(tree):
    resolved = child(tree, "seed: 3\n", data="small")
    data = resolved.experiment.data
    assert (data.source, data.synthetic.n_eras) == ("synthetic", 40)
    assert data.targets == ["target", "target_b"]
    assert resolved.experiment.seed == 3
    assert resolved.places["data.source"] == "configs/data/small.yaml:1"


def test_a_folder_is_numerais_layout(tree):
    Path("market").mkdir()
    resolved = child(tree, "", data="market")
    assert (resolved.experiment.data.source, str(resolved.experiment.data.dir)) == (
        "numerai",
        "market",
    )
    assert resolved.places["data.dir"] == "--data market"


def test_a_yaml_file_is_a_data_section(tree):
    path = tree("mine.yml", "source: parquet\nfiles: [a.parquet]\n")
    data = child(tree, "", data=path).experiment.data
    assert [str(file) for file in data.files] == ["a.parquet"]


def test_profiles_of_the_current_directory_serve_configs_elsewhere(tree):
    Path("elsewhere").mkdir()
    Path("elsewhere/x.yaml").write_text(PARENT)
    assert load_experiment("elsewhere/x.yaml", data="small").experiment.data.source == "synthetic"


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("smal", "no such folder, YAML file or profile, did you mean 'small'?; profiles here: leg"),
        ("missing/folder", "--data missing/folder: no such folder, YAML file or profile; profiles"),
        ("", "no such folder, YAML file or profile"),
        ("a.parquet", "write a YAML profile with source: parquet"),
        ("notes.txt", "expected a folder, a YAML file or a profile, got the file notes.txt"),
        ("configs/parent.yaml", "this is an experiment, a data profile holds the keys of a data"),
    ],
)
def test_data_that_is_none_of_these(tree, named, words):
    Path("notes.txt").write_text("x")
    assert words in refusal("configs/parent.yaml", data=named)


def test_errors_of_a_profile_are_told_at_its_lines(tree):
    tree("data/bad.yaml", "source: numerai\ntarget: x\n")
    assert refusal("configs/parent.yaml", data="bad") == (
        "configs/data/bad.yaml:2 data.target: unknown key, did you mean 'targets'?"
    )


# --- --set


def test_overrides_win_and_are_yaml(tree):
    overrides = [
        "model.params.eta=1e-2",
        "data.targets=[a, b]",
        "data.synthetic.n_eras=50",
        "model.params.deep={b: no}",
        "early_stopping.rounds=7",
        "question=a = b",
    ]
    resolved = child(tree, "seed: 3\n", data="small", overrides=overrides)
    experiment = resolved.experiment
    assert experiment.model.params == {"eta": 0.01, "deep": {"a": 1, "b": "no"}}
    assert experiment.data.targets == ["a", "b"]
    assert experiment.data.synthetic.n_eras == 50
    assert experiment.early_stopping is not None
    assert experiment.early_stopping.rounds == 7
    assert experiment.question == "a = b"
    assert resolved.places["model.params.eta"] == "--set"
    assert resolved.places["data.source"] == "configs/data/small.yaml:1"


@pytest.mark.parametrize("order", [1, -1])
def test_another_type_by_set_replaces_the_section_in_any_order(tree, order):
    overrides = ["split.type=holdout", "split.train.to=100"][::order]
    split = load_experiment("configs/parent.yaml", overrides=overrides).experiment.split
    assert isinstance(split, HoldoutSplit)
    assert split.train.to == 100
    assert split.purge_eras == "auto"


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("seed", "--set seed: expected KEY=VALUE; as in --set seed=1"),
        ("=1", "--set =1: expected KEY=VALUE with a dotted key"),
        ("a..b=1", "--set a..b=1: expected KEY=VALUE with a dotted key"),
        ("a b=1", "--set a b=1: expected KEY=VALUE with a dotted key"),
        ("seed=", "--set seed=: no value; write seed=null to clear it"),
        ("seed=[1,", "--set seed=[1,: not valid YAML"),
        ("data.targets[0]=a", "a list is replaced whole; give all of it: data.targets=[first, sec"),
        ("data.targets.0=a", "a list is replaced whole"),
        ("sed=1", "--set sed: unknown key, did you mean 'seed'?"),
        ("seed=no", "--set seed: expected a whole number >= 0, got the text 'no'"),
        ("seed=.nan", "--set seed: expected a finite number, got .nan"),
        ("seed.x=1", "--set seed: expected a whole number >= 0, got a mapping"),
        ("question={a: 1, a: 2}", "--set question.a: repeated key"),
        ("split.type=holdut", "--set split.type: unknown type 'holdut', did you mean 'holdout'?"),
        ("extends=other.yaml", "--set extends: unknown key"),
    ],
)
def test_overrides_that_cannot_be(tree, option, words):
    assert words in refusal("configs/parent.yaml", overrides=[option])


def test_one_key_set_twice(tree):
    message = refusal("configs/parent.yaml", overrides=["seed=1", "threads=1", "seed=2"])
    assert message == "--set seed=2: seed is set twice; keep one"
