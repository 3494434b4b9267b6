"""`transformed` where a step or its model needs more than labelled rows."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.features import Past, Pipeline, StepContext, get_transform
from numerai_lab.models import (
    FitContext,
    assemble_exported,
    check_model,
    get_model,
    history_before,
    registry,
)

ROWS, PURGE, LAST = 40, 2, 30


@pytest.fixture(scope="module")
def world():
    """Thirty-one eras of forty stocks, with sectors; some have no value, some come later."""
    rng = np.random.default_rng(0)
    eras = np.arange(1, LAST + 2, dtype=np.int32)
    stocks = [sorted(rng.choice(60, ROWS, replace=False).tolist()) for _ in eras]
    values = rng.integers(0, 5, (len(eras) * ROWS, 4)).astype(np.int8)
    values[rng.random(values.shape) < 0.1] = -1
    target = (values[:, 0] - values[:, 1] + rng.normal(size=len(values)) > 0).astype(np.float32)
    names = [f"S{stock}" for era in stocks for stock in era]
    sectors = [None if stock % 7 == 0 else "abc"[stock % 3] for era in stocks for stock in era]
    return EraFrame(
        features=values,
        eras=eras,
        offsets=np.arange(len(eras) + 1, dtype=np.int64) * ROWS,
        ids=pa.array([f"{name}_{i // ROWS}" for i, name in enumerate(names)]),
        targets=target[:, None],
        feature_names=("a", "b", "c", "d"),
        target_names=("target",),
        entity=pa.array(names),
        side={"sector": pa.array(sectors)},
    )


def fitted(world, steps, model=None, placebo=0):
    kind = get_model("transformed")
    params = {"transforms": steps, "model": model or {"type": "ridge"}, "placebo": placebo}
    made = kind(kind.Params.model_validate(params))
    known = world.between(1, LAST)
    ctx = FitContext(
        seed=3,
        target="target",
        targets=("target",),
        purge_eras=PURGE,
        n_threads=1,
        unlabelled=known.without_targets(),
    )
    made.fit(known.between(1, LAST - PURGE), ctx)
    return made


def era_of(rows, number):
    sector = np.array(rows.side["sector"].to_pylist(), dtype=object)
    told = {"entity": rows.entity.to_pylist(), "ids": rows.ids.to_pylist()}
    return {"number": number, "side": {"sector": sector}, **told}


def own_file(folder, by, era):
    """A file with a value for every era, stock or row, known a little before it."""
    rng = np.random.default_rng(1)
    eras = np.arange(1, LAST + 2)
    if by == "era":
        table = pd.DataFrame({"era": eras, "known": eras})
    elif by == "entity":
        grid = [(f"S{i}", e) for i in range(0, 60, 2) for e in (eras if era else (1, 9, 30))]
        table = pd.DataFrame(grid, columns=["entity", "era" if era else "known"])
        table["known"] = table["era"] if era else table["known"]
    else:
        ids = [(f"S{i}_{e}", e + 1) for i in range(60) for e in range(0, LAST + 1, 2)]
        table = pd.DataFrame(ids, columns=["id", "known"])
    table["x"] = rng.normal(size=len(table))
    table.to_parquet(folder / "own.parquet")
    joined = {"type": "join", "file": str(folder / "own.parquet"), "by": by, "columns": ["x"]}
    gates = {"features": ["a", "c"]} if by == "era" else {}
    return {**joined, "available_from": "known", **gates}


TWO = {"features": ["a", "c"]}
BACK = [
    {"type": "lags", "of": "target_corr", "lags": [4, 9], **TWO},
    {"type": "lags", "of": "correlation", "lags": [4, 9], **TWO},
    {"type": "lags", "of": "stock", "lags": [1, 3], **TWO},
    {"type": "lags", "of": "stock", "lags": [2], "change": True, **TWO},
    {"type": "decompose", "of": "target_corr", "window": 9, "recent": 3, **TWO},
    {"type": "decompose", "of": "correlation", "window": 9, **TWO},
    {"type": "decompose", "of": "stock", "window": 6, **TWO},
    {"type": "relative", "by": "sector"},
    {"type": "relative", "by": "sector", "how": "rank", "features": ["b"]},
    "era",
    "entity",
    "entity by era",
    "id",
]


@pytest.mark.parametrize("step", BACK, ids=str)
def test_what_goes_along_predicts_the_next_era_to_the_byte(world, tmp_path, step):
    if isinstance(step, str):
        step = own_file(tmp_path, step.split()[0], "by era" in step)
    model = fitted(world, [{"type": "noise", "columns": 2}, step])
    rows, following = world.between(LAST + 1, LAST + 1).without_targets(), LAST + 1
    history = history_before(world, following, model.history_eras, PURGE)
    given = {"history": history} if model.history_eras else {}
    expected = model.predict(rows, **given)
    exported = model.export_with(history, following) if given else model.export()
    assembled = assemble_exported(exported, world.feature_names, "int8")
    assert assembled.asks
    json.dumps(assembled.node)
    told = assembled.predict(rows.features_in_memory(), era_of(rows, following))
    assert np.array_equal(told.astype(np.float32), expected)
    backwards = np.arange(ROWS)[::-1]
    other = era_of(rows, following)
    other |= {name: other[name][::-1] for name in ("entity", "ids")}
    other["side"] = {"sector": other["side"]["sector"][::-1]}
    turned = assembled.predict(rows.features_in_memory()[backwards], other)
    assert np.allclose(turned[backwards], told, rtol=0, atol=1e-6)
    # what goes along counts: another past, or another column, predicts otherwise
    if given and step["type"] != "join":
        elsewhere = history_before(world, 20, model.history_eras, PURGE)
        shifted = replace(elsewhere, eras=elsewhere.eras + following - 20)
        changed = assemble_exported(
            model.export_with(shifted, following), world.feature_names, "int8"
        ).predict(rows.features_in_memory(), era_of(rows, following))
        assert not np.array_equal(changed, told)


@pytest.mark.parametrize("step", BACK, ids=str)
def test_columns_of_an_era_alone_are_those_of_training_to_the_byte(world, tmp_path, step):
    """As live: a saved pipeline, the rows of one era in another order, and the past beside them."""
    if isinstance(step, str):
        step = own_file(tmp_path, step.split()[0], "by era" in step)
    pipeline = Pipeline([get_transform(step["type"]).Params.model_validate(step)])

    def past(era, n):
        rows = world.between(era - n, era - 1)
        return Past(rows.without_targets(), world.between(era - n, era - PURGE - 1))

    ctx = StepContext(3, "target", PURGE, {}, world.feature_names, n_threads=1, past=past)
    made = pipeline.frame(pipeline.fit(world, ctx))
    pipeline.save(tmp_path)
    live = Pipeline.load(tmp_path, pipeline.params, world.feature_names)
    order = np.random.default_rng(0).permutation(ROWS)
    own = world.between(LAST + 1, LAST + 1).without_targets()
    alone = own.take(order)
    found = live.frame(live.columns(alone, past))
    assert found.feature_names == made.feature_names
    assert len(np.unique(found.features[:, 4:])) > 2
    assert np.array_equal(found.features[:], made.features[-ROWS:][order])


def test_without_its_past_it_is_not_exported(world):
    model = fitted(world, [BACK[0]])
    with pytest.raises(ModelError, match="needs earlier eras, none are given"):
        model.export()


@pytest.mark.parametrize(
    ("name", "target", "params"),
    [("looks", "looking_model:Looks", {}), ("past", "past_model:LooksBack", {"eras": 5})],
)
def test_a_model_that_looks_around_or_back_keeps_its_promises(monkeypatch, name, target, params):
    monkeypatch.setitem(registry.BUILT_IN, name, registry.BuiltIn(target))
    steps = [{"type": "noise", "columns": 2}, {"type": "lags", "of": "correlation", "lags": [3]}]
    choice = {"type": name, "params": params}
    written = {"transforms": steps, "model": choice, "placebo": 1}
    check_model(get_model("transformed"), written)


def test_a_model_within_sees_the_columns_of_earlier_eras_and_of_rows_without_labels(
    world, monkeypatch
):
    monkeypatch.setitem(registry.BUILT_IN, "past", registry.BuiltIn("past_model:SeesColumns"))
    steps = [{"type": "lags", "of": "stock", "lags": [3], **TWO}]
    model = fitted(world, steps, {"type": "past", "params": {"eras": 5}})
    assert model.history_eras == 8
    rows = world.between(LAST + 1, LAST + 1).without_targets()
    history = history_before(world, LAST + 1, 8, PURGE)
    found = model.predict(rows, history)
    # the columns of the era five before are made of the era eight before
    values = history.features_in_memory().copy()
    values[:ROWS] = (values[:ROWS] + 2) % 5
    assert not np.array_equal(model.predict(rows, replace(history, features=values)), found)
    with pytest.raises(ModelError, match="with earlier eras of its own cannot be bundled"):
        model.export_with(history, LAST + 1)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            {
                "type": "stack",
                "params": {"members": {"a": {"type": "ridge"}, "b": {"type": "xgb"}}},
            },
            "write the transforms at its members",
        ),
        ({"type": "xgb_ttt"}, "learns from labels as they become known"),
    ],
)
def test_a_model_whose_columns_nobody_could_make_is_refused_with_the_reason(model, said):
    params = get_model("transformed").Params
    with pytest.raises(ValueError, match=said):
        params.model_validate({"transforms": [{"type": "noise"}], "model": model})
