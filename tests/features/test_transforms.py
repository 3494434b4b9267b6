"""Every transform keeps what the protocol promises; one that does not is told how."""

from typing import ClassVar

import numpy as np
import pytest

from numerai_lab.errors import ModelError
from numerai_lab.features import (
    Step,
    StepParams,
    TransformInfo,
    check_transform,
    get_transform,
    list_transforms,
    rank_bins,
)

CASES = [
    ("relative", {}),
    ("relative", {"how": "rank", "groups": ["half"], "features": ["feature_1"], "bins": 14}),
    ("relative", {"by": "sector", "features": ["feature_0", "feature_1"]}),
    ("relative", {"by": "sector", "how": "rank", "bins": 14}),
    ("group_scores", {}),
    ("interactions", {"top": 3, "how": ["product", "difference", "ratio"]}),
    ("interactions", {"features": ["feature_1", "feature_3"], "name": "own"}),
    ("select", {"top": 3}),
    ("select", {"top": 3, "by": "stability"}),
    ("select", {"top": 3, "by": "random"}),
    ("noise", {"columns": 3}),
    ("pca", {"components": 3}),
    ("pca", {"components": 2, "groups": ["half", "rest"], "bins": 14}),
    ("era_aggregates", {"features": ["feature_2", "feature_3"]}),
    ("era_aggregates", {"top": 3, "of": ["rows", "missing", "first_component"]}),
    ("knn_graph", {"by": ["feature_2", "feature_3"], "features": ["feature_0"], "k": 3}),
    ("impute", {}),
    ("impute", {"how": "group_mean", "indicator": True, "features": ["feature_1"]}),
    ("lags", {"features": ["feature_0", "feature_1"]}),
    ("lags", {"features": ["feature_0", "feature_1"], "change": True, "lags": [2]}),
    ("lags", {"features": ["feature_0", "feature_1"], "of": "target_corr"}),
    ("lags", {"features": ["feature_0", "feature_1"], "of": "correlation"}),
    ("decompose", {"features": ["feature_0", "feature_1"], "window": 6}),
    ("decompose", {"features": ["feature_0", "feature_1"], "of": "target_corr"}),
    ("decompose", {"features": ["feature_0", "feature_1"], "of": "correlation"}),
]


@pytest.mark.parametrize(("name", "params"), CASES)
def test_keeps_its_promises(name, params):
    check_transform(get_transform(name), params)


def test_every_transform_is_tried():
    elsewhere = {"embedding", "join", "network_momentum"}  # in tests of their own
    assert {name for name, _ in CASES} | elsewhere == set(list_transforms())


def test_the_command_lists_and_explains_them(lab):
    said = lab("transforms").out
    assert "\nknn_graph        mean of features over the k nearest rows of the era" in said
    told = lab("transforms", "pca", "--json").json
    assert told["state"] == "fitted"
    rows = {row["key"]: row for row in told["params"]}
    assert set(rows) == {"name", "bins", "components", "groups"}
    assert rows["components"]["default"] == "8"
    assert "components: int = 8\n" in lab("transforms", "pca").out
    assert "did you mean 'pca'?" in lab("transforms", "pcaa").err


class MeanOfEra(Step):
    """Leaks: its columns depend on the order of rows, and on what was fitted."""

    info: ClassVar[TransformInfo] = TransformInfo(summary="wrong", state="stateless")
    Params: ClassVar[type[StepParams]] = StepParams
    kind = ""

    def fit(self, train, ctx):
        self.settings = {"sums": train.features[:40].sum(axis=0).tolist()}
        self._names = ("tried.a", "tried.b")

    def apply(self, era, past):
        order = (np.arange(era.n_rows) + sum(self.settings["sums"])) % 5
        label = era.targets.sum(axis=1) if era.target_names else np.zeros(era.n_rows)
        return np.column_stack([order, rank_bins(label[:, None], 5)[:, 0]]).astype(np.int8)


def test_one_that_breaks_promises_is_told_which():
    with pytest.raises(ModelError) as found:
        check_transform(MeanOfEra)
    for promise in ("row order does not matter", "targets are not seen", "stateless"):
        assert promise in str(found.value)


def test_bins_hold_equal_shares_and_ties_stay_together():
    values = np.concatenate([np.arange(100.0), [np.nan]])[:, None]
    bins = rank_bins(values, 4)[:, 0]
    assert np.bincount(bins[:-1]).tolist() == [25, 25, 25, 25]
    assert bins[-1] == -1
    tied = rank_bins(np.repeat([1.0, 2.0], [90, 10])[:, None], 5)[:, 0]
    assert tied.tolist() == [2] * 90 + [4] * 10
