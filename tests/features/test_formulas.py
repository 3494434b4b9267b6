"""What each transform computes, beside a plain computation of its formula."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pydantic import ValidationError

from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.features import Past, Pipeline, StepContext, get_transform, rank_bins
from numerai_lab.features.runtime import era_numbers, noise_of
from numerai_lab.models import FitContext, get_model, history_before

NAMES = ("a", "b", "c", "d")
PURGE = 3


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(4)
    counts = 30 + np.arange(20) % 5
    n = int(counts.sum())
    values = rng.integers(0, 5, (n, 4))
    values[rng.random((n, 4)) < 0.1] = -1
    noisy = values[:, 0] * 1.0 + rng.normal(scale=2, size=n)
    return EraFrame(
        features=values.astype(np.int8),
        eras=np.arange(1, 21, dtype=np.int32),
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        ids=pa.array([f"r{i}" for i in range(n)]),
        targets=noisy.astype(np.float32)[:, None],
        feature_names=NAMES,
        target_names=("target",),
        entity=pa.array([f"s{i}" for c in counts for i in rng.permutation(40)[:c]]),
    )


def past_of(frame):
    def past(era, n):
        rows = frame.between(era - n, era - 1).without_targets()
        return Past(rows, frame.between(era - n, era - PURGE - 1))

    return past


def columns(frame, era, said=None, **step):
    sets = {"left": ["a", "b"], "right": ["c", "d"]}
    say = (lambda _: None) if said is None else said.append
    pipeline = Pipeline([get_transform(step["type"]).Params.model_validate(step)])
    ctx = StepContext(0, "target", PURGE, sets, NAMES, 1, say, past_of(frame))
    pipeline.fit(frame.between(1, 14), ctx)
    made = pipeline.columns(frame.between(era, era).without_targets(), past_of(frame))
    return made.blocks[0], pipeline


def table(frame, era=None):
    rows = frame if era is None else frame.between(era, era)
    values = rows.features.astype(float)
    values[values == -1] = np.nan
    found = pd.DataFrame(values, columns=list(NAMES))
    found["era"], found["entity"] = rows.row_eras, rows.entity.to_pylist()
    found["target"] = rows.target("target")
    return found


def test_a_stocks_earlier_values(frame):
    found, _ = columns(frame, 18, type="lags", features=["a", "c"], lags=[1, 5], bins=14)
    now = table(frame, 18)
    for block, lag in ((found[:, :2], 1), (found[:, 2:], 5)):
        before = table(frame, 18 - lag).set_index("entity")[["a", "c"]].reindex(now["entity"])
        assert np.array_equal(block, rank_bins(before.to_numpy(), 14))
    change, _ = columns(frame, 18, type="lags", features=["a", "c"], lags=[1], change=True, bins=14)
    before = table(frame, 17).set_index("entity")[["a", "c"]].reindex(now["entity"])
    assert np.array_equal(change, rank_bins(now[["a", "c"]].to_numpy() - before.to_numpy(), 14))


def test_trend_and_rest_of_a_stock(frame):
    found, _ = columns(frame, 18, type="decompose", features=["b"], window=6, bins=14)
    rows, now = table(frame), table(frame, 18)
    window = (
        rows[(rows["era"] >= 12) & (rows["era"] < 18)].dropna(subset="b").groupby("entity")["b"]
    )
    trend = window.mean().where(window.count() >= 2).reindex(now["entity"]).to_numpy()
    wanted = np.column_stack([trend, now["b"].to_numpy() - trend])
    assert np.array_equal(found, rank_bins(wanted, 14))


def test_gates_of_earlier_correlations_with_the_target(frame):
    rows = replace(frame, entity=None)
    found, pipeline = columns(
        rows, 18, type="lags", features=["a", "c"], of="target_corr", lags=[10], bins=13
    )
    each = []
    for era in range(8, 18 - PURGE):
        one = table(frame, era)
        one[["a", "c"]] = (one[["a", "c"]] - one[["a", "c"]].mean()).fillna(0)
        each.append([np.corrcoef(one[name], one["target"])[0, 1] for name in ("a", "c")])
    size = np.mean(each, axis=0) / pipeline.steps[0].settings["unit"][0]
    now = table(frame, 18)
    for i, name in enumerate(("a", "c")):
        unit = (now[name] - now[name].mean()) / now[name].std(ddof=0)
        wanted = np.clip(size[i], -2, 2) * unit.to_numpy()
        known = ~np.isnan(wanted)
        bins = np.floor((np.clip(wanted[known], -4, 4) + 4) / 8 * 13).clip(max=12)
        assert (found[~known, i] == -1).all()
        assert np.mean(found[known, i] == bins) > 0.95  # the others lie on an edge


def test_means_of_the_nearest_rows(frame):
    found, _ = columns(
        frame, 18, type="knn_graph", by=["a", "b"], features=["c", "d"], k=4, bins=14
    )
    now = table(frame, 18)
    near = now[["a", "b"]].copy()
    for name in near:  # the upper median of whole numbers
        known = np.sort(near[name].dropna())
        near[name] = near[name].fillna(known[len(known) // 2])
    wanted = np.full((len(now), 2), np.nan)
    for i in range(len(now)):
        apart = ((near - near.iloc[i]) ** 2).sum(axis=1).drop(i)
        linked = apart.index[apart <= np.sort(apart)[3]]
        wanted[i] = now.loc[linked, ["c", "d"]].mean()
    assert np.array_equal(found, rank_bins(wanted, 14))


def test_a_feature_beside_its_group(frame):
    now = table(frame, 18)
    found, _ = columns(frame, 18, type="relative", bins=14)
    wanted = np.column_stack(
        [
            now[name] - now[group].mean(axis=1)
            for group in (["a", "b"], ["c", "d"])
            for name in group
        ]
    )
    assert np.array_equal(found, rank_bins(wanted, 14))
    centred = now[["a", "b"]] - now[["a", "b"]].mean()
    scores, _ = columns(frame, 18, type="group_scores", groups=["left"], bins=14)
    wanted = np.column_stack([centred.mean(axis=1), centred.std(axis=1, ddof=0)])
    assert np.array_equal(scores, rank_bins(wanted, 14))


@pytest.mark.parametrize("how", ["deviation", "rank"])
def test_a_feature_beside_rows_of_its_sector(frame, how):
    sector = pa.array([None if i % 9 == 0 else f"x{i % 3}" for i in range(frame.n_rows)])
    rows = replace(frame, side={"sector": sector})
    found, _ = columns(
        rows, 18, type="relative", by="sector", how=how, features=["a", "d"], bins=14
    )
    now = table(rows, 18)[["a", "d"]]
    by = now.groupby(rows.between(18, 18).side["sector"].to_pandas())
    wanted = now - by.transform("mean")
    if how == "rank":
        wanted = (by.rank() - 0.5) / by.transform("count")
    assert np.array_equal(found, rank_bins(wanted.to_numpy(), 14))


def test_components_of_the_covariance_within_eras(frame):
    found, _ = columns(frame, 18, type="pca", components=2, bins=14)
    covariance = np.zeros((4, 4))
    for era in range(1, 15):
        values = table(frame, era)[list(NAMES)]
        values = (values - values.mean()).fillna(0).to_numpy()
        covariance += values.T @ values / len(values)
    _, axes = np.linalg.eigh(covariance)
    now = table(frame, 18)[list(NAMES)]
    scores = (now - now.mean()).fillna(0).to_numpy() @ axes[:, ::-1][:, :2]
    bins = rank_bins(scores, 14)
    for i in range(2):  # signs are a convention
        same = np.mean(found[:, i] == bins[:, i])
        turned = np.mean(found[:, i] == rank_bins(-scores, 14)[:, i])
        assert max(same, turned) > 0.95  # float32 sums move a value over an edge


@pytest.mark.parametrize(
    ("how", "wanted"),
    [
        ("constant", lambda now, name: 3),
        ("era_median", lambda now, name: now[name].dropna().sort_values().iloc[:-1].median()),
        ("group_mean", lambda now, name: np.floor(now[{"a": "b", "c": "d"}[name]].fillna(3) + 0.5)),
    ],
)
def test_missing_values_are_filled(frame, how, wanted):
    found, pipeline = columns(
        frame, 18, type="impute", how=how, value=3, features=["a", "c"], indicator=True
    )
    assert pipeline.steps[0].names[2:] == ("impute.missing.a", "impute.missing.c")
    assert pipeline.names[:2] == ("b", "d")
    now = table(frame, 18)
    for i, name in enumerate(("a", "c")):
        gaps = now[name].isna()
        assert np.array_equal(found[:, 2 + i] == 1, gaps)
        filled = now[name].where(~gaps, wanted(now, name) if how != "era_median" else np.nan)
        if how == "era_median":
            known = np.sort(now[name].dropna())
            filled = filled.fillna(known[(len(known) - 1) // 2])
        assert np.array_equal(found[:, i], filled)


def test_the_placebo_of_impute_fills_with_values_of_the_era(frame):
    _, pipeline = columns(frame, 18, type="impute")
    own = frame.between(18, 18).without_targets()
    plain = pipeline.columns(own, None).blocks[0]
    other = pipeline.twin(1).columns(own, None).blocks[0]
    gaps = own.features == -1
    assert np.array_equal(plain[~gaps], other[~gaps])
    assert not np.array_equal(plain[gaps], other[gaps])
    assert (other >= 0).all()


def test_what_looks_back_says_how_many_eras_have_no_past(frame):
    said = []
    columns(frame, 18, said, type="decompose", features=["b"], window=6)
    assert said[0].startswith("'decompose' looks back 6 eras: 2 of 14 training eras have fewer")


def test_numbers_of_an_era_are_refused_as_columns():
    with pytest.raises(ValidationError, match="the same for all its rows and cannot rank them"):
        get_transform("era_aggregates").Params.model_validate(
            {"type": "era_aggregates", "as": "columns"}
        )


def test_numbers_of_an_era(frame):
    values = frame.features[:60].copy()
    values[:, 1] = values[:, 0]
    corr, first, rows, missing = era_numbers(
        values, [0, 1], ["correlation", "first_component", "rows", "missing"]
    )
    assert corr == pytest.approx(1)
    assert first == pytest.approx(1)
    assert rows == pytest.approx(np.log(60), abs=1e-6)
    assert missing == pytest.approx((values == -1).mean(), abs=1e-6)


def test_a_number_that_never_changes_opens_nothing(frame):
    kind = get_transform("era_aggregates")
    written = {"type": "era_aggregates", "of": ["rows"], "features": ["a", "b"]}
    step = kind(kind.Params.model_validate(written))
    with pytest.raises(ModelError, match="'rows' is the same in all training eras"):
        step.fit(frame.between(1, 1), StepContext(0, "target", PURGE, raw_names=NAMES))


def test_noise_is_uniform_and_tells_nothing():
    rows = np.random.default_rng(0).integers(0, 5, (4000, 30)).astype(np.int8)
    drawn = noise_of(rows, 7, 3) / 2.0**64
    assert np.abs(np.quantile(drawn, [0.25, 0.5, 0.75], axis=0).T - [0.25, 0.5, 0.75]).max() < 0.03
    together = np.corrcoef(np.column_stack([rows, drawn]).T)[:30, 30:]
    assert np.abs(together).max() < 0.06
    assert np.abs(np.corrcoef(drawn.T)[np.triu_indices(3, 1)]).max() < 0.06


def test_columns_that_take_more_room_than_there_is_are_refused(frame, monkeypatch):
    from numerai_lab.errors import MachineError

    n = 70_000
    rng = np.random.default_rng(0)
    wide = EraFrame(
        features=rng.integers(0, 5, (n, 2)).astype(np.int8),
        eras=np.array([1], np.int32),
        offsets=np.array([0, n]),
        ids=pa.array([f"r{i}" for i in range(n)]),
        targets=np.zeros((n, 1), np.float32),
        feature_names=("a", "b"),
        target_names=("target",),
    )
    noise = get_transform("noise").Params.model_validate({"type": "noise", "columns": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("U", (), {"free": 1 << 20})())
    with pytest.raises(
        MachineError, match=r"columns of 70,000 rows take 67 MiB, and 1 MiB are free"
    ):
        Pipeline([noise]).fit(wide, StepContext(0, "target", PURGE, raw_names=("a", "b")))


@pytest.mark.parametrize("step", [{"type": "lags", "lags": [1, 4, 6]}, {"type": "decompose"}])
def test_labels_of_eras_within_the_purge_change_no_column(frame, step):
    """Era 18 knows labels up to era 14, four eras before it; those after are other ones here."""
    params = get_model("transformed").Params.model_validate(
        {"transforms": [{**step, "of": "target_corr", "features": ["a", "b"]}], "placebo": 0}
    )
    model = get_model("transformed")(params)
    blind = frame.without_targets()
    ctx = FitContext(0, "target", ("target",), purge_eras=PURGE, unlabelled=blind)
    model.fit(frame.between(1, 12), ctx)

    def predicted(first_changed):
        labels = frame.targets.copy()
        labels[frame.row_eras >= first_changed] *= -1
        changed = replace(frame, targets=labels)
        history = history_before(changed, 18, model.history_eras, PURGE)
        return model.predict(blind.between(18, 18), history)

    own = predicted(99)
    assert np.array_equal(predicted(15), own)
    assert not np.array_equal(predicted(14), own)
