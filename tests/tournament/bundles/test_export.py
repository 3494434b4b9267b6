"""Bundles: self-contained, and they predict what the run predicts."""

import io
import logging
import os
import pickle
import pickletools
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blends import Blend, Member
from numerai_lab.errors import MachineError, ModelError, UserError
from numerai_lab.experiment import find_final, live_file, load_final
from numerai_lab.models import get_model
from numerai_lab.scoring import gaussian_rank_per_era, neutralize_per_era, rank_per_era
from numerai_lab.scoring.runtime import gaussian_ranks, unit_ranks
from numerai_lab.tournament import BundleError, export, predict
from numerai_lab.tournament.bundles import container_check, runtime
from numerai_lab.tournament.bundles.bundle import build_bundle
from numerai_lab.tournament.bundles.container_check import check_bundle, container_python
from tournament_runs import train_final

TTT = (
    "{{type: xgb_ttt, params: {{num_boost_round: 12, max_depth: 3, eta: 0.3, auxiliary: {{{}, "
    "noise_ratio: 0}}, adapt: {{{}, strength: 0.7}}}}}}"
)
TREES = "trees: {num_boost_round: 8, max_depth: 2, bags: 2}"
TRANSFORMED = (
    "{{type: transformed, params: {{transforms: [{}], placebo: 0, "
    "model: {{type: xgb, params: {{num_boost_round: 8, max_depth: 2}}}}}}}}"
)
RUNS = {
    "plain": {},
    "logistic": {
        "model": "{type: xgb, params: {num_boost_round: 12, objective: reg:logistic}}",
        "missing": "{policy: keep, all_twos_is_missing: true}",
    },
    "classes": {
        "model": "{type: xgb, params: {num_boost_round: 6, head: classes}}",
        "missing": "{policy: keep, all_twos_is_missing: true}",
    },
    "ensemble": {
        "model": "{type: lgbm_ensemble, params: {lightgbm: {num_iterations: 8, num_leaves: 5}, "
        "era_step: 2, era_offsets: all, weights: [0.7, 0.3]}}",
        "missing": "{policy: median_per_era, all_twos_is_missing: true}",
    },
    "linear": {
        "model": "{type: ridge, params: {alpha: 0.5}}",
        "missing": "{policy: keep, all_twos_is_missing: true}",
    },
    "residual": {
        "model": "{type: residual, params: {folds: 2, first: {type: ridge, params: {alpha: 0.5}}, "
        "second: {type: xgb, params: {num_boost_round: 12, max_depth: 3}}}}",
        "missing": "{policy: keep, all_twos_is_missing: true}",
    },
    "code_leaves": {"model": TTT.format("codes: 1", TREES)},
    "code_vectors": {"model": TTT.format("codes: 2", f"{TREES}, steps: 3")},
    "prediction_code": {"model": TTT.format("task: feature_prediction, held_out: 3", TREES)},
    "autoencoder_code": {"model": TTT.format("task: autoencoder, bottleneck: 3", TREES)},
    "joint": {"model": TTT.format("weight: 0.5, codes: 2", TREES)},
    "own_loss": {
        "model": TTT.format(
            "task: feature_prediction, held_out: 3, weight: 0.5", f"{TREES}, code: own_loss"
        )
    },
    "leaf_refresh": {
        "model": TTT.format(
            "task: feature_prediction, held_out: 3, weight: 0.5", "method: leaf_refresh, steps: 3"
        )
    },
    "refresh_bottleneck": {
        "model": TTT.format(
            "task: autoencoder, bottleneck: 3, weight: 0.5", "method: leaf_refresh"
        ),
        "missing": "{policy: keep, all_twos_is_missing: true}",
    },
    "nearest_eras": {
        "model": TTT.format("codes: 2", "method: nearest_eras"),
        "missing": "{policy: keep, all_twos_is_missing: true}",
    },
    "transformed": {"model": TRANSFORMED.format("{type: interactions, top: 3}, {type: noise}")},
    "carried": {
        "model": TRANSFORMED.format(
            "{type: lags, of: target_corr, lags: [6], top: 3}, "
            "{type: decompose, of: correlation, top: 3, window: 6}"
        )
    },
    "features_out": {"neutralize": "{against: features, proportion: 0.5}"},
    "set_out": {
        "neutralize": "{against: features, feature_set: small, proportion: 1.0}",
        "missing": "{policy: constant, value: 1, all_twos_is_missing: true}",
    },
    "benchmark_out": {"neutralize": "{against: benchmark, proportion: 0.8}"},
}


@pytest.fixture(scope="module")
def finals(tmp_path_factory, tournament):
    """Final models by name, trained when first asked for."""
    parent = tmp_path_factory.mktemp("export")
    known = {}

    def final(name):
        if name not in known:
            train_final(parent, tournament, name, **RUNS[name])
            known[name] = load_final(find_final(f"latest:{name}", parent / "runs"))
        return known[name]

    return final


def silent(_):
    return None


def unpickled(final):
    return pickle.loads(build_bundle(final))


def live_frame(final):
    frame = pd.read_parquet(live_file(final))
    return frame if frame.index.name == "id" else frame.set_index("id")


SLOW = (
    *("code_vectors", "prediction_code", "autoencoder_code", "joint", "refresh_bottleneck"),
    *("set_out", "logistic", "linear", "features_out", "leaf_refresh"),
)
"""Runs whose bundles have the same runtime as those of others: slow tests start their processes."""


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in RUNS]
)
def test_a_bundle_alone_in_a_process_predicts_as_the_run(name, finals, container, tmp_path):
    final = finals(name)
    bundle = export(final, tmp_path / "b.pkl", say=silent)
    check = check_bundle(final, bundle.path, 20, python=container, n_rows=300, say=silent)
    assert check.difference <= 1e-6
    assert check.rank_difference <= 1e-6
    assert check.moved_rows == 0
    assert check.peak_mb > 10


@pytest.mark.parametrize(
    "name", [name for name in RUNS if "xgb_ttt" in RUNS[name].get("model", "")]
)
def test_an_adaptation_is_really_in_the_bundle(name, finals):
    final = finals(name)
    rows = live_frame(final)
    frozen = final.model.predict_in_detail
    adapted = unpickled(final).before_ranks(rows)
    exported = final.model.export()
    assert exported.settings["strength"] == pytest.approx(0.7)
    still = replace(exported, settings={**exported.settings, "strength": 0.0})
    final.model.export, kept = (lambda: still), final.model.export
    try:
        unadapted = unpickled(final).before_ranks(rows)
    finally:
        final.model.export = kept
    assert frozen is not None
    assert np.abs(adapted - unadapted).max() > 1e-5


@pytest.mark.parametrize("name", ["plain", "ensemble", "code_leaves", "benchmark_out"])
def test_the_same_as_numerai_lab_predict_on_the_live_file(name, finals):
    final = finals(name)
    ours = predict(final, live_file(final), say=silent).table().set_index("id")["prediction"]
    live = live_frame(final)
    benchmarks = pd.read_parquet(live_file(final).with_name("live_benchmark_models.parquet"))
    if benchmarks.index.name != "id":
        benchmarks = benchmarks.set_index("id")
    theirs = unpickled(final)(live, benchmarks.loc[live.index])["prediction"]
    assert list(theirs.index) == list(live.index)
    np.testing.assert_allclose(theirs[ours.index], ours, rtol=0, atol=1e-9)


def test_rows_that_tie_as_a_run_keeps_predictions_tie_in_a_bundle(finals):
    predict_live = unpickled(finals("linear"))
    live = pd.concat([live_frame(finals("linear"))] * 2, ignore_index=True)
    values = predict_live.before_ranks(live)
    assert values.dtype == np.float32
    assert np.array_equal(predict_live(live)["prediction"], unit_ranks(values))


def test_what_is_in_a_pickle(finals):
    """No numerai_lab, no pandas object, no path of this machine; modules of the container only."""
    data = build_bundle(finals("code_leaves"))
    asked = set()

    class Watching(pickle.Unpickler):
        def find_class(self, module, name):
            asked.add((module, name))
            return super().find_class(module, name)

    bundle = Watching(io.BytesIO(data)).load()
    allowed = {"builtins", "cloudpickle.cloudpickle", "datetime", "types"}
    assert {module for module, _ in asked} <= allowed, asked
    assert bundle.__module__ == "numerai_lab_bundle"  # no module has that name
    strings = [value for _, value, _ in pickletools.genops(data) if isinstance(value, str)]
    named = {text for text in strings if "numerai_lab" in text}
    assert named == {"<numerai_lab_bundle>", "numerai_lab_bundle"}
    assert os.sep + "numerai_lab" + os.sep not in data.decode("latin-1")
    assert str(Path(container_check.__file__).parent) not in data.decode("latin-1")


def test_a_bundle_has_the_code_of_its_kinds_only(finals):
    def named(name):
        data = build_bundle(finals(name))
        return {value for _, value, _ in pickletools.genops(data) if isinstance(value, str)}

    assert {"tree_leaves", "trees"} <= named("plain")
    assert not {"code_leaves", "adaptive", "blend"} & named("plain")
    assert {"tree_leaves", "trees", "blend"} <= named("ensemble")
    assert "code_leaves" not in named("ensemble")
    assert {"tree_leaves", "code_leaves", "adaptive"} <= named("code_leaves")


def test_a_blend_within_a_blend_is_bundled(finals, container, tmp_path):
    """With features in another order at each level, and neutralised to some of them."""
    final = finals("set_out")
    members = [Member(finals(name).model, final.feature_names) for name in ("plain", "ensemble")]
    adapted = Member(finals("code_leaves").model, final.feature_names)
    backwards = final.feature_names[::-1]
    inside = Blend([members[1], adapted], [0.4, 0.6], backwards, "int8")
    around = (*backwards[5:], *backwards[:5])
    final = replace(final, model=Blend([inside, members[0]], [0.7, 0.3], around, "int8"))
    bundle = export(final, tmp_path / "b.pkl", say=silent)
    check = check_bundle(final, bundle.path, 20, python=container, n_rows=300, say=silent)
    assert check.difference <= 1e-6
    assert check.moved_rows == 0


def test_columns_are_taken_by_name_and_eras_stand_alone(finals):
    final = finals("features_out")
    bundle = unpickled(final)
    live = live_frame(final)
    whole = bundle(live)
    stranger = live.iloc[:, ::-1].assign(feature_unknown=1)
    pd.testing.assert_frame_equal(bundle(stranger), whole)
    again = live.rename(index=lambda name: f"{name}b").assign(era="Y")
    both = bundle(pd.concat([live, again]).sort_index())
    pd.testing.assert_frame_equal(both.loc[live.index], whole)
    absent = final.feature_names[3]
    with pytest.raises(ValueError, match=f"1 of 12 features are not there: .*{absent}"):
        bundle(live.drop(columns=absent))


def test_features_of_older_versions_are_understood(finals):
    final = finals("logistic")
    bundle = unpickled(final)
    live = live_frame(final)
    names = list(final.feature_names)
    live.iloc[:5, live.columns.get_loc(names[0])] = 3
    expected = bundle.before_ranks(live)
    quarters = live.copy()
    quarters[names] = quarters[names].astype(np.float32) / 4
    np.testing.assert_array_equal(bundle.before_ranks(quarters), expected)
    nullable = live.copy()
    nullable[names] = nullable[names].astype("Int8")
    np.testing.assert_array_equal(bundle.before_ranks(nullable), expected)
    with_gaps = quarters.copy()
    with_gaps.loc[with_gaps.index[:7], names[0]] = np.nan
    assert np.isfinite(bundle.before_ranks(with_gaps)).all()
    wrong = quarters.copy()
    wrong[names[1]] = 0.3
    with pytest.raises(ValueError, match="not the five bins"):
        bundle(wrong)
    wrong = live.copy()
    wrong[names[1]] = -1
    with pytest.raises(ValueError, match=r"outside 0..127"):
        bundle(wrong)


@pytest.fixture(scope="module")
def float_final(tmp_path_factory, tournament):
    """A run on features that are not binned, one in ten of them missing."""
    parent = tmp_path_factory.mktemp("floats")
    rng = np.random.default_rng(0)
    folder = shutil.copytree(tournament, parent / "data")
    for path in folder.glob("*.parquet"):
        table = pd.read_parquet(path)
        names = [name for name in table if name.startswith("feature_")]
        noise = rng.normal(0, 0.3, (len(table), len(names)))
        noise[rng.random(noise.shape) < 0.1] = np.nan
        table[names] = (table[names] + noise).astype(np.float32)
        table.to_parquet(path)
    out = "{against: features, proportion: 0.4}"
    missing = "{policy: median_per_era}"
    run = train_final(parent, folder, "floats", neutralize=out, missing=missing)
    return load_final(find_final(str(run), parent / "runs"))


def test_features_that_are_not_binned(float_final, container, tmp_path):
    assert float_final.feature_dtype == "float32"
    done = export(
        float_final,
        tmp_path / "b.pkl",
        check=True,
        live_features=(20,),
        live_rows=200,
        python=container,
        say=silent,
    )
    assert done.checks[0].difference == 0
    live = live_frame(float_final)
    ours = predict(float_final, live_file(float_final), say=silent).table().set_index("id")
    theirs = unpickled(float_final)(live)
    np.testing.assert_allclose(
        theirs["prediction"], ours["prediction"][live.index], rtol=0, atol=1e-9
    )


def test_a_bundle_that_needs_the_benchmark_says_so(finals):
    bundle = unpickled(finals("benchmark_out"))
    live = live_frame(finals("benchmark_out"))
    with pytest.raises(ValueError, match="live_benchmark_models with 'benchmark_ender20'"):
        bundle(live)
    partly = pd.DataFrame({"benchmark_ender20": 0.5}, index=live.index[:10])
    with pytest.raises(ValueError, match=f"does not cover {len(live) - 10} live rows"):
        bundle(live, partly)


def test_constant_predictions_are_refused(finals):
    final = finals("plain")
    live = live_frame(final)
    live[list(final.feature_names)] = np.int8(2)
    with pytest.raises(ValueError, match="of 60 rows are constant"):
        unpickled(final)(live)


def test_another_model_s_bundle_is_found_out(finals, container, tmp_path):
    export(finals("plain"), tmp_path / "b.pkl", say=silent)
    other = replace(finals("plain"), model=finals("code_leaves").model)
    with pytest.raises(BundleError, match="predicts something else than its run") as caught:
        check_bundle(other, tmp_path / "b.pkl", 20, python=container, n_rows=60, say=silent)
    assert caught.value.exit_code == 1


def test_failures_of_the_checked_process_are_one_sentence(finals, container, tmp_path, monkeypatch):
    final = finals("plain")
    (tmp_path / "b.pkl").write_bytes(b"no pickle")
    with pytest.raises(BundleError, match=r"environment: .*Unpickling"):
        check_bundle(final, tmp_path / "b.pkl", 20, python=container, n_rows=60, say=silent)
    imports_us = b"cnumerai_lab.errors\nLabError\n."
    (tmp_path / "b.pkl").write_bytes(imports_us)
    with pytest.raises(BundleError, match="numerai_lab is not in the container"):
        check_bundle(final, tmp_path / "b.pkl", 20, python=container, n_rows=60, say=silent)
    export(final, tmp_path / "b.pkl", say=silent)
    monkeypatch.setattr(container_check, "MEMORY_BYTES", 48 << 20)
    with pytest.raises(BundleError, match="fails in the container's environment"):
        check_bundle(final, tmp_path / "b.pkl", 20, python=container, n_rows=60, say=silent)
    monkeypatch.setattr(container_check, "MEMORY_BYTES", 4 << 30)
    monkeypatch.setattr(container_check, "TIMEOUT_SECONDS", 0.05)
    with pytest.raises(BundleError, match="takes longer than"):
        check_bundle(final, tmp_path / "b.pkl", 20, python=container, n_rows=60, say=silent)


def test_without_an_index_the_check_says_so_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr(container_check, "PINS", ("numerai-lab-no-such-package==1",))
    with pytest.raises(MachineError, match="container's environment cannot be made: ") as caught:
        container_python(silent)
    assert "\n" not in str(caught.value)
    assert "export without --check" in str(caught.value)
    assert not list(tmp_path.glob("numerai_lab/container-*"))
    monkeypatch.setattr(container_check, "PYTHON", "3.99")
    with pytest.raises(MachineError, match=r"known for Python 3.11, .* this is 3.99"):
        container_python(silent)


def test_export_command(finals, lab, tmp_path):
    final = finals("plain")
    done = lab("export", final.run.path, "--out", tmp_path / "b.pkl", "--json", "--quiet")
    assert done.code == 0
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert done.json["python"] == python
    assert done.json["n_bytes"] == (tmp_path / "b.pkl").stat().st_size
    in_run = lab("export", final.run.path, "--json", "--quiet")
    assert in_run.json["path"].endswith(f"plain-python-{python}.pkl")
    assert Path(in_run.json["path"]).parent == final.run.path
    shown = lab("export", final.run.path, "--quiet")
    assert re.match(rf"[1-9]\d*(\.\d)? [kM]B for Python {python}  ", shown.out)
    wrong = lab("export", final.run.path, "--out", tmp_path / "b.zip")
    assert wrong.code == 2
    assert "b.zip': its name must end in .pkl; call it b.pkl" in wrong.err


def test_what_cannot_be_bundled_is_refused(finals):
    class Plugin:
        pass

    with pytest.raises(ModelError, match="model 'xgb' cannot be bundled"):
        build_bundle(replace(finals("plain"), model=Plugin()))
    with pytest.raises(UserError, match=r"must end in \.pkl"):
        export(finals("plain"), Path("x.txt"), say=silent)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    n_rows=st.integers(3, 60),
    n_features=st.integers(1, 40),
    kind=st.sampled_from(["bins", "gaps", "collinear", "nearly", "floats", "constant"]),
)
def test_neutralising_is_that_of_the_lab(seed, n_rows, n_features, kind):
    rng = np.random.default_rng(seed)
    block = rng.integers(0, 5, (n_rows, n_features)).astype(np.int8)
    if kind == "gaps":
        block[rng.random(block.shape) < 0.3] = -1
    elif kind == "collinear":
        block = np.hstack([block, block[:, :1], block[:, :1]])
    elif kind == "nearly":
        block = block.astype(np.float32)
        block = np.hstack([block, block + rng.normal(0, 1e-5, block.shape).astype(np.float32)])
    elif kind == "floats":
        block = rng.normal(size=block.shape).astype(np.float32)
        block[rng.random(block.shape) < 0.2] = np.nan
    elif kind == "constant":
        block[:, ::2] = 3
    y = gaussian_ranks(rng.normal(size=n_rows))
    ours = neutralize_per_era(y, block, np.array([0, n_rows]), 1.0)
    theirs = y - runtime.explained(block, y)
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-6)


@given(st.lists(st.sampled_from([-1.5, 0.0, 0.25, 0.5, 7.0]), min_size=1, max_size=40))
def test_ranks_are_those_of_the_lab(values):
    values, offsets = np.array(values), np.array([0, len(values)])
    np.testing.assert_array_equal(unit_ranks(values), rank_per_era(values, offsets))
    gaussian = gaussian_rank_per_era(values, offsets)
    np.testing.assert_array_equal(gaussian_ranks(values), gaussian)


@pytest.mark.parametrize("name", ["xgb", "lgbm_ensemble", "xgb_ttt"])
def test_exportable_models_export(name):
    model = get_model(name)
    assert model.info.exportable
    assert callable(model.export)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["plain", "ensemble", "code_leaves", "nearest_eras", "set_out", "transformed", "carried"],
)
def test_in_the_pinned_environment_on_live_sized_data(name, finals, tmp_path):
    try:
        container_python(silent)
    except MachineError as error:
        pytest.skip(str(error))
    bundle = export(finals(name), tmp_path / "b.pkl", check=True, say=silent)
    assert [check.n_features for check in bundle.checks] == [780, 3_555]
    for check in bundle.checks:
        logging.getLogger(__name__).info("%s %s", name, check)
        assert check.versions == {"numpy": "2.1.3", "pandas": "2.3.1"}
        assert check.difference <= 1e-6
        assert check.predict_seconds < 60
        assert check.peak_mb < 2_000


def test_a_bundle_s_strength_falls_with_the_weeks_since_its_run_began():
    from numerai_lab.models.trees.xgb_ttt.runtime import strength_now

    model = {"strength": 0.5, "by_age": [[26, 0.5], [52, 0.25], [78, 0.0]], "first_age": 9}
    assert strength_now(model, 1e12) == 0.5  # nobody has told it when it was fitted
    told = {**model, "fitted_day": 20000}
    at = [
        strength_now(told, 86400.0 * (20000 + 7 * weeks)) for weeks in (-5, 0, 17, 18, 43, 44, 99)
    ]
    assert at == [0.5, 0.5, 0.5, 0.25, 0.25, 0.0, 0.0]
