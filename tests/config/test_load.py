"""Loading: every error of a config in one message, at the key and the line it was written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from numerai_lab.config import Data, data_section, load_experiment, validate_params
from numerai_lab.errors import ConfigError, ModelError

BASE = """\
name: base
split: {type: official}
model:
  type: toy
  params: {}
"""


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    rounds: Annotated[int, Field(ge=1)]
    proportion: float = 0.5


class Toy(BaseModel):
    """Parameters of a model, with the shapes of field that plugins use."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)
    eta: Annotated[float, Field(gt=0, le=1)] = 0.1
    lambda_: float = Field(1.0, alias="lambda")
    weights: Literal["nnls", "equal"] | list[float] = "nnls"
    boosting: Literal["none"] | Part = "none"
    parts: list[Part] = Field(default_factory=list)
    extra: dict[str, int] = Field(default_factory=dict)
    pair: tuple[int, int] | None = None

    @model_validator(mode="after")
    def _not_seven(self) -> Toy:
        if self.eta == 0.7:
            raise ValueError("eta 0.7 is never right")
        return self


def params_of(name: str) -> type[BaseModel]:
    if name != "toy":
        raise ModelError(f"unknown model '{name}', did you mean 'toy'?")
    return Toy


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Write YAML files into an empty current directory."""
    monkeypatch.chdir(tmp_path)

    def write(text: str, name: str = "x.yaml") -> str:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text, encoding="utf-8")
        return name

    return write


def complaint(path: str, **options) -> str:
    with pytest.raises(ConfigError) as caught:
        load_experiment(path, params_of=params_of, **options)
    return str(caught.value)


def test_five_errors_are_told_at_once_in_the_order_of_the_file(config):
    text = """\
name: x
sed: 1
data:
  targets: target
split:
  type: walk_forward
  purge_eras: -1
model:
  type: toy
  params:
    eat: 0.1
    boosting: {round: 3}
scoring:
  exposure: yes
"""
    assert complaint(config(text)).splitlines() == [
        "7 errors:",
        "  x.yaml:2 sed: unknown key, did you mean 'seed'?",
        "  x.yaml:4 data.targets: expected a list of text (at least 1), got the text 'target'",
        "  x.yaml:7 split.purge_eras: expected 'auto' or a whole number >= 0, got -1",
        "  x.yaml:11 model.params.eat: unknown key, did you mean 'eta'?",
        "  x.yaml:12 model.params.boosting.round: unknown key, did you mean 'rounds'?",
        "  x.yaml:12 model.params.boosting.rounds: missing, expected a whole number >= 1",
        "  x.yaml:14 scoring.exposure: write true or false (got the text 'yes')",
    ]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("seed: 1.5", "x.yaml:6 seed: expected a whole number >= 0, got 1.5"),
        ("seed: '7'", "seed: expected a whole number >= 0, got the text '7'; write it without"),
        ("seed: true", "seed: expected a whole number >= 0, got true"),
        ("seed:", "seed: expected a whole number >= 0, got nothing"),
        ("seed: [1]", "seed: expected a whole number >= 0, got a list"),
        ("name2: x", "x.yaml:6 name2: unknown key, did you mean 'name'?"),
        ("zzz: x", "x.yaml:6 zzz: unknown key (known: name, question, seed,"),
        ("model.params.eta: 1", "unknown key; write nested mappings, dots are for --set"),
        ("chunk_eras: 5", "x.yaml:6 chunk_eras: unknown key, did you mean 'split.chunk_eras'?"),
        ("device: gpu", "device: unknown value 'gpu', did you mean 'cpu'? (one of cpu, cuda)"),
        ("device: 5", "device: expected 'cpu' or 'cuda', got 5"),
        ("data: x.parquet", "data: expected a mapping (key: value), got the text 'x.parquet'"),
        ("data: {dir: 5}", "data.dir: expected a path, got 5"),
        ("data: {files: [a, 5]}", "data.files[1]: expected a path, got 5"),
        ("data: {targets: []}", "data.targets: expected a list of text (at least 1), got an empty"),
        ("data: {targets: [a, 5]}", "data.targets[1]: expected text, got 5"),
        ("data: {horizons: {t: 0}}", "data.horizons.t: expected a whole number >= 1, got 0"),
        (
            "data: {feature_sets: {s: some}}",
            "data.feature_sets.s: expected 'all' or a list of text",
        ),
        ("data: {columns: {features: [1]}}", "data.columns.features: expected text or a list of"),
        ("data: {eras: {from: 9, to: 3}}", "x.yaml:6 data.eras: from 9 is after to 3"),
        ("data: {eras: {from_: 9}}", "data.eras.from_: unknown key, did you mean 'from'?"),
        ("data: {eras: {step: 4, offset: 4}}", "data.eras: offset 4 must be below step 4"),
        ("weights: {half_life_eras: 0}", "weights.half_life_eras: expected a number > 0, got 0"),
        ("neutralize: {proportion: 2}", "neutralize.proportion: expected a number >= 0 and <= 1"),
        ("early_stopping: {eras: ten}", "early_stopping.eras: expected a whole number >= 1, got"),
        ("early_stopping: 5", "early_stopping: expected a mapping (key: value), got 5"),
        ("scoring: {bootstrap: {block_eras: 0}}", "expected 'auto' or a whole number >= 1, got 0"),
    ],
)
def test_each_kind_of_mistake_is_one_line(config, written, expected):
    message = complaint(config(f"{BASE}{written}\n"))
    assert expected in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("{}", "x.yaml:2 split.type: missing, expected official, walk_forward, blocked or holdout"),
        ("{type: offical}", "split.type: unknown type 'offical', did you mean 'official'? (one of"),
        ("official", "split: expected a mapping with type official, walk_forward, blocked or hold"),
        (
            "{type: official, n_blocks: 3}",
            "split.n_blocks: unknown key of this type, it belongs to",
        ),
        ("{type: official, chunks: 3}", "split.chunks: unknown key, did you mean 'chunk_eras'?"),
        ("{type: holdout, train: {til: 3}}", "split.train.til: unknown key (known: from, to)"),
        ("{type: holdout, validate_: {}}", "split.validate_: unknown key, did you mean 'validate'"),
        ("{type: blocked, embargo_eras: x}", "split.embargo_eras: expected 'auto' or a whole num"),
        ("{type: official, train_offset: 1}", "split: train_offset 1 must be below train_step 1"),
    ],
)
def test_splits_are_told_as_they_were_written(config, split, expected):
    message = complaint(config(BASE.replace("{type: official}", split)))
    assert expected in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ("{eat: 1}", "x.yaml:5 model.params.eat: unknown key, did you mean 'eta'?"),
        ("{eta: 2}", "model.params.eta: expected a number > 0 and <= 1, got 2"),
        ("{lambdas: 2}", "model.params.lambdas: unknown key, did you mean 'lambda'?"),
        ("{eta: 0.7}", "x.yaml:5 model.params: eta 0.7 is never right"),
        ("{weights: nnl}", "model.params.weights: expected 'nnls', 'equal' or a list of numbers"),
        ("{weights: [1, a]}", "model.params.weights: expected 'nnls', 'equal' or a list of numb"),
        (
            "{boosting: 3}",
            "model.params.boosting: expected 'none' or a mapping (key: value), got 3",
        ),
        ("{boosting: {rounds: 0}}", "model.params.boosting.rounds: expected a whole number >= 1"),
        ("{parts: [{rounds: 1}, {rounds: a}]}", "model.params.parts[1].rounds: expected a whole"),
        ("{extra: {a: x}}", "model.params.extra.a: expected a whole number, got the text 'x'"),
        ("5", "model.params: expected a mapping (key: value), got 5"),
    ],
)
def test_model_parameters_are_told_the_same_way(config, params, expected):
    message = complaint(config(BASE.replace("{}", params)))
    assert expected in message
    assert "\n" not in message


def test_an_unknown_model_is_told_at_its_type_beside_the_other_errors(config):
    message = complaint(config(BASE.replace("toy", "tyo") + "sed: 1\n"))
    assert message.splitlines() == [
        "2 errors:",
        "  x.yaml:4 model.type: unknown model 'tyo', did you mean 'toy'?",
        "  x.yaml:6 sed: unknown key, did you mean 'seed'?",
    ]


def test_missing_sections_are_told_at_the_file(config):
    assert complaint(config("seed: 1\nmodel: {params: {}}\n")).splitlines() == [
        "2 errors:",
        "  x.yaml split: missing, expected a mapping with type official, walk_forward, blocked or "
        "holdout",
        "  x.yaml:2 model.type: missing, expected text",
    ]


def test_a_problem_of_the_yaml_and_one_of_the_schema_are_told_together(config):
    message = complaint(config(BASE + "seed: .nan\nseed: 2\nthreads: x\n"))
    assert message.splitlines() == [
        "3 errors:",
        "  x.yaml:6 seed: expected a finite number, got .nan",
        "  x.yaml:7 seed: repeated key, already given on line 6",
        "  x.yaml:8 threads: expected a whole number >= 0, got the text 'x'",
    ]


def test_validate_params_gives_the_instance_or_the_same_words(config):
    good = load_experiment(config(BASE.replace("{}", "{eta: 0.3, lambda: 2}")))
    params = validate_params(Toy, good)
    assert isinstance(params, Toy)
    assert (params.eta, params.lambda_) == (0.3, 2.0)
    bad = load_experiment(config(BASE.replace("{}", "{eat: 0.3, parts: [{}]}")))
    with pytest.raises(ConfigError) as caught:
        validate_params(Toy, bad)
    assert str(caught.value).splitlines() == [
        "2 errors:",
        "  x.yaml:5 model.params.eat: unknown key, did you mean 'eta'?",
        "  x.yaml:5 model.params.parts[0].rounds: missing, expected a whole number >= 1",
    ]


def test_params_stay_a_plain_mapping(config):
    path = config(BASE.replace("{}", "{eta: 0.3}"))
    assert load_experiment(path, params_of=params_of).experiment.model.params == {"eta": 0.3}


def test_a_name_left_out_is_the_name_of_the_file(config):
    without = BASE.removeprefix("name: base\n")
    resolved = load_experiment(config(without, "folder/my-model.yaml"))
    assert resolved.experiment.name == "my-model"
    assert resolved.places["name"] == "file name folder/my-model.yaml"
    assert "expected text matching" in complaint(config(without, "a b.yaml"))


def test_raw_and_places(config):
    resolved = load_experiment(config(BASE + "data: {targets: [a, b]}\n"))
    assert resolved.raw.startswith("name: base\n")
    assert str(resolved.path) == "x.yaml"
    assert resolved.places["model.type"] == "x.yaml:4"
    assert resolved.places["data.targets[1]"] == "x.yaml:6"
    assert "seed" not in resolved.places


def test_data_section_lays_a_profile_over_a_section(config):
    config("source: synthetic\nsynthetic: {seed: 3}\n", "configs/data/small.yaml")
    base = Data.model_validate({"targets": ["target_a"], "synthetic": {"n_eras": 20}})
    section = data_section(base, "small")
    assert section.source == "synthetic"
    assert (section.synthetic.n_eras, section.synthetic.seed) == (20, 3)
    assert section.targets == ["target_a"]
    config("sourc: synthetic\nfiles: 3\n", "bad.yaml")
    with pytest.raises(ConfigError) as caught:
        data_section(Data(), "bad.yaml")
    assert str(caught.value).splitlines()[1:] == [
        "  bad.yaml:1 data.sourc: unknown key, did you mean 'source'?",
        "  bad.yaml:2 data.files: expected a list of paths, got 3",
    ]


@pytest.mark.parametrize(
    ("averages", "said"),
    [
        ("{mean: [a_20, mean]}", "'mean' is an average of itself"),
        ("{mean: [a_20, other], other: [a_20, b_20]}", "'mean' is an average of 'other', an av"),
        ("{mean: [a_20, a_20]}", "'mean' has 'a_20' twice"),
        ("{mine: [a_20, b_20]}", "'mine' is a target in columns.targets"),
        ("{days: [a_20, b_20]}", "the horizon of 'days' is that of its targets"),
        ("{mean: [a_20]}", "at least 2"),
    ],
)
def test_averages_that_cannot_be_are_told_with_their_line(config, averages, said):
    others = "data:\n  columns: {targets: {mine: y}}\n  horizons: {days: 20}\n"
    data = f"{others}  averages: {averages}\n"
    with pytest.raises(ConfigError) as caught:
        load_experiment(config(BASE + data), params_of=params_of)
    assert "x.yaml:9 data.averages" in str(caught.value)
    assert said in str(caught.value)
